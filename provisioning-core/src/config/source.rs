//! A text that a user wrote, where it lies, and which line and column a byte of it is at.
//!
//! Every file of a workspace is read here, under one limit. What the text means is the parsers' business.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};
use std::sync::Arc;

use crate::error::{Diagnostic, Error, ErrorKind, Origin, Result};

/// The largest file that is read, in bytes: 64 MiB.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// How many lines further is near.
const NEAR: usize = 16;

/// The bytes between two remembered character counts.
const STRIDE: usize = 1024;

/// A text and what its file is called.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The file, relative to the workspace.
    pub(super) name: Arc<str>,
    /// The text.
    pub(super) text: Arc<str>,
}

impl Source {
    /// A text that is called by a name.
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Reads a file that messages call by its whole path.
    pub(super) fn read_named(path: &Path) -> Result<Self> {
        Self::read(Path::new("/"), &path.to_string_lossy())
    }

    /// Reads a file below a folder; the name is what messages call it.
    pub(super) fn read(root: &Path, name: &str) -> Result<Self> {
        let failed = |error: io::Error| unreadable(name, error);
        let mut bytes = Vec::new();
        File::open(root.join(name)).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let limit = MAX_FILE_BYTES >> 20;
            let error = Error::new(ErrorKind::Limited, format!("`{name}` is larger than {limit} MiB"));
            return Err(error.with_hint("divide it, or keep large content in files of its own"));
        }
        match std::str::from_utf8(&bytes) {
            // Some editors begin a file with a mark of its byte order.
            Ok(text) => Ok(Self::new(name, text.trim_start_matches('\u{feff}'))),
            Err(error) => Err(not_text(name, &bytes[..error.valid_up_to()], bytes[error.valid_up_to()])),
        }
    }
}

/// Reads a file that must lie below the workspace, whichever way it is named.
pub(super) fn read_below(root: &Path, name: &str) -> Result<Arc<str>> {
    let outside = || {
        Error::invalid(format!("`{name}` is not a path below the workspace"))
            .with_hint("name a file by its path from the workspace, such as `templates/site.conf.j2`")
    };
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() || !plain {
        return Err(outside());
    }
    let failed = |error| unreadable(name, error);
    let real = root.join(name).canonicalize().map_err(failed)?;
    if !real.starts_with(root.canonicalize().map_err(failed)?) {
        return Err(outside());
    }
    Source::read(root, name).map(|source| source.text)
}

/// The error for a byte, behind what could be read before it.
fn not_text(name: &str, before: &[u8], byte: u8) -> Error {
    let before = Source::new(name, &String::from_utf8_lossy(before));
    let origin = Lines::new(&before).origin(before.text.len());
    let problem = Diagnostic::new(Some(origin), "", format!("the byte {byte:#04x} is not UTF-8 text"))
        .with_hint("save the file as UTF-8; a file of another program cannot be used here");
    Error::from_diagnostics(vec![problem]).expect("one problem is an error")
}

fn unreadable(name: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("there is no file `{name}`")),
        io::ErrorKind::PermissionDenied => Error::new(ErrorKind::Denied, format!("`{name}` may not be read")),
        _ => Error::new(ErrorKind::Unavailable, format!("`{name}` cannot be read")),
    }
    .with_source(error)
}

/// The lines of a text: turns bytes into lines and columns.
#[derive(Debug)]
pub(super) struct Lines {
    source: Source,
    starts: Vec<usize>,
    /// How many characters stand before every `STRIDE`th byte, so that a column costs no walk along its line.
    counts: Vec<usize>,
    /// The line that was asked for last: the next is mostly the same or a little further.
    last: Cell<usize>,
}

impl Lines {
    /// The lines of a source.
    pub(super) fn new(source: &Source) -> Self {
        let bytes = source.text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        let mut counts = vec![0];
        for chunk in bytes.chunks(STRIDE) {
            counts.push(counts[counts.len() - 1] + characters(chunk));
        }
        Self { source: source.clone(), starts, counts, last: Cell::new(0) }
    }

    /// The place of a byte; a byte behind the end counts as the end.
    pub(super) fn origin(&self, offset: usize) -> Origin {
        let offset = offset.min(self.source.text.len());
        let line = self.line(offset);
        let column = self.between(self.starts[line - 1], offset) + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Origin { file: self.source.name.clone(), line: number(line), column: number(column) }
    }

    /// How many lines begin up to a byte.
    fn line(&self, offset: usize) -> usize {
        let begins = |start: &usize| *start <= offset;
        let near = self.last.get();
        let near = if self.starts.get(near).is_some_and(begins) { near } else { 0 };
        let far = self.starts.len().min(near + NEAR);
        let end = if self.starts.get(far).is_some_and(begins) { self.starts.len() } else { far };
        let line = near + self.starts[near..end].partition_point(begins);
        self.last.set(line - 1);
        line
    }

    /// The characters from one byte to a later one.
    fn between(&self, start: usize, end: usize) -> usize {
        if end - start <= STRIDE {
            return characters(&self.source.text.as_bytes()[start..end]);
        }
        self.before(end) - self.before(start)
    }

    fn before(&self, offset: usize) -> usize {
        let mark = offset / STRIDE;
        self.counts[mark] + characters(&self.source.text.as_bytes()[mark * STRIDE..offset])
    }
}

/// The characters that begin in some bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0b1100_0000) != 0b1000_0000).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_however_long_the_line() {
        let text = format!("first\n{}x\n", "é".repeat(2000));
        let lines = Lines::new(&Source::new("a", &text));
        assert_eq!(lines.origin(0).to_string(), "a:1:1");
        assert_eq!(lines.origin(5).to_string(), "a:1:6");
        assert_eq!(lines.origin(6).to_string(), "a:2:1");
        assert_eq!(lines.origin(6 + 4000).to_string(), "a:2:2001");
        assert_eq!(lines.origin(usize::MAX).to_string(), "a:3:1");
        assert_eq!(lines.origin(6).to_string(), "a:2:1");
    }

    #[test]
    fn a_place_is_the_same_whatever_was_asked_for_before() {
        let lines = Lines::new(&Source::new("a", &"x\n".repeat(5 * NEAR)));
        for (before, line) in [(0, 70), (70, 69), (69, 0), (0, NEAR), (NEAR, NEAR + 1), (NEAR + 1, 79), (79, 1)] {
            lines.origin(2 * before);
            assert_eq!(lines.origin(2 * line).to_string(), format!("a:{}:1", line + 1), "after {before}");
        }
    }

    #[test]
    fn a_file_outside_the_workspace_is_not_read() {
        let (inside, outside) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        std::fs::write(outside.path().join("key"), "secret").expect("written");
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).expect("linked");
        std::fs::write(inside.path().join("a.txt"), "text").expect("written");
        assert_eq!(&*read_below(inside.path(), "./a.txt").expect("read"), "text");
        for name in ["", "/etc/passwd", "../key", "x/../../key", "link/key"] {
            let error = read_below(inside.path(), name).expect_err("refused");
            assert_eq!(error.to_string(), format!("`{name}` is not a path below the workspace"));
        }
        assert_eq!(read_below(inside.path(), "none").expect_err("missing").to_string(), "there is no file `none`");
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().expect("made");
        File::create(folder.path().join("main.toml")).and_then(|file| file.set_len(MAX_FILE_BYTES + 1)).expect("made");
        let error = Source::read(folder.path(), "main.toml").expect_err("refused");
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Limited, "`main.toml` is larger than 64 MiB"));
    }
}
