//! The local provider: real things on this machine, with nothing installed.
//!
//! One file per kind, each with its schema in a data file of the same name. Settings, paths and modes are in `config.rs`,
//! durable file work in `disk.rs`, the mapping of the system's errors in `error.rs`, interfaces in `link`.

mod accounts;
mod config;
mod directory;
pub(crate) mod disk;
pub(crate) mod error;
mod existing_file;
mod file;
mod host;
#[cfg_attr(not(test), expect(dead_code, reason = "the kind that runs servers from images is not there yet"))]
mod image;
#[cfg_attr(not(test), expect(dead_code, reason = "nothing starts a keeper yet"))]
mod keeper;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "private networks come after what they are made of"))]
mod link;
#[cfg_attr(not(test), expect(dead_code, reason = "private networks come after what they are made of"))]
mod range;
mod value;
mod volume;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::provider::{AnyKind, AnyLookup, Provider, erase, erase_lookup};
use provisioning_core::registry::ProviderFactory;
use provisioning_core::schema::Schema;
use provisioning_core::value::Value as Document;

use config::{Root, Settings};
use directory::Directory;
use existing_file::ExistingFile;
use file::File;
use host::Host;
use value::Value;
use volume::Volume;

/// Where local providers keep what is theirs, below the workspace's directory.
const STATE: &str = ".provisioning/local";

/// Builds local providers.
#[derive(Debug)]
pub struct LocalFactory {
    base: PathBuf,
    settings: Arc<Schema>,
    kinds: Vec<Arc<Schema>>,
    lookups: Vec<Arc<Schema>>,
}

/// This machine, seen from one directory.
pub struct Local {
    root: Root,
    kinds: Vec<Arc<dyn AnyKind>>,
    lookups: Vec<Arc<dyn AnyLookup>>,
}

impl LocalFactory {
    /// A factory whose providers start at a directory, the workspace's.
    pub fn new(base: &Path) -> Self {
        let any = Local::new(base, &base.join(STATE));
        Self {
            base: base.to_owned(),
            settings: Arc::new(Schema::parse(include_str!("local.toml")).expect("the shipped schema parses")),
            kinds: any.kinds.iter().map(|kind| kind.schema()).collect(),
            lookups: any.lookups.iter().map(|lookup| lookup.schema()).collect(),
        }
    }
}

impl ProviderFactory for LocalFactory {
    fn settings(&self) -> Arc<Schema> {
        self.settings.clone()
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        self.kinds.clone()
    }

    fn lookups(&self) -> Vec<Arc<Schema>> {
        self.lookups.clone()
    }

    fn build(&self, settings: &Document) -> Result<Arc<dyn Provider>> {
        let settings: Settings = serde_json::from_value(settings.expose()?)
            .map_err(|error| Error::invalid(format!("the settings of a `local` provider do not fit: {error}")))?;
        let root = self.base.join(settings.root);
        let absolute = std::path::absolute(&root).map_err(error::at(&root))?;
        let state = std::path::absolute(self.base.join(STATE)).map_err(error::at(&self.base))?;
        Ok(Arc::new(Local::new(&absolute, &state)))
    }
}

impl Local {
    /// The machine seen from an absolute directory, with another for what the provider keeps for itself; the second is
    /// made when it is needed.
    pub fn new(root: &Path, state: &Path) -> Self {
        let root = Root::new(root.to_owned());
        let kinds = vec![
            Arc::new(Value::new()) as Arc<dyn AnyKind>,
            erase(Directory::new(root.clone())),
            erase(File::new(root.clone())),
            erase(Host),
            erase(Volume::new(root.clone(), state)),
        ];
        let lookups = vec![erase_lookup(ExistingFile::new(root.clone()))];
        Self { root, kinds, lookups }
    }
}

#[async_trait]
impl Provider for Local {
    async fn check(&self) -> Result<()> {
        let root = self.root.as_path().to_owned();
        disk::blocking(move || {
            if root.is_dir() {
                return Ok(());
            }
            let message = format!("the root `{}` of a `local` provider is not a directory", root.display());
            Err(Error::new(ErrorKind::NotFound, message).with_hint("make the directory, or set another `root`"))
        })
        .await
    }

    fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        self.kinds.clone()
    }

    fn lookups(&self) -> Vec<Arc<dyn AnyLookup>> {
        self.lookups.clone()
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("root", &self.root).finish_non_exhaustive()
    }
}
