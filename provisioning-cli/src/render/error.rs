//! What went wrong, for people with the line of the source it is about, and for programs as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use provisioning_core::error::{Diagnostic, Error, Failure, Origin};
use serde_json::{Value as Json, json};

use super::{BOLD, CYAN, DIM, RED, count, paint};
use crate::exit::{Problem, of_kind};

/// How many problems of an input are shown.
const SHOWN: usize = 20;
/// The longest part of a line that is shown, in characters.
const WIDTH: usize = 110;

const INFALLIBLE: &str = "writing to a string cannot fail";

/// The problem, its places and its hints; files are looked for below a folder.
pub(crate) fn problem(problem: &Problem, folder: &Path) -> String {
    match problem {
        Problem::Usage { message, hint } => format!("{}\n{}", headline(message), advice("", hint)),
        Problem::Engine(error) => engine(error, folder),
    }
}

/// The problem as `{ "error": { kind, message, hint, diagnostics } }`.
pub(crate) fn document(problem: &Problem) -> Json {
    match problem {
        Problem::Usage { message, hint } => {
            json!({ "error": { "kind": "usage", "message": message, "hint": hint, "context": {}, "diagnostics": [] } })
        }
        Problem::Engine(error) => {
            let message = Failure::from(error).message;
            let context: BTreeMap<_, _> = error.context().iter().cloned().collect();
            let (kind, hint, diagnostics) = (error.kind(), hint(error), error.diagnostics());
            json!({ "error": { "kind": kind, "message": message, "hint": hint, "context": context, "diagnostics": diagnostics } })
        }
    }
}

pub(super) fn headline(message: &str) -> String {
    format!("{} {message}", paint(RED.bold(), "error:"))
}

pub(super) fn advice(indent: &str, hint: &str) -> String {
    format!("{indent}{} {hint}\n", paint(CYAN, "hint:"))
}

fn hint(error: &Error) -> Option<&str> {
    error.hint().or(of_kind(error.kind()).hint)
}

fn engine(error: &Error, folder: &Path) -> String {
    if !error.diagnostics().is_empty() {
        let mut text = format!("{}\n", headline(&format!("{} in the input", count(error.diagnostics().len(), "problem"))));
        error.diagnostics().iter().take(SHOWN).for_each(|diagnostic| write_diagnostic(&mut text, diagnostic, folder));
        if error.diagnostics().len() > SHOWN {
            writeln!(text, "  … and {} more; `--json` gives all", error.diagnostics().len() - SHOWN).expect(INFALLIBLE);
        }
        return text;
    }
    let message = Failure::from(error).message;
    let mut text = format!("{}\n", headline(&message));
    for (key, value) in error.context().iter().filter(|(_, value)| !message.contains(&format!("`{value}`"))) {
        writeln!(text, "  {key}: {value}").expect(INFALLIBLE);
    }
    text.push_str(&hint(error).map_or(String::new(), |hint| advice("", hint)));
    text
}

fn write_diagnostic(text: &mut String, diagnostic: &Diagnostic, folder: &Path) {
    let place = diagnostic.origin.as_ref().map_or(String::new(), |origin| format!("{}: ", paint(BOLD, origin)));
    let field = if diagnostic.field.is_empty() { String::new() } else { format!("{}: ", diagnostic.field) };
    writeln!(text, "  {place}{field}{}", diagnostic.message).expect(INFALLIBLE);
    if let Some(source) = diagnostic.origin.as_ref().and_then(|origin| source(origin, folder)) {
        text.push_str(&source);
    }
    if let Some(hint) = &diagnostic.hint {
        text.push_str(&advice("    ", hint));
    }
}

/// The line that is meant, of a long one the part that is meant, with a mark under the column; nothing when it cannot
/// be read.
fn source(origin: &Origin, folder: &Path) -> Option<String> {
    let content = std::fs::read_to_string(folder.join(origin.file.as_ref())).ok()?;
    let line = content.trim_start_matches('\u{feff}').lines().nth(usize::try_from(origin.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(origin.column).ok()?.saturating_sub(1);
    let start = if line.chars().nth(WIDTH).is_some() { column.saturating_sub(WIDTH / 2) } else { 0 };
    // What a terminal would obey is not shown to it.
    let seen = |letter: char| if letter.is_control() && letter != '\t' { '·' } else { letter };
    let shown: String = line.chars().skip(start).take(WIDTH).map(seen).collect();
    let before: String = shown.chars().take(column - start).map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
    let (cut, below) = if start > 0 { ("…", " ") } else { ("", "") };
    let (gutter, margin) = (format!("{:>5} | {cut}", origin.line), format!("{:>5} | {below}", ""));
    Some(format!("{}{shown}\n{}{before}{}\n", paint(DIM, gutter), paint(DIM, margin), paint(RED.bold(), "^")))
}

#[cfg(test)]
mod tests {
    use provisioning_core::error::ErrorKind;

    use super::super::plain;
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_it_is_about() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("main.ncl"), "{\n  size = \"x\",\n}\n").expect("written");
        let origin = Some(Origin { file: "main.ncl".into(), line: 2, column: 10 });
        let first =
            Diagnostic::new(origin, "resources.web.size", "expected an integer, found \"x\"").with_hint("drop the quotes");
        let second = Diagnostic::new(None, "", "there is no provider");
        let error = Error::from_diagnostics(vec![first, second]).expect("two");
        let expect = "error: 2 problems in the input
  main.ncl:2:10: resources.web.size: expected an integer, found \"x\"
    2 |   size = \"x\",
      |          ^
    hint: drop the quotes
  there is no provider
";
        assert_eq!(plain(&problem(&error.into(), directory.path())), expect);
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_place_alone() {
        let origin = Some(Origin { file: "missing.ncl".into(), line: 1, column: 1 });
        let error = Error::from_diagnostics(vec![Diagnostic::new(origin, "", "wrong")]).expect("one");
        assert_eq!(
            plain(&problem(&error.into(), Path::new("/nowhere"))),
            "error: 1 problem in the input\n  missing.ncl:1:1: wrong\n"
        );
    }

    #[test]
    fn causes_circumstances_and_advice_follow_the_message() {
        let source = std::io::Error::other("disk full");
        let error = Error::new(ErrorKind::Conflict, "cannot write").with_source(source);
        let error = error.with_context("path", "/srv").with_hint("look at the log");
        let expect = "error: cannot write: disk full\n  path: /srv\nhint: look at the log\n";
        assert_eq!(plain(&problem(&error.into(), Path::new("/nowhere"))), expect);
    }

    #[test]
    fn programs_get_every_part_by_name() {
        let error = Error::new(ErrorKind::NotFound, "there is no run").with_hint("look at `runs`");
        let expect = json!({ "error": { "kind": "not_found", "message": "there is no run", "hint": "look at `runs`", "context": {}, "diagnostics": [] } });
        assert_eq!(document(&error.into()), expect);
    }
}
