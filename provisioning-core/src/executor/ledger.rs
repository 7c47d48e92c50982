//! What the run knows while it runs: statuses, rows and outputs, moved by the same records that go to disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::tools::World;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Progress, RowChange, Status, effect};
use crate::name::{ResourceName, RunId, StepId};
use crate::plan::{Action, Plan, Step};
use crate::record::{Fact, Object, Record, StepFact};
use crate::resource::StateRow;
use crate::schema::{Schema, Seal};
use crate::store::Draft;
use crate::value::Value;

pub(super) struct Ledger {
    pub run: RunId,
    pub plan: Arc<Plan>,
    pub progress: Progress,
    pub world: World<'static>,
    rows: BTreeMap<ResourceName, StateRow>,
    /// The resolved inputs of steps that run, secrets included; never written.
    inputs: FxHashMap<usize, Value>,
}

impl Ledger {
    pub(super) fn new(
        run: RunId,
        plan: Arc<Plan>,
        mut progress: Progress,
        rows: BTreeMap<ResourceName, StateRow>,
        mut world: World<'static>,
    ) -> Self {
        progress.steps.reserve(plan.steps.len().saturating_sub(progress.steps.len()));
        world.reserve(plan.steps.len());
        for (name, answer) in &plan.lookups {
            world.set_answer(name, answer);
        }
        for step in plan.steps.iter() {
            if let Some(answer) = progress.answers.get(&step.id) {
                world.set_answer(&step.resource, answer);
            }
            if let Action::Rename { from } = &step.action
                && let Some(row) = rows.get(from).filter(|row| row.object.is_some())
            {
                world.set_row(&step.resource, row);
            }
        }
        Self { run, plan, progress, world, rows, inputs: FxHashMap::default() }
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
                self.world.set_row(&row.name, row);
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
        let seal = self.seal(step);
        let inputs = match step.action {
            Action::Refresh => self.rows.get(&step.resource).map(|row| seal.open(&row.inputs)).unwrap_or_default(),
            _ => inputs,
        };
        let known = self.rows.get(&step.resource).and_then(|row| row.object.as_ref()).filter(|known| known.id == object.id);
        let outputs = match (schema, known) {
            (Some(schema), Some(known)) => schema.remembered(&object.outputs, &seal.open(&known.outputs)),
            _ => object.outputs.clone(),
        };
        let outputs = schema.map_or_else(|| outputs.clone(), |schema| schema.concealed(&outputs, &inputs));
        let kept = schema.map_or_else(|| seal.close(&outputs), |schema| schema.persistable(&outputs, &seal));
        self.world.set(&step.resource, inputs.overlaid(&outputs));
        Some(Object { outputs: kept, ..object })
    }

    /// The form of a step's inputs that may be kept.
    pub(super) fn persistable(&self, step: &Step, schema: &Schema, inputs: &Value) -> Value {
        schema.persistable(inputs, &self.seal(step))
    }

    /// What a step is called with, its references replaced and secrets in the clear.
    pub(super) fn resolve(&self, step: &Step) -> Result<Value> {
        let inputs = self.written(step);
        if inputs.is_withheld() {
            let message = format!("what `{}` was declared with is sealed, and its key is not at hand", step.resource);
            return Err(Error::new(ErrorKind::Denied, message)
                .with_hint("an identity that opens the keys of the workspace has to be at hand"));
        }
        self.world.resolve(&inputs)
    }

    /// The fields of a step as written, in the clear.
    pub(super) fn written(&self, step: &Step) -> Value {
        self.seal(step).open(&step.inputs)
    }

    /// What a step changes or removes, in the clear.
    pub(super) fn prior(&self, step: &Step) -> Option<Object> {
        step.prior.as_ref().map(|prior| Object { outputs: self.seal(step).open(&prior.outputs), ..prior.clone() })
    }

    fn seal(&self, step: &Step) -> Seal<'_> {
        step.role.seal(self.world.sealer(), &step.kind)
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
