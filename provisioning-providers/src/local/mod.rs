//! The local provider: real things on this machine, with nothing installed.
//!
//! One file per kind, each with its schema in a data file of the same name. Settings, paths and modes are in `config.rs`,
//! durable file work in `disk.rs`, the mapping of the system's errors in `error.rs`, interfaces in `link`; servers and processes
//! live in a folder (`machine.rs`) and by a process of their own (`keeper`).

mod accounts;
mod addresses;
mod cgroup;
mod config;
mod directory;
pub(crate) mod disk;
mod draft;
pub(crate) mod error;
mod existing_file;
mod file;
mod host;
mod identity;
mod image;
pub(crate) mod keeper;
mod levels;
mod link;
pub(crate) mod machine;
mod network;
mod process;
mod range;
mod server;
mod site;
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

pub use keeper::{Keeper, enter_if_keeper, keep};

use addresses::Pools;
use config::{Root, Settings};
use directory::Directory;
use existing_file::ExistingFile;
use file::File;
use host::Host;
use levels::Levels;
use network::Network;
use process::Process;
use server::Server;
use site::Site;
use value::Value;
use volume::Volume;

/// Builds local providers.
#[derive(Debug)]
pub struct LocalFactory {
    base: PathBuf,
    site: Site,
    keeper: Option<Keeper>,
    settings: Arc<Schema>,
    kinds: Vec<Arc<Schema>>,
    lookups: Vec<Arc<Schema>>,
}

/// The folder of a workspace for what is not its user's to edit.
const KEPT: &str = ".provisioning";

/// This machine, seen from one directory.
pub struct Local {
    root: Root,
    kinds: Vec<Arc<dyn AnyKind>>,
    lookups: Vec<Arc<dyn AnyLookup>>,
}

impl LocalFactory {
    /// A factory whose providers start at a directory, the workspace's; servers and processes take a keeper.
    pub fn new(base: &Path, keeper: Option<Keeper>) -> Self {
        Self::keeping(base, &base.join(KEPT), keeper)
    }

    /// The same, with another folder than the usual one for what is kept of servers, networks and processes.
    pub fn keeping(base: &Path, kept: &Path, keeper: Option<Keeper>) -> Self {
        let any = Local::new(base, keeper.clone());
        Self {
            base: base.to_owned(),
            site: Site::of(kept),
            keeper,
            settings: Arc::new(settings()),
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
        let settings = Settings::parse(settings)?;
        let absolute = |path: &Path| std::path::absolute(path).map_err(error::at(path));
        let (site, root) = (self.site.absolute()?, absolute(&self.base.join(&settings.root))?);
        Ok(Arc::new(Local::with(site, &root, &settings, self.keeper.clone())))
    }
}

impl Local {
    /// The machine seen from an absolute directory, a workspace's, with the shipped settings; without a keeper there are
    /// no servers and processes.
    pub fn new(base: &Path, keeper: Option<Keeper>) -> Self {
        Self::with(Site::of(&base.join(KEPT)), base, &Settings::shipped(&settings()), keeper)
    }

    /// Relative paths start at `root`.
    fn with(site: Site, root: &Path, settings: &Settings, keeper: Option<Keeper>) -> Self {
        let root = Root::new(root.to_owned());
        let pools = Pools { bridge: settings.bridge_networks, loopback: settings.loopback_networks };
        let levels = Levels::new(site.clone(), keeper);
        let kinds = vec![
            Arc::new(Value::new()) as Arc<dyn AnyKind>,
            erase(Directory::new(root.clone())),
            erase(File::new(root.clone())),
            erase(Host),
            erase(Volume::new(root.clone(), site.clone())),
            erase(Network::new(site.clone(), pools.clone(), levels.clone())),
            erase(Process::new(root.clone(), site.clone(), levels.clone())),
            erase(Server::new(root.clone(), site, pools, levels)),
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

/// What the provider's settings are.
fn settings() -> Schema {
    Schema::parse(include_str!("local.toml")).expect("the shipped schema parses")
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("root", &self.root).finish_non_exhaustive()
    }
}
