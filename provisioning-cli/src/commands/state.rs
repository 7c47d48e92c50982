//! `show` and `output`: what the workspace has, and what it gives back.

use provisioning_core::error::{Error, ErrorKind};
use provisioning_core::name::suggestion;
use provisioning_core::value::Value;

use super::look;
use crate::console::{Console, print};
use crate::exit::{DONE, Problem};
use crate::render;
use crate::render::report::Reveal;
use crate::workspace::Start;

pub(super) async fn show(console: Console, start: &Start, name: Option<&str>) -> Result<u8, Problem> {
    let rows = look(start)?.engine.state().await?;
    match name {
        None => console.show(&rows, || render::state::rows(&rows))?,
        Some(name) => {
            let row = rows.get(name).ok_or_else(|| unknown("resource", name, rows.keys().map(AsRef::as_ref)))?;
            console.show(row, || render::state::row(row))?;
        }
    }
    Ok(DONE)
}

pub(super) async fn output(console: Console, start: &Start, name: Option<&str>, reveal: bool) -> Result<u8, Problem> {
    let reveal = if reveal { Reveal::Yes } else { Reveal::No };
    let outputs = look(start)?.engine.outputs().await?;
    let Some(name) = name else {
        console.show(&render::report::documents(&outputs, reveal), || {
            let none = "No outputs: `provisioning apply` gives those that are declared.";
            if outputs.is_empty() { none.to_owned() } else { render::report::outputs(&outputs, reveal) }
        })?;
        return Ok(DONE);
    };
    let output = outputs.get(name).ok_or_else(|| unknown("output", name, outputs.keys().map(String::as_str)))?;
    if console.is_json() {
        console.show(&render::report::document(output, reveal), String::new)?;
        return Ok(DONE);
    }
    // A script that reads one value must not take a mask for it.
    let value = render::report::raw(output, reveal).ok_or_else(|| match (output.sensitive, reveal) {
        (true, Reveal::No) => {
            Error::new(ErrorKind::Denied, format!("the output `{name}` is sensitive")).with_hint("`--reveal` shows it")
        }
        _ if output.value.any(&|part| matches!(part, Value::Sealed(_))) => {
            Error::new(ErrorKind::Denied, format!("the output `{name}` is sealed"))
                .with_hint("an identity that opens the keys of the workspace has to be at hand")
        }
        _ => Error::new(ErrorKind::NotFound, format!("the output `{name}` has no value that is kept"))
            .with_hint("it has one after an apply; of a secret only the digest is kept where the workspace has no keys"),
    })?;
    print(&value)?;
    Ok(DONE)
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    let hint = suggestion(name, known).unwrap_or_else(|| format!("there is no {what} yet: `provisioning apply` makes them"));
    Error::new(ErrorKind::NotFound, format!("there is no {what} `{name}`")).with_hint(hint)
}
