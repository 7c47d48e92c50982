//! What an engine is built with, and what a plan is asked for.

use std::sync::Arc;

use super::Engine;
use crate::clock::{Clock, Ids, System};
use crate::config::Settings;
use crate::event::Observer;
use crate::plan::Command;
use crate::registry::Registry;
use crate::store::{Holder, Store};

/// Builds an [`Engine`].
#[derive(Clone)]
pub struct Builder(Engine);

impl Builder {
    pub(super) fn new(registry: Registry, store: Arc<dyn Store>) -> Self {
        Self(Engine {
            registry,
            store,
            settings: Settings::shipped(),
            clock: Arc::new(System),
            ids: Arc::new(System),
            holder: Holder::this_process(),
            observer: Observer::default(),
        })
    }

    /// Other settings than the shipped ones.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.0.settings = settings;
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// Other fresh identifiers than the system's.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.0.ids = ids;
        self
    }

    /// Somebody who is told of every event.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.0.observer = observer;
        self
    }

    /// The engine.
    pub fn build(self) -> Engine {
        self.0
    }
}

/// What a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// What to do; for [`Command::Forget`] the targets are what is dropped from the state.
    pub command: Command,
    /// Only these resources and what they need (for a destroy: what needs them); all where empty.
    pub targets: Vec<String>,
    /// Not these resources, nor what needs them.
    pub excludes: Vec<String>,
    /// Replace these resources, changed or not.
    pub replace: Vec<String>,
    /// Whether the objects are read first.
    pub refresh: Refresh,
}

impl PlanOptions {
    /// A plan for everything, with a refresh.
    pub fn new(command: Command) -> Self {
        Self { command, targets: Vec::new(), excludes: Vec::new(), replace: Vec::new(), refresh: Refresh::Read }
    }
}

/// Whether the objects are read before planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// They are; changes from outside show as drift.
    Read,
    /// They are not; the state is believed.
    Skip,
}
