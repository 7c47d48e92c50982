//! The entries of an archive, made into files below a directory that nobody else works in.
//!
//! An archive is not trusted: no entry reaches outside of the directory, by its name, through a symbolic link or by a hard
//! link, and nothing grows without a limit. Modes, times, symbolic links and, for root, owners become what the archive
//! says. Device nodes are left out, because every server gets a `/dev` of its own; so are extended attributes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps};
use tar::{Entry, EntryType};

use super::super::disk;
use super::super::error::{at, from_io};
use super::archive::{Limits, ends_early, unreadable, within};

/// How many symbolic links one name may lead through, as in Linux.
const MAX_LINKS: usize = 40;
/// How much of a file is held at a time, in bytes.
const CHUNK: usize = 64 << 10;
/// The mode of a directory that the archive does not tell of.
const OPEN: u32 = 0o755;
/// How to make an archive that has the root of the image as its own.
const REMAKE: &str = "make it with `tar -C rootfs -cf rootfs.tar .`";

/// What an entry is to be, besides its content.
struct Attributes {
    mode: u32,
    user: u32,
    group: u32,
    /// Since 1970; what is older is negative.
    modified_seconds: i64,
}

/// What has become of an archive so far.
pub(super) struct Tree<'a> {
    archive: &'a Path,
    root: &'a Path,
    /// Whether files can be given away.
    owned: bool,
    left: Limits,
    /// What the directories become once all is in them: they may forbid to be filled, and filling changes their times.
    directories: BTreeMap<PathBuf, Attributes>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(archive: &'a Path, root: &'a Path, limits: Limits) -> Self {
        let owned = rustix::process::geteuid().is_root();
        Self { archive, root, owned, left: limits, directories: BTreeMap::new() }
    }

    /// Counts an entry, and the bytes that follow it.
    pub(super) fn count(&mut self, name: &str, size: u64) -> Result<()> {
        self.left.entries = self.left.entries.checked_sub(1).ok_or_else(|| self.too_large(name, "entries"))?;
        self.left.bytes = self.left.bytes.checked_sub(size).ok_or_else(|| self.too_large(name, "bytes"))?;
        Ok(())
    }

    /// Makes what an entry says.
    pub(super) fn put(&mut self, entry: &mut Entry<'_, impl Read>, name: &str) -> Result<()> {
        use EntryType as Type;
        let kind = entry.header().entry_type();
        match kind {
            Type::XGlobalHeader | Type::Char | Type::Block => return Ok(()),
            Type::Regular | Type::Continuous | Type::GNUSparse | Type::Directory | Type::Symlink | Type::Link | Type::Fifo => {}
            other => {
                let what = format!("is of the type `{}`, which is not known here", char::from(other.as_byte()));
                return Err(self.bad(name, &what));
            }
        }
        self.refuse_unreadable_sparse(entry, name)?;
        let parts = self.parts(&entry.path_bytes(), name, "its name")?;
        let attributes = self.attributes(entry, name)?;
        let directory = kind.is_dir() || kind.is_file() && entry.path_bytes().ends_with(b"/");
        let path = match parts.split_last() {
            Some((last, parents)) => self.walk(parents, name)?.join(last),
            None if directory => self.root.to_owned(),
            None => return Err(self.bad(name, "has the name of the image itself")),
        };
        match kind {
            _ if directory => return self.put_directory(path, attributes),
            Type::Link => return self.put_link(entry, &path, name),
            Type::Symlink => self.put_symlink(entry, &path, name)?,
            Type::Fifo => self.put_fifo(&path, name)?,
            _ => self.put_file(entry, &path, name)?,
        }
        self.dress(&path, &attributes)
    }

    /// Gives the directories what the archive says of them: from the inside out, since one may forbid to look into it.
    pub(super) fn finish(&self) -> Result<()> {
        self.directories.iter().rev().try_for_each(|(path, attributes)| self.dress(path, attributes))
    }

    fn put_directory(&mut self, path: PathBuf, attributes: Attributes) -> Result<()> {
        match disk::look(&path)? {
            Some(metadata) if metadata.is_dir() => {}
            found => {
                if found.is_some() {
                    fs::remove_file(&path).map_err(at(&path))?;
                }
                make_directory(&path)?;
            }
        }
        self.directories.insert(path, attributes);
        Ok(())
    }

    fn put_file(&mut self, entry: &mut Entry<'_, impl Read>, path: &Path, name: &str) -> Result<()> {
        self.clear(path, name)?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
        let (mut chunk, mut written) = (vec![0; CHUNK], 0);
        loop {
            let length = match entry.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(self.archive, &within(name), error)),
            };
            let part = &chunk[..length];
            // Zeros become a hole, so that a sparse file does not fill the disk.
            let put = if part.iter().all(|byte| *byte == 0) {
                file.seek_relative(i64::try_from(length).expect("a chunk is small"))
            } else {
                file.write_all(part)
            };
            put.map_err(at(path))?;
            written += length as u64;
        }
        let size = entry.size();
        if written != size {
            return Err(ends_early(self.archive, &within(name)));
        }
        file.set_len(size).map_err(at(path))
    }

    fn put_fifo(&self, path: &Path, name: &str) -> Result<()> {
        self.clear(path, name)?;
        rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).map_err(|error| from_io(path, error.into()))
    }

    fn put_symlink(&self, entry: &Entry<'_, impl Read>, path: &Path, name: &str) -> Result<()> {
        let target = entry.link_name_bytes().filter(|target| !target.is_empty());
        let target = target.ok_or_else(|| self.bad(name, "is a symbolic link to nothing"))?;
        self.clear(path, name)?;
        symlink(OsStr::from_bytes(&target), path).map_err(at(path))
    }

    fn put_link(&self, entry: &Entry<'_, impl Read>, path: &Path, name: &str) -> Result<()> {
        let target = entry.link_name_bytes().unwrap_or_default();
        let parts = self.parts(&target, name, "its hard link")?;
        let (last, parents) = parts.split_last().ok_or_else(|| self.bad(name, "is a hard link to a directory"))?;
        let source = self.walk(parents, name)?.join(last);
        if source == path {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&target);
        match disk::look(&source)? {
            Some(metadata) if metadata.is_dir() => Err(self.bad(name, &format!("is a hard link to the directory `{shown}`"))),
            Some(_) => {
                self.clear(path, name)?;
                fs::hard_link(&source, path).map_err(at(path))
            }
            None => Err(self.bad(name, &format!("is a hard link to `{shown}`, which does not come before it"))),
        }
    }

    /// The parts of a name, none for the root itself.
    fn parts(&self, bytes: &[u8], name: &str, whose: &str) -> Result<Vec<OsString>> {
        if bytes.is_empty() {
            return Err(self.bad(name, &format!("cannot be placed: {whose} is empty")));
        }
        let mut parts = Vec::new();
        for part in Path::new(OsStr::from_bytes(bytes)).components() {
            match part {
                Component::Normal(part) => parts.push(part.to_owned()),
                Component::CurDir => {}
                Component::ParentDir => return Err(self.bad(name, &format!("leads out of the image: {whose} has a `..`"))),
                Component::RootDir | Component::Prefix(_) => {
                    return Err(self.bad(name, &format!("leads out of the image: {whose} starts at `/`")));
                }
            }
        }
        Ok(parts)
    }

    /// The real directory that parts lead to; missing ones are made.
    ///
    /// Symbolic links are followed here and not by the system, which would follow them out of the image.
    fn walk(&self, parts: &[OsString], name: &str) -> Result<PathBuf> {
        let mut ahead: Vec<OsString> = parts.iter().rev().cloned().collect();
        let (mut reached, mut links) = (self.root.to_owned(), 0);
        while let Some(part) = ahead.pop() {
            if part == ".." {
                if reached == self.root {
                    return Err(self.bad(name, "leads out of the image through a symbolic link"));
                }
                reached.pop();
                continue;
            }
            let next = reached.join(part);
            match disk::look(&next)? {
                Some(metadata) if metadata.is_dir() => reached = next,
                Some(metadata) if metadata.is_symlink() => {
                    let target = fs::read_link(&next).map_err(at(&next))?;
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(self.bad(name, "leads through more symbolic links than a system follows"));
                    }
                    if target.is_absolute() {
                        let shown = next.strip_prefix(self.root).unwrap_or(&next).display();
                        return Err(self.bad(name, &format!("leads out of the image through the symbolic link `{shown}`")));
                    }
                    let further = target.components().rev().filter(|part| *part != Component::CurDir);
                    ahead.extend(further.map(|part| part.as_os_str().to_owned()));
                }
                Some(_) => return Err(self.bad(name, "leads through something that is not a directory")),
                None => {
                    make_directory(&next)?;
                    reached = next;
                }
            }
        }
        Ok(reached)
    }

    /// Makes room: a later entry takes the place of an earlier one, but never that of a directory.
    fn clear(&self, path: &Path, name: &str) -> Result<()> {
        match disk::look(path)? {
            Some(metadata) if metadata.is_dir() => Err(self.bad(name, "was a directory before")),
            Some(_) => fs::remove_file(path).map_err(at(path)),
            None => Ok(()),
        }
    }

    fn attributes(&self, entry: &Entry<'_, impl Read>, name: &str) -> Result<Attributes> {
        let (header, id) = (entry.header(), |number: u64| u32::try_from(number).map_err(io::Error::other));
        let read = || {
            Ok(Attributes {
                mode: header.mode()? & 0o7777,
                user: header.uid().and_then(id)?,
                group: header.gid().and_then(id)?,
                modified_seconds: header.mtime()?.cast_signed(),
            })
        };
        read()
            .map_err(|error: io::Error| self.bad(name, "has a mode, an owner or a time that is not a number").with_source(error))
    }

    /// The owner comes before the mode: changing it clears bits of the mode.
    fn dress(&self, path: &Path, attributes: &Attributes) -> Result<()> {
        let Attributes { mode, user, group, modified_seconds } = *attributes;
        if self.owned {
            lchown(path, Some(user), Some(group)).map_err(|error| {
                let message = format!("`{}` cannot be given to user {user} and group {group}", path.display());
                Error::new(ErrorKind::Denied, message).with_source(error)
            })?;
        }
        if !disk::look(path)?.is_some_and(|metadata| metadata.is_symlink()) {
            fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at(path))?;
        }
        let time = Timespec { tv_sec: modified_seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| from_io(path, error.into()))
    }

    /// The library would write the map of a sparse file in the newer format into the file.
    fn refuse_unreadable_sparse(&self, entry: &mut Entry<'_, impl Read>, name: &str) -> Result<()> {
        let extensions = entry.pax_extensions().map_err(|error| unreadable(self.archive, &within(name), error))?;
        let sparse =
            extensions.into_iter().flatten().flatten().any(|extension| extension.key_bytes().starts_with(b"GNU.sparse."));
        if !sparse {
            return Ok(());
        }
        let message = format!("the entry `{name}` of `{}` is a sparse file in the pax format", self.archive.display());
        Err(Error::new(ErrorKind::Unsupported, message).with_hint("make the archive without `--sparse`, or with `--format=gnu`"))
    }

    fn bad(&self, name: &str, what: &str) -> Error {
        Error::invalid(format!("the entry `{name}` of `{}` {what}", self.archive.display())).with_hint(REMAKE)
    }

    fn too_large(&self, name: &str, of_what: &str) -> Error {
        let message = format!("`{}` has more {of_what} than an image may, from its entry `{name}` on", self.archive.display());
        Error::new(ErrorKind::Limited, message).with_hint("leave out of the image what servers can get on their own")
    }
}

/// Makes a directory; one that is not, or not yet, told of has the mode that most have.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir(path).map_err(at(path))?;
    fs::set_permissions(path, Permissions::from_mode(OPEN)).map_err(at(path))
}
