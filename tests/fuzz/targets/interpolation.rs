//! References in strings: cutting one up never fails in another way than by an error, what is written as a literal comes back as it was, and
//! resolving a reference gives its value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provisioning_core::error::Error;
use provisioning_core::value::{Reference, Template, Value};

fuzz_target!(|text: &str| {
    let literal = Value::from(text).to_literal();
    let none = |reference: &Reference| -> Result<Value, Error> { panic!("`{reference}` in a literal") };
    assert_eq!(literal.resolve(&mut { none }).expect("a literal has nothing to resolve"), Value::from(text));
    let Ok(template) = Template::parse(text) else { return };
    let same = template.substitute(&mut |_| Ok(None)).expect("nothing is replaced");
    let again = Template::parse(same.as_str().expect("a text stays a text")).expect("what was written parses");
    assert!(template.references().eq(again.references()), "{text:?} became {same:?}");
    let resolved = template.resolve(&mut |reference| Ok(reference.to_string().as_str().into()));
    let resolved = resolved.expect("texts can stand amid text");
    assert!(resolved.as_str().is_some());
});
