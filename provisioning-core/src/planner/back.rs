//! The way back from a run: what to declare so that a plan leads to the state before it.
//!
//! Undoing is no second sort of planning. The state as it was is declared again, field by field as it was written then,
//! and the difference to what is there now is planned like any other: so an undo re-reads what it is about, takes new
//! identities into account, and is carried out, resumed and undone itself like every run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::compare::NO_LONGER_DECLARED;
use super::secrets::secret_names;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ProviderName, ResourceName, RunId, SECRET, StepId};
use crate::plan::{Action, ChangeKind, Plan, ResourceChange, Step};
use crate::record::Object;
use crate::resource::{Declared, Desired, Output, Outputs, ProviderSettings, StateRow};
use crate::schema::{Sealer, Undo};
use crate::value::{Map, Value};

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
    pub steps: Arc<Vec<Step>>,
    /// The providers that the run used, and those before it.
    pub providers: BTreeMap<ProviderName, ProviderSettings>,
    /// What the workspace gave back before the run.
    pub outputs: BTreeMap<String, Output>,
    /// What its lookups had answered.
    pub answers: BTreeMap<ResourceName, Value>,
    /// What opens the secrets in all of this.
    pub sealer: Arc<Sealer>,
    /// The secrets that can be read now, by name.
    pub secrets: Value,
}

impl Past {
    /// The secrets that what was there referred to; some may be there no more.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let settings = self.providers.values().map(|provider| &provider.settings);
        let made = self.makers.values().map(|step| &step.inputs);
        settings.chain(made).flat_map(secret_names).collect()
    }
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
    /// The steps that reinstate them, with the version that each row has now.
    reinstating: Vec<(Step, u64)>,
    /// What the workspace gave back, and what the lookups answered then.
    outputs: BTreeMap<String, Output>,
    answers: BTreeMap<ResourceName, Value>,
}

/// What leads back; `None` where the run changed nothing.
///
/// # Errors
/// `Conflict` when a later run changed the same.
pub fn way_back(past: &Past) -> Result<Option<WayBack>> {
    let touched = touched(past)?;
    if touched.is_empty() {
        return Ok(None);
    }
    let declared = past.before.values().filter(|row| existed(row)).map(|row| Ok((row.name.clone(), declared(past, row)?)));
    let resources = declared.collect::<Result<BTreeMap<_, _>>>()?;
    let kept = outputs(past, &|root| root == SECRET || was_there(past, root))?;
    let desired = Desired { providers: providers(past)?, resources, outputs: kept, ..Desired::default() };
    let mut rows = past.now.clone();
    let mut reinstating = Vec::new();
    for name in &touched {
        if let (Some(was), Some(is)) = (past.before.get(name), past.now.get(name))
            && let Some(object) = was.object.as_ref().filter(|object| is.deposed.iter().any(|old| old.id == object.id))
        {
            reinstating.push((reinstate(maker(past, name)?, was, object), is.version));
            rows.insert(name.clone(), reinstated(was, is, object));
        }
    }
    let known = |root: &str| root == SECRET || was_there(past, root) || past.answers.contains_key(root);
    let outputs = outputs(past, &known)?;
    let outputs = outputs.into_iter().map(|(name, output)| (name.clone(), output.closed(&name, &past.sealer))).collect();
    Ok(Some(WayBack { desired, touched, rows, reinstating, outputs, answers: past.answers.clone() }))
}

impl WayBack {
    /// The plan with what the planner was not asked for: the old objects that are there still, and the outputs of lookups.
    pub fn complete(self, mut plan: Plan) -> Plan {
        let steps = Arc::make_mut(&mut plan.steps);
        for step in steps.iter_mut() {
            let uses = |first: &&Step| step.resource == first.resource || step.depends_on.contains(&first.resource);
            let first: Vec<_> =
                self.reinstating.iter().map(|(first, _)| first).filter(uses).map(|first| first.id.clone()).collect();
            step.requires.extend(first);
        }
        for (first, version) in &self.reinstating {
            plan.basis.insert(first.resource.clone(), *version);
        }
        let made = |change: &&mut ResourceChange| change.reason.as_deref() == Some(NO_LONGER_DECLARED);
        let changes = Arc::make_mut(&mut plan.changes);
        changes.iter_mut().filter(made).for_each(|change| change.reason = Some("the run made it".into()));
        changes.splice(0..0, self.reinstating.iter().map(|(first, _)| change(first)));
        steps.splice(0..0, self.reinstating.into_iter().map(|(first, _)| first));
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

/// The row once that is done, which is after all that was written so far.
fn reinstated(was: &StateRow, is: &StateRow, object: &Object) -> StateRow {
    let deposed = is.deposed.iter().filter(|old| old.id != object.id).chain(&is.object).cloned().collect();
    // What goes still uses what it was made with.
    let more = is.depends_on.iter().filter(|on| !was.depends_on.contains(on));
    let depends_on = was.depends_on.iter().chain(more).cloned().collect();
    StateRow { object: Some(object.clone()), deposed, depends_on, version: u64::MAX, run: is.run.clone(), ..was.clone() }
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
fn outputs(past: &Past, there: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Output>> {
    let mut outputs = BTreeMap::new();
    for (name, output) in &past.outputs {
        if refers_to(&output.value, there)? {
            outputs.insert(name.clone(), output.opened(name, &past.sealer));
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
        origins: Map::new(),
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
    let inputs = maker.role.seal(&past.sealer, &maker.kind).open(&maker.inputs);
    for (name, written) in inputs.as_map().into_iter().flatten() {
        let field = if refers_to(written, &|root| was_there(past, root))? {
            written.clone()
        } else {
            resolved(past, row, name, written)?
        };
        fields.insert(name.clone(), field);
    }
    Ok(Value::map(fields))
}

/// A field as it was resolved, where what it refers to is no more, or may be another value now.
fn resolved(past: &Past, row: &StateRow, name: &Arc<str>, written: &Value) -> Result<Value> {
    let Some(kept) = row.inputs.field(name) else { return Ok(written.clone()) };
    let seal = row.role.seal(&past.sealer, &row.kind);
    let field = |value: &Value| Value::map([(name.clone(), value.clone())]);
    let mut known = Outputs::of(&past.before, past.secrets.clone());
    past.answers.iter().for_each(|(name, answer)| known.set(name, past.sealer.of_lookups().open(answer)));
    let again = literal(past, written, &known).filter(|value| !value.is_withheld());
    let stays = refers_to(written, &|root| root == SECRET || was_there(past, root))?;
    if stays && again.as_ref().is_some_and(|again| seal.close(&field(again)).field(name) == Some(kept)) {
        return Ok(written.clone());
    }
    let opened = seal.open(&field(kept)).field(name).map(Value::to_literal).filter(|value| !value.is_withheld());
    // What is kept of it may be a digest alone: it is put together again from what the lookups answered.
    opened.or(again.filter(|_| !refers_to_secrets(written))).ok_or_else(|| {
        let sealed = kept.any(&|part| matches!(part, Value::Sealed(_)));
        let (why, hint) = if sealed {
            (format!("its `{name}` is sealed, and the key is not at hand"), "an identity that opens it has to be at hand")
        } else {
            (format!("only a digest is kept of its `{name}`"), "declare what you want, and apply that")
        };
        Error::new(ErrorKind::Conflict, format!("`{}` cannot be made as it was: {why}", row.name)).with_hint(hint)
    })
}

/// A value with its references replaced; `None` where one of them is not known.
fn literal(past: &Past, written: &Value, known: &Outputs<'_>) -> Option<Value> {
    let value = written.resolve(&mut |reference| known.follow(reference, &past.sealer).unwrap_or(Ok(Value::Unknown)));
    value.ok().filter(|value| !value.has_unknown()).map(|value| value.to_literal())
}

/// The providers, with settings that hold also where what they refer to goes.
fn providers(past: &Past) -> Result<BTreeMap<ProviderName, ProviderSettings>> {
    let mut now = Outputs::with_secrets(past.secrets.clone());
    past.now.values().for_each(|row| now.set_row(&row.name, row));
    let mut providers = BTreeMap::new();
    for (alias, provider) in &past.providers {
        let provider = provider.opened(&past.sealer);
        let stays = refers_to(&provider.settings, &|root| root == SECRET || was_there(past, root))?;
        let settings = if stays { Some(provider.settings.clone()) } else { literal(past, &provider.settings, &now) };
        if let Some(settings) = settings {
            providers.insert(alias.clone(), ProviderSettings { settings, ..provider });
        }
    }
    Ok(providers)
}

/// Whether everything that a value refers to passes a test.
fn refers_to(value: &Value, test: &dyn Fn(&str) -> bool) -> Result<bool> {
    let mut all = true;
    value.visit_references(&mut |reference| all &= test(&reference.root))?;
    Ok(all)
}

fn refers_to_secrets(value: &Value) -> bool {
    !secret_names(value).is_empty()
}

/// Whether there was a resource of a name before, or a service on some host.
fn was_there(past: &Past, root: &str) -> bool {
    let rows = past.before.get(root).into_iter().chain(past.before.values().filter(|row| row.name.base() == root));
    rows.into_iter().any(existed)
}

/// Whether a row stands for something that was there.
fn existed(row: &StateRow) -> bool {
    row.object.is_some() || row.is_begun_service()
}
