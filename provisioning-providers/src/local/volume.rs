//! The kind `volume`: a directory for data, which outlives what uses it and is deleted with its content.
//!
//! It is made and read as a [`directory`](super::directory) is; how a tree is removed durably is in
//! [`disk`](super::disk).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::name::ResourceName;
use provisioning_core::provider::{Context, Found, Reply, ResourceKind};
use provisioning_core::schema::Schema;
use serde::Deserialize;

use super::config::{Mode, Root};
use super::directory::{self, State};
use super::disk::{self, blocking};
use super::site::Site;

/// Directories for data.
#[derive(Debug)]
pub(super) struct Volume {
    root: Root,
    /// Where volumes without a path of their own lie.
    site: Site,
}

/// What the user sets.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Spec {
    path: Option<PathBuf>,
    mode: Mode,
}

impl Volume {
    pub(super) fn new(root: Root, site: Site) -> Self {
        Self { root, site }
    }

    fn place(&self, name: &ResourceName, spec: &Spec) -> Result<PathBuf> {
        let Some(written) = &spec.path else { return Ok(self.site.volumes().join(name.as_str())) };
        let path = self.root.resolve(written)?;
        self.guard(&path)?;
        Ok(path)
    }

    /// Refuses a place whose removal would take the workspace or other volumes with it.
    fn guard(&self, path: &Path) -> Result<()> {
        let held = [self.root.as_path().to_owned(), self.site.volumes()].into_iter().find(|kept| kept.starts_with(path));
        let Some(kept) = held else { return Ok(()) };
        let message = format!("`{}` cannot be a volume: it holds `{}`", path.display(), kept.display());
        Err(Error::invalid(message).with_hint("deleting a volume deletes all that is in it; choose a path of its own"))
    }
}

#[async_trait]
impl ResourceKind for Volume {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        Schema::parse(include_str!("volume.toml")).expect("the shipped schema parses")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        let (site, ids) = (self.site.clone(), ids.to_vec());
        blocking(move || {
            let found = directory::read(&ids)?;
            // One whose removal was cut off is still there, so that it is gone on with.
            let rest =
                |(id, found): (&String, Option<State>)| found.or_else(|| disk::is_doomed(Path::new(id)).then(|| State::of(id)));
            Ok(site.tidied(ids.iter().zip(found).map(rest).collect()))
        })
        .await
    }

    async fn find(&self, context: &Context, spec: &Spec) -> Result<Found<State>> {
        let (path, context, mode) = (self.place(&context.resource, spec)?, context.clone(), spec.mode);
        blocking(move || directory::find(&context, &path, mode)).await
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<State>> {
        let (path, context) = (self.place(&context.resource, &spec)?, context.clone());
        let site = spec.path.is_none().then(|| self.site.clone());
        blocking(move || {
            // Nobody may tidy up between the two.
            let _held = site.as_ref().map(Site::lock).transpose()?;
            if let Some(site) = &site {
                site.make(&site.volumes())?;
            }
            directory::create(&context, &path, spec.mode)
        })
        .await
    }

    async fn update(&self, _: &Context, prior: State, spec: Spec) -> Result<Reply<State>> {
        blocking(move || directory::update(prior.path(), spec.mode)).await
    }

    /// What is mounted inside belongs to somebody else, and removing the tree would empty it.
    async fn delete(&self, _: &Context, prior: State) -> Result<Reply<()>> {
        self.guard(prior.path())?;
        let site = self.site.clone();
        blocking(move || {
            let path = prior.path();
            if let Some(mounted) = mounted_inside(path) {
                let message = format!("`{}` is mounted inside the volume `{}`", mounted.display(), path.display());
                return Err(Error::new(ErrorKind::Conflict, message).with_hint(format!("run `umount {}`", mounted.display())));
            }
            disk::remove_tree(path)?;
            site.tidy()?;
            Ok(Reply::Done(()))
        })
        .await
    }
}

/// The first mount point at or below a path, as this process sees it (`proc_pid_mountinfo(5)`); none where the system
/// tells none.
fn mounted_inside(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    let table = fs::read("/proc/self/mountinfo").ok()?;
    let mut points = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescaped);
    points.find(|point| point.starts_with(&path))
}

/// A field of the table, in which a blank, a tab, a line's end and a backslash are written as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests;
