//! What the run knows while it runs: statuses, rows and outputs, moved by the same records that go to disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::tools::World;
use crate::clock::Timestamp;
use crate::digest::DigestKey;
use crate::error::Result;
use crate::journal::{Progress, RowChange, Status, effect};
use crate::name::{ResourceName, RunId, StepId};
use crate::plan::{Action, Plan};
use crate::record::{Fact, Object, Record, StepFact};
use crate::resource::StateRow;
use crate::schema::{Schema, concealed};
use crate::store::Draft;
use crate::value::Value;

pub(super) struct Ledger {
    pub run: RunId,
    pub plan: Arc<Plan>,
    pub progress: Progress,
    pub world: World,
    rows: BTreeMap<ResourceName, StateRow>,
    key: DigestKey,
    /// The resolved inputs of steps that run, secrets included; never written.
    inputs: HashMap<usize, Value>,
}

impl Ledger {
    pub(super) fn new(
        run: RunId,
        plan: Arc<Plan>,
        progress: Progress,
        rows: BTreeMap<ResourceName, StateRow>,
        key: DigestKey,
    ) -> Self {
        let mut world = World::of(&rows);
        for (name, answer) in &plan.lookups {
            world.set(name, answer.clone());
        }
        for step in &plan.steps {
            if let Some(answer) = progress.answers.get(&step.id) {
                world.set(&step.resource, answer.clone());
            }
            if let Action::Rename { from } = &step.action
                && let Some(row) = rows.get(from).filter(|row| row.object.is_some())
            {
                world.set(&step.resource, row.outputs());
            }
        }
        Self { run, plan, progress, world, rows, key, inputs: HashMap::new() }
    }

    pub(super) fn set_inputs(&mut self, step: usize, inputs: Value) {
        self.inputs.insert(step, inputs);
    }

    pub(super) fn inputs(&self, step: usize) -> Value {
        self.inputs.get(&step).cloned().unwrap_or_default()
    }

    /// The draft of a record about the run itself.
    pub(super) fn run_fact(&mut self, at: Timestamp, fact: Fact) -> Result<Draft> {
        self.progress.apply(&fact)?;
        Ok(Draft { record: Record { run: self.run.clone(), at, fact }, rows: Vec::new() })
    }

    /// The draft of a record about a step, with what it does to the state.
    pub(super) fn step_fact(&mut self, at: Timestamp, index: usize, fact: StepFact) -> Result<Draft> {
        let plan = self.plan.clone();
        let step = &plan.steps[index];
        let recorded = self.progress.inputs.get(&step.id).cloned().unwrap_or_default();
        let rows = effect(&self.run, step, self.rows.get(step.row()), &recorded, &fact);
        for change in &rows {
            self.take_in(change);
            if let (Action::Rename { .. } | Action::Reinstate { .. }, RowChange::Put(row)) = (&step.action, change) {
                self.world.set(&row.name, row.outputs());
            }
        }
        let fact = Fact::Step { id: step.id.clone(), fact };
        self.progress.apply(&fact)?;
        Ok(Draft { record: Record { run: self.run.clone(), at, fact }, rows })
    }

    /// The drafts of the checkpoints that are reached now that a step has succeeded.
    pub(super) fn checkpoints(&mut self, at: Timestamp, index: usize) -> Result<Vec<Draft>> {
        let plan = self.plan.clone();
        let done = |step: &StepId| self.progress.steps.get(step) == Some(&Status::Succeeded);
        let names = plan.checkpoints.iter().filter(|(_, steps)| steps.contains(&plan.steps[index].id) && steps.iter().all(done));
        let names: Vec<_> = names.map(|(name, _)| name.clone()).collect();
        names.into_iter().map(|name| self.run_fact(at, Fact::Checkpoint { name })).collect()
    }

    /// Makes the outputs of a finished step visible to those that refer to it, in the clear, and gives the form of the
    /// object that may be kept.
    pub(super) fn finish(&mut self, index: usize, schema: Option<&Schema>, object: Option<Object>) -> Option<Object> {
        let plan = self.plan.clone();
        let step = &plan.steps[index];
        let inputs = self.inputs.remove(&index).unwrap_or_default();
        let object = object?;
        let inputs = match step.action {
            Action::Refresh => self.rows.get(&step.resource).map(|row| row.inputs.clone()).unwrap_or_default(),
            _ => inputs,
        };
        let outputs = concealed(&object.outputs, &inputs);
        self.world.set(&step.resource, inputs.overlaid(&outputs));
        let outputs = schema.map_or_else(|| outputs.clone(), |schema| schema.persistable(&outputs, &self.key));
        Some(Object { outputs, ..object })
    }

    pub(super) fn persistable(&self, schema: &Schema, inputs: &Value) -> Value {
        schema.persistable(inputs, &self.key)
    }

    fn take_in(&mut self, change: &RowChange) {
        match change {
            RowChange::Put(row) => {
                self.rows.insert(row.name.clone(), row.as_ref().clone());
            }
            RowChange::Remove(name) => {
                self.rows.remove(name);
            }
        }
    }
}
