//! What an engine answers.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::clock::write_seconds;
use crate::error::Failure;
use crate::executor::CriticalPath;
use crate::journal::{self, RunSummary};
use crate::name::{RunId, StepId};
use crate::record::Outcome;
use crate::store::{Late, Lease};
use crate::value::Value;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The run; `None` when there was nothing to do and no run was made.
    pub run: Option<RunId>,
    /// The run that it takes back, for a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunId>,
    /// How it ended.
    pub outcome: Outcome,
    /// How many steps the plan has.
    pub steps: usize,
    /// How many of them have succeeded, in this run and before a resume.
    pub succeeded: usize,
    /// How many of them somebody decided to go on without.
    pub waived: usize,
    /// How many were not begun because of a failure or a stop.
    pub not_begun: usize,
    /// The steps that failed, first failure first.
    #[serde(serialize_with = "write_failures")]
    pub failures: Vec<(StepId, Failure)>,
    /// The steps of which nobody knows whether they had their effect, and what is known.
    #[serde(serialize_with = "write_doubts")]
    pub in_doubt: Vec<(StepId, String)>,
    /// What came of taking it back, where it failed and was to be taken back then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Undone>,
    /// The steps that it waited for, where it did several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_path: Option<CriticalPath>,
    /// How long it took; in JSON in seconds.
    #[serde(rename = "seconds", serialize_with = "write_seconds")]
    pub duration: Duration,
}

/// What came of taking back a run that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// A run was made of it.
    Run(Box<Report>),
    /// There was nothing to take back: it had changed nothing.
    Nothing,
    /// It was not begun.
    Refused(Failure),
}

impl Report {
    pub(super) fn nothing_to_do() -> Self {
        Self {
            run: None,
            undoes: None,
            outcome: Outcome::Completed,
            steps: 0,
            succeeded: 0,
            waived: 0,
            not_begun: 0,
            failures: Vec::new(),
            in_doubt: Vec::new(),
            rollback: None,
            critical_path: None,
            duration: Duration::ZERO,
        }
    }
}

/// What became of a step, by names.
#[derive(Serialize)]
struct Fate<'a, T> {
    step: &'a StepId,
    #[serde(flatten)]
    what: T,
}

#[derive(Serialize)]
struct Doubt<'a> {
    reason: &'a str,
}

fn write_failures<S: Serializer>(failures: &[(StepId, Failure)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(failures.iter().map(|(step, failure)| Fate { step, what: failure }))
}

fn write_doubts<S: Serializer>(doubts: &[(StepId, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(doubts.iter().map(|(step, reason)| Fate { step, what: Doubt { reason } }))
}

/// The value of an output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputValue {
    /// The value; `Unknown` until something it refers to exists.
    pub value: Value,
    /// Whether it is masked unless asked for.
    pub sensitive: bool,
}

/// How a workspace stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// How many resources the state has.
    pub resources: usize,
    /// Who works on it now.
    pub lease: Option<Lease>,
    /// Whether that process is known to be dead.
    pub holder_is_dead: bool,
    /// The last run.
    pub last_run: Option<RunSummary>,
    /// Objects that former holders of the workspace made and could not record; the next plan takes them in.
    pub late: Vec<Late>,
    /// The steps of the last run that have not succeeded.
    pub unfinished: Vec<StepStatus>,
}

/// How one step stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepStatus {
    /// The step.
    pub id: StepId,
    /// Its status.
    #[serde(flatten)]
    pub status: journal::Status,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}
