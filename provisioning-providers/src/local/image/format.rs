//! What a file is, told by how it begins, and what to do about one that is no image.
//!
//! Names are not looked at. Whether an archive is whole shows only when it is unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use provisioning_core::error::{Error, ErrorKind, Result};
use tar::Header;

use super::super::error::from_io;

/// The size of a header, and of everything else in an archive (POSIX ustar), in bytes.
const BLOCK: usize = 512;
/// How much of a compressed file is read at a time, in bytes.
const CHUNK: usize = 128 << 10;

/// How the bytes of an archive are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
}

/// A compression that is not read, by its first bytes and the program that undoes it.
const COMPRESSED: [(&[u8], &str); 5] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x5d\x00\x00", "lzma"),
];

/// Other things that people take for an image, by their first bytes.
const STRANGE: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"hsqs", "a squashfs image"),
    (b"QFI\xfb", "a qcow2 disk image"),
    (b"\x7fELF", "a program"),
];

/// Tells how an archive is packed.
pub(super) fn recognise(path: &Path, file: &mut File) -> Result<Packing> {
    let failed = |error| from_io(path, error);
    let start = first_block(&mut *file).map_err(failed)?;
    if start.starts_with(&[0x1f, 0x8b]) {
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let inner = first_block(reader(file, Packing::Gzip)).map_err(|error| match error.raw_os_error() {
            Some(_) => from_io(path, error),
            None => unexpected(path, "a damaged gzip file").with_source(error),
        })?;
        return if begins_archive(&inner) {
            Ok(Packing::Gzip)
        } else {
            Err(unexpected(path, &format!("gzip around {}", what(&inner))))
        };
    }
    if begins_archive(&start) {
        return Ok(Packing::Plain);
    }
    match COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, program)) => Err(recompress(path, program)),
        None => Err(unexpected(path, &what(&start))),
    }
}

/// The bytes of an archive, unpacked.
pub(super) fn reader(file: &File, packing: Packing) -> Box<dyn Read + '_> {
    let buffered = BufReader::with_capacity(CHUNK, file);
    match packing {
        Packing::Plain => Box::new(buffered),
        Packing::Gzip => Box::new(MultiGzDecoder::new(buffered)),
    }
}

/// The error for something that is no image.
pub(super) fn unexpected(path: &Path, found: &str) -> Error {
    let message = format!("`{}` is not an image: it is {found}", path.display());
    Error::invalid(message).with_hint("name a directory, or a tar archive of one, plain or compressed with gzip")
}

fn first_block(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(BLOCK);
    reader.take(BLOCK as u64).read_to_end(&mut block)?;
    Ok(block)
}

/// Whether a block is a header: its checksum is right, which is all that the oldest format promises.
fn begins_archive(block: &[u8]) -> bool {
    if block.len() != BLOCK {
        return false;
    }
    let blank = |place: usize| (148..156).contains(&place);
    let sum: u32 = block.iter().enumerate().map(|(place, byte)| if blank(place) { 32 } else { u32::from(*byte) }).sum();
    Header::from_byte_slice(block).cksum().is_ok_and(|told| told == sum)
}

fn what(start: &[u8]) -> String {
    let known = STRANGE.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| (*name).to_owned());
    known.unwrap_or_else(|| match start {
        [] => "empty".into(),
        short if short.len() < BLOCK => format!("only {} bytes long", short.len()),
        zeros if zeros.iter().all(|byte| *byte == 0) => "an archive without entries, or the image of a file system".into(),
        _ => "of a format that is not known here".into(),
    })
}

fn recompress(path: &Path, program: &str) -> Error {
    let message = format!("the image `{}` is compressed with {program}, which is not read", path.display());
    Error::new(ErrorKind::Unsupported, message)
        .with_hint(format!("run `{program} -dc '{}' | gzip > rootfs.tar.gz`, and name that file", path.display()))
}
