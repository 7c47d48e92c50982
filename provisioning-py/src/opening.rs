//! Opening a workspace: its configuration, what it is offered, its store, and the engine over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use provisioning_cli::opening::{self, Content};
use provisioning_core::clock::System;
use provisioning_core::config::{Flag, Location, Settings, Workspace};
use provisioning_core::engine::Engine;
use provisioning_core::error::{Error, ErrorKind, Origin, Result};
use provisioning_core::event::Observer;
use provisioning_core::registry::Registry;
use provisioning_core::resource::Desired;
use provisioning_core::secrets::Secrets;
use provisioning_core::store::{Identity, MemoryStore, Opening, SqliteStore, Store};
use provisioning_core::value::{Node, NodeValue};
use provisioning_providers::local::Keeper;
use pyo3::prelude::*;

use crate::errors;
use crate::values::value_of;

/// What stands for a store that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A new one on disk.
    Made,
    /// An empty one that vanishes with the call: who only looks writes nothing.
    Empty,
}

/// A document that Python made, and the lines that its parts come from.
#[derive(FromPyObject)]
pub(crate) struct Document<'py> {
    value: Bound<'py, PyAny>,
    places: Vec<(String, String, u32)>,
}

impl Document<'_> {
    /// The document with the place of every part: that of the nearest part around it which has one.
    pub(crate) fn node(&self) -> Result<Node> {
        let origin = |(path, file, line): &(String, String, u32)| {
            (path.clone(), Origin { file: file.as_str().into(), line: *line, column: 1 })
        };
        let places: BTreeMap<String, Origin> = self.places.iter().map(origin).collect();
        match value_of(&self.value) {
            Ok(value) => {
                let mut node = Node::from(value);
                place(&mut node, "", None, &places);
                Ok(node)
            }
            Err(problem) => {
                let around = std::iter::successors(Some(problem.path.as_str()), |path| Some(path.rsplit_once('.')?.0));
                let origin = around.chain([""]).find_map(|path| places.get(path)).cloned();
                Err(Error::from_diagnostics(vec![problem.at(origin)]).expect("one problem is an error"))
            }
        }
    }
}

fn place(node: &mut Node, path: &str, around: Option<&Origin>, places: &BTreeMap<String, Origin>) {
    let origin = places.get(path).or(around);
    node.origin = origin.cloned();
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match &mut node.value {
        NodeValue::Map(entries) => entries.iter_mut().for_each(|(key, item)| place(item, &below(key), origin, places)),
        NodeValue::List(items) => items.iter_mut().for_each(|item| place(item, path, origin, places)),
        NodeValue::Leaf(_) => {}
    }
}

/// A workspace that is open, without an engine: one is made for every call, since each has its own observer.
pub(crate) struct Opened {
    pub(crate) location: Location,
    pub(crate) registry: Registry,
    secrets: Arc<dyn Secrets>,
    store: Mutex<Option<Arc<SqliteStore>>>,
}

impl Opened {
    /// Opens what is in a folder; `flags` are arguments, the keys of the configuration that they set, and their
    /// texts.
    pub(crate) fn open(folder: &Path, flags: Vec<(String, String, String)>, keeper: &Keeper) -> Result<Self> {
        let flag = |(name, key, value): (String, String, String)| Flag { name: format!("the argument `{name}`"), key, value };
        let location = Location::open(folder, &opening::overrides(flags.into_iter().map(flag).collect()))?;
        let registry = opening::registry(&location, keeper);
        let secrets = Arc::new(opening::secrets(&location).1);
        Ok(Self { location, registry, secrets, store: Mutex::default() })
    }

    /// The same workspace with a store of its own, and more on offer.
    pub(crate) fn beside(&self, store: PathBuf, registry: Registry) -> Self {
        let location = Location { store, ..self.location.clone() };
        Self { location, registry, secrets: self.secrets.clone(), store: Mutex::default() }
    }

    /// What a document declares; what the files of the workspace declare, where there is none.
    pub(crate) fn desired(&self, document: Option<Node>) -> Result<Desired> {
        let location = self.location.clone();
        let workspace = match document {
            Some(document) => Workspace::made(location, document, &self.registry)?,
            None => Workspace::load(location, &self.registry)?,
        };
        Ok(workspace.desired)
    }

    /// An engine over the store.
    pub(crate) fn engine(&self, missing: Missing, observer: Observer, settings: Settings) -> Result<Engine> {
        let builder = Engine::builder(self.registry.clone(), self.store(missing)?);
        Ok(builder.settings(settings).observer(observer).secrets(self.secrets.clone()).build())
    }

    /// Begins to read what is kept: whoever asks for it next has not to wait for all of it. What is wrong with it is told then.
    pub(crate) fn read_ahead(&self) {
        let mut store = self.kept();
        if store.is_none() {
            *store = SqliteStore::open(&self.location.store, Opening::Existing).ok().map(Arc::new);
        }
        store.iter().for_each(|store| store.read_ahead());
    }

    fn kept(&self) -> MutexGuard<'_, Option<Arc<SqliteStore>>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, missing: Missing) -> Result<Arc<dyn Store>> {
        let mut store = self.kept();
        if let Some(store) = store.as_ref() {
            return Ok(store.clone());
        }
        let opening = if missing == Missing::Made { Opening::OrCreate(&System) } else { Opening::Existing };
        match SqliteStore::open(&self.location.store, opening) {
            Err(error) if missing == Missing::Empty && error.kind() == ErrorKind::NotFound => {
                Ok(Arc::new(MemoryStore::new(Identity::fresh(&System))))
            }
            opened => {
                let opened = Arc::new(opened?);
                *store = Some(opened.clone());
                Ok(opened)
            }
        }
    }
}

/// The settings with what is said for one run.
pub(crate) fn paced(settings: &Settings, on_failure: Option<&str>, parallelism: Option<usize>) -> Result<Settings> {
    let mut settings = settings.clone();
    if let Some(text) = on_failure {
        let parsed = serde_json::from_value(text.into());
        settings.on_failure = parsed.map_err(|_| {
            Error::invalid(format!("`on_failure` cannot be `{text}`")).with_hint("`stop`, `continue` and `rollback` are possible")
        })?;
    }
    if let Some(number) = parallelism {
        if number == 0 {
            return Err(Error::invalid("`parallelism` is 0").with_hint("one call at a time is `parallelism=1`"));
        }
        settings.limits.run = number;
    }
    Ok(settings)
}

/// Makes a workspace in a folder and gives the folder.
#[pyfunction]
pub(crate) fn init(py: Python<'_>, folder: PathBuf, example: bool) -> PyResult<PathBuf> {
    let content = if example { Content::Example } else { Content::Settings };
    py.detach(|| opening::make(&folder, content)).map_err(|error| errors::raised(py, &error))
}
