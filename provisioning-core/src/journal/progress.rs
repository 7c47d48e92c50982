//! How far a run has come, by its records.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::Status;
use crate::error::{Failure, Result};
use crate::name::StepId;
use crate::plan::Action;
use crate::record::{Fact, Outcome, Record, StepFact};
use crate::value::Value;

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The status of every step that has a record.
    pub steps: FxHashMap<StepId, Status>,
    /// The inputs of the last attempt of each open step.
    pub inputs: FxHashMap<StepId, Value>,
    /// The answers of the lookups that the run read, over what was asked.
    pub answers: BTreeMap<StepId, Value>,
    /// Why steps failed, in the order in which they did.
    pub failures: Vec<(StepId, Failure)>,
    /// What is known of each step in doubt.
    pub doubts: BTreeMap<StepId, String>,
    /// How the run ended, where it did.
    pub outcome: Option<Outcome>,
}

impl Progress {
    /// The progress after all the records of one run, in order.
    ///
    /// # Errors
    /// `Corrupt` for a record that cannot follow the ones before.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self> {
        let mut progress = Self::default();
        records.into_iter().try_for_each(|record| progress.apply(&record.fact))?;
        Ok(progress)
    }

    /// Takes in one more fact.
    ///
    /// # Errors
    /// `Corrupt` for one that cannot follow.
    pub fn apply(&mut self, fact: &Fact) -> Result<()> {
        match fact {
            Fact::RunStarted { .. } | Fact::RunResumed { .. } => self.outcome = None,
            Fact::Checkpoint { .. } => {}
            Fact::RunFinished { outcome } => self.outcome = Some(*outcome),
            Fact::Step { id, fact } => {
                let status = self
                    .steps
                    .get(id)
                    .unwrap_or(&Status::Pending)
                    .next(fact)
                    .map_err(|error| error.with_context("step", id.as_str()))?;
                self.note(id, fact);
                self.steps.insert(id.clone(), status);
            }
        }
        Ok(())
    }

    /// The status of a step.
    pub fn status(&self, id: &StepId) -> Status {
        self.steps.get(id).cloned().unwrap_or_default()
    }

    /// The steps that were begun and have not ended, in the order of their names.
    pub fn open_steps(&self) -> impl Iterator<Item = &StepId> {
        let open = self.steps.iter().filter(|(_, status)| status.open().is_some());
        open.map(|(id, _)| id).collect::<BTreeSet<_>>().into_iter()
    }

    fn note(&mut self, id: &StepId, fact: &StepFact) {
        match fact {
            StepFact::Started { inputs, .. } => {
                self.failures.retain(|(step, _)| step != id);
                self.doubts.remove(id);
                self.inputs.insert(id.clone(), inputs.clone());
            }
            StepFact::Succeeded { object } => {
                let query = self.inputs.remove(id).unwrap_or_default();
                if let (Some(object), true) = (object, id.verb() == Action::Read.verb()) {
                    self.answers.insert(id.clone(), query.overlaid(&object.outputs));
                }
            }
            StepFact::InDoubt { reason } => drop(self.doubts.insert(id.clone(), reason.clone())),
            StepFact::Failed { failure, retry_after: None, .. } => self.failures.push((id.clone(), failure.clone())),
            StepFact::Waived { .. } => self.failures.retain(|(step, _)| step != id),
            _ => {}
        }
    }
}
