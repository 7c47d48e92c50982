//! A ledger that outlives its process: what was done is in a file, line by line, before anybody hears of it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::deed::{Answer, Deed};
use super::ledger::{Ledger, Moment};
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug)]
pub(super) struct Durable {
    pub ledger: Ledger,
    file: File,
}

/// Something that was done to the ledger.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Done {
        when: Moment,
        deed: Deed,
    },
    /// A thing of this name was taken away.
    Removed(String),
}

impl Durable {
    /// Opens a ledger or begins one. A last line that was half written is dropped: nobody heard of what it says.
    ///
    /// # Errors
    /// Those of the file; `Corrupt` for a line that is whole and cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| unwritten(&error).with_context("path", path.display().to_string());
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut ledger = Ledger::default();
        for (number, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let damaged =
                || Error::new(ErrorKind::Corrupt, format!("line {} of `{}` cannot be read", number + 1, path.display()));
            match serde_json::from_slice(line).map_err(|error| damaged().with_source(error))? {
                Line::Done { when, deed } => drop(deed.perform(&mut ledger, when).map_err(|error| damaged().with_source(error))?),
                Line::Removed(name) => ledger.remove(&name),
            }
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { ledger, file })
    }

    /// Does what a call asks for; a change is on disk when this returns.
    pub(super) fn perform(&mut self, deed: &Deed, when: Moment) -> Result<Answer> {
        let answer = deed.perform(&mut self.ledger, when)?;
        // A poll counts, so it is kept too.
        if deed.changes() || matches!(deed, Deed::Poll { .. }) {
            self.append(&Line::Done { when, deed: deed.clone() })?;
        }
        Ok(answer)
    }

    /// Takes away what has a name.
    pub(super) fn remove(&mut self, name: &str) -> Result<()> {
        self.ledger.remove(name);
        self.append(&Line::Removed(name.to_owned()))
    }

    fn append(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|error| Error::bug(format!("a deed does not serialise: {error}")))?;
        text.push(b'\n');
        self.file.write_all(&text).and_then(|()| self.file.sync_data()).map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the ledger cannot be kept: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::cloud::ledger::ThingSpec;

    fn create(name: &str) -> Deed {
        let spec = ThingSpec { name: name.into(), size: None, zone: None, from: serde_json::Value::Null, polls: 0 };
        Deed::Create { token: format!("token of {name}"), spec }
    }

    #[test]
    fn what_was_done_is_there_again_and_half_a_line_is_dropped() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger");
        let mut first = Durable::open(&path).expect("begun");
        for name in ["a", "b", "c"] {
            first.perform(&create(name), Moment::default()).expect("made");
        }
        first.remove("b").expect("removed");
        let whole = fs::read(&path).expect("written");
        assert_eq!(Durable::open(&path).expect("read").ledger, first.ledger);
        let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("several lines");
        for cut in 1..whole.len() - last {
            fs::write(&path, &whole[..whole.len() - cut]).expect("cut");
            let mut again = Durable::open(&path).expect("read");
            assert_eq!(again.ledger.contents(), ["a", "b", "c"], "{cut} bytes less");
            again.remove("b").expect("removed");
            assert_eq!(fs::read(&path).expect("written"), whole);
        }
    }

    #[test]
    fn a_whole_line_that_cannot_be_read_is_damage() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger");
        fs::write(&path, "nonsense\n").expect("written");
        assert_eq!(Durable::open(&path).expect_err("damaged").kind(), ErrorKind::Corrupt);
    }
}
