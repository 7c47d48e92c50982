//! Files and directories that appear whole or not at all, and the token on them that says which call made them.
//!
//! A thing is made under a draft name beside its place, finished, and then renamed. What a kind means by its fields is
//! not known here.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use provisioning_core::digest::Digest;
use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;

use super::error::{at, from_io, no_parent};

/// The largest file that is read, in bytes.
const MAX_CONTENT: u64 = 64 << 20;
/// How much of a name stands in the draft's name, in bytes; file systems allow 255 for the whole.
const MAX_DRAFT_NAME: usize = 128;
/// The extended attribute that holds the token of the call that made a thing.
const TOKEN: &str = "user.provisioning.token";

/// A file to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) content: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
}

/// What becomes of a file that stands at the place already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Refused,
    Replaced,
}

/// Who made the thing at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// The call with the token.
    Ours,
    /// Somebody else.
    Other,
    /// The file system cannot tell: it has no extended attributes.
    Unknown,
}

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(Error::bug(format!("file work ended early: {error}")).with_retry(Retry::Unsure)))
}

/// Puts a file at its place, durably.
pub(crate) fn put_file(path: &Path, token: &str, wanted: Wanted<'_>, existing: Existing) -> Result<()> {
    let draft = draft(path, token);
    remove_draft(&draft)?;
    let done = write_draft(&draft, token, wanted)
        .map_err(|error| in_parent(path, error))
        .and_then(|()| publish(&draft, path, existing).map_err(at(path)));
    if done.is_err() {
        // The error that is returned matters more than a draft that stays.
        let _ = fs::remove_file(&draft);
    }
    done?;
    sync_parent(path)
}

/// Puts a file with a content in place of whatever stands there, durably; its draft is named after the content.
pub(crate) fn put_content(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let wanted = Wanted { content, mode, user: None, group: None };
    put_file(path, Digest::of(content).short(), wanted, Existing::Replaced)
}

/// Makes a directory at its place, durably; anything that stands there is refused.
pub(crate) fn put_directory(path: &Path, token: &str, mode: u32) -> Result<()> {
    let draft = draft(path, token);
    remove_draft(&draft)?;
    let done = make_draft(&draft, token, mode)
        .map_err(|error| in_parent(path, error))
        .and_then(|()| publish(&draft, path, Existing::Refused).map_err(at(path)));
    if done.is_err() {
        // As above.
        let _ = fs::remove_dir(&draft);
    }
    done?;
    sync_parent(path)
}

/// What putting came to: a place that the same call's own thing holds already counts as done.
pub(crate) fn or_in_place(put: Result<()>, path: &Path, token: &str) -> Result<()> {
    match put {
        Err(error) if error.kind() == ErrorKind::Conflict && maker(path, token)? == Maker::Ours => Ok(()),
        other => other,
    }
}

/// Removes the draft that a call with the token left behind when it was cut short.
pub(crate) fn discard_draft(path: &Path, token: &str) -> Result<()> {
    remove_draft(&draft(path, token))
}

/// What stands at a path, symbolic links not followed.
pub(crate) fn look(path: &Path) -> Result<Option<Metadata>> {
    present(path, fs::symlink_metadata(path))
}

/// The content of the file that a path leads to.
pub(crate) fn read(path: &Path) -> Result<Option<(Metadata, Vec<u8>)>> {
    let Some(metadata) = present(path, fs::metadata(path))? else { return Ok(None) };
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Conflict, format!("`{}` is not a regular file", path.display())));
    }
    let mut content = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(MAX_CONTENT + 1).read_to_end(&mut content));
    if present(path, opened)?.is_none() {
        return Ok(None);
    }
    if content.len() as u64 > MAX_CONTENT {
        let message = format!("`{}` is larger than {} MiB", path.display(), MAX_CONTENT >> 20);
        return Err(Error::new(ErrorKind::Limited, message).with_hint("files of that size are not managed by content"));
    }
    Ok(Some((metadata, content)))
}

/// Removes a directory with all that is in it, symbolic links not followed, and makes durable that it is gone; one that
/// is gone already is a success.
///
/// It moves to a name of its own first, so that what is left of it after a crash does not pass for the whole; a repeated
/// call finishes that.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    if !path.parent().is_some_and(Path::is_dir) {
        return Ok(());
    }
    let doomed = doomed(path);
    erase(&doomed)?;
    if look(path)?.is_some_and(|metadata| metadata.is_dir()) {
        match fs::rename(path, &doomed) {
            // Somebody else removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed.map_err(at(path))?,
        }
        sync_parent(path)?;
        erase(&doomed)?;
    }
    sync_parent(path)
}

/// Opens a file in a folder that somebody else writes in: links are not followed, and nothing outside is reached.
pub(crate) fn open_inside(folder: &Path, file: &Path) -> Result<Option<File>> {
    let Some(opened) = present(folder, File::open(folder))? else { return Ok(None) };
    let (flags, within) =
        (OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS);
    let path = folder.join(file);
    let found = rustix::fs::openat2(&opened, file, flags, Mode::empty(), within).map_err(io::Error::from);
    let found = present(&path, found)?.map(File::from);
    match &found {
        Some(file) if !file.metadata().map_err(at(&path))?.is_file() => {
            Err(Error::new(ErrorKind::Conflict, format!("`{}` is not a regular file", path.display())))
        }
        _ => Ok(found),
    }
}

/// The content of a file that was opened, as far as files are read.
pub(crate) fn read_opened(file: File) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = file.take(MAX_CONTENT).read_to_end(&mut content);
    read.map_err(|error| Error::new(ErrorKind::Unavailable, "a file could not be read").with_source(error))?;
    Ok(content)
}

/// Who made the thing at a path.
pub(crate) fn maker(path: &Path, token: &str) -> Result<Maker> {
    let mut value = [0_u8; 64];
    match rustix::fs::lgetxattr(path, TOKEN, &mut value) {
        Ok(length) if &value[..length] == token.as_bytes() => Ok(Maker::Ours),
        Ok(_) | Err(Errno::NODATA | Errno::RANGE | Errno::NOENT | Errno::NOTDIR) => Ok(Maker::Other),
        Err(Errno::NOTSUP | Errno::NOSYS) => Ok(Maker::Unknown),
        Err(error) => Err(from_io(path, error.into())),
    }
}

/// Waits for the lock on a file, which is made for it; one on a file that was removed meanwhile would not keep those out
/// who make it anew.
pub(crate) fn hold(path: &Path) -> Result<File> {
    loop {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(at(path))?;
        lock.lock().map_err(at(path))?;
        let held = lock.metadata().map_err(at(path))?;
        if look(path)?.is_some_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())) {
            return Ok(lock);
        }
    }
}

/// Makes durable that an entry came, changed or went.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        None => path,
        // That of a name alone is where this process is.
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(|error| from_io(parent, error).with_retry(Retry::Unsure))
}

/// The draft's name, which only the same call makes again.
fn draft(path: &Path, token: &str) -> PathBuf {
    path.with_file_name(format!(".{}.{token}.tmp", short_name(path)))
}

/// Whether the removal of a directory was begun and not ended.
pub(crate) fn is_doomed(path: &Path) -> bool {
    doomed(path).exists()
}

/// The name of a directory that is being removed: the same for every call, and nobody's by chance.
fn doomed(path: &Path) -> PathBuf {
    let digest = Digest::of(path.as_os_str().as_bytes());
    path.with_file_name(format!(".{}.{}.deleted", short_name(path), digest.short()))
}

fn short_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().as_bytes();
    String::from_utf8_lossy(&name[..name.len().min(MAX_DRAFT_NAME)]).replace(char::REPLACEMENT_CHARACTER, "_")
}

/// Removes a tree where it stands; a directory that its own user may not change is made changeable first.
fn erase(tree: &Path) -> Result<()> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    let removed = fs::remove_dir_all(tree).or_else(gone).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => open_up(tree).and_then(|()| fs::remove_dir_all(tree)).or_else(gone),
        _ => Err(error),
    });
    removed.map_err(at(tree))
}

fn open_up(tree: &Path) -> io::Result<()> {
    let mut open = vec![tree.to_owned()];
    while let Some(directory) = open.pop() {
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

fn remove_draft(draft: &Path) -> Result<()> {
    match look(draft)? {
        Some(metadata) if metadata.is_dir() => fs::remove_dir(draft).map_err(at(draft)),
        Some(_) => fs::remove_file(draft).map_err(at(draft)),
        None => Ok(()),
    }
}

/// The attribute comes before the mode, which may forbid its own user to write; the owner as well, since changing it
/// clears bits of the mode.
fn write_draft(draft: &Path, token: &str, wanted: Wanted<'_>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(wanted.content)?;
    sign(draft, token)?;
    if wanted.user.is_some() || wanted.group.is_some() {
        fchown(&file, wanted.user, wanted.group)?;
    }
    file.set_permissions(Permissions::from_mode(wanted.mode))?;
    file.sync_all()
}

fn make_draft(draft: &Path, token: &str, mode: u32) -> io::Result<()> {
    DirBuilder::new().create(draft)?;
    sign(draft, token)?;
    fs::set_permissions(draft, Permissions::from_mode(mode))
}

fn sign(draft: &Path, token: &str) -> io::Result<()> {
    match rustix::fs::lsetxattr(draft, TOKEN, token.as_bytes(), XattrFlags::empty()) {
        Err(Errno::NOTSUP | Errno::NOSYS) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

fn publish(draft: &Path, path: &Path, existing: Existing) -> io::Result<()> {
    if existing == Existing::Replaced {
        return fs::rename(draft, path);
    }
    match rustix::fs::renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE) {
        // The file system cannot rename like that: claim the place first, in a way that fails when it is taken.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if draft.is_dir() => {
            fs::create_dir(path)?;
            fs::rename(draft, path)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(draft, path)?;
            fs::remove_file(draft)
        }
        other => other.map_err(io::Error::from),
    }
}

fn in_parent(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => no_parent(path).with_source(error),
        _ => from_io(path, error),
    }
}

fn present<T>(path: &Path, result: io::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(from_io(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_in_somebody_elses_folder_is_opened_only_if_it_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).expect("made");
        fs::write(folder.path().join("secret"), "secret").expect("written");
        fs::write(inside.join("own"), "own").expect("written");
        symlink("../secret", inside.join("link")).expect("linked");
        symlink("..", inside.join("up")).expect("linked");
        let opened = |name: &str| open_inside(&inside, Path::new(name));
        let own = opened("own").expect("looks").expect("is there");
        assert_eq!(read_opened(own).expect("reads"), b"own");
        assert!(opened("none").expect("looks").is_none());
        for outside in ["link", "up/secret", "../secret"] {
            assert!(opened(outside).is_err(), "{outside}");
        }
    }
}
