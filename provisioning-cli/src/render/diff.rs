//! Texts that change, line by line, below the field of a plan that they stand in, and in the plan as JSON.

use std::fmt::Write as _;

use provisioning_core::plan::Plan;
use provisioning_core::resource::{FieldChange, TextChange, TextFate, unified};
use serde::{Serialize, Serializer, ser};
use serde_json::json;

use super::{CYAN, DIM, GREEN, RED, count, paint};

/// How many lines of one text are shown where not all are asked for.
const LINES: usize = 60;
/// Where the lines begin.
const INDENT: &str = "          ";

const INFALLIBLE: &str = "writing to a string cannot fail";

/// How much of the texts that change is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Texts {
    /// The first lines of what changes.
    Short,
    /// Every line, and those of what is new too.
    All,
}

/// What becomes of the texts in a field.
pub(super) fn write(text: &mut String, field: &FieldChange, shown: Texts) {
    for change in &field.texts {
        if change.path != *field.field {
            writeln!(text, "{}{}", &INDENT[2..], paint(DIM, &change.path)).expect(INFALLIBLE);
        }
        let limit = if shown == Texts::All { usize::MAX } else { LINES };
        let Some(diff) = lines(change) else { continue };
        for line in diff.lines().take(limit) {
            writeln!(text, "{INDENT}{}", coloured(line)).expect(INFALLIBLE);
        }
        let more = diff.lines().count().saturating_sub(limit);
        if more > 0 {
            let note = format!("… {} more; `plan --diff` shows all", count(more, "line"));
            writeln!(text, "{INDENT}{}", paint(DIM, note)).expect(INFALLIBLE);
        }
    }
}

/// The difference as text; what there is to say where there is none.
fn lines(change: &TextChange) -> Option<String> {
    match &change.fate {
        TextFate::Becomes { before, after } => {
            Some(unified(before, after).unwrap_or_else(|| "too long to be compared line by line".to_owned()))
        }
        TextFate::Awaits(variables) if variables.is_empty() => None,
        TextFate::Awaits(variables) => Some(format!("its template awaits {}", variables.join(", "))),
    }
}

fn coloured(line: &str) -> String {
    // What a terminal would obey is not shown to it.
    let line: String = line.chars().map(|letter| if letter.is_control() && letter != '\t' { '·' } else { letter }).collect();
    match line.chars().next() {
        Some('+') => paint(GREEN, line),
        Some('-') => paint(RED, line),
        Some('@') => paint(CYAN, line),
        Some(' ') | None => line,
        Some(_) => paint(DIM, line),
    }
}

/// A plan as JSON, with the differences of its texts: they are no part of the plan that is kept.
pub(crate) struct WithTexts<'a>(pub(crate) &'a Plan);

impl Serialize for WithTexts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serde_json::to_value(self.0).map_err(ser::Error::custom)?;
        for (place, change) in self.0.changes.iter().enumerate() {
            for (at, field) in change.fields.iter().enumerate().filter(|(_, field)| !field.texts.is_empty()) {
                let texts = field.texts.iter().filter_map(|text| Some(json!({ "path": text.path, "diff": lines(text)? })));
                document["changes"][place]["fields"][at]["texts"] = texts.collect();
            }
        }
        document.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use provisioning_core::resource::Cause;
    use provisioning_core::value::Value;

    use super::super::plain;
    use super::*;

    fn shown(before: &str, after: &str, texts: Texts) -> String {
        let mut text = String::new();
        let field = FieldChange {
            field: "content".into(),
            before: Value::Null,
            after: Value::Null,
            cause: Cause::Edited,
            forces_replacement: false,
            origin: None,
            texts: vec![TextChange::of("content", &before.into(), &after.into())],
        };
        write(&mut text, &field, texts);
        plain(&text)
    }

    #[test]
    fn a_long_difference_is_cut_unless_all_is_asked_for() {
        let before = "line\n".repeat(100);
        let short = shown(&before, "", Texts::Short);
        assert_eq!(short.lines().count(), LINES + 1);
        assert!(short.ends_with("… 41 lines more; `plan --diff` shows all\n"), "{short}");
        assert_eq!(shown(&before, "", Texts::All).lines().count(), 101);
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown_to_it() {
        assert_eq!(shown("a\n", "\u{1b}[2J\n", Texts::Short), "          @@ -1 +1 @@\n          -a\n          +·[2J\n");
    }

    #[test]
    fn what_is_too_long_says_so() {
        let expect = "          too long to be compared line by line\n";
        assert_eq!(shown("", &"x".repeat(1 << 20), Texts::Short), expect);
    }
}
