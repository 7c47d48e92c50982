//! What is said to a keeper and what it answers: one JSON document per line, over the socket in its control directory.
//!
//! The directory's layout is here too, since both sides read it. Who may speak is decided by the permissions of the
//! directory and the socket.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Failure, Result, Retry};
use provisioning_core::host::{Unit, UnitStatus};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::local::error::at;

/// The longest line of a request, in bytes.
pub(super) const MAX_REQUEST: u64 = 1 << 20;
/// The longest line of a reply, in bytes; it holds the status of every unit.
pub(super) const MAX_REPLY: u64 = 64 << 20;
/// The longest name of a unit, in bytes; file systems allow 255 with what is appended.
const MAX_NAME: usize = 128;

/// What a keeper is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Keep a unit running, in the place of another one of that name.
    Put { name: String, unit: Box<Unit> },
    /// Stop a unit and forget it.
    Remove { name: String },
    /// Say how every unit is.
    Status,
    /// Stop every unit and end.
    Stop,
}

/// What a keeper answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// It is done, or for `Stop`: it has begun.
    Done,
    /// How every unit is, and the level of isolation that the keeper was started with.
    Status { units: BTreeMap<String, UnitStatus>, level: String },
    /// It was not done.
    Refused(Failure),
}

impl From<Result<Reply>> for Reply {
    fn from(result: Result<Reply>) -> Self {
        result.unwrap_or_else(|error| Self::Refused(Failure::from(&error)))
    }
}

/// The directory of the units' files.
pub(super) fn units(control: &Path) -> PathBuf {
    control.join("units")
}

/// The directory of what the units write.
pub(super) fn logs(control: &Path) -> PathBuf {
    control.join("logs")
}

/// The file that a unit writes to; its predecessors are numbered from 1, the youngest.
pub(super) fn log(control: &Path, name: &str, predecessor: u32) -> PathBuf {
    let number = if predecessor == 0 { String::new() } else { format!(".{predecessor}") };
    logs(control).join(format!("{name}.log{number}"))
}

/// A path to the socket which is short enough for a socket's address, however long that of the directory is.
///
/// It works as long as the directory, which is returned with it, stays open.
pub(super) fn socket(control: &Path) -> Result<(PathBuf, File)> {
    let directory = File::open(control).map_err(at(control))?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/socket", directory.as_raw_fd())), directory))
}

/// Refuses what is not the name of a unit; a name is part of paths.
pub(super) fn check_name(name: &str) -> Result<()> {
    let letters = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.@".contains(&letter);
    if !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with('.') && name.bytes().all(letters) {
        return Ok(());
    }
    let shown: String = name.chars().take(MAX_NAME).collect();
    Err(Error::invalid(format!("`{}` is not the name of a unit", shown.escape_debug()))
        .with_hint("take up to 128 letters, digits, `-`, `_`, `.` and `@`, without a dot at the beginning"))
}

/// Reads a line without its end; `None` when the other side has nothing more to say.
pub(super) async fn read_line(stream: &mut (impl AsyncBufRead + Unpin), limit: u64) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = stream.take(limit + 1).read_until(b'\n', &mut line).await;
    read.map_err(|error| broken().with_source(error))?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 >= limit => {
            Err(Error::new(ErrorKind::Limited, format!("a message to or from a keeper is longer than {limit} bytes")))
        }
        Some(_) => Err(broken()),
    }
}

/// Writes a document as a line.
pub(super) async fn write_line(stream: &mut (impl AsyncWrite + Unpin), document: &impl Serialize, limit: u64) -> Result<()> {
    let mut line = serde_json::to_vec(document).map_err(|error| Error::bug("a message cannot be written").with_source(error))?;
    if line.len() as u64 > limit {
        return Err(Error::new(ErrorKind::Limited, format!("a message to or from a keeper is longer than {limit} bytes")));
    }
    line.push(b'\n');
    stream.write_all(&line).await.map_err(|error| broken().with_source(error))
}

/// The other side went away in the middle.
pub(super) fn broken() -> Error {
    Error::new(ErrorKind::Unavailable, "the keeper went away while it was spoken to").with_retry(Retry::Unsure)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn line_of(text: &[u8], limit: u64) -> Result<Option<Vec<u8>>> {
        read_line(&mut &text[..], limit).await
    }

    #[tokio::test]
    async fn a_line_is_read_up_to_the_limit_and_not_beyond() {
        assert_eq!(line_of(b"abc\nd", 3).await.expect("fits").as_deref(), Some(b"abc".as_slice()));
        assert_eq!(line_of(b"abcd\n", 3).await.expect_err("is too long").kind(), ErrorKind::Limited);
        assert_eq!(line_of(b"", 3).await.expect("ends"), None);
        assert_eq!(line_of(b"ab", 3).await.expect_err("is cut").kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn a_document_beyond_the_limit_is_not_written() {
        let mut written = Vec::new();
        write_line(&mut written, &"ab", 4).await.expect("fits");
        assert_eq!(written, b"\"ab\"\n");
        assert_eq!(write_line(&mut written, &"abc", 4).await.expect_err("is too long").kind(), ErrorKind::Limited);
    }

    #[test]
    fn messages_keep_their_form() {
        let request = |text| serde_json::from_str::<Request>(text);
        assert_eq!(request(r#""status""#).expect("parses"), Request::Status);
        assert_eq!(request(r#"{"remove":{"name":"a"}}"#).expect("parses"), Request::Remove { name: "a".into() });
        assert!(request(r#"{"dance":{}}"#).is_err());
        let refused = Reply::from(Err(Error::invalid("no").with_hint("do")));
        let written = serde_json::to_string(&refused).expect("writes");
        assert_eq!(written, r#"{"refused":{"kind":"invalid","message":"no","hint":"do"}}"#);
    }

    #[test]
    fn a_name_is_never_a_path() {
        for good in ["web", "a.b", "web@2", "A-b_c9", &"x".repeat(128)] {
            check_name(good).expect("is a name");
        }
        for bad in ["", ".", "..", ".web", "a/b", "../a", "a b", "a\n", "ä", "a\0", &"x".repeat(129)] {
            assert_eq!(check_name(bad).expect_err(bad).kind(), ErrorKind::Invalid);
        }
    }
}
