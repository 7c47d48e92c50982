//! The kind `server`: a machine of its own on this machine, as far as that permits.
//!
//! The record is written before anything is made, and everything is made from the record, whether for the first time or
//! after a restart of this machine. What stands in it is decided in [`draft`](super::draft), how a server is separated in
//! [`keeper`](super::keeper).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::provider::{Context, Found, Reply, ResourceKind};
use provisioning_core::schema::Schema;
use serde::{Deserialize, Serialize};

use super::addresses::Pools;
use super::config::Root;
use super::disk::blocking;
use super::draft::Draft;
use super::image;
use super::levels::Levels;
use super::link::Links;
use super::machine::{self, Level, Place, identity};
use super::site::Site;
use crate::transport::local_server;

/// Servers of one site.
#[derive(Debug)]
pub(super) struct Server {
    root: Root,
    site: Site,
    pools: Pools,
    levels: Levels,
}

/// What the user sets.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Spec {
    pub(super) network: Option<String>,
    pub(super) address: Option<String>,
    pub(super) host_name: Option<String>,
    pub(super) image: Option<PathBuf>,
    isolation: Isolation,
    pub(super) volumes: BTreeMap<String, PathBuf>,
    pub(super) memory_mb: Option<i64>,
    pub(super) cpus: Option<f64>,
    pub(super) max_processes: Option<i64>,
    state: Power,
}

/// How a server is wanted to be separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Isolation {
    Auto,
    Namespaces,
    UserNamespaces,
    Confined,
}

/// Whether a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Power {
    #[default]
    Running,
    Stopped,
    /// It runs, but its cable is not in the network's bridge.
    Unplugged,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the field is called as in the schema")]
pub(super) struct State {
    id: String,
    connection: BTreeMap<String, String>,
    state: Power,
    address: Option<Ipv4Addr>,
    host_name: String,
    level: String,
    limits: Vec<String>,
}

impl Server {
    pub(super) fn new(root: Root, site: Site, pools: Pools, levels: Levels) -> Self {
        Self { root, site, pools, levels }
    }

    fn place(&self, id: &str) -> Place {
        Place::new(&self.site.servers(), id)
    }

    async fn by_token(&self, context: &Context) -> Result<Option<Place>> {
        let (folder, token) = (self.site.servers(), context.token.to_string());
        blocking(move || Ok(machine::find(&folder, &token)?.map(|(place, _)| place))).await
    }

    /// Writes down what the server is to be.
    async fn reserve(&self, context: &Context, spec: &Spec) -> Result<Place> {
        if let Some(place) = self.by_token(context).await? {
            return Ok(place);
        }
        let level = self.levels.choose(spec.isolation.level()).await?;
        let place = self.place(&identity(context.resource.as_str(), context.token.as_str()));
        let (draft, token) = (self.draft(&place, context, spec), context.token.to_string());
        blocking(move || draft.make(token, level)).await?;
        Ok(place)
    }

    fn draft(&self, place: &Place, context: &Context, spec: &Spec) -> Draft {
        Draft {
            root: self.root.clone(),
            site: self.site.clone(),
            pools: self.pools.clone(),
            place: place.clone(),
            name: context.resource.to_string(),
            spec: spec.clone(),
        }
    }

    /// Brings the server to the wanted state, as the record says what it is.
    async fn settle(&self, place: &Place, wanted: Power) -> Result<Reply<State>> {
        match wanted {
            Power::Stopped => drop(place.stop().await?),
            Power::Running | Power::Unplugged => {
                self.levels.keeper()?.start(place).await?;
            }
        }
        let place = place.clone();
        blocking(move || observe(&place)?.map(Reply::Done).ok_or_else(|| gone(&place.id()))).await
    }
}

#[async_trait]
impl ResourceKind for Server {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        Schema::parse(include_str!("server.toml")).expect("the shipped schema parses")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        let places: Vec<_> = ids.iter().map(|id| self.place(id)).collect();
        let site = self.site.clone();
        blocking(move || Ok(site.tidied(places.iter().map(observe).collect::<Result<_>>()?))).await
    }

    async fn find(&self, context: &Context, _: &Spec) -> Result<Found<State>> {
        let Some(place) = self.by_token(context).await? else { return Ok(Found::None) };
        blocking(move || Ok(observe(&place)?.map_or(Found::None, Found::One))).await
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<State>> {
        let place = self.reserve(context, &spec).await?;
        context.identified(&place.id()).await?;
        self.settle(&place, spec.state).await
    }

    /// A server that changes is started again with what it is to be; its files stay.
    async fn update(&self, context: &Context, prior: State, spec: Spec) -> Result<Reply<State>> {
        let place = self.place(&prior.id);
        let machine = place.machine()?.ok_or_else(|| gone(&prior.id))?;
        let draft = self.draft(&place, context, &spec);
        // What it cannot become leaves it running as it is.
        let changed = blocking(move || draft.changed(&machine)).await?;
        let held = place.stop().await?;
        let put = place.clone();
        blocking(move || put.put(&changed)).await?;
        drop(held);
        self.settle(&place, spec.state).await
    }

    async fn delete(&self, _: &Context, prior: State) -> Result<Reply<()>> {
        let (place, site) = (self.place(&prior.id), self.site.clone());
        let machine = place.machine()?;
        let held = if machine.is_some() { Some(place.stop().await?) } else { None };
        blocking(move || {
            match machine.and_then(|machine| machine.image) {
                Some(image) => remove_with(&site, &place, &image)?,
                None => place.remove()?,
            }
            drop(held);
            site.tidy()?;
            Ok(Reply::Done(()))
        })
        .await
    }
}

impl Isolation {
    fn level(self) -> Option<Level> {
        match self {
            Self::Auto => None,
            Self::Namespaces => Some(Level::Namespaces),
            Self::UserNamespaces => Some(Level::UserNamespaces),
            Self::Confined => Some(Level::Confined),
        }
    }
}

/// Removes a server, and its unpacked image when no other server lies over it. Of several that go at once, the last takes
/// it along.
fn remove_with(site: &Site, place: &Place, image: &Path) -> Result<()> {
    let _held = site.lock()?;
    let mut others = machine::all(&site.servers())?.into_iter().filter(|(other, _)| other != place);
    let used = others.any(|(_, machine)| machine.image.as_deref() == Some(image));
    if !used && image.starts_with(site.images()) {
        image::forget(image)?;
    }
    place.remove()
}

fn observe(place: &Place) -> Result<Option<State>> {
    let Some(machine) = place.machine()? else { return Ok(None) };
    let state = match &machine.attachment {
        _ if !place.is_kept()? => Power::Stopped,
        Some(attachment) if !Links::open()?.is_attached(&attachment.port, &attachment.bridge)? => Power::Unplugged,
        _ => Power::Running,
    };
    let connection = [("transport", local_server::NAME.to_owned()), ("directory", place.as_path().display().to_string())];
    Ok(Some(State {
        id: place.id(),
        connection: connection.map(|(key, value)| (key.to_owned(), value)).into(),
        state,
        address: machine.address,
        host_name: machine.host_name,
        level: machine.level.as_str().to_owned(),
        limits: place.standing()?.limits,
    }))
}

fn gone(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the server `{id}` is gone")).with_hint("plan again: it will be made anew")
}
