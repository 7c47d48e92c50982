//! What an engine is built with.

use std::fmt;
use std::sync::Arc;

use super::Engine;
use crate::clock::{Clock, Ids, System};
use crate::config::Settings;
use crate::event::Observer;
use crate::registry::Registry;
use crate::secrets::{NoSecrets, Secrets};
use crate::store::{Holder, Store};

/// Builds an [`Engine`].
#[derive(Debug, Clone)]
pub struct Builder {
    registry: Registry,
    store: Known,
    settings: Option<Settings>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    observer: Observer,
    secrets: Arc<dyn Secrets>,
}

/// A store, for printing.
#[derive(Clone)]
struct Known(Arc<dyn Store>);

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.identity().workspace, f)
    }
}

impl Builder {
    pub(super) fn new(registry: Registry, store: Arc<dyn Store>) -> Self {
        Self {
            registry,
            store: Known(store),
            settings: None,
            clock: Arc::new(System),
            ids: Arc::new(System),
            observer: Observer::default(),
            secrets: Arc::new(NoSecrets),
        }
    }

    /// Other settings than the shipped ones.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Other fresh identifiers than the system's.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = ids;
        self
    }

    /// Somebody who is told of every event.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Where the secrets of the workspace come from, instead of from nowhere.
    #[must_use]
    pub fn secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        self.secrets = secrets;
        self
    }

    /// The engine.
    pub fn build(self) -> Engine {
        Engine {
            registry: self.registry,
            store: self.store.0,
            settings: self.settings.unwrap_or_else(Settings::shipped),
            clock: self.clock,
            ids: self.ids,
            holder: Holder::this_process(),
            observer: self.observer,
            secrets: self.secrets,
        }
    }
}
