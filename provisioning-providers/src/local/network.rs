//! The kind `network`: a bridge of this machine, or a range of its loopback addresses.
//!
//! What a network is stands in a file of the site, because a bridge does not survive a restart of the machine. How a
//! bridge is made is in [`link`](super::link), how addresses are given out in [`addresses`](super::addresses).

use std::fs;
use std::path::PathBuf;

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::provider::{Context, Found, Reply, ResourceKind};
use provisioning_core::schema::Schema;
use serde::{Deserialize, Serialize};

use super::addresses::{self, Pools};
use super::disk::{self, blocking};
use super::error::at;
use super::levels::Levels;
use super::link::{self, Links};
use super::machine::{self, Level};
use super::range::Ipv4Range;
use super::site::Site;

/// How many digits of the token stand in an identity: an interface's name has at most 15 bytes.
const TOKEN_DIGITS: usize = 10;

/// How the name of a bridge of ours begins.
const PREFIX: &str = "pv";

/// Networks of one site.
#[derive(Debug)]
pub(super) struct Network {
    site: Site,
    pools: Pools,
    levels: Levels,
}

/// What the user sets.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Spec {
    cidr: Option<Ipv4Range>,
    mode: Mode,
    nat: bool,
}

/// How a network is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Auto,
    Bridge,
    Loopback,
}

/// What a network was made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    Bridge,
    Loopback,
}

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) range: Ipv4Range,
    pub(super) nat: bool,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the field is called as in the schema")]
pub(super) struct State {
    id: String,
    cidr: String,
    form: Form,
    gateway: String,
    nat: bool,
    state: String,
}

impl Network {
    pub(super) fn new(site: Site, pools: Pools, levels: Levels) -> Self {
        Self { site, pools, levels }
    }

    /// Chooses what is to be made and writes it down, so that a repeated call makes the same.
    async fn reserve(&self, context: &Context, spec: &Spec) -> Result<(String, Record)> {
        let (site, token) = (self.site.clone(), context.token.to_string());
        if let Some(found) = blocking(move || by_token(&site, &token)).await? {
            return Ok(found);
        }
        let form = self.form(spec.mode).await?;
        let digits = &context.token.as_str()[..TOKEN_DIGITS];
        let id = match form {
            Form::Bridge => format!("{PREFIX}{digits}"),
            Form::Loopback => format!("lo-{digits}"),
        };
        let (token, name) = (context.token.to_string(), context.resource.to_string());
        let (site, pools, spec) = (self.site.clone(), self.pools.clone(), spec.clone());
        blocking(move || {
            let _held = site.lock()?;
            // A call that was given up may have come this far meanwhile.
            if let Some(found) = by_token(&site, &token)? {
                return Ok(found);
            }
            site.make(&site.networks())?;
            let mut used: Vec<_> = addresses::networks(&site)?.into_iter().map(|(_, record)| record.range).collect();
            if form == Form::Bridge {
                used.extend(Links::open()?.ranges_in_use()?);
            }
            let range = addresses::choose(&pools, form, &token, spec.cidr, &used)?;
            let record = Record { token, name, form, range, nat: spec.nat };
            machine::write(&file(&site, &id), &record)?;
            Ok((id, record))
        })
        .await
    }

    async fn form(&self, mode: Mode) -> Result<Form> {
        match mode {
            // Without the level nothing could be plugged into it, and nobody could look at it.
            Mode::Bridge => self.levels.choose(Some(Level::Namespaces)).await.map(|_| Form::Bridge).map_err(no_bridge),
            Mode::Auto if self.levels.permits(Level::Namespaces).await? => Ok(Form::Bridge),
            Mode::Auto | Mode::Loopback => Ok(Form::Loopback),
        }
    }

    /// Makes the kernel have what the record says, and tells what is there.
    async fn raise(&self, id: String, record: Record) -> Result<Reply<State>> {
        let site = self.site.clone();
        blocking(move || {
            if record.form == Form::Bridge {
                Links::open()?.create_bridge(&id, &alias(&record), record.range)?;
                if record.nat {
                    link::allow_forwarding()?;
                    link::put_nat(&id, record.range, &id)?;
                } else {
                    link::delete_nat(&id)?;
                }
                link::forward_where_wanted(PREFIX)?;
            }
            observe(&site, &id)?.map(Reply::Done).ok_or_else(|| gone(&id))
        })
        .await
    }
}

#[async_trait]
impl ResourceKind for Network {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        Schema::parse(include_str!("network.toml")).expect("the shipped schema parses")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        let (site, ids) = (self.site.clone(), ids.to_vec());
        blocking(move || {
            let found = ids.iter().map(|id| observe(&site, id)).collect::<Result<_>>()?;
            Ok(site.tidied(found))
        })
        .await
    }

    async fn find(&self, context: &Context, _: &Spec) -> Result<Found<State>> {
        let (site, token) = (self.site.clone(), context.token.to_string());
        blocking(move || {
            let Some((id, _)) = by_token(&site, &token)? else { return Ok(Found::None) };
            Ok(observe(&site, &id)?.map_or(Found::None, Found::One))
        })
        .await
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<State>> {
        let (id, record) = self.reserve(context, &spec).await?;
        context.identified(&id).await?;
        self.raise(id, record).await
    }

    async fn update(&self, _: &Context, prior: State, spec: Spec) -> Result<Reply<State>> {
        let path = file(&self.site, &prior.id);
        let known = machine::read::<Record>(&path)?.ok_or_else(|| gone(&prior.id))?;
        let record = Record { nat: spec.nat, ..known };
        machine::write(&path, &record)?;
        self.raise(prior.id, record).await
    }

    async fn delete(&self, _: &Context, prior: State) -> Result<Reply<()>> {
        let site = self.site.clone();
        blocking(move || {
            let path = file(&site, &prior.id);
            if let Some(record) = machine::read::<Record>(&path)? {
                if record.form == Form::Bridge {
                    link::delete_nat(&prior.id)?;
                    Links::open()?.delete_bridge(&prior.id, &alias(&record))?;
                }
                fs::remove_file(&path).map_err(at(&path))?;
                disk::sync_parent(&path)?;
            }
            site.tidy()?;
            Ok(Reply::Done(()))
        })
        .await
    }
}

fn file(site: &Site, id: &str) -> PathBuf {
    site.networks().join(format!("{id}.json"))
}

/// What tells a bridge of ours from anybody else's, and people whose it is.
fn alias(record: &Record) -> String {
    format!("provisioning {} {}", record.token, record.name)
}

fn by_token(site: &Site, token: &str) -> Result<Option<(String, Record)>> {
    Ok(addresses::networks(site)?.into_iter().find(|(_, record)| record.token == token))
}

fn observe(site: &Site, id: &str) -> Result<Option<State>> {
    let Some(record) = machine::read::<Record>(&file(site, id))? else { return Ok(None) };
    let bridge = record.form == Form::Bridge;
    let up = !bridge || Links::open()?.find_bridge(id)?.is_some_and(|there| there.up && there.range == Some(record.range));
    // Loopback has nothing to translate: it reaches what this machine reaches, which is what was asked for.
    let nat = if bridge { link::has_nat(id)? } else { record.nat };
    let gateway = if bridge { record.range.gateway().to_string() } else { String::new() };
    let state = if up { "up" } else { "down" }.to_owned();
    Ok(Some(State { id: id.to_owned(), cidr: record.range.to_string(), form: record.form, gateway, nat, state }))
}

fn no_bridge(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unsupported => error.with_hint("leave `mode` out for a network of loopback addresses, or run as root"),
        _ => error,
    }
}

fn gone(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the network `{id}` is gone")).with_hint("plan again: it will be made anew")
}
