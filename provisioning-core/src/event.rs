//! The one thing that observers see.
//!
//! The progress bar, the JSON stream, a server's events and a test all read this enum.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::name::{ResourceName, RunId, StepId};
use crate::record::Entry;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A fact that is on disk.
    Recorded(Arc<Entry>),
    /// Something worth showing that is kept nowhere.
    Transient(Transient),
}

/// Something worth showing that is kept nowhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Transient {
    /// A resource was read before planning.
    Refreshed {
        /// The resource.
        resource: ResourceName,
    },
    /// Before planning, it is found out how the steps ended that a run began and did not end.
    Settling {
        /// The run.
        run: RunId,
    },
    /// A run begins to carry out its plan, or goes on with it.
    Begun {
        /// The run.
        run: RunId,
        /// How many steps the plan has.
        steps: usize,
        /// How many of them have succeeded before.
        done: usize,
    },
    /// A provider or a task service says what it is doing.
    Progress {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// One line.
        message: String,
    },
    /// How long the rest of the run will take, by what earlier ones took.
    TimeLeft {
        /// The run.
        run: RunId,
        /// So long.
        left: Duration,
    },
    /// A step will be tried again.
    Backoff {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// After this long.
        after: Duration,
    },
    /// The run takes up no new steps for now; it keeps the workspace.
    Paused {
        /// The run.
        run: RunId,
        /// Since when.
        at: Timestamp,
    },
    /// The run goes on after a pause.
    Unpaused {
        /// The run.
        run: RunId,
        /// Since when.
        at: Timestamp,
    },
    /// The run takes up no new steps and finishes those it began.
    Draining {
        /// The run.
        run: RunId,
        /// Since when.
        at: Timestamp,
    },
}

/// Somebody who is told of every event, in order; it must return at once.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Event) + Send + Sync>);

impl Observer {
    /// An observer that calls a function.
    pub fn new(call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    /// Tells it.
    pub fn observe(&self, event: &Event) {
        (self.0)(event);
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
