//! What becomes of the texts of a resource, line by line, for people.
//!
//! Nothing is decided by it, and nothing of it is kept: a text of which the state has only a digest must not reach the
//! disk by being compared. The only file that names the crate that compares lines.

use std::sync::Arc;

use similar::TextDiff;

/// The largest text that is compared, in bytes: 64 KiB.
const MAX_COMPARED_BYTES: usize = 64 << 10;

/// How many lines two texts may have that are compared: what compares them takes as long as their product.
const MAX_LINES: usize = 10_000;

/// How many unchanged lines stand around a changed one.
const CONTEXT: usize = 3;

/// What becomes of one text in a field.
#[derive(Debug, Clone, PartialEq)]
pub struct TextChange {
    /// Its path: the field, then keys and places; for the source of a template, the template.
    pub path: String,
    /// What becomes of it.
    pub fate: TextFate,
}

/// What becomes of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum TextFate {
    /// It becomes another one.
    Becomes {
        /// The text now; empty where there is none.
        before: Arc<str>,
        /// The text to be; empty where there will be none.
        after: Arc<str>,
    },
    /// It is rendered when these variables of its template are known.
    Awaits(Vec<String>),
}

impl TextChange {
    /// A text that becomes another one.
    pub fn of(path: impl Into<String>, before: &Arc<str>, after: &Arc<str>) -> Self {
        Self { path: path.into(), fate: TextFate::Becomes { before: before.clone(), after: after.clone() } }
    }
}

/// The difference of two texts as `diff -u` writes it, without the names of files; `None` for texts that are too long to
/// be compared.
pub fn unified(before: &str, after: &str) -> Option<String> {
    let lines = before.lines().count() + after.lines().count();
    if before.len().max(after.len()) > MAX_COMPARED_BYTES || lines > MAX_LINES {
        return None;
    }
    Some(TextDiff::from_lines(before, after).unified_diff().context_radius(CONTEXT).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_stands_between_three_lines_that_stay() {
        let lines = |changed: &str| format!("1\n2\n3\n4\n{changed}\n6\n7\n8\n9\n");
        assert_eq!(unified(&lines("5"), &lines("five")).expect("short"), "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    }

    #[test]
    fn the_end_of_the_last_line_counts() {
        assert_eq!(unified("a\n", "a").expect("short"), "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
        assert_eq!(unified("", "a\n").expect("short"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a\n", "a\n").expect("short"), "");
    }

    #[test]
    fn long_texts_are_not_compared() {
        assert!(unified("", &"x".repeat(MAX_COMPARED_BYTES)).is_some());
        assert_eq!(unified("", &"x".repeat(MAX_COMPARED_BYTES + 1)), None);
        assert_eq!(unified("", &"\n".repeat(MAX_LINES + 1)), None);
    }
}
