//! The kind `directory`: a directory, made empty and removed only when it is empty again.
//!
//! How a directory is put durably is in [`disk`](super::disk).

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::provider::{Context, Found, Reply, ResourceKind};
use provisioning_core::schema::Schema;
use serde::{Deserialize, Serialize};

use super::config::{Mode, Root};
use super::disk::{self, Maker, blocking};
use super::error::at;

/// How many entries of a directory that is not empty an error names.
const NAMED_ENTRIES: usize = 3;

/// Directories below a root.
#[derive(Debug)]
pub(super) struct Directory {
    root: Root,
}

/// What the user sets.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Spec {
    path: PathBuf,
    mode: Mode,
    parents: bool,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    id: String,
    #[serde(default)]
    mode: Mode,
}

impl Directory {
    pub(super) fn new(root: Root) -> Self {
        Self { root }
    }
}

impl State {
    /// One of which nothing is known but where it was.
    pub(super) fn of(id: &str) -> Self {
        Self { id: id.to_owned(), mode: Mode::default() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        Path::new(&self.id)
    }
}

#[async_trait]
impl ResourceKind for Directory {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        Schema::parse(include_str!("directory.toml")).expect("the shipped schema parses")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        let ids = ids.to_vec();
        blocking(move || read(&ids)).await
    }

    async fn find(&self, context: &Context, spec: &Spec) -> Result<Found<State>> {
        let (path, context, mode) = (self.root.resolve(&spec.path)?, context.clone(), spec.mode);
        blocking(move || find(&context, &path, mode)).await
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<State>> {
        let (path, context) = (self.root.resolve(&spec.path)?, context.clone());
        blocking(move || {
            if let Some(parent) = path.parent().filter(|_| spec.parents) {
                fs::create_dir_all(parent).map_err(at(parent))?;
            }
            create(&context, &path, spec.mode)
        })
        .await
    }

    async fn update(&self, _: &Context, prior: State, spec: Spec) -> Result<Reply<State>> {
        blocking(move || update(prior.path(), spec.mode)).await
    }

    async fn delete(&self, _: &Context, prior: State) -> Result<Reply<()>> {
        blocking(move || {
            let path = prior.path();
            if disk::look(path)?.is_some_and(|metadata| metadata.is_dir()) {
                let left = entries(path)?;
                if !left.is_empty() {
                    return Err(not_empty(path, &left));
                }
                fs::remove_dir(path).map_err(at(path))?;
                disk::sync_parent(path)?;
            }
            Ok(Reply::Done(()))
        })
        .await
    }
}

/// Reads directories by their paths.
pub(super) fn read(ids: &[String]) -> Result<Vec<Option<State>>> {
    ids.iter().map(|id| observe(Path::new(id))).collect()
}

/// Searches for the directory that a call made.
///
/// Where the file system keeps no token, an empty directory with the wanted mode counts as made by the call.
pub(super) fn find(context: &Context, path: &Path, mode: Mode) -> Result<Found<State>> {
    let token = context.token.as_str();
    disk::discard_draft(path, token)?;
    let Some(state) = observe(path)? else { return Ok(Found::None) };
    let ours = match disk::maker(path, token)? {
        Maker::Ours => true,
        Maker::Other => false,
        Maker::Unknown => state.mode == mode && entries(path)?.is_empty(),
    };
    Ok(if ours { Found::One(state) } else { Found::None })
}

/// Makes a directory, or goes on with the one that the call was told of.
pub(super) fn create(context: &Context, path: &Path, mode: Mode) -> Result<Reply<State>> {
    if let (true, Some(state)) = (context.object.is_some(), observe(path)?) {
        return Ok(Reply::Done(state));
    }
    let token = context.token.as_str();
    let put = disk::put_directory(path, token, mode.0);
    disk::or_in_place(put, path, token)?;
    after(path)
}

/// Gives a directory a mode.
pub(super) fn update(path: &Path, mode: Mode) -> Result<Reply<State>> {
    if disk::look(path)?.is_some_and(|metadata| metadata.is_dir()) {
        fs::set_permissions(path, Permissions::from_mode(mode.0)).map_err(at(path))?;
    }
    after(path)
}

fn observe(path: &Path) -> Result<Option<State>> {
    let found = disk::look(path)?.filter(Metadata::is_dir);
    Ok(found.map(|metadata| State { id: path.display().to_string(), mode: Mode(metadata.permissions().mode() & 0o7777) }))
}

fn after(path: &Path) -> Result<Reply<State>> {
    let gone = || at(path)(io::ErrorKind::NotFound.into());
    observe(path)?.map(Reply::Done).ok_or_else(gone)
}

fn entries(path: &Path) -> Result<Vec<String>> {
    let listed = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = listed.map_err(at(path))?;
    let mut names: Vec<_> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn not_empty(path: &Path, left: &[String]) -> Error {
    let named: Vec<_> = left.iter().take(NAMED_ENTRIES).map(|name| format!("`{name}`")).collect();
    let more = match left.len() - named.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    Error::new(ErrorKind::Conflict, format!("`{}` is not empty: it has {}{more}", path.display(), named.join(", ")))
        .with_hint("move away what is still needed and remove the rest, then try again")
}
