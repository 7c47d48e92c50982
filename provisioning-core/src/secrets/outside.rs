//! Secrets that lie outside of a workspace's own files: in a variable, a plain file, or what a program prints.
//!
//! No message has anything of what was read in it, and a program's standard error is passed on unseen.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::drafts;
use super::vault::LIMIT;
use crate::error::{Error, ErrorKind, Result};

/// How often it is looked whether a program has ended that closed its standard output.
const PAUSE: Duration = Duration::from_millis(5);

/// What to do about a program that does not do what it should.
const BY_ITSELF: &str = "run it by itself in the folder of the workspace, to see what is wrong";

/// Where programs and variables are looked for.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// The folder of the workspace.
    pub(super) root: &'a Path,
    /// The environment.
    pub(super) variables: &'a BTreeMap<OsString, OsString>,
    /// How long a program may take.
    pub(super) time_limit: Duration,
}

impl Surroundings<'_> {
    /// What a variable holds. Messages begin with `what`, here and below.
    pub(super) fn variable(&self, what: &str, variable: &str) -> Result<Vec<u8>> {
        let found = self.variables.get(&OsString::from(variable)).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{what} is not set"))
                .with_hint(format!("set `{variable}` where the command is started"))
        })?;
        Ok(found.clone().into_encoded_bytes())
    }

    /// What stands in a file, without the newline at its end.
    pub(super) fn file(&self, what: &str, path: &Path) -> Result<Vec<u8>> {
        let content = drafts::read_some(&self.root.join(path), LIMIT).map_err(|error| {
            let (kind, hint) = match error.kind() {
                io::ErrorKind::NotFound => {
                    (ErrorKind::NotFound, "make it, or name another: a relative path begins at the workspace")
                }
                io::ErrorKind::PermissionDenied => (ErrorKind::Denied, "whoever starts the command has to be allowed to read it"),
                io::ErrorKind::InvalidInput => (ErrorKind::Invalid, "name a regular file"),
                _ => (ErrorKind::Unavailable, "look whether the disk that it lies on is well"),
            };
            Error::new(kind, format!("cannot open {what}")).with_source(error).with_hint(hint)
        })?;
        Ok(without_newline(content))
    }

    /// What a program prints, without the newline at its end. It is started in the workspace, and nobody answers it.
    pub(super) fn command(&self, what: &str, argv: &[String]) -> Result<Vec<u8>> {
        let failed = |why: String| Error::new(ErrorKind::Unavailable, format!("{what} {why}"));
        let (program, arguments) = argv.split_first().ok_or_else(|| Error::invalid(format!("{what} names no program")))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.root).env_clear().envs(self.variables);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| {
            let (kind, hint) = match error.kind() {
                io::ErrorKind::NotFound => {
                    (ErrorKind::NotFound, "install it, or name it by its whole path: `PATH` says where it is looked for")
                }
                io::ErrorKind::PermissionDenied => (ErrorKind::Denied, "whoever starts it has to be allowed to execute it"),
                _ => (ErrorKind::Unavailable, BY_ITSELF),
            };
            Error::new(kind, format!("{what} does not start")).with_source(error).with_hint(hint)
        })?;
        match outcome(&mut child, self.time_limit) {
            Ok(Some((status, bytes))) if status.success() => Ok(without_newline(bytes)),
            Ok(Some((status, _))) => Err(failed(match (status.code(), status.signal()) {
                (Some(code), _) => format!("exited with code {code}"),
                (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
            })
            .with_hint(BY_ITSELF)),
            Ok(None) => {
                // One that does not even end by force is left to the system.
                drop(end(&mut child));
                let hint = "nobody answers what it asks on standard input: look whether it waits for that";
                Err(failed(format!("did not end within {} s", self.time_limit.as_secs_f64())).with_hint(hint))
            }
            Err(error) => {
                drop(end(&mut child));
                Err(failed("printed what cannot be read".to_owned()).with_source(error).with_hint(BY_ITSELF))
            }
        }
    }
}

/// How a program ended and what it wrote; `None` when its time is over.
fn outcome(child: &mut Child, time_limit: Duration) -> io::Result<Option<(ExitStatus, Vec<u8>)>> {
    let Some(bytes) = printed(child, time_limit)? else { return Ok(None) };
    if bytes.len() > LIMIT {
        // It would wait for somebody to read the rest; whoever asked for it refuses what is too large.
        return end(child).map(|()| Some((ExitStatus::default(), bytes)));
    }
    Ok(wait(child, time_limit)?.map(|status| (status, bytes)))
}

/// What a program writes until it closes its standard output, and a byte more than the limit at most.
///
/// A thread reads, since what the program started may hold the output open for longer than the program lives.
fn printed(child: &mut Child, time_limit: Duration) -> io::Result<Option<Vec<u8>>> {
    let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(LIMIT as u64 + 1).read_to_end(&mut bytes);
        // Nobody waits any more when the time is over.
        drop(sender.send(read.map(|_| bytes)));
    });
    receiver.recv_timeout(time_limit).ok().transpose()
}

fn wait(child: &mut Child, time_limit: Duration) -> io::Result<Option<ExitStatus>> {
    let mut left = time_limit;
    loop {
        let ended = child.try_wait()?;
        if ended.is_some() || left.is_zero() {
            return Ok(ended);
        }
        thread::sleep(PAUSE);
        left = left.saturating_sub(PAUSE);
    }
}

fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(|_| ())
}

fn without_newline(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}
