//! A registry of made-up providers and services, and workspaces in folders that vanish.
//!
//! Nothing here can be called: only the schemas are ever asked for.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use crate::config::{Location, Overrides, Workspace};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::name::ResourceName;
use crate::provider::{Context, Provider};
use crate::registry::{ProviderFactory, Registry};
use crate::schema::Schema;
use crate::task::{Condition, TaskService};
use crate::value::Value;

const FILE: &str = r#"
kind = "file"
summary = "A file."
[fields]
path = { type = "string", summary = "Where it lies.", presence = "required" }
content = { type = "text", summary = "What is in it." }
mode = { type = "string", summary = "Who may read it.", one_of = ["private", "public"] }
owner = { type = "string", summary = "Whose it is.", default = "root" }
password = { type = "string", summary = "What it is locked with.", sensitive = true }
id = { type = "string", summary = "Its identity.", presence = "computed" }
"#;

const NETWORK: &str = r#"
kind = "network"
summary = "A network."
[fields]
cidr = { type = "string", summary = "Its range.", presence = "required" }
"#;

const SERVER: &str = r#"
kind = "server"
summary = "A \"machine\" with 100 %{percent}."
[fields]
size_gb = { type = "integer", summary = "The size of its disk.", presence = "required" }
ratio = { type = "number", summary = "Any number." }
on = { type = "bool", summary = "Whether it runs." }
tags = { type = "map(string)", summary = "Words." }
[fields.disks]
type = "list(object)"
summary = "More disks."
fields.size_gb = { type = "integer", summary = "The size.", presence = "required" }
fields.key = { type = "string", summary = "What it is sealed with.", sensitive = true }
"#;

/// Providers of one type, known by their schemas alone.
struct Factory {
    settings: &'static str,
    kinds: &'static [&'static str],
    lookups: &'static [&'static str],
}

fn schema(text: &str) -> Arc<Schema> {
    Arc::new(Schema::parse(text).expect("a schema"))
}

impl ProviderFactory for Factory {
    fn settings(&self) -> Arc<Schema> {
        schema(self.settings)
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        self.kinds.iter().map(|text| schema(text)).collect()
    }

    fn lookups(&self) -> Vec<Arc<Schema>> {
        self.lookups.iter().map(|text| schema(text)).collect()
    }

    fn build(&self, _: &Value) -> Result<Arc<dyn Provider>> {
        Err(Error::bug("a provider was built while reading a document"))
    }
}

struct Nginx;

#[async_trait]
impl TaskService for Nginx {
    fn schema(&self) -> Arc<Schema> {
        schema("kind = 'nginx'\nsummary = 'A server.'\n[fields]\nport = { type = 'integer', summary = 'Its port.' }")
    }

    async fn check(&self, _: &ResourceName, _: &dyn Host, _: &Value) -> Result<Condition> {
        Err(Error::bug("called"))
    }

    async fn apply(&self, _: &Context, _: &dyn Host, _: &Value) -> Result<Value> {
        Err(Error::bug("called"))
    }

    async fn remove(&self, _: &Context, _: &dyn Host, _: &Value) -> Result<()> {
        Err(Error::bug("called"))
    }
}

/// Types `local` (file, network, server), `cloud` (server) and `shop` (cart), the lookup `image`, the service `nginx`.
pub(super) fn registry() -> Registry {
    const IMAGE: &str = "kind = 'image'\nsummary = 'An image.'\n[fields]\nname = { type = 'string', summary = 'Its name.' }";
    let local = "kind = 'local'\nsummary = 'This machine.'\n[fields]\n\
        root = { type = 'string', summary = 'A folder.' }\ntoken = { type = 'string', summary = 'A word.', sensitive = true }";
    let cloud =
        "kind = 'cloud'\nsummary = 'Another.'\n[fields]\nzone = { type = 'string', summary = 'Where.', presence = 'required' }";
    Registry::default()
        .with_provider(Factory { settings: local, kinds: &[FILE, NETWORK, SERVER], lookups: &[IMAGE] })
        .with_provider(Factory { settings: cloud, kinds: &[SERVER], lookups: &[] })
        .with_provider(Factory {
            settings: "kind = 'shop'\nsummary = 'A shop.'",
            kinds: &["kind = 'cart'\nsummary = 'A cart.'"],
            lookups: &[],
        })
        .with_service(Nginx)
}

/// A workspace in a folder that vanishes with it.
pub(super) struct Folder(TempDir);

impl Folder {
    /// A workspace of some files; it has a `provisioning.toml` in any case.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("made");
        for (name, text) in [("provisioning.toml", "")].iter().chain(files) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn load(&self) -> Result<Workspace> {
        self.load_with(&Overrides::default())
    }

    pub(super) fn load_with(&self, overrides: &Overrides) -> Result<Workspace> {
        Workspace::load(Location::open(self.path(), overrides)?, &registry())
    }
}
