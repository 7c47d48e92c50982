//! Files that are written whole or not at all, for their owner alone: a draft beside the place, synced, then renamed.
//!
//! What stands in them is not known here.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};

/// What the name of a draft ends with.
const ENDING: &str = ".draft";

/// A file that is finished and not in its place yet; it is removed when it gets no further.
#[derive(Debug)]
pub(super) struct Draft {
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Writes what is to stand at a path. Drafts of different contents do not meet.
    pub(super) fn write(path: &Path, content: &[u8]) -> Result<Self> {
        let name = path
            .file_name()
            .and_then(OsStr::to_str)
            .ok_or_else(|| Error::invalid(format!("`{}` names no file", path.display())))?;
        let draft = path.with_file_name(format!(".{name}.{}{ENDING}", Digest::of(content).short()));
        let written = discard(&draft).and_then(|()| {
            make_folder(parent(path))?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            let draft = Self { draft: draft.clone(), path: path.to_owned() };
            file.write_all(content)?;
            file.sync_all()?;
            Ok(draft)
        });
        written.map_err(failed("write", path))
    }

    /// Puts it in its place, whatever stands there.
    pub(super) fn put(&self) -> Result<()> {
        fs::rename(&self.draft, &self.path).map_err(failed("write", &self.path))
    }

    /// Puts it in its place, where nothing may stand.
    pub(super) fn put_new(&self) -> Result<()> {
        fs::hard_link(&self.draft, &self.path).map_err(failed("make", &self.path))?;
        sync(parent(&self.path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is not there any more once it was put; and where it cannot be removed, the next change does.
        drop(discard(&self.draft));
    }
}

/// Puts all of them in their places, in order.
pub(super) fn put_all(drafts: &[Draft]) -> Result<()> {
    drafts.iter().try_for_each(Draft::put)?;
    drafts.iter().try_for_each(|draft| sync(parent(&draft.path)))
}

/// Removes a file, durably.
pub(super) fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(failed("remove", path))?;
    sync(parent(path))
}

/// Waits until nobody else changes anything in a folder, which is made if missing, and clears away what was left half-done
/// in it and, to a depth, below.
pub(super) fn hold(folder: &Path, depth: usize) -> Result<File> {
    let lock = make_folder(folder).and_then(|()| {
        let lock = File::open(folder)?;
        lock.lock()?;
        Ok(lock)
    });
    let lock = lock.map_err(failed("change", folder))?;
    for left in files(folder, depth)?.iter().filter(|path| is_hidden(path) && ends_with(path, ENDING)) {
        discard(left).map_err(failed("remove", left))?;
    }
    Ok(lock)
}

/// What lies in a folder; nothing where there is no such folder.
pub(super) fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = present(fs::read_dir(folder)).and_then(|entries| {
        let entries = entries.into_iter().flatten();
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    });
    entries.map_err(failed("read", folder))
}

/// The files in a folder and in all below it, as many in one another as `depth` says; none is passed over, but those in a
/// folder whose name begins with a dot.
pub(super) fn files(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in listed(folder)? {
        let is_folder = present(fs::metadata(&path)).map_err(failed("read", &path))?.is_some_and(|metadata| metadata.is_dir());
        if !is_folder {
            found.push(path);
        } else if !is_hidden(&path) {
            let depth = depth.checked_sub(1).ok_or_else(|| {
                let message = format!("in `{}` too many folders lie in one another", folder.display());
                Error::new(ErrorKind::Limited, message).with_hint("move what is in them up, or remove a link that leads back")
            })?;
            found.extend(files(&path, depth)?);
        }
    }
    Ok(found)
}

pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

pub(super) fn ends_with(path: &Path, ending: &str) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(ending.as_bytes()))
}

/// What stands in a file, which may not be larger than a limit; `None` where there is no such file.
pub(super) fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
    let Some(content) = present(read_some(path, limit)).map_err(failed("read", path))? else { return Ok(None) };
    if content.len() > limit {
        let message = format!("`{}` is larger than {} MiB, which is more than a secret takes", path.display(), limit >> 20);
        return Err(Error::new(ErrorKind::Limited, message).with_hint("what is not secret goes into a file of its own"));
    }
    Ok(Some(content))
}

/// The beginning of a file, one byte more than a limit.
pub(super) fn read_some(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // A pipe would be waited for, and a device has no end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// The error of the operating system for something that was to be done to a path.
pub(super) fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let shown = path.display().to_string();
    move |error| {
        use io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
            Io::AlreadyExists => ErrorKind::Conflict,
            Io::IsADirectory | Io::NotADirectory | Io::InvalidInput | Io::InvalidFilename => ErrorKind::Invalid,
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::Limited,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, format!("cannot {verb} `{shown}`")).with_source(error)
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write", folder))
}

fn discard(path: &Path) -> io::Result<()> {
    present(fs::remove_file(path)).map(|_| ())
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
