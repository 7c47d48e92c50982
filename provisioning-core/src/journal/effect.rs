//! What a record does to the state.
//!
//! The one place that makes state rows, for a run as it happens and for a replay alike.

use serde::{Deserialize, Serialize};

use crate::name::{ResourceName, RunId};
use crate::plan::{Action, Step};
use crate::record::{Object, StepFact};
use crate::resource::StateRow;
use crate::value::Value;

/// A change to one row of the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowChange {
    /// The row is written; the store sets its version.
    Put(Box<StateRow>),
    /// The row goes.
    Remove(ResourceName),
}

/// What a record of a step does to the state.
///
/// `row` is the present row of the resource (for a rename, of its old name); `inputs` are those of the last `Started`
/// record.
pub fn effect(run: &RunId, step: &Step, row: Option<&StateRow>, inputs: &Value, fact: &StepFact) -> Vec<RowChange> {
    match (fact, &step.action) {
        // What a service does on its host cannot be searched for: it is known from the moment it may begin.
        // What could not be resolved reached no host.
        (StepFact::Started { inputs, .. }, Action::ApplyService) if row.is_none() && *inputs != Value::Null => {
            vec![put(begun(run, step, inputs))]
        }
        (StepFact::Identified { object }, Action::Create) => {
            vec![put(StateRow { tainted: true, ..made(run, step, row, inputs, Object::bare(object)) })]
        }
        (StepFact::Succeeded { object: Some(object) }, Action::Create | Action::Update | Action::ApplyService) => {
            vec![put(made(run, step, row, inputs, object.clone()))]
        }
        (StepFact::Succeeded { object: Some(object) }, Action::Refresh) => {
            row.map_or_else(Vec::new, |row| vec![put(StateRow { object: Some(object.clone()), ..kept(run, step, row) })])
        }
        (StepFact::Succeeded { .. }, Action::Rename { from }) => row.map_or_else(Vec::new, |row| {
            let renamed = StateRow { name: step.resource.clone(), role: step.role.clone(), ..kept(run, step, row) };
            vec![RowChange::Remove(from.clone()), put(renamed)]
        }),
        (StepFact::Succeeded { .. }, Action::Reinstate { inputs }) => reinstated(run, step, row, inputs),
        (StepFact::Succeeded { object: None }, Action::Delete | Action::RemoveService | Action::Refresh) => {
            without(run, step, row)
        }
        (StepFact::Surfaced { object }, _) => surfaced(run, step, row, object),
        (StepFact::Failed { failure, partial: true, .. }, _) if changes_the_present(step, row) => {
            marked(run, row, &failure.message)
        }
        (StepFact::Waived { reason }, Action::Create | Action::ApplyService) if row.is_none() => {
            vec![put(StateRow { inconsistent: Some(reason.clone()), ..begun(run, step, inputs) })]
        }
        (StepFact::Waived { reason }, _) => marked(run, row, reason),
        (StepFact::Succeeded { .. }, Action::Forget) => vec![RowChange::Remove(step.resource.clone())],
        _ => Vec::new(),
    }
}

/// The row with what a step says of its resource besides the object.
fn kept(run: &RunId, step: &Step, row: &StateRow) -> StateRow {
    let depends_on = depends_on(step, row, &row.deposed);
    StateRow { depends_on, lifecycle: step.lifecycle.clone(), run: run.clone(), ..row.clone() }
}

/// What a resource depends on, its old objects included: they still use what they were made with.
fn depends_on(step: &Step, row: &StateRow, deposed: &[Object]) -> Vec<ResourceName> {
    let mut names = step.depends_on.clone();
    if !deposed.is_empty() {
        names.extend(row.depends_on.iter().filter(|on| !step.depends_on.contains(on)).cloned());
    }
    names
}

/// The row of something that there is, or may be, without an object that is known.
fn begun(run: &RunId, step: &Step, inputs: &Value) -> StateRow {
    let nothing = Object { id: String::new(), outputs: Value::Null };
    StateRow { object: None, ..made(run, step, None, inputs, nothing) }
}

/// Whether what a step did in part was done to the present object.
fn changes_the_present(step: &Step, row: Option<&StateRow>) -> bool {
    let present = || row.and_then(|row| row.object.as_ref()).map(|object| &object.id);
    match step.action {
        Action::Update | Action::ApplyService | Action::RemoveService => true,
        Action::Delete => step.prior.as_ref().map(|prior| &prior.id) == present(),
        _ => false,
    }
}

/// The row with a mark that its object may not be as it says.
fn marked(run: &RunId, row: Option<&StateRow>, reason: &str) -> Vec<RowChange> {
    row.map_or_else(Vec::new, |row| {
        vec![put(StateRow { inconsistent: Some(reason.to_owned()), run: run.clone(), ..row.clone() })]
    })
}

/// The row with one of its deposed objects as the present one again, and the other way about.
fn reinstated(run: &RunId, step: &Step, row: Option<&StateRow>, inputs: &Value) -> Vec<RowChange> {
    let (Some(row), Some(object)) = (row, &step.prior) else { return Vec::new() };
    let present = row.object.iter().filter(|present| present.id != object.id);
    let deposed = row.deposed.iter().filter(|old| old.id != object.id).chain(present).cloned().collect();
    vec![put(StateRow { deposed, ..made(run, step, Some(row), inputs, object.clone()) })]
}

/// The row with one more object to delete, where nobody knew of it.
fn surfaced(run: &RunId, step: &Step, row: Option<&StateRow>, id: &str) -> Vec<RowChange> {
    let object = Object::bare(id);
    let known = |row: &StateRow| row.objects().any(|known| known.id == id);
    let mut with = match row {
        Some(row) if known(row) => return Vec::new(),
        Some(row) => StateRow { run: run.clone(), ..row.clone() },
        None => StateRow { object: None, ..made(run, step, None, &Value::Null, object.clone()) },
    };
    with.deposed.push(object);
    vec![put(with)]
}

fn put(row: StateRow) -> RowChange {
    RowChange::Put(Box::new(row))
}

fn made(run: &RunId, step: &Step, row: Option<&StateRow>, inputs: &Value, object: Object) -> StateRow {
    let mut deposed = row.map(|row| row.deposed.clone()).unwrap_or_default();
    if let (Action::Create, Some(prior)) = (&step.action, &step.prior)
        && prior.id != object.id
        && !deposed.iter().any(|old| old.id == prior.id)
    {
        deposed.push(prior.clone());
    }
    StateRow {
        name: step.resource.clone(),
        kind: step.kind.clone(),
        role: step.role.clone(),
        written: step.inputs.clone(),
        inputs: inputs.clone(),
        object: Some(object),
        depends_on: row.map_or_else(|| step.depends_on.clone(), |row| depends_on(step, row, &deposed)),
        deposed,
        tainted: false,
        inconsistent: None,
        lifecycle: step.lifecycle.clone(),
        run: run.clone(),
        version: 0,
    }
}

/// The row without the object that the step removed; no row when nothing is left of it.
fn without(run: &RunId, step: &Step, row: Option<&StateRow>) -> Vec<RowChange> {
    let (Some(row), Some(prior)) = (row, &step.prior) else { return vec![RowChange::Remove(step.resource.clone())] };
    let mut rest = row.clone();
    rest.object.take_if(|object| object.id == prior.id);
    rest.deposed.retain(|object| object.id != prior.id);
    if rest.object.is_none() && rest.deposed.is_empty() {
        return vec![RowChange::Remove(step.resource.clone())];
    }
    if rest.deposed.is_empty() {
        rest.depends_on.clone_from(&step.depends_on);
    }
    rest.tainted &= rest.object.is_some();
    rest.run = run.clone();
    vec![put(rest)]
}
