//! What an engine is built with.

use std::sync::Arc;

use super::Engine;
use crate::clock::{Clock, Ids, System};
use crate::config::Settings;
use crate::event::Observer;
use crate::registry::Registry;
use crate::store::{Holder, Store};

/// Builds an [`Engine`].
#[derive(Debug, Clone)]
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
