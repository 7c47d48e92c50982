//! The kind `file`: a text file, put whole and read back by content.
//!
//! How a file is put durably is in [`disk`](super::disk).

use std::os::unix::fs::{MetadataExt, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use provisioning_core::digest::Digest;
use provisioning_core::error::Result;
use provisioning_core::provider::{Context, Found, Reply, ResourceKind};
use provisioning_core::schema::Schema;
use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use super::config::{Mode, Root};
use super::disk::{self, Existing, Maker, Wanted, blocking};
use super::error::{at, exists};

/// Files below a root.
#[derive(Debug)]
pub(super) struct File {
    root: Root,
}

/// What the user sets.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Spec {
    path: PathBuf,
    content: String,
    mode: Mode,
    owner: Option<String>,
    group: Option<String>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    id: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    sha256: String,
    #[serde(default)]
    size_bytes: u64,
}

impl File {
    pub(super) fn new(root: Root) -> Self {
        Self { root }
    }
}

#[async_trait]
impl ResourceKind for File {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        Schema::parse(include_str!("file.toml")).expect("the shipped schema parses")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        let ids = ids.to_vec();
        blocking(move || {
            let accounts = Accounts::load();
            ids.iter().map(|id| observe(Path::new(id), &accounts)).collect()
        })
        .await
    }

    /// Where the file system keeps no token, a file that is exactly as wanted counts as made by the call: nothing tells it
    /// from one that was there before, and taking it over changes nothing.
    async fn find(&self, context: &Context, spec: &Spec) -> Result<Found<State>> {
        let (path, token, spec) = (self.root.resolve(&spec.path)?, context.token.clone(), spec.clone());
        blocking(move || {
            disk::discard_draft(&path, token.as_str())?;
            let Some(state) = observe(&path, &Accounts::load())? else { return Ok(Found::None) };
            let ours = match disk::maker(&path, token.as_str())? {
                Maker::Ours => true,
                Maker::Other => false,
                Maker::Unknown => {
                    let owned = spec.owner.as_ref().is_none_or(|owner| *owner == state.owner);
                    let grouped = spec.group.as_ref().is_none_or(|group| *group == state.group);
                    state.content == spec.content && state.mode == spec.mode && owned && grouped
                }
            };
            Ok(if ours { Found::One(state) } else { Found::None })
        })
        .await
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<State>> {
        let (path, token) = (self.root.resolve(&spec.path)?, context.token.clone());
        let found = context.object.is_some();
        blocking(move || {
            let accounts = Accounts::load();
            if let (true, Some(state)) = (found, observe(&path, &accounts)?) {
                return Ok(Reply::Done(state));
            }
            let (user, group) = owners(&spec, &accounts)?;
            let wanted = Wanted { content: spec.content.as_bytes(), mode: spec.mode.0, user, group };
            let put = disk::put_file(&path, token.as_str(), wanted, Existing::Refused);
            disk::or_in_place(put, &path, token.as_str())?;
            after(&path, &accounts)
        })
        .await
    }

    async fn update(&self, context: &Context, prior: State, spec: Spec) -> Result<Reply<State>> {
        let (path, token) = (PathBuf::from(prior.id), context.token.clone());
        blocking(move || {
            let accounts = Accounts::load();
            let (user, group) = owners(&spec, &accounts)?;
            // The new file takes over the owners of the old one where none are given.
            let old = disk::look(&path)?;
            if old.as_ref().is_some_and(|metadata| !metadata.is_file()) {
                return Err(exists(&path));
            }
            let user = user.or(old.as_ref().map(MetadataExt::uid));
            let group = group.or(old.as_ref().map(MetadataExt::gid));
            let wanted = Wanted { content: spec.content.as_bytes(), mode: spec.mode.0, user, group };
            disk::put_file(&path, token.as_str(), wanted, Existing::Replaced)?;
            after(&path, &accounts)
        })
        .await
    }

    async fn delete(&self, _: &Context, prior: State) -> Result<Reply<()>> {
        let path = PathBuf::from(prior.id);
        blocking(move || {
            if disk::look(&path)?.is_some_and(|metadata| metadata.is_file()) {
                std::fs::remove_file(&path).map_err(at(&path))?;
                disk::sync_parent(&path)?;
            }
            Ok(Reply::Done(()))
        })
        .await
    }
}

fn owners(spec: &Spec, accounts: &Accounts) -> Result<(Option<u32>, Option<u32>)> {
    let user = spec.owner.as_deref().map(|owner| accounts.user(owner)).transpose()?;
    let group = spec.group.as_deref().map(|group| accounts.group(group)).transpose()?;
    Ok((user, group))
}

fn after(path: &Path, accounts: &Accounts) -> Result<Reply<State>> {
    let gone = || at(path)(std::io::ErrorKind::NotFound.into());
    observe(path, accounts)?.map(Reply::Done).ok_or_else(gone)
}

/// Anything but a regular file means that the file is gone; what took its place is not ours to touch.
fn observe(path: &Path, accounts: &Accounts) -> Result<Option<State>> {
    if !disk::look(path)?.is_some_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let Some((metadata, bytes)) = disk::read(path)? else { return Ok(None) };
    Ok(Some(State {
        id: path.display().to_string(),
        mode: Mode(metadata.permissions().mode() & 0o7777),
        owner: accounts.user_name(metadata.uid()),
        group: accounts.group_name(metadata.gid()),
        sha256: Digest::of(&bytes).to_string(),
        size_bytes: bytes.len() as u64,
        content: String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }))
}
