//! What a unit writes: bytes as they come, into a file that is put aside when it is full.
//!
//! A program never waits for its log and never fails because of it: what cannot be written is dropped and counted.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use provisioning_core::host::Log;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

use crate::local::keeper::protocol;

/// How much is read from a program at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The file that a unit writes to, and its predecessors.
#[derive(Debug)]
pub(super) struct LogFile {
    control: PathBuf,
    name: String,
    limits: Log,
    open: Option<Open>,
    in_line: bool,
    dropped: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

impl LogFile {
    /// The log of a unit; what an earlier limit kept beyond this one is removed.
    pub(super) fn new(control: &Path, name: &str, limits: Log) -> Self {
        for (_, path) in predecessors(control, name).into_iter().filter(|(number, _)| *number >= limits.files) {
            // A file that stays costs space and nothing else.
            let _ = fs::remove_file(path);
        }
        Self { control: control.to_owned(), name: name.to_owned(), limits, open: None, in_line: false, dropped: 0 }
    }

    /// Writes, or drops and counts.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.dropped > 0 {
            let begin = if self.in_line { "\n" } else { "" };
            let told = format!("{begin}[{} bytes are missing here: the log could not be written]\n", self.dropped);
            if self.append(told.as_bytes()) < told.len() {
                self.dropped += bytes.len() as u64;
                return;
            }
            self.dropped = 0;
        }
        let written = self.append(bytes);
        self.dropped += (bytes.len() - written) as u64;
    }

    /// Writes as much as can be; a failure closes the file, so that the next call begins with a look at the disk.
    fn append(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.append_some(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.open = None;
                    break;
                }
            }
        }
        written
    }

    fn append_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (max_bytes, in_line) = (self.limits.max_bytes, self.in_line);
        let open = self.open()?;
        let fitting = fitting(bytes, max_bytes.saturating_sub(open.size), in_line || open.size == 0);
        if fitting == 0 {
            self.rotate()?;
            return Ok(0);
        }
        let count = open.file.write(&bytes[..fitting])?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        open.size += count as u64;
        self.in_line = bytes[count - 1] != b'\n';
        Ok(count)
    }

    fn open(&mut self) -> io::Result<&mut Open> {
        let open = if let Some(open) = self.open.take() {
            open
        } else {
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path(0))?;
            let size = file.metadata()?.len();
            Open { file, size }
        };
        Ok(self.open.insert(open))
    }

    /// Puts the file aside.
    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        let Some(oldest) = self.limits.files.checked_sub(1).filter(|oldest| *oldest > 0) else {
            return fs::remove_file(self.path(0));
        };
        // Only the numbers that exist: how many may be kept has no limit of ours.
        let mut aside = predecessors(&self.control, &self.name);
        aside.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        for (number, path) in aside {
            if number >= oldest { fs::remove_file(path)? } else { fs::rename(path, self.path(number + 1))? }
        }
        fs::rename(self.path(0), self.path(1))
    }

    fn path(&self, predecessor: u32) -> PathBuf {
        protocol::log(&self.control, &self.name, predecessor)
    }
}

/// Writes what comes out of a pipe until its last writer is gone.
pub(super) async fn follow(pipe: OwnedFd, log: Rc<RefCell<LogFile>>) {
    let Ok(mut pipe) = Receiver::from_owned_fd(pipe) else { return };
    let mut buffer = vec![0; CHUNK];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        log.borrow_mut().write(&buffer[..count]);
    }
}

/// Removes what a unit wrote.
pub(super) fn remove(control: &Path, name: &str) -> io::Result<()> {
    let aside = predecessors(control, name).into_iter().map(|(_, path)| path);
    for path in aside.chain([protocol::log(control, name, 0)]) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// How much of the bytes the current file takes: whole lines, and parts of one only where its beginning is.
fn fitting(bytes: &[u8], room: u64, may_cut: bool) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if bytes.len() <= room {
        return bytes.len();
    }
    match bytes[..room].iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if may_cut => room,
        None => 0,
    }
}

fn predecessors(control: &Path, name: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(protocol::logs(control)) else { return Vec::new() };
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix(name)?.strip_prefix(".log.")?.parse::<u32>().ok();
    entries.flatten().filter_map(|entry| number(&entry.path()).map(|number| (number, entry.path()))).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn log(max_bytes: u64, files: u32) -> (TempDir, LogFile) {
        let control = TempDir::new().expect("a directory");
        fs::create_dir(protocol::logs(control.path())).expect("makes");
        let log = LogFile::new(control.path(), "web", Log { max_bytes, files });
        (control, log)
    }

    fn contents(control: &TempDir) -> Vec<(String, String)> {
        let entries = fs::read_dir(protocol::logs(control.path())).expect("reads").map(|entry| entry.expect("an entry"));
        let mut found: Vec<_> = entries
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).expect("reads");
                (entry.file_name().into_string().expect("a text"), text)
            })
            .collect();
        found.sort();
        found
    }

    fn files(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_full_file_is_put_aside_at_the_end_of_a_line() {
        let (control, mut log) = log(10, 3);
        log.write(b"one\ntwo\nthree\n");
        log.write(b"four\n");
        assert_eq!(contents(&control), files(&[("web.log", "four\n"), ("web.log.1", "three\n"), ("web.log.2", "one\ntwo\n")]));
        log.write(b"fifth\nsixth\n");
        assert_eq!(contents(&control), files(&[("web.log", "sixth\n"), ("web.log.1", "fifth\n"), ("web.log.2", "four\n")]));
    }

    #[test]
    fn a_line_longer_than_a_file_is_cut() {
        let (control, mut log) = log(4, 2);
        log.write(b"abc");
        log.write(b"defghij\n");
        assert_eq!(contents(&control), files(&[("web.log", "ij\n"), ("web.log.1", "efgh")]));
    }

    #[test]
    fn a_single_file_begins_anew_and_fewer_files_are_kept_when_declared() {
        let (control, mut three) = log(4, 3);
        three.write(b"one\ntwo\nsix\n");
        assert_eq!(contents(&control).len(), 3);
        let mut one = LogFile::new(control.path(), "web", Log { max_bytes: 4, files: 1 });
        assert_eq!(contents(&control), files(&[("web.log", "six\n")]));
        one.write(b"ten\n");
        assert_eq!(contents(&control), files(&[("web.log", "ten\n")]));
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_and_told() {
        let (control, mut log) = log(100, 2);
        let path = protocol::log(control.path(), "web", 0);
        symlink("/dev/full", &path).expect("links");
        log.write(b"lost\n");
        log.write(b"too\n");
        fs::remove_file(&path).expect("removes");
        log.write(b"kept\n");
        let told = "[9 bytes are missing here: the log could not be written]\nkept\n";
        assert_eq!(contents(&control), files(&[("web.log", told)]));
    }

    #[test]
    fn the_log_of_another_unit_is_left_alone() {
        let (control, mut web) = log(4, 3);
        let mut other = LogFile::new(control.path(), "web.log", Log { max_bytes: 4, files: 3 });
        web.write(b"one\ntwo\n");
        other.write(b"six\nten\n");
        remove(control.path(), "web").expect("removes");
        remove(control.path(), "web").expect("has nothing to do");
        assert_eq!(contents(&control), files(&[("web.log.log", "ten\n"), ("web.log.log.1", "six\n")]));
    }
}
