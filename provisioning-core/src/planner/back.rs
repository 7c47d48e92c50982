//! The way back from a run: what to declare so that a plan leads to the state before it.
//!
//! Undoing is no second sort of planning. The state as it was is declared again, field by field as it was written then,
//! and the difference to what is there now is planned like any other: so an undo re-reads what it is about, takes new
//! identities into account, and is carried out, resumed and undone itself like every run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::name::{ProviderName, ResourceName, RunId, StepId};
use crate::plan::{Action, ChangeKind, Plan, ResourceChange, Step};
use crate::record::Object;
use crate::resource::{Declared, Desired, Output, ProviderSettings, StateRow};
use crate::schema::Undo;
use crate::value::Value;

/// What a run did to the state, and what has happened since.
#[derive(Debug)]
pub struct Past {
    /// The run.
    pub run: RunId,
    /// The rows when it began.
    pub before: BTreeMap<ResourceName, StateRow>,
    /// The rows when it ended.
    pub after: BTreeMap<ResourceName, StateRow>,
    /// The rows now.
    pub now: BTreeMap<ResourceName, StateRow>,
    /// The steps that last made or changed each row, when the run began.
    pub makers: BTreeMap<ResourceName, Step>,
    /// The resources that the run began to work on: a step that failed may have done half of it.
    pub begun: BTreeSet<ResourceName>,
    /// The steps of the run.
    pub steps: Vec<Step>,
    /// The providers that the run used, and those before it.
    pub providers: BTreeMap<ProviderName, ProviderSettings>,
    /// What the workspace gave back before the run.
    pub outputs: BTreeMap<String, Output>,
    /// What its lookups had answered.
    pub answers: BTreeMap<ResourceName, Value>,
}

/// What leads back: declarations, and what they are to be planned on.
#[derive(Debug)]
pub struct WayBack {
    /// What to declare.
    pub desired: Desired,
    /// The resources that are to change, and those that were made of them.
    pub touched: BTreeSet<ResourceName>,
    /// The rows to plan on: as they are now, or as they will be once an old object that is there still is reinstated.
    pub rows: BTreeMap<ResourceName, StateRow>,
    /// The steps that reinstate them.
    reinstating: Vec<Step>,
    /// What the workspace gave back, and what the lookups answered then.
    outputs: BTreeMap<String, Output>,
    answers: BTreeMap<ResourceName, Value>,
}

/// What leads back.
///
/// # Errors
/// `Conflict` when the run changed nothing, or when a later run changed the same.
pub fn way_back(past: &Past) -> Result<WayBack> {
    let touched = touched(past)?;
    let declared = past.before.values().map(|row| Ok((row.name.clone(), declared(past, row)?)));
    let resources = declared.collect::<Result<BTreeMap<_, _>>>()?;
    let there = |root: &str| past.before.keys().any(|row| row.as_str() == root || row.base() == root);
    let desired = Desired { providers: past.providers.clone(), resources, outputs: outputs(past, there)?, ..Desired::default() };
    let mut rows = past.now.clone();
    let mut reinstating = Vec::new();
    for name in &touched {
        if let (Some(was), Some(is)) = (past.before.get(name), past.now.get(name))
            && let Some(object) = was.object.as_ref().filter(|object| is.deposed.iter().any(|old| old.id == object.id))
        {
            reinstating.push(reinstate(maker(past, name)?, was, object));
            rows.insert(name.clone(), reinstated(was, is, object));
        }
    }
    let answered = |root: &str| there(root) || past.answers.contains_key(root);
    Ok(WayBack { desired, touched, rows, reinstating, outputs: outputs(past, answered)?, answers: past.answers.clone() })
}

impl WayBack {
    /// The plan with what the planner was not asked for: the old objects that are there still, and the outputs of lookups.
    pub fn complete(self, mut plan: Plan) -> Plan {
        for step in &mut plan.steps {
            let uses = |first: &&Step| step.resource == first.resource || step.depends_on.contains(&first.resource);
            let first: Vec<_> = self.reinstating.iter().filter(uses).map(|first| first.id.clone()).collect();
            step.requires.extend(first);
        }
        plan.changes.splice(0..0, self.reinstating.iter().map(change));
        plan.steps.splice(0..0, self.reinstating);
        plan.outputs = self.outputs;
        plan.lookups.extend(self.answers);
        plan
    }
}

/// The step that makes an old object the present one again.
fn reinstate(maker: &Step, was: &StateRow, object: &Object) -> Step {
    let action = Action::Reinstate { inputs: was.inputs.clone() };
    Step {
        id: StepId::of(&was.name, action.verb()),
        action,
        resource: was.name.clone(),
        kind: was.kind.clone(),
        role: was.role.clone(),
        inputs: was.written.clone(),
        prior: Some(object.clone()),
        requires: Vec::new(),
        after: Vec::new(),
        depends_on: was.depends_on.clone(),
        lifecycle: was.lifecycle.clone(),
        retry: maker.retry.clone(),
        timeout_seconds: maker.timeout_seconds,
        undo: Undo::default(),
    }
}

/// The row once that is done.
fn reinstated(was: &StateRow, is: &StateRow, object: &Object) -> StateRow {
    let deposed = is.deposed.iter().filter(|old| old.id != object.id).chain(&is.object).cloned().collect();
    StateRow { object: Some(object.clone()), deposed, version: is.version, run: is.run.clone(), ..was.clone() }
}

fn change(step: &Step) -> ResourceChange {
    ResourceChange {
        name: step.resource.clone(),
        kind: step.kind.clone(),
        role: step.role.clone(),
        change: ChangeKind::Reinstate,
        reason: None,
        fields: Vec::new(),
        undo: Undo::default(),
        origin: None,
    }
}

/// The resources that the run changed or was at work on, and those that nobody has changed since and that were made of
/// them: what is made anew may be another thing to them.
fn touched(past: &Past) -> Result<BTreeSet<ResourceName>> {
    let names: BTreeSet<_> = past.before.keys().chain(past.after.keys()).collect();
    let version = |rows: &BTreeMap<ResourceName, StateRow>, name: &ResourceName| rows.get(name).map(|row| row.version);
    let changed = |name: &ResourceName| version(&past.before, name) != version(&past.after, name) || past.begun.contains(name);
    let mut touched: BTreeSet<_> = names.into_iter().filter(|name| changed(name)).cloned().collect();
    if touched.is_empty() {
        return Err(Error::new(ErrorKind::Conflict, format!("the run `{}` changed nothing", past.run)));
    }
    if let Some(name) = touched.iter().find(|name| version(&past.after, name) != version(&past.now, name)) {
        return Err(changed_since(past, name));
    }
    let same = |row: &StateRow| version(&past.before, &row.name) == Some(row.version);
    loop {
        let of_them = |row: &&StateRow| !touched.contains(&row.name) && row.depends_on.iter().any(|on| touched.contains(on));
        let more: Vec<_> = past.now.values().filter(|row| same(row)).filter(of_them).map(|row| row.name.clone()).collect();
        if more.is_empty() {
            return Ok(touched);
        }
        touched.extend(more);
    }
}

/// The outputs that could be had then: those that refer only to what there was.
fn outputs(past: &Past, there: impl Fn(&str) -> bool) -> Result<BTreeMap<String, Output>> {
    let mut outputs = BTreeMap::new();
    for (name, output) in &past.outputs {
        let mut known = true;
        output.value.visit_references(&mut |reference| known &= there(&reference.root))?;
        if known {
            outputs.insert(name.clone(), output.clone());
        }
    }
    Ok(outputs)
}

fn changed_since(past: &Past, name: &ResourceName) -> Error {
    let by = past.now.get(name).map_or_else(|| "a later run".to_owned(), |row| format!("the later run `{}`", row.run));
    Error::new(ErrorKind::Conflict, format!("`{name}` was changed by {by}: the run `{}` cannot be undone alone", past.run))
        .with_hint("undo the later run first, or declare what you want and apply that")
}

/// The step that last made or changed a row.
fn maker<'a>(past: &'a Past, name: &ResourceName) -> Result<&'a Step> {
    let unknown = || Error::new(ErrorKind::Corrupt, format!("the journal does not tell how `{name}` was made"));
    past.makers.get(name).ok_or_else(unknown)
}

/// A resource as it was declared when its row was written.
fn declared(past: &Past, row: &StateRow) -> Result<Declared> {
    let maker = maker(past, &row.name)?;
    let renamed = past.steps.iter().find(|step| matches!(&step.action, Action::Rename { from } if *from == row.name));
    let mut lifecycle = row.lifecycle.clone();
    lifecycle.moved_from = renamed.map(|step| step.resource.clone());
    Ok(Declared {
        name: row.name.clone(),
        kind: row.kind.clone(),
        role: row.role.clone(),
        inputs: inputs(past, maker, row)?,
        origin: None,
        origins: BTreeMap::new(),
        depends_on: row.depends_on.iter().filter(|on| past.before.contains_key(*on)).map(ToString::to_string).collect(),
        after: Vec::new(),
        lifecycle,
        retry: maker.retry.clone(),
        timeout: Duration::try_from_secs_f64(maker.timeout_seconds).unwrap_or(Duration::MAX),
    })
}

/// The fields as they were written; one that refers to what only the run knew, such as a lookup, as it was resolved.
fn inputs(past: &Past, maker: &Step, row: &StateRow) -> Result<Value> {
    let mut fields = BTreeMap::new();
    for (name, written) in maker.inputs.as_map().into_iter().flatten() {
        let mut known = true;
        written.visit_references(&mut |reference| known &= past.before.contains_key(reference.root.as_ref()))?;
        let resolved = row.inputs.field(name).map(Value::to_literal);
        fields.insert(name.clone(), if known { written.clone() } else { resolved.unwrap_or_else(|| written.clone()) });
    }
    Ok(Value::map(fields))
}
