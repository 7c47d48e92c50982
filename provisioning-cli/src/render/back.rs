//! How a plan would be taken back: the inverse of each change, last change first, and what that costs.

use std::fmt::Write as _;

use provisioning_core::plan::{ChangeKind, Plan, ResourceChange};
use provisioning_core::schema::UndoClass;

use super::{BOLD, GREEN, RED, YELLOW, paint};

/// The way back from a plan; empty where there is none.
pub(crate) fn way_back(plan: &Plan) -> String {
    let lines: Vec<_> = plan.changes.iter().rev().filter_map(line).collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n\n", paint(BOLD, "Taken back, it would be:"));
    for [verb, name, cost] in lines {
        writeln!(text, "  {verb} {name}  {cost}").expect("writing to a string cannot fail");
    }
    text
}

fn line(change: &ResourceChange) -> Option<[String; 3]> {
    let verb = match change.change {
        ChangeKind::Create => "delete",
        ChangeKind::Update => "change back",
        ChangeKind::Replace | ChangeKind::ReplaceBefore | ChangeKind::Reinstate => "replace again",
        ChangeKind::Delete => "create again",
        ChangeKind::Forget => "take up again",
        ChangeKind::Rename => "rename back",
        ChangeKind::Read | ChangeKind::Refresh => return None,
    };
    let reason = if change.undo.reason.is_empty() { String::new() } else { format!(": {}", change.undo.reason) };
    let cost = match change.undo.class {
        UndoClass::Reversible => paint(GREEN, "reversible"),
        UndoClass::Lossy => paint(YELLOW, format!("lossy{reason}")),
        UndoClass::Irreversible => paint(RED, format!("what was there does not come back{reason}")),
    };
    Some([verb.to_owned(), format!("{} {}", change.kind, paint(BOLD, &change.name)), cost])
}
