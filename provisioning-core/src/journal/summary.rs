//! One run in a line.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::name::RunId;
use crate::record::{Fact, Outcome, Record, StepFact};

/// One run in a line, kept up to date with every record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// What it was asked to do.
    pub command: String,
    /// The run that it takes back, for a rollback.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undoes: Option<RunId>,
    /// The hash of its plan.
    pub plan: Digest,
    /// When it began.
    pub started_at: Timestamp,
    /// When its last record was made.
    pub updated_at: Timestamp,
    /// How it ended; `None` while it runs, and after a crash.
    pub outcome: Option<Outcome>,
    /// How many steps succeeded.
    pub succeeded: u64,
    /// How many attempts failed.
    pub failed: u64,
}

impl RunSummary {
    /// The summary after one more record; `None` before the run's first.
    #[must_use]
    pub fn next(before: Option<Self>, record: &Record) -> Option<Self> {
        let mut summary = match (&record.fact, before) {
            (Fact::RunStarted { plan, command, undoes }, None) => Self {
                id: record.run.clone(),
                command: command.clone(),
                undoes: undoes.clone(),
                plan: plan.clone(),
                started_at: record.at,
                updated_at: record.at,
                outcome: None,
                succeeded: 0,
                failed: 0,
            },
            (_, before) => before?,
        };
        summary.updated_at = record.at;
        match &record.fact {
            Fact::RunStarted { .. } | Fact::RunResumed { .. } => summary.outcome = None,
            Fact::RunFinished { outcome } => summary.outcome = Some(*outcome),
            Fact::Step { fact: StepFact::Succeeded { .. }, .. } => summary.succeeded += 1,
            Fact::Step { fact: StepFact::Failed { .. }, .. } => summary.failed += 1,
            Fact::Checkpoint { .. } | Fact::Step { .. } => {}
        }
        Some(summary)
    }
}
