//! What only Nickel can get right or wrong: functions, imports, contracts, and programs that do not end.
//!
//! What a document means is tested with TOML in [`mistakes`](super::mistakes).

use std::collections::BTreeMap;
use std::path::Path;

use super::fixture::{Folder, registry};
use super::named;
use crate::config::library::{Weight, library};
use crate::config::nickel::{Program, evaluate};
use crate::config::source::Source;
use crate::error::ErrorKind;
use crate::value::Value;

fn problems(text: &str) -> Vec<String> {
    let files = [("main.ncl", text), ("broken.ncl", "{ a = \n  }"), ("late.ncl", "{ b = { c | Number = \"x\" } }")];
    let error = Folder::new(&files).load().expect_err(text);
    let hint = |hint: &Option<String>| hint.as_ref().map_or(String::new(), |hint| format!(" | {hint}"));
    error.diagnostics().iter().map(|problem| format!("{problem}{}", hint(&problem.hint))).collect()
}

#[test]
fn imports_are_looked_up_beside_their_file() {
    let main = "let p = import \"provisioning.ncl\" in { providers.lab = p.local {}, resources = import \"net/all.ncl\" }";
    let all = "let p = import \"provisioning.ncl\" in\n{ n = p.network (import \"range.ncl\") }";
    let folder = Folder::new(&[("main.ncl", main), ("net/all.ncl", all), ("net/range.ncl", "{\n cidr = \"10.0.0.0/8\" }")]);
    let desired = folder.load().expect("loads").desired;
    let network = named(&desired, "n");
    assert_eq!(network.origin.as_ref().expect("placed").to_string(), "net/all.ncl:2:3");
    assert_eq!(network.origins["cidr"].to_string(), "net/range.ncl:2:9");
}

#[test]
fn a_template_is_a_path_and_its_variables() {
    let main = r#"let p = import "provisioning.ncl" in
    { providers.lab = p.local {}, resources.a = p.file { path = "/a", content = p.template "a.j2" { x = 1 } } }"#;
    let folder = Folder::new(&[("main.ncl", main), ("a.j2", "{{ x }}")]);
    let desired = folder.load().expect("loads").desired;
    let Some(Value::Render(render)) = named(&desired, "a").inputs.field("content") else { panic!("not a template") };
    assert_eq!((&*render.source, &render.variables), ("{{ x }}", &Value::map([("x", Value::Integer(1))])));
}

#[test]
fn values_become_the_data_they_stand_for() {
    let main = r#"let p = import "provisioning.ncl" in
    { providers.lab = p.local {},
      outputs = { whole = 4 / 2, part = 1 / 4, tag = 'Up, none = null, hidden | not_exported = 1, list = [1, [true]] } }"#;
    let outputs = Folder::new(&[("main.ncl", main)]).load().expect("loads").desired.outputs;
    let expected = [
        ("list", Value::list([Value::Integer(1), Value::list([Value::Bool(true)])])),
        ("none", Value::Null),
        ("part", Value::Float(0.25)),
        ("tag", Value::from("Up")),
        ("whole", Value::Integer(2)),
    ];
    assert_eq!(
        outputs.into_iter().map(|(name, output)| (name, output.value)).collect::<Vec<_>>(),
        expected.map(|(name, value)| (name.to_owned(), value))
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_wrong_program_is_told_what_is_wrong_and_where() {
    let cases: &[(&str, &[&str])] = &[
        ("{\n  providers = \n}", &["main.ncl:3:1: unexpected token"]),
        ("{\n  a = import \"none.ncl\" }", &["main.ncl:2:7: import of none.ncl failed: could not find import"]),
        ("{\n  a = import \"broken.ncl\" }", &["broken.ncl:2:3: unexpected token"]),
        (
            "let p = import \"provisioning.ncl\" in\n{ provider = {} } | p.Infrastructure",
            &["main.ncl:2:3: `provider`: is not a section | did you mean `providers`?"],
        ),
        (
            "let p = import \"provisioning.ncl\" in\n1 | p.Infrastructure",
            &[
                "main.ncl:2:1: contract broken by a value: expected a record of declarations (expected type `p.Infrastructure`, found `1`)",
            ],
        ),
        (
            "let p = import \"provisioning.ncl\" in\n{ resources.a = p.file \"x\" }",
            &["main.ncl:2:24: contract broken by a value: expected a record of fields (found `\"x\"`)"],
        ),
        (
            "let p = import \"provisioning.ncl\" in\n{ resources.a = p.fil {} }",
            &["main.ncl:2:17: missing field `fil` (this requires the field `fil` to exist: `p.fil`) | did you mean `file`?"],
        ),
        (
            "let p = import \"provisioning.ncl\" in\n{ providers.lab = p.local {}, resources.a = p.file {\n path = 1 } }",
            &["main.ncl:3:9: `resources.a.path`: expected string, found the integer `1`"],
        ),
        ("{ a = missing }", &["main.ncl:1:7: unbound identifier `missing`"]),
        (
            "{ resources = {\n a = { port | Number = \"x\" },\n b = { port | Number = \"y\" },\n c = { d | String } } }",
            &[
                "main.ncl:2:24: contract broken by the value of `port` (expected type `Number`, found `\"x\"`)",
                "main.ncl:3:24: contract broken by the value of `port` (expected type `Number`, found `\"y\"`)",
                "main.ncl:4:8: missing definition for `d` (in this record: `{ d | String }`)",
            ],
        ),
        (
            "{ resources = import \"late.ncl\" }",
            &["late.ncl:1:22: contract broken by the value of `c` (expected type `Number`, found `\"x\"`)"],
        ),
        ("{ resources = {\n a | Number } }", &["main.ncl:2:2: `a` is declared and has no value"]),
        (
            "{ outputs = {\n a = b, b = a } }",
            &[
                "main.ncl:2:6: infinite recursion (recursive reference: `b`) | the fields of a record see one another, so `x = x` is made of itself: write `include x` for a variable from outside, or give one of the two another name",
                "main.ncl:2:13: infinite recursion (recursive reference: `a`) | the fields of a record see one another, so `x = x` is made of itself: write `include x` for a variable from outside, or give one of the two another name",
            ],
        ),
        ("{ outputs = {\n a = fun x => x } }", &["main.ncl:2:6: expected data, found a function"]),
        ("{ outputs = {\n a = 'Tag 1 } }", &["main.ncl:2:6: expected data, found an enum variant with an argument"]),
        (
            "{ outputs = {\n a = 1 + \"x\" } }",
            &[
                "main.ncl:2:10: dynamic type error (this expression has type String, but Number was expected: `\"x\"`) | (+) expects its 2nd argument to be a Number",
            ],
        ),
        (
            "{ outputs = {\n a | std.string.NonEmpty = \"\" } }",
            &[
                "main.ncl:2:28: contract broken by the value of `a`: empty string (expected type `std.string.NonEmpty`, found `\"\"`)",
            ],
        ),
        ("1", &["main.ncl:1:1: expected a map of sections, found an integer"]),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), *expected, "{text}");
    }
}

#[test]
fn a_program_without_an_end_is_stopped() {
    let endless = [
        "let rec f = fun n => f (n + 1) in { outputs.a = f 0 }",
        "let rec f = fun n => { a = f (n + 1) } in { outputs.a = f 0 }",
        "let rec f = fun n => 1 + f (n + 1) in { outputs.a = f 0 }",
        "{ outputs.a = (fun x => x x) (fun x => x x) }",
    ];
    for text in endless {
        let source = Source::new("main.ncl", text);
        let (library, given) = (library(&registry(), Weight::Shape), BTreeMap::new());
        let program = Program { source: &source, root: Path::new("/shop"), library: &library, given: &given, steps: 100_000 };
        let error = evaluate(program).expect_err(text);
        assert_eq!(error.to_string(), "the evaluation of `main.ncl` takes more than 100000 steps");
        assert_eq!(error.kind(), ErrorKind::Limited);
    }
}
