//! The side that speaks to a keeper: what a plan, an apply and the command line use.
//!
//! What a unit wrote is read from its files and not from the keeper, so that it can be read when the keeper is gone.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use provisioning_core::host::{Supervisor, Unit, UnitStatus};
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::protocol::{self, MAX_REPLY, MAX_REQUEST, Reply, Request};
use crate::local::disk::{self, blocking};
use crate::local::error::from_io;
use crate::local::machine::Place;

/// How long a keeper may take to say how its units are.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keeper of a control directory, whether it stands or not.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    /// The control directory.
    pub(super) directory: PathBuf,
}

impl Control {
    /// That of a control directory.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Asks the keeper; `None` when there is none.
    pub(super) async fn ask(&self, request: &Request) -> Result<Option<Reply>> {
        let Some(mut stream) = self.connect().await? else { return Ok(None) };
        protocol::write_line(&mut stream, request, MAX_REQUEST).await?;
        reply(&mut stream).await.map(Some)
    }

    /// Ends the keeper with all its units, and returns when its process is gone.
    pub(super) async fn stop(&self) -> Result<()> {
        let Some(mut stream) = self.connect().await? else { return Ok(()) };
        protocol::write_line(&mut stream, &Request::Stop, MAX_REQUEST).await?;
        done(reply(&mut stream).await?)?;
        let mut rest = [0; 64];
        loop {
            match stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // Its process ended with something of ours unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(from_io(&self.directory, error)),
            }
        }
    }

    async fn connect(&self) -> Result<Option<BufReader<UnixStream>>> {
        let (socket, _directory) = match protocol::socket(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match UnixStream::connect(socket).await {
            Ok(stream) => {
                let mut stream = BufReader::new(stream);
                let place = Place::at(self.directory.parent().unwrap_or(&self.directory));
                protocol::write_line(&mut stream, &place.key()?, MAX_REQUEST).await?;
                Ok(Some(stream))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let message = format!("the keeper of `{}` has too much to do", self.directory.display());
                Err(Error::new(ErrorKind::Unavailable, message).with_retry(Retry::Later(None)))
            }
            Err(error) => Err(from_io(&self.directory, error)),
        }
    }

    async fn must(&self, request: Request) -> Result<Reply> {
        self.ask(&request).await?.ok_or_else(|| {
            let message = format!("what keeps the units of `{}` is not there: it is not running", self.directory.display());
            Error::new(ErrorKind::Unavailable, message).with_hint("apply again starts it")
        })
    }
}

#[async_trait]
impl Supervisor for Control {
    async fn put(&self, name: &str, unit: &Unit) -> Result<()> {
        done(self.must(Request::Put { name: name.to_owned(), unit: Box::new(unit.clone()) }).await?)
    }

    async fn units(&self) -> Result<BTreeMap<String, UnitStatus>> {
        let asked = timeout(PATIENCE, self.must(Request::Status)).await;
        match asked.map_err(|_| Error::new(ErrorKind::Unavailable, "the keeper does not answer"))?? {
            Reply::Status { units, .. } => Ok(units),
            other => Err(unexpected(other)),
        }
    }

    async fn remove(&self, name: &str) -> Result<()> {
        done(self.must(Request::Remove { name: name.to_owned() }).await?)
    }

    async fn log(&self, name: &str, max_bytes: u64) -> Result<Vec<u8>> {
        protocol::check_name(name)?;
        let (control, name) = (self.directory.clone(), name.to_owned());
        blocking(move || last_lines(&control, &name, max_bytes)).await
    }
}

async fn reply(stream: &mut BufReader<UnixStream>) -> Result<Reply> {
    let line = protocol::read_line(stream, MAX_REPLY).await?.ok_or_else(protocol::broken)?;
    serde_json::from_slice(&line).map_err(|error| {
        Error::new(ErrorKind::Unsupported, "the keeper answers what this version does not understand")
            .with_retry(Retry::Unsure)
            .with_source(error)
    })
}

fn done(reply: Reply) -> Result<()> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(unexpected(other)),
    }
}

fn unexpected(reply: Reply) -> Error {
    match reply {
        Reply::Refused(failure) => failure.into(),
        Reply::Done | Reply::Status { .. } => Error::bug("the keeper answered another question"),
    }
}

/// The last bytes of a log and its predecessors, from the beginning of a line where there is one.
fn last_lines(control: &Path, name: &str, max_bytes: u64) -> Result<Vec<u8>> {
    // One byte more tells whether the rest begins with a line.
    let wanted = max_bytes.saturating_add(1);
    let (mut parts, mut found, mut seen) = (Vec::new(), 0, BTreeSet::new());
    for predecessor in 0.. {
        // What runs in a server can write there: a link would lead to files of this machine.
        let path = protocol::log(Path::new(""), name, predecessor);
        let Some(file) = disk::open_inside(control, &path)? else { break };
        let part = tail(file, wanted - found, &mut seen).map_err(|error| from_io(&path, error))?;
        found += part.len() as u64;
        parts.push(part);
        if found >= wanted {
            break;
        }
    }
    parts.reverse();
    Ok(from_line(parts.concat(), max_bytes))
}

/// The end of a file; nothing of one seen before, which was put aside between two looks.
fn tail(mut file: File, max_bytes: u64, seen: &mut BTreeSet<(u64, u64)>) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    let mut part = Vec::new();
    if seen.insert((metadata.dev(), metadata.ino())) {
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(max_bytes)))?;
        file.take(max_bytes.min(metadata.len())).read_to_end(&mut part)?;
    }
    Ok(part)
}

/// Cuts to the limit, at a line's beginning unless a single line is longer than the limit.
fn from_line(mut text: Vec<u8>, max_bytes: u64) -> Vec<u8> {
    let Some(surplus) = text.len().checked_sub(usize::try_from(max_bytes).unwrap_or(usize::MAX)).filter(|count| *count > 0)
    else {
        return text;
    };
    let line = text[surplus - 1..].iter().position(|byte| *byte == b'\n').map(|place| surplus + place);
    text.split_off(line.filter(|place| *place < text.len()).unwrap_or(surplus))
}
