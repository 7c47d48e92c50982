//! What the operating system says, as the engine's error: the one place that maps it.
//!
//! Conflicts that the kinds detect themselves are worded where they are detected.

use std::io;
use std::path::Path;

use provisioning_core::error::{Error, ErrorKind, Retry};

/// The mapping for a call about a path; the error names the path.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| from_io(path, error)
}

/// An operating system's error about a path.
///
/// Anything unknown may have had its effect; a search by token or a read settles it.
pub(crate) fn from_io(path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let named = |kind, what: &str| Error::new(kind, format!("`{}` {what}", path.display()));
    match error.kind() {
        Io::PermissionDenied => named(ErrorKind::Denied, "may not be accessed")
            .with_hint("run as a user who may, or change the permissions of its directory"),
        Io::ReadOnlyFilesystem => named(ErrorKind::Denied, "is on a read-only file system"),
        Io::NotFound => named(ErrorKind::NotFound, "does not exist"),
        Io::StorageFull | Io::QuotaExceeded => {
            named(ErrorKind::Limited, "does not fit on its file system").with_hint("free space")
        }
        Io::AlreadyExists => exists(path),
        Io::NotADirectory => named(ErrorKind::Conflict, "leads through something that is not a directory")
            .with_hint("choose another path, or remove the file that stands in the way"),
        Io::IsADirectory => named(ErrorKind::Conflict, "is a directory"),
        Io::DirectoryNotEmpty => named(ErrorKind::Conflict, "is not empty"),
        Io::InvalidInput | Io::InvalidFilename => named(ErrorKind::Invalid, "is not a path this system can have"),
        _ => named(ErrorKind::Unavailable, "could not be worked on").with_retry(Retry::Unsure),
    }
    .with_source(error)
}

/// Something that this resource did not make stands at the path.
pub(crate) fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Conflict, format!("`{}` exists already and was not made by this resource", path.display()))
        .with_hint("remove it or choose another path")
}

/// The directory that a path is to be in does not exist.
pub(crate) fn no_parent(path: &Path) -> Error {
    let parent = path.parent().unwrap_or(path);
    Error::new(ErrorKind::NotFound, format!("the directory `{}` for `{}` does not exist", parent.display(), path.display()))
        .with_hint("declare it as a `directory` with `parents = true`, and refer to it in the path")
}
