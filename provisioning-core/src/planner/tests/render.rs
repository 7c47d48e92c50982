//! A plan in a line or two: what changes, then the steps with what each requires (`<`) and comes after (`~`).

use crate::error::{Error, Result};
use crate::plan::{ChangeKind, Plan, ResourceChange, Step};
use crate::resource::{Cause, FieldChange};
use crate::value::Value;

pub(super) fn result(planned: &Result<Plan>) -> String {
    match planned {
        Ok(plan) => self::plan(plan),
        Err(error) => self::error(error),
    }
}

/// The same text with every run of white space made one space, and with changes and steps sorted: which of two that do
/// not depend on one another stands first says nothing.
pub(super) fn flat(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((changes, steps)) = text.split_once(" | ") else { return text };
    let mut steps: Vec<_> = steps.split(" ; ").collect();
    steps.sort_unstable();
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in changes.chars() {
        depth += i32::from(letter == '(' || letter == '[') - i32::from(letter == ')' || letter == ']');
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one").push(letter),
        }
    }
    let mut changes: Vec<_> = parts.iter().map(|part| part.trim()).collect();
    changes.sort_unstable();
    format!("{} | {}", changes.join(", "), steps.join(" ; "))
}

fn plan(plan: &Plan) -> String {
    if plan.steps.is_empty() && plan.changes.is_empty() {
        return "nothing".into();
    }
    let changes: Vec<_> = plan.changes.iter().map(change).collect();
    let steps: Vec<_> = plan.steps.iter().map(step).collect();
    format!("{} | {}", changes.join(", "), steps.join(" ; "))
}

fn change(change: &ResourceChange) -> String {
    let verb = if change.change == ChangeKind::ReplaceBefore { "replace-before" } else { change.change.as_str() };
    let mut text = format!("{verb} {}", change.name);
    if !matches!(change.change, ChangeKind::Create | ChangeKind::Read) && !change.fields.is_empty() {
        let fields: Vec<_> = change.fields.iter().map(field).collect();
        text.extend([" (", &fields.join(", "), ")"]);
    }
    if let Some(reason) = &change.reason {
        text.extend([" [", reason, "]"]);
    }
    text
}

/// A field with its old and its new value; `!` stands before one that forces a replacement, `~` before a drifted one.
fn field(change: &FieldChange) -> String {
    let forces = if change.forces_replacement { "!" } else { "" };
    let drifted = if change.cause == Cause::Drifted { "~" } else { "" };
    format!("{forces}{drifted}{} {}->{}", change.field, value(&change.before), value(&change.after))
}

fn value(value: &Value) -> String {
    match value {
        Value::Unknown => "?".into(),
        Value::Null => "-".into(),
        Value::Digest(_) | Value::Sealed(_) => "***".into(),
        Value::String(text) => text.to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(" ")),
        other => serde_json::to_string(other).expect("it serialises"),
    }
}

fn step(step: &Step) -> String {
    let mut text = step.id.to_string();
    if !step.requires.is_empty() || !step.after.is_empty() {
        text += " <";
    }
    step.requires.iter().for_each(|on| text.extend([" ", on.as_str()]));
    step.after.iter().for_each(|on| text.extend([" ~", on.as_str()]));
    text
}

fn error(error: &Error) -> String {
    let one = |message: String, hint: Option<&str>| match hint {
        Some(hint) => format!("{message}; hint: {hint}"),
        None => message,
    };
    let messages: Vec<_> = match error.diagnostics() {
        [] => vec![one(error.to_string(), error.hint())],
        problems => problems.iter().map(|problem| one(problem.to_string(), problem.hint.as_deref())).collect(),
    };
    format!("{}: {}", error.kind().as_str(), messages.join(" + "))
}
