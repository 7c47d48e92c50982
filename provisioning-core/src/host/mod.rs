//! A host: somewhere a command can run and a file can be put.
//!
//! Transports (this machine, a local server) implement the trait; task services use it and know no transport. What a
//! host keeps running is a [`Unit`].

mod text;
mod unit;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

pub use text::{appended, last_lines, tail};
pub use unit::{Health, Log, Probe, Restart, Stop, Supervisor, Unit, UnitState, UnitStatus};

use crate::error::{Error, ErrorKind, Result};

/// A command for a host, run by no shell unless it names one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// The directory it runs in; the host's own choice when empty.
    pub directory: String,
    /// Variables added to its environment.
    pub environment: BTreeMap<String, String>,
    /// What it reads.
    pub input: Vec<u8>,
    /// How long it may run.
    pub timeout: Option<Duration>,
}

impl Command {
    /// A line for the host's `/bin/sh`.
    pub fn shell(line: impl Into<String>) -> Self {
        Self { arguments: vec!["/bin/sh".into(), "-c".into(), line.into()], ..Self::default() }
    }
}

/// What a command left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; for a signal 128 and the signal's number.
    pub code: i32,
    /// What it wrote to standard output, cut at the host's limit.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, cut at the host's limit.
    pub stderr: Vec<u8>,
    /// Whether something of either was cut.
    pub cut: bool,
}

/// What a host is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its own name.
    pub host_name: String,
    /// Its operating system: `linux`, `macos`.
    pub system: String,
    /// Its machine: `x86_64`, `aarch64`.
    pub architecture: String,
}

/// Somewhere a command can run and a file can be put.
///
/// - A relative path starts at the host's own directory, which is the same for commands and files.
/// - Every call may be cancelled by dropping it; the host then ends what it began.
/// - A command that ran and failed is an `Ok` with its exit code; an error means that it did not run or that nobody
///   knows. The second is [`Retry::Unsure`](crate::error::Retry::Unsure).
#[async_trait]
pub trait Host: Send + Sync {
    /// Runs a command to its end.
    async fn run(&self, command: &Command) -> Result<Output>;

    /// Puts a file, whole or not at all, with its permission bits.
    async fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<()>;

    /// Reads a file; `None` when it does not exist.
    async fn get(&self, path: &Path) -> Result<Option<Vec<u8>>>;

    /// Says what the host is.
    async fn facts(&self) -> Result<Facts>;

    /// What keeps programs running on the host; `None` where nothing does.
    fn supervisor(&self) -> Option<&dyn Supervisor> {
        None
    }

    /// The program and arguments which, run on this machine with a terminal, are the command on the host with that
    /// terminal; its input, its environment and its timeout are left out.
    ///
    /// # Errors
    /// `Unsupported` where the host has no such thing.
    fn terminal(&self, command: &Command) -> Result<Vec<OsString>> {
        let _ = command;
        Err(Error::new(ErrorKind::Unsupported, "this host takes no terminal"))
    }
}
