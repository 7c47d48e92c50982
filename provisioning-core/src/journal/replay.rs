//! The state that a sequence of records leads to: every run as far as it came, and every row.
//!
//! The records are taken as they are; whether they are whole is checked elsewhere. Plans are asked for when they are
//! needed, and dropped when their run ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Progress, RowChange, RunSummary, effect};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ResourceName, RunId, StepId};
use crate::plan::{Plan, Step};
use crate::record::{Fact, Outcome, Record, StepFact};
use crate::resource::StateRow;

/// What the records so far lead to.
#[derive(Debug, Default)]
pub struct Replay {
    runs: BTreeMap<RunId, Run>,
    rows: BTreeMap<ResourceName, StateRow>,
}

/// What the records of one run so far lead to.
#[derive(Debug)]
struct Run {
    summary: RunSummary,
    progress: Progress,
    /// The plan's steps, loaded when they are needed and dropped when the run ends.
    steps: Option<HashMap<StepId, Step>>,
}

impl Replay {
    /// The rows.
    pub fn rows(&self) -> &BTreeMap<ResourceName, StateRow> {
        &self.rows
    }

    /// The runs, by identity.
    pub fn summaries(&self) -> BTreeMap<RunId, RunSummary> {
        self.runs.iter().map(|(id, run)| (id.clone(), run.summary.clone())).collect()
    }

    /// Takes in one more record, with its place in the journal.
    ///
    /// # Errors
    /// `Corrupt` for a record that cannot follow the ones before; those of asking for the plan.
    pub fn take(&mut self, seq: u64, record: &Record, plan: &dyn Fn(&Digest) -> Result<Plan>) -> Result<()> {
        let (before, progress, steps) = match self.runs.remove(&record.run) {
            Some(Run { summary, progress, steps }) => (Some(summary), progress, steps),
            None => (None, Progress::default(), None),
        };
        let summary = RunSummary::next(before, record).ok_or_else(|| corrupt(format!("run `{}` has no start", record.run)))?;
        let mut run = Run { summary, progress, steps };
        if let Fact::Step { id, fact } = &record.fact {
            let changes = self.changes(&mut run, id, fact, plan)?;
            self.apply(seq, changes);
        }
        run.progress.apply(&record.fact)?;
        run.close(&record.fact);
        self.runs.insert(record.run.clone(), run);
        Ok(())
    }

    fn changes(
        &self,
        run: &mut Run,
        id: &StepId,
        fact: &StepFact,
        plan: &dyn Fn(&Digest) -> Result<Plan>,
    ) -> Result<Vec<RowChange>> {
        let id_of_run = run.summary.id.clone();
        let inputs = run.progress.inputs.get(id).cloned().unwrap_or_default();
        let step = run.step(id, plan)?;
        Ok(effect(&id_of_run, step, self.rows.get(step.row()), &inputs, fact))
    }

    fn apply(&mut self, seq: u64, changes: Vec<RowChange>) {
        for change in changes {
            match change {
                RowChange::Put(row) => self.rows.insert(row.name.clone(), StateRow { version: seq, ..*row }),
                RowChange::Remove(name) => self.rows.remove(&name),
            };
        }
    }
}

impl Run {
    fn step(&mut self, id: &StepId, plan: &dyn Fn(&Digest) -> Result<Plan>) -> Result<&Step> {
        if self.steps.is_none() {
            let plan = plan(&self.summary.plan)?;
            self.steps = Some(Arc::unwrap_or_clone(plan.steps).into_iter().map(|step| (step.id.clone(), step)).collect());
        }
        let missing = || corrupt(format!("the plan of run `{}` has no step `{id}`", self.summary.id));
        self.steps.as_ref().and_then(|steps| steps.get(id)).ok_or_else(missing)
    }

    /// Keeps only what a later record of the run can need, so that old runs cost no memory.
    fn close(&mut self, fact: &Fact) {
        if let Fact::RunFinished { outcome } = fact {
            self.steps = None;
            if matches!(outcome, Outcome::Completed | Outcome::Superseded) {
                self.progress = Progress { outcome: Some(*outcome), ..Progress::default() };
            }
        }
    }
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}
