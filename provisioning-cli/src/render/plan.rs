//! A plan as people read it: what happens to each resource, field by field, then the sum.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;
use provisioning_core::config::Workspace;
use provisioning_core::engine::OutputValue;
use provisioning_core::error::Origin;
use provisioning_core::plan::{Action, ChangeKind, Command, Plan, ResourceChange};
use provisioning_core::resource::{Cause, FieldChange};
use provisioning_core::schema::{Undo, UndoClass};
use provisioning_core::value::Value;

use super::config::written;
use super::diff::{self, Texts};
use super::value::{Part, Whole, inline, parts};
use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, count, paint};

/// From how many changes on those without anything to weigh are listed by name alone.
const MANY: usize = 40;
/// How wide a list of names is.
const WIDTH: usize = 96;
/// Where fields begin.
const INDENT: &str = "      ";

/// What a reader wants to see of a plan.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// How much of its texts.
    pub(crate) texts: Texts,
    /// The workspace that says where each value comes from, where that is wanted.
    pub(crate) origins: Option<&'a Workspace>,
}

impl View<'static> {
    /// What there is room for before a question.
    pub(crate) const SHORT: Self = Self { texts: Texts::Short, origins: None };
}

/// The plan, with its sum as the last line, against the outputs that are given now.
pub(crate) fn plan(plan: &Plan, given: &BTreeMap<String, OutputValue>, view: View<'_>) -> String {
    if plan.changes.is_empty() && plan.is_empty() {
        return nothing(plan);
    }
    let head =
        plan.undoes.as_ref().map_or("Provisioning will:".to_owned(), |run| format!("To take back run {run}, provisioning will:"));
    let mut text = format!("{}\n\n", paint(BOLD, head));
    let many = plan.changes.len() > MANY && view.origins.is_none();
    let (routine, weighty): (Vec<_>, Vec<_>) = plan.changes.iter().partition(|change| many && is_routine(change));
    write_names(&mut text, &routine);
    for change in weighty {
        write_change(&mut text, change, plan, view);
        text.push('\n');
    }
    write_outputs(&mut text, plan, given);
    if !routine.is_empty() {
        writeln!(text, "{}", paint(DIM, "The fields of what is listed by name are in `provisioning plan --json`."))
            .expect(INFALLIBLE);
    }
    text.push_str(&summary(plan));
    text
}

/// The outputs that are defined otherwise than before, as they are written.
fn write_outputs(text: &mut String, plan: &Plan, given: &BTreeMap<String, OutputValue>) {
    for name in &plan.changed_outputs {
        let (sign, style) = match (given.contains_key(name), plan.outputs.contains_key(name)) {
            (false, _) => ("+", GREEN),
            (true, true) => ("~", YELLOW),
            (true, false) => ("-", RED),
        };
        let value = plan.outputs.get(name).map_or_else(String::new, |output| {
            if output.sensitive { "  (sensitive)".to_owned() } else { format!("  {}", inline(&output.value)) }
        });
        writeln!(text, "{} output {}{value}", paint(style, format!("{sign:>3}")), paint(BOLD, name)).expect(INFALLIBLE);
    }
    if !plan.changed_outputs.is_empty() {
        text.push('\n');
    }
}

/// From how many unchanged resources on it is told how many had to be looked at closely.
const MANY_UNCHANGED: usize = 100;

fn nothing(plan: &Plan) -> String {
    let why = match (plan.command, plan.unchanged) {
        (Command::Apply, 0) => "Nothing is declared, and nothing is there.".to_owned(),
        (Command::Apply, unchanged) => {
            format!("The world is as declared ({}{}).", count(unchanged, "resource"), closely(plan))
        }
        (Command::Destroy, _) => "There is nothing to remove.".to_owned(),
        (Command::Refresh, _) => "The state agrees with the world.".to_owned(),
        (Command::Forget, _) => "There is nothing to forget.".to_owned(),
        (Command::Rollback, _) => "The world is as it was before the run.".to_owned(),
    };
    format!("{} {why}\n", paint(BOLD, "No changes."))
}

/// The symbol of a change, its verb and what makes it different from others of that verb.
fn face(kind: ChangeKind) -> (&'static str, Style, &'static str) {
    match kind {
        ChangeKind::Create => ("+", GREEN, ""),
        ChangeKind::Update => ("~", YELLOW, ""),
        ChangeKind::Replace => ("-/+", RED, ""),
        ChangeKind::ReplaceBefore => ("+/-", RED, "the new one is made first"),
        ChangeKind::Delete => ("-", RED, ""),
        ChangeKind::Read => (">", CYAN, ""),
        ChangeKind::Refresh => ("»", CYAN, "the state takes in what changed outside"),
        ChangeKind::Forget => ("»", CYAN, "the state drops it, the object stays"),
        ChangeKind::Reinstate => ("»", CYAN, "the old one is there still, and is used again"),
        ChangeKind::Rename => ("»", CYAN, ""),
    }
}

fn is_routine(change: &ResourceChange) -> bool {
    let kind = matches!(
        change.change,
        ChangeKind::Create | ChangeKind::Delete | ChangeKind::Read | ChangeKind::Refresh | ChangeKind::Forget
    );
    kind && change.reason.is_none()
}

/// One paragraph of names for all changes that are the same in everything but the name.
fn write_names(text: &mut String, changes: &[&ResourceChange]) {
    let mut sorts: BTreeMap<_, Vec<&ResourceChange>> = BTreeMap::new();
    for change in changes {
        let sort = (change.change, &change.kind, change.undo.class, &change.undo.reason);
        sorts.entry(sort).or_default().push(change);
    }
    for ((sort, kind, ..), same) in sorts {
        let (symbol, style, _) = face(sort);
        let head = paint(style, format!("{symbol:>3} {}", sort.as_str()));
        writeln!(text, "{head} {} of kind {kind}:", paint(BOLD, same.len())).expect(INFALLIBLE);
        let mut line = INDENT.to_owned();
        for change in &same {
            if line.len() + change.name.as_str().len() > WIDTH {
                writeln!(text, "{}", line.trim_end()).expect(INFALLIBLE);
                INDENT.clone_into(&mut line);
            }
            write!(line, "{}  ", change.name).expect(INFALLIBLE);
        }
        writeln!(text, "{}", line.trim_end()).expect(INFALLIBLE);
        write_undo(text, &same[0].undo);
        text.push('\n');
    }
}

const INFALLIBLE: &str = "writing to a string cannot fail";

fn write_change(text: &mut String, change: &ResourceChange, plan: &Plan, view: View<'_>) {
    let (symbol, style, note) = face(change.change);
    let verb = paint(style, format!("{symbol:>3} {}", change.change.as_str()));
    write!(text, "{verb} {} {}", change.kind, paint(BOLD, &change.name)).expect(INFALLIBLE);
    let was = (change.change == ChangeKind::Rename).then(|| former_name(change, plan)).flatten();
    let notes = [(!note.is_empty()).then(|| note.to_owned()), was, change.reason.clone()];
    let notes: Vec<_> = notes.into_iter().flatten().collect();
    if !notes.is_empty() {
        write!(text, "  {}", paint(YELLOW, format!("# {}", notes.join("; ")))).expect(INFALLIBLE);
    }
    writeln!(text, "{}", place(change.origin.as_ref())).expect(INFALLIBLE);
    write_fields(text, change, view);
    write_undo(text, &change.undo);
}

fn former_name(change: &ResourceChange, plan: &Plan) -> Option<String> {
    plan.steps.iter().filter(|step| step.resource == change.name).find_map(|step| match &step.action {
        Action::Rename { from } => Some(format!("was `{from}`")),
        _ => None,
    })
}

fn place(origin: Option<&Origin>) -> String {
    origin.map_or(String::new(), |origin| format!("  {}", paint(DIM, format!("{}:{}", origin.file, origin.line))))
}

fn write_undo(text: &mut String, undo: &Undo) {
    let what = match undo.class {
        UndoClass::Reversible => return,
        UndoClass::Lossy => "undoing this is lossy",
        UndoClass::Irreversible => "this cannot be undone",
    };
    let colon = if undo.reason.is_empty() { "" } else { ": " };
    writeln!(text, "{INDENT}{}", paint(RED, format!("! {what}{colon}{}", undo.reason))).expect(INFALLIBLE);
}

fn write_fields(text: &mut String, change: &ResourceChange, view: View<'_>) {
    let rows: Vec<(&FieldChange, Vec<Part>)> = change
        .fields
        .iter()
        .map(|field| {
            let mut found = Vec::new();
            let whole = if view.origins.is_some() { Whole::Leaves } else { Whole::Lines };
            parts(&field.field, [&field.before, &field.after], whole, &mut found);
            (field, found)
        })
        .collect();
    let width = rows.iter().flat_map(|(_, parts)| parts).map(|part| part.path.chars().count()).max().unwrap_or(0);
    let compared = !matches!(change.change, ChangeKind::Create | ChangeKind::Read | ChangeKind::Delete);
    for (field, parts) in rows {
        for part in parts {
            let (sign, value) = sides(&part, compared);
            let mut notes = if compared { notes(field) } else { String::new() };
            match view.origins {
                Some(workspace) => notes += &origin(workspace, change, &part),
                None if compared => notes += &place(field.origin.as_ref()),
                None => {}
            }
            let line = format!("{INDENT}{sign}{:width$}  {value}{notes}", part.path);
            writeln!(text, "{}", line.trim_end()).expect(INFALLIBLE);
        }
        if compared || view.texts == Texts::All {
            diff::write(text, field, view.texts);
        }
    }
}

/// The sign of a row and its values.
fn sides(part: &Part, compared: bool) -> (&'static str, String) {
    let (before, after) = (inline(&part.before), inline(&part.after));
    match (&part.before, &part.after) {
        (Value::Null, _) => (if compared { "+ " } else { "" }, after),
        (_, Value::Null) => (if compared { "- " } else { "" }, before),
        _ if before == after => ("~ ", format!("{after}, changed")),
        _ => ("~ ", format!("{before} {} {after}", paint(YELLOW, "->"))),
    }
}

fn notes(field: &FieldChange) -> String {
    let replaces = field.forces_replacement.then_some("forces replacement");
    let drifted = (field.cause == Cause::Drifted).then_some("changed outside");
    let notes: Vec<_> = [replaces, drifted].into_iter().flatten().collect();
    if notes.is_empty() { String::new() } else { format!("  {}", paint(RED, format!("# {}", notes.join(", ")))) }
}

/// Where the value of a row was written, and what that overrides.
fn origin(workspace: &Workspace, change: &ResourceChange, part: &Part) -> String {
    let from = match workspace.origin(&change.name, &part.path) {
        Some(origin) => written(origin, &workspace.overridden(origin)),
        None if part.after == Value::Null => return String::new(),
        None => "the default of the kind".to_owned(),
    };
    format!("  {}", paint(DIM, format!("<- {from}")))
}

/// How many changes there are of each verb, in the order in which they are summed up.
pub(super) fn tally(plan: &Plan) -> [(usize, &'static str); 9] {
    let number = |verb: &str| plan.changes.iter().filter(|change| change.change.as_str() == verb).count();
    ["create", "update", "replace", "delete", "read", "refresh", "forget", "reinstate", "rename"].map(|verb| (number(verb), verb))
}

fn summary(plan: &Plan) -> String {
    // What most plans are about is always there, so that the eye finds it.
    let shown = tally(plan).into_iter().enumerate().filter(|(place, (number, _))| *place < 4 || *number > 0);
    let parts: Vec<_> = shown.map(|(_, (number, verb))| format!("{number} to {verb}")).collect();
    format!("{} {}, {} unchanged{}.\n", paint(BOLD, "Plan:"), parts.join(", "), plan.unchanged, closely(plan))
}

/// How many resources were compared field by field, where there are many.
fn closely(plan: &Plan) -> String {
    if plan.unchanged < MANY_UNCHANGED { String::new() } else { format!(", {} compared field by field", plan.compared) }
}

#[cfg(test)]
pub(crate) use tests::sample;
#[cfg(test)]
mod tests;
