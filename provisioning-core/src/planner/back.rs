//! The way back from a run: what to declare so that a plan leads to the state before it.
//!
//! Undoing is no second sort of planning. The state as it was is declared again, field by field as it was written then,
//! and the difference to what is there now is planned like any other: so an undo re-reads what it is about, takes new
//! identities into account, and is carried out, resumed and undone itself like every run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::name::{ProviderName, ResourceName, RunId};
use crate::plan::{Action, Step};
use crate::resource::{Declared, Desired, Output, ProviderSettings, StateRow};
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
}

/// What to declare to get back, and the resources that are to change.
///
/// # Errors
/// `Conflict` when the run changed nothing, or when a later run changed the same.
pub fn way_back(past: &Past) -> Result<(Desired, BTreeSet<ResourceName>)> {
    let names: BTreeSet<_> = past.before.keys().chain(past.after.keys()).collect();
    let version = |rows: &BTreeMap<ResourceName, StateRow>, name: &ResourceName| rows.get(name).map(|row| row.version);
    let changed = |name: &ResourceName| version(&past.before, name) != version(&past.after, name) || past.begun.contains(name);
    let touched: BTreeSet<_> = names.into_iter().filter(|name| changed(name)).cloned().collect();
    if touched.is_empty() {
        return Err(Error::new(ErrorKind::Conflict, format!("the run `{}` changed nothing", past.run)));
    }
    if let Some(name) = touched.iter().find(|name| version(&past.after, name) != version(&past.now, name)) {
        return Err(changed_since(past, name));
    }
    let declared = past.before.values().map(|row| Ok((row.name.clone(), declared(past, row)?)));
    let resources = declared.collect::<Result<BTreeMap<_, _>>>()?;
    let outputs = outputs(past)?;
    Ok((Desired { providers: past.providers.clone(), resources, outputs, ..Desired::default() }, touched))
}

/// The outputs that could be had then: those that refer only to what there was.
fn outputs(past: &Past) -> Result<BTreeMap<String, Output>> {
    let there = |root: &str| past.before.keys().any(|row| row.as_str() == root || row.base() == root);
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

/// A resource as it was declared when its row was written.
fn declared(past: &Past, row: &StateRow) -> Result<Declared> {
    let maker = past
        .makers
        .get(&row.name)
        .ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("the journal does not tell how `{}` was made", row.name)))?;
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
