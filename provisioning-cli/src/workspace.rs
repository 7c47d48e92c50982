//! Opening a workspace: its folder, its configuration, its store, and the engine over them.
//!
//! The only file that joins the command to the configuration, the store and the providers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use provisioning_core::clock::System;
use provisioning_core::config::{Flag, Location, MANIFEST, Overrides, Registered, Workspace, is_workspace};
use provisioning_core::engine::Engine;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::event::Observer;
use provisioning_core::name::WorkspaceName;
use provisioning_core::registry::Registry;
use provisioning_core::secrets::{Vault, WorkspaceSecrets};
use provisioning_core::store::{Identity, MemoryStore, Opening, SqliteStore, Store};
use provisioning_providers::local::Keeper;

use crate::args::Pace;
use crate::console::of_io;
use crate::opening;

/// Where a command begins.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The folder that was named.
    pub(crate) directory: Option<PathBuf>,
    /// The workspace that was named.
    pub(crate) workspace: Option<WorkspaceName>,
    /// The file of the registered workspaces; `None` for a user without a home.
    pub(crate) registered: Option<PathBuf>,
    /// What configures it besides its own files.
    pub(crate) overrides: Overrides,
    /// What starts keepers for servers and processes.
    pub(crate) keeper: Keeper,
}

/// The workspace that a command works in.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its folder.
    pub(crate) root: PathBuf,
    /// Why it is this one.
    pub(crate) why: Why,
}

/// Why a command works in a workspace; what comes first here goes before the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was named.
    Named,
    /// The folder that was named lies in it.
    Directory,
    /// The command lies in it.
    Inside,
    /// The command lies in none, and this one is in use.
    InUse,
}

impl Why {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Named => "named by --workspace",
            Self::Directory => "named by --directory",
            Self::Inside => "the command lies in it",
            Self::InUse => "in use, since the command lies in none",
        }
    }
}

impl Start {
    /// The workspace that the command works in.
    pub(crate) fn location(&self, pace: &Pace) -> Result<Location> {
        let mut overrides = self.overrides.clone();
        overrides.flags.extend(pace.flags());
        Location::open(&root(self)?, &overrides)
    }

    /// The same workspace in another environment.
    pub(crate) fn in_environment(&self, name: &str) -> Self {
        let flag = Flag { name: format!("the argument `{name}`"), key: "environment".to_owned(), value: name.to_owned() };
        let mut start = self.clone();
        start.overrides.flags.push(flag);
        start
    }

    fn registry(&self, location: &Location) -> Registry {
        opening::registry(location, &self.keeper)
    }

    /// The folder that the command was told to begin in, or lies in.
    pub(crate) fn folder(&self) -> &Path {
        self.directory.as_deref().unwrap_or(Path::new("."))
    }
}

/// An open workspace.
pub(crate) struct Session {
    /// The engine.
    pub(crate) engine: Engine,
    /// The name of the workspace.
    pub(crate) name: String,
}

/// What stands for a store that is not there yet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Missing {
    /// A new one on disk.
    Made,
    /// An empty one that vanishes with the command: who only looks writes nothing.
    Empty,
}

/// Opens a workspace with what it declares.
pub(crate) fn declared(start: &Start, pace: &Pace, observer: Observer, missing: Missing) -> Result<(Session, Box<Workspace>)> {
    let location = start.location(pace)?;
    let registry = start.registry(&location);
    // What is kept is read while the declarations are; what is wrong with them is told first.
    let opened = SqliteStore::open(&location.store, Opening::Existing);
    opened.iter().for_each(SqliteStore::read_ahead);
    let workspace = Workspace::load(location, &registry)?;
    let Location { name, settings, store, .. } = &workspace.location;
    let store = or_missing(opened, store, missing)?;
    let builder = Engine::builder(registry, store).settings(settings.clone()).observer(observer);
    let engine = builder.secrets(Arc::new(opening::secrets(&workspace.location).1)).build();
    Ok((Session { engine, name: name.clone() }, Box::new(workspace)))
}

/// Opens a workspace for its state and its runs alone: what it declares is not evaluated, and may be wrong.
pub(crate) fn stored(start: &Start, pace: &Pace, observer: Observer) -> Result<Session> {
    let location = start.location(pace)?;
    let registry = start.registry(&location);
    let store = open(&location.store, Missing::Empty)?;
    let secrets = Arc::new(opening::secrets(&location).1);
    let engine = Engine::builder(registry, store).settings(location.settings).observer(observer).secrets(secrets).build();
    Ok(Session { engine, name: location.name })
}

/// What a workspace declares, and what it is offered; no store is read or made.
pub(crate) fn written(start: &Start) -> Result<(Registry, Workspace)> {
    let location = start.location(&Pace::default())?;
    let registry = start.registry(&location);
    let workspace = Workspace::load(location, &registry)?;
    Ok((registry, workspace))
}

/// Opens a workspace for what it declares alone: no store is read or made.
pub(crate) fn unstored(start: &Start) -> Result<(Engine, Workspace)> {
    let (registry, workspace) = written(start)?;
    let builder = Engine::builder(registry, empty()).settings(workspace.location.settings.clone());
    let engine = builder.secrets(Arc::new(opening::secrets(&workspace.location).1)).build();
    Ok((engine, workspace))
}

fn open(path: &Path, missing: Missing) -> Result<Arc<dyn Store>> {
    or_missing(SqliteStore::open(path, Opening::Existing), path, missing)
}

/// A store, or what stands for one that is not there yet.
fn or_missing(opened: Result<SqliteStore>, path: &Path, missing: Missing) -> Result<Arc<dyn Store>> {
    Ok(match (opened, missing) {
        (Err(error), Missing::Empty) if error.kind() == ErrorKind::NotFound => empty(),
        (Err(error), Missing::Made) if error.kind() == ErrorKind::NotFound => {
            Arc::new(SqliteStore::open(path, Opening::OrCreate(&System))?)
        }
        (opened, _) => Arc::new(opened?),
    })
}

fn empty() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Identity::fresh(&System)))
}

/// The secrets of a workspace: those in its own files, to be changed, and all of them, to be read.
pub(crate) fn secrets(start: &Start) -> Result<(Vault, WorkspaceSecrets)> {
    Ok(opening::secrets(&start.location(&Pace::default())?))
}

/// The folder of the workspace that a command works in.
pub(crate) fn root(start: &Start) -> Result<PathBuf> {
    place(start).map(|place| place.root)
}

/// The workspace that a command works in, and why that one.
pub(crate) fn place(start: &Start) -> Result<Place> {
    if let Some(name) = &start.workspace {
        let root = registered(start)?.root(name)?.to_owned();
        return Ok(Place { root, why: Why::Named });
    }
    let (directory, told) = (start.folder(), start.directory.is_some());
    let from = directory.canonicalize().map_err(|error| of_io("open", &directory.to_string_lossy(), error))?;
    if let Some(root) = from.ancestors().find(|folder| is_workspace(folder)) {
        return Ok(Place { root: root.to_owned(), why: if told { Why::Directory } else { Why::Inside } });
    }
    let used = if told { Registered::default() } else { registered(start)? };
    if let Some(current) = &used.current {
        return Ok(Place { root: used.root(current)?.to_owned(), why: Why::InUse });
    }
    let error = Error::new(ErrorKind::NotFound, format!("`{}` is not in a workspace: there is no `{MANIFEST}`", from.display()));
    Err(error
        .with_hint("`provisioning init` makes one here; `-C DIR` works in another folder, `-w NAME` in a registered workspace"))
}

fn registered(start: &Start) -> Result<Registered> {
    start.registered.as_deref().map_or_else(|| Ok(Registered::default()), Registered::read)
}
