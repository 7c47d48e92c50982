//! Carrying out a plan: performs what the schedule says, journals before and after, tells observers.
//!
//! The loop here decides nothing: what comes next is [`schedule`](crate::schedule)'s, what a record does to the state
//! is [`journal`](crate::journal)'s. A first run and a resumed one differ only in the progress they begin with.

mod appender;
mod call;
mod calls;
mod ledger;
mod run;
mod timeline;
mod tools;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use run::Run;
pub use timeline::CriticalPath;
pub(crate) use timeline::Timeline;
pub(crate) use tools::{Target, Tools, World};

use crate::clock::Clock;
use crate::config::Settings;
use crate::event::Observer;
use crate::journal::Progress;
use crate::name::{ResourceName, RunId, WorkspaceId};
use crate::plan::Plan;
use crate::registry::Registry;
use crate::resource::StateRow;
use crate::schedule::Estimates;
use crate::schema::Sealer;
use crate::store::{Lease, Store};
use crate::value::Value;

/// How far a run has been asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Stop {
    /// It has not.
    #[default]
    No,
    /// Begin nothing new for now.
    Pause,
    /// Begin nothing new, finish and record what runs.
    Drain,
    /// Drop what runs; a resume looks for what it left.
    Now,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Carry the plan out.
    CarryOut,
    /// Find out how what was begun has ended, and begin nothing.
    Settle,
}

/// Everything that a run needs.
pub(crate) struct Job {
    pub mode: Mode,
    pub id: RunId,
    pub workspace: WorkspaceId,
    pub plan: Arc<Plan>,
    pub progress: Progress,
    pub rows: BTreeMap<ResourceName, StateRow>,
    /// What seals secrets that are recorded, and opens those that were.
    pub sealer: Arc<Sealer>,
    /// The secrets that the steps refer to, by name.
    pub secrets: Value,
    /// Outputs in the clear of resources of which the rows have digests.
    pub revealed: BTreeMap<ResourceName, Value>,
    pub registry: Registry,
    pub store: Arc<dyn Store>,
    pub lease: Lease,
    pub clock: Arc<dyn Clock>,
    pub observer: Observer,
    pub settings: Settings,
    pub seed: u64,
    pub estimates: Estimates,
    pub stop: watch::Receiver<Stop>,
}

/// Makes a job ready to run; nothing is called or recorded yet.
pub(crate) fn prepare(job: Job) -> Run {
    Run::new(job)
}
