//! The files of a web site on its host, and the list of those that were written, which stands beside the root.
//!
//! The list names a file before it is written and until it is gone, so that none is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Command, Host, Output};

/// The permission bits of what is written.
const MODE: u32 = 0o644;

/// A directory of files on a host.
pub(super) struct Site<'a> {
    host: &'a dyn Host,
    root: PathBuf,
    list: PathBuf,
}

impl<'a> Site<'a> {
    /// The files below a root that were written for one service.
    ///
    /// # Errors
    /// `Invalid` for a root that names no directory.
    pub(super) fn new(host: &'a dyn Host, root: &str, service: &str) -> Result<Self> {
        let root: PathBuf = Path::new(root).components().filter(|part| *part != Component::CurDir).collect();
        let above = root.components().any(|part| part == Component::ParentDir);
        let Some(name) = root.file_name().and_then(|name| name.to_str()).filter(|_| !above) else {
            return Err(Error::invalid(format!("the `root` `{}` names no directory", root.display()))
                .with_hint("write a path such as `srv/www`, without `..`"));
        };
        let list = root.with_file_name(format!("{name}.{service}.files.json"));
        Ok(Self { host, root, list })
    }

    /// The paths of the files that were written; `None` where none ever was.
    pub(super) async fn written(&self) -> Result<Option<BTreeSet<String>>> {
        let Some(json) = self.host.get(&self.list).await? else { return Ok(None) };
        let names: Option<BTreeSet<String>> = serde_json::from_slice(&json).ok();
        let names = names.filter(|names| names.iter().all(|name| is_below(name)));
        names.map(Some).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("`{}` is no list of files", self.list.display()))
                .with_hint("remove it; files that are no longer wanted then have to be removed by hand")
        })
    }

    /// What differs between the files that are there and those that are wanted, in one line.
    pub(super) async fn difference(&self, wanted: &BTreeMap<String, String>) -> Result<Option<String>> {
        for (name, content) in wanted {
            match self.host.get(&self.root.join(name)).await? {
                None => return Ok(Some(format!("`{name}` is missing"))),
                Some(found) if found != content.as_bytes() => return Ok(Some(format!("`{name}` has another content"))),
                Some(_) => {}
            }
        }
        let written = self.written().await?.unwrap_or_default();
        if let Some(unlisted) = wanted.keys().find(|name| !written.contains(*name)) {
            return Ok(Some(format!("`{unlisted}` is not in the list of its files")));
        }
        Ok(written.iter().find(|name| !wanted.contains_key(*name)).map(|name| format!("`{name}` is left from earlier")))
    }

    /// Writes what is wanted, and removes what was written before and is wanted no more.
    pub(super) async fn write(&self, wanted: &BTreeMap<String, String>) -> Result<()> {
        let written = self.written().await?;
        let old = written.clone().unwrap_or_default();
        let names: BTreeSet<_> = wanted.keys().cloned().collect();
        let all = &old | &names;
        self.run(&["mkdir", "-p", "--"], self.list.parent().map(Path::to_owned)).await?;
        if written.as_ref() != Some(&all) {
            self.note(&all).await?;
        }
        self.drop_files(&(&old - &names)).await?;
        let directories = self.directories(&names).into_iter().chain([self.root.clone()]);
        self.run(&["mkdir", "-p", "--"], directories).await?;
        for (name, content) in wanted {
            let path = self.root.join(name);
            if self.host.get(&path).await?.as_deref() != Some(content.as_bytes()) {
                self.host.put(&path, content.as_bytes(), MODE).await?;
            }
        }
        if all == names { Ok(()) } else { self.note(&names).await }
    }

    /// Removes every file that was written, and the directories that are empty then.
    pub(super) async fn clear(&self) -> Result<()> {
        let Some(written) = self.written().await? else { return Ok(()) };
        self.drop_files(&written).await?;
        self.drop_directories([self.root.clone()]).await?;
        self.run(&["rm", "-f", "--"], [self.list.clone()]).await
    }

    async fn note(&self, names: &BTreeSet<String>) -> Result<()> {
        let json =
            serde_json::to_vec(names).map_err(|error| Error::bug(format!("a list of files cannot be written: {error}")))?;
        self.host.put(&self.list, &json, MODE).await
    }

    async fn drop_files(&self, names: &BTreeSet<String>) -> Result<()> {
        self.run(&["rm", "-f", "--"], names.iter().map(|name| self.root.join(name))).await?;
        self.drop_directories(self.directories(names).into_iter().rev()).await
    }

    /// The directories between the root and some files, the outer ones first.
    fn directories(&self, names: &BTreeSet<String>) -> BTreeSet<PathBuf> {
        let inner = |name: &String| {
            let parents = Path::new(name).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
            parents.map(|parent| self.root.join(parent)).collect::<Vec<_>>()
        };
        names.iter().flat_map(inner).collect()
    }

    async fn drop_directories(&self, paths: impl IntoIterator<Item = PathBuf>) -> Result<()> {
        // One that is not empty belongs to somebody else, too.
        self.output(&["rmdir", "--"], paths).await.map(|_| ())
    }

    /// Does something to paths; nothing where there are none.
    async fn run(&self, words: &[&str], paths: impl IntoIterator<Item = PathBuf>) -> Result<()> {
        match self.output(words, paths).await? {
            Some(output) if output.code != 0 => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(Error::new(ErrorKind::Unavailable, format!("`{}` exits with {}: {}", words[0], output.code, said.trim())))
            }
            _ => Ok(()),
        }
    }

    async fn output(&self, words: &[&str], paths: impl IntoIterator<Item = PathBuf>) -> Result<Option<Output>> {
        let paths = paths.into_iter().filter(|path| !path.as_os_str().is_empty()).map(|path| path.display().to_string());
        let arguments: Vec<_> = words.iter().map(|word| (*word).to_owned()).chain(paths).collect();
        if arguments.len() == words.len() {
            return Ok(None);
        }
        self.host.run(&Command { arguments, ..Command::default() }).await.map(Some)
    }
}

/// Checks that every path stands below the root, in its one spelling.
///
/// # Errors
/// `Invalid`, naming the path.
pub(super) fn check<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<()> {
    match names.into_iter().find(|name| !is_below(name)) {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!("`{name}` in `files` does not name a file below the root"))
            .with_hint("write a path such as `about/index.html`, not an absolute one and without `..`")),
    }
}

fn is_below(name: &str) -> bool {
    let plain: PathBuf = Path::new(name).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    !name.is_empty() && plain.as_os_str() == name
}
