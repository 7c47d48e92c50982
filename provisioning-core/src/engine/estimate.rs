//! How long the steps of a plan are going to take, by what the journal tells of earlier ones.

use std::collections::{BTreeMap, HashMap};

use super::Engine;
use crate::error::Result;
use crate::journal::Durations;
use crate::name::{Kind, ResourceName, StepId};
use crate::plan::Plan;
use crate::resource::StateRow;
use crate::schedule::Estimates;
use crate::store::Range;

/// How many entries of the journal are learnt from, the newest runs first.
const LEARNT_FROM: usize = 2_000;

impl Engine {
    /// How long each step of a plan takes; nothing where no run has told anything yet, or where there is no
    /// order to choose.
    pub(super) async fn estimates(&self, plan: &Plan, rows: &BTreeMap<ResourceName, StateRow>) -> Result<Estimates> {
        if plan.steps.len() < 2 {
            return Ok(Estimates::default());
        }
        let kinds: HashMap<&str, &Kind> = plan.steps.iter().map(|step| (step.resource.as_str(), &step.kind)).collect();
        let kind_of = |id: &StepId| {
            let row = rows.get(id.resource()).map(|row| &row.kind);
            row.or_else(|| kinds.get(id.resource()).copied()).cloned()
        };
        let (mut durations, mut left) = (Durations::default(), LEARNT_FROM);
        for run in self.store.runs().await?.into_iter().rev() {
            let entries = self.store.entries(Range { run: Some(run.id), after: 0, limit: left }).await?;
            durations.learn(entries.iter().map(|entry| &entry.record), kind_of);
            left -= entries.len();
            if left == 0 {
                break;
            }
        }
        let estimates = plan.steps.iter().map(|step| durations.estimate(&step.kind, step.action.verb()));
        Ok(Estimates(estimates.collect::<Option<_>>().unwrap_or_default()))
    }
}
