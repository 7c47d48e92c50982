//! An archive, read from its first entry to behind its last: limits, damage, and what is an archive and yet no image.
//!
//! Where an entry goes is in `tree.rs`.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use provisioning_core::error::{Error, Result};
use tar::Archive;

use super::super::error::{at, from_io};
use super::tree::Tree;

/// How much there may be between the contents of two entries (headers, long names, attributes), in bytes; the library
/// holds it in memory.
const MAX_HEADERS: u64 = 1 << 20;

/// How large an image may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) entries: u64,
    /// Of all files together, their holes counted.
    pub(super) bytes: u64,
}

impl Default for Limits {
    /// Several times what the largest known images have.
    fn default() -> Self {
        Self { entries: 4_000_000, bytes: 64 << 30 }
    }
}

/// Unpacks an archive into an empty directory.
pub(super) fn unpack(archive: &Path, reader: impl Read, root: &Path, limits: &Limits) -> Result<()> {
    let allowance = Rc::new(Cell::new(MAX_HEADERS));
    let mut library = Archive::new(Metered { reader, allowance: allowance.clone() });
    let mut tree = Tree::new(archive, root, *limits);
    let mut last = String::new();
    for entry in library.entries().map_err(at(archive))? {
        let mut entry = entry.map_err(|error| unreadable(archive, &after(&last), error))?;
        allowance.set(u64::MAX);
        last = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        tree.count(&last, entry.size())?;
        tree.put(&mut entry, &last)?;
        // What is left of it is read here, and not with the next header and out of its allowance.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| unreadable(archive, &within(&last), error))?;
        allowance.set(MAX_HEADERS);
    }
    allowance.set(limits.bytes.saturating_add(MAX_HEADERS));
    finish(archive, library.into_inner(), &last)?;
    tree.finish()?;
    check_layout(archive, root)
}

/// A reader that gives no more than it is allowed to.
struct Metered<R> {
    reader: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = usize::try_from(self.allowance.get()).unwrap_or(usize::MAX).min(buffer.len());
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::other("there is more between two entries than is read"));
        }
        let length = self.reader.read(&mut buffer[..allowed])?;
        self.allowance.set(self.allowance.get() - length as u64);
        Ok(length)
    }
}

/// The place of what went wrong, in an entry.
pub(super) fn within(name: &str) -> String {
    format!(" in its entry `{name}`")
}

fn after(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" after its entry `{name}`") }
}

/// The error for an archive that was cut.
pub(super) fn ends_early(archive: &Path, place: &str) -> Error {
    Error::invalid(format!("the archive `{}` ends early{place}", archive.display())).with_hint("get or make it again")
}

/// An error of reading an archive: those without a number are not the system's, but say that the content is wrong.
pub(super) fn unreadable(archive: &Path, place: &str, error: io::Error) -> Error {
    let cut = error.kind() == io::ErrorKind::UnexpectedEof;
    match error.raw_os_error() {
        Some(_) => from_io(archive, error),
        None if cut => ends_early(archive, place).with_source(error),
        None => Error::invalid(format!("the archive `{}` is damaged{place}", archive.display()))
            .with_hint("get or make it again")
            .with_source(error),
    }
}

/// Reads what stands after the last entry: the second half of the end mark, without which the archive was cut, and the
/// checksum of a compressed one.
fn finish(archive: &Path, mut rest: impl Read, last: &str) -> Result<()> {
    let length = io::copy(&mut rest, &mut io::sink()).map_err(|error| unreadable(archive, &after(last), error))?;
    if length == 0 { Err(ends_early(archive, &after(last))) } else { Ok(()) }
}

/// Refuses what is an archive and yet no image, where it is known what was meant.
fn check_layout(archive: &Path, root: &Path) -> Result<()> {
    let is_root = |path: &Path| ["bin", "usr", "etc"].iter().any(|name| fs::symlink_metadata(path.join(name)).is_ok());
    let listed = fs::read_dir(root).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(at(root))?;
    if is_root(root) {
        return Ok(());
    }
    let invalid = |what: &str| Err(Error::invalid(format!("`{}` is not an image: {what}", archive.display())));
    match listed.as_slice() {
        [only] if is_root(&only.path()) => {
            let name = only.file_name();
            let name = name.to_string_lossy();
            invalid(&format!("all of it lies in the directory `{name}`"))
                .map_err(|error: Error| error.with_hint(format!("make it with `tar -C {name} -cf {name}.tar .`")))
        }
        _ if ["oci-layout", "manifest.json"].iter().any(|name| root.join(name).exists()) => {
            invalid("it is a container image in layers")
                .map_err(|error: Error| error.with_hint("make a container of it, and the archive with `docker export`"))
        }
        _ => Ok(()),
    }
}
