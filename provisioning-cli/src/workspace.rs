//! Opening a workspace: its folder, its configuration, its store, and the engine over them.
//!
//! The only file that joins the command to the configuration, the store and the providers.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use provisioning_core::engine::Engine;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::event::Observer;
use provisioning_core::registry::Registry;
use provisioning_core::resource::Desired;

use crate::args::Pace;
use joint::{SqliteStore, Workspace, load, open, registry};

/// The file that makes a folder a workspace.
pub(crate) const FILE: &str = "provisioning.toml";

/// An open workspace.
pub(crate) struct Session {
    /// The engine.
    pub(crate) engine: Engine,
    /// The name of the workspace.
    pub(crate) name: String,
}

/// Opens a workspace with what it declares.
pub(crate) fn declared(directory: &Path, pace: &Pace, observer: Observer) -> Result<(Session, Desired)> {
    let root = root(directory)?;
    let registry = registry(&root);
    let (session, desired) = join(load(&root, &registry)?, registry, pace, observer)?;
    Ok((session, desired))
}

/// Opens a workspace for its state and its runs alone: what it declares is not evaluated, and may be wrong.
pub(crate) fn stored(directory: &Path, pace: &Pace, observer: Observer) -> Result<Session> {
    let root = root(directory)?;
    Ok(join(open(&root)?, registry(&root), pace, observer)?.0)
}

fn join(workspace: Workspace, registry: Registry, pace: &Pace, observer: Observer) -> Result<(Session, Desired)> {
    let store = SqliteStore::open(&workspace.store)?;
    let mut settings = workspace.settings;
    settings.limits.run = pace.parallelism.map_or(settings.limits.run, NonZeroUsize::get);
    settings.on_failure = pace.on_failure.unwrap_or(settings.on_failure);
    let engine = Engine::builder(registry, store).settings(settings).observer(observer).build();
    Ok((Session { engine, name: workspace.name }, workspace.desired))
}

/// The nearest folder, from a directory upwards, that is a workspace.
pub(crate) fn root(directory: &Path) -> Result<PathBuf> {
    let from = directory.canonicalize().map_err(|error| crate::console::of_io("open", &directory.to_string_lossy(), error))?;
    let found = from.ancestors().find(|folder| folder.join(FILE).is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("`{}` is not in a workspace: there is no `{FILE}`", from.display()))
            .with_hint("`provisioning init` makes one here; `-C DIR` works in another folder")
    })
}

/// Stands for the modules that are joined later.
mod joint {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use provisioning_core::config::Settings;
    use provisioning_core::error::{Error, ErrorKind, Result};
    use provisioning_core::registry::Registry;
    use provisioning_core::resource::Desired;
    use provisioning_core::store::Store;

    pub(super) struct Workspace {
        pub(super) name: String,
        pub(super) settings: Settings,
        pub(super) store: PathBuf,
        pub(super) desired: Desired,
    }

    pub(super) struct SqliteStore;

    impl SqliteStore {
        pub(super) fn open(path: &Path) -> Result<Arc<dyn Store>> {
            Err(Error::new(ErrorKind::Unsupported, format!("`{}` cannot be opened yet", path.display())))
        }
    }

    pub(super) fn registry(_base: &Path) -> Registry {
        Registry::default()
    }

    pub(super) fn load(root: &Path, _registry: &Registry) -> Result<Workspace> {
        open(root)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for one that can fail")]
    pub(super) fn open(root: &Path) -> Result<Workspace> {
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let store = root.join(".provisioning/store.db");
        Ok(Workspace { name, settings: Settings::shipped(), store, desired: Desired::default() })
    }
}
