//! A server's image as the user names it, turned into a directory that can be the lower layer of an overlay.
//!
//! A directory is used in place. An archive is unpacked once, into a cache and under its digest, whole or not at all. What
//! a file is, is told in `format.rs`; how an archive is read, in `archive.rs`; what becomes of its entries, in `tree.rs`. No other folder names the tar and
//! gzip libraries. Everything here blocks.

mod archive;
mod format;
#[cfg(test)]
mod tests;
mod tree;

use std::fs::{self, DirBuilder, File, Metadata};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use provisioning_core::digest::Digest;
use provisioning_core::error::{Error, ErrorKind, Result};

use super::disk;
use super::error::at;
use archive::Limits;
use format::Packing;

/// How many digits of an archive's digest name what was unpacked from it.
const NAME_DIGITS: usize = 16;
/// The mode of the cache: the programs in it that run with other rights are for servers alone.
const PRIVATE: u32 = 0o700;

/// A directory, or an archive that one is unpacked from.
#[derive(Debug)]
pub(crate) struct Image {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Directory,
    Archive(Packing, Stamp),
}

/// What tells that a file is still the one that was opened.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Image {
    /// The image at a path: a directory, or a tar archive, plain or compressed with gzip, which is told by its content.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` for another compression; `Invalid` for anything else.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(at(path))?;
        let content = if metadata.is_dir() {
            Content::Directory
        } else if metadata.is_file() {
            let mut file = File::open(path).map_err(at(path))?;
            let stamp = Stamp::of(&file.metadata().map_err(at(path))?);
            Content::Archive(format::recognise(path, &mut file)?, stamp)
        } else {
            return Err(format::unexpected(path, "neither a file nor a directory"));
        };
        Ok(Self { path: path.to_owned(), content })
    }

    /// The SHA-256 of an archive's bytes; none of a directory.
    ///
    /// # Errors
    /// `Conflict` when the archive is no longer what was opened; what reading it gives.
    pub(crate) fn digest(&self) -> Result<Option<Digest>> {
        let Content::Archive(_, stamp) = &self.content else { return Ok(None) };
        let file = self.reopen(stamp)?;
        let digest = Digest::of_stream(&file).map_err(at(&self.path))?;
        self.still(&file, stamp)?;
        Ok(Some(digest))
    }

    /// The directory to use: the image's own, or the one below the cache which its archive was unpacked to, now or before.
    ///
    /// Of several calls for one archive, in one process or more, one unpacks and the others wait for it. What a call left
    /// that was cut short is removed by the next.
    ///
    /// # Errors
    /// `Invalid` for an archive that is damaged, has entries which lead out of it, or is not an image; `Limited` for one
    /// that is too large, or larger than the disk; `Conflict` for one that changed meanwhile.
    pub(crate) fn unpacked(&self, cache: &Path) -> Result<PathBuf> {
        self.unpacked_within(cache, &Limits::default())
    }

    fn unpacked_within(&self, cache: &Path, limits: &Limits) -> Result<PathBuf> {
        let Content::Archive(packing, stamp) = &self.content else { return Ok(self.path.clone()) };
        let Some(digest) = self.digest()? else { return Ok(self.path.clone()) };
        let slot = Slot::lock(cache, &digest)?;
        if disk::look(&slot.place)?.is_some() {
            return Ok(slot.place);
        }
        disk::remove_tree(&slot.draft)?;
        let done = self.unpack(*packing, stamp, &slot.draft, limits).and_then(|()| slot.publish());
        if done.is_err() {
            // The error that is returned matters more than a draft that stays; the next call removes it.
            let _ = disk::remove_tree(&slot.draft);
            let _ = fs::remove_file(lock_of(&slot.place));
        }
        done.map(|()| slot.place)
    }

    fn unpack(&self, packing: Packing, stamp: &Stamp, draft: &Path, limits: &Limits) -> Result<()> {
        let file = self.reopen(stamp)?;
        tree::make_directory(draft)?;
        archive::unpack(&self.path, format::reader(&file, packing), draft, limits)?;
        self.still(&file, stamp)
    }

    fn reopen(&self, stamp: &Stamp) -> Result<File> {
        let file = File::open(&self.path).map_err(at(&self.path))?;
        self.still(&file, stamp)?;
        Ok(file)
    }

    fn still(&self, file: &File, stamp: &Stamp) -> Result<()> {
        if Stamp::of(&file.metadata().map_err(at(&self.path))?) == *stamp {
            return Ok(());
        }
        let message = format!("the image `{}` changed while it was read", self.path.display());
        Err(Error::new(ErrorKind::Conflict, message).with_hint("wait until it is written, then try again"))
    }
}

/// Removes what an archive was unpacked to, with the cache when it is the last; what is gone already is a success.
///
/// Nobody else may be about to use it: the caller holds what keeps them apart.
pub(crate) fn forget(place: &Path) -> Result<()> {
    disk::remove_tree(place)?;
    // What stays is an empty file.
    let _ = fs::remove_file(lock_of(place));
    Ok(())
}

fn lock_of(place: &Path) -> PathBuf {
    place.with_file_name(format!(".{}.lock", place.file_name().unwrap_or_default().to_string_lossy()))
}

/// The one place of a digest in the cache, held by a lock that ends with its process.
struct Slot {
    place: PathBuf,
    draft: PathBuf,
    _lock: File,
}

impl Slot {
    /// Waits until nobody else works on the digest.
    fn lock(cache: &Path, digest: &Digest) -> Result<Self> {
        let name = digest.as_str().get(..NAME_DIGITS).filter(|name| name.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let name = name.ok_or_else(|| Error::invalid(format!("`{digest}` is not the digest of an image")))?;
        DirBuilder::new().recursive(true).mode(PRIVATE).create(cache).map_err(at(cache))?;
        let place = cache.join(name);
        let lock = disk::hold(&lock_of(&place))?;
        Ok(Self { place, draft: cache.join(format!(".{name}.tmp")), _lock: lock })
    }

    /// Makes the draft the real thing once all of it is on the disk: a name must not outlive a crash that its content does
    /// not.
    fn publish(&self) -> Result<()> {
        let synced = File::open(&self.draft).and_then(|draft| Ok(rustix::fs::syncfs(draft)?));
        synced.map_err(at(&self.draft))?;
        fs::rename(&self.draft, &self.place).map_err(at(&self.place))?;
        disk::sync_parent(&self.place)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}
