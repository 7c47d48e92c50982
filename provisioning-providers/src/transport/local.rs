//! The transport `local`: commands and files on this machine.
//!
//! A command runs in a process group of its own, which is killed when the command takes too long or nobody waits any
//! more. What it leaves running when it ends by itself is left alone.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use provisioning_core::host::{Command, Facts, Host, Output};
use provisioning_core::registry::Transport;
use provisioning_core::value::Value;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use crate::local::disk::{self, blocking};

/// How much of each output stream is kept, in bytes; the rest is read and dropped.
pub(super) const MAX_OUTPUT: usize = 1 << 20;
/// How much is read at once, in bytes.
const CHUNK: usize = 8192;

/// Leads to this machine.
#[derive(Debug, Clone, Copy)]
pub struct LocalTransport;

/// This machine.
#[derive(Debug, Clone, Copy)]
pub struct LocalHost;

impl Transport for LocalTransport {
    fn host(&self, _: &Value) -> Result<Arc<dyn Host>> {
        Ok(Arc::new(LocalHost))
    }
}

#[async_trait]
impl Host for LocalHost {
    async fn run(&self, command: &Command) -> Result<Output> {
        let program = command.arguments.first().ok_or_else(|| Error::bug("a command has no arguments"))?;
        execute(command, program, MAX_OUTPUT).await
    }

    async fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let (path, content) = (path.to_owned(), content.to_vec());
        blocking(move || disk::put_content(&path, &content, mode)).await
    }

    async fn get(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let path = path.to_owned();
        blocking(move || Ok(disk::read(&path)?.map(|(_, content)| content))).await
    }

    async fn facts(&self) -> Result<Facts> {
        Ok(facts())
    }

    fn terminal(&self, command: &Command) -> Result<Vec<OsString>> {
        let mut arguments = command.arguments.clone();
        if !command.directory.is_empty() {
            let enter = ["/bin/sh", "-c", "cd -- \"$0\" && exec \"$@\"", &command.directory].map(str::to_owned);
            arguments.splice(0..0, enter);
        }
        Ok(arguments.into_iter().map(OsString::from).collect())
    }
}

/// Runs a command that people know by another name, and keeps at most so many bytes of each output stream.
pub(super) async fn execute(command: &Command, name: &str, max_output: usize) -> Result<Output> {
    let directory = Some(Path::new(&command.directory)).filter(|directory| !directory.as_os_str().is_empty());
    let child = start(command).map_err(|error| not_started(name, directory, error))?;
    let group = Group::of(&child);
    let finished = finish(child, group, &command.input, max_output);
    let ended = match command.timeout {
        Some(limit) => tokio::time::timeout(limit, finished).await.map_err(|_| {
            Error::new(ErrorKind::Unavailable, format!("`{name}` was stopped after {} s", limit.as_secs_f64()))
                .with_retry(Retry::Unsure)
                .with_hint("allow it more time")
        })?,
        None => finished.await,
    };
    ended.map_err(|error| {
        Error::new(ErrorKind::Unavailable, format!("`{name}` could not be followed")).with_retry(Retry::Unsure).with_source(error)
    })
}

/// What this machine is.
pub(crate) fn facts() -> Facts {
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Facts { host_name, system: std::env::consts::OS.to_owned(), architecture: std::env::consts::ARCH.to_owned() }
}

/// A process group that is killed when dropped, unless its leader has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }

    /// Lets go of the group: its number may soon belong to somebody else.
    fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails only when nothing is left to kill.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// One output stream, cut at the limit.
struct Captured<S> {
    stream: S,
    kept: Vec<u8>,
    max: usize,
    cut: bool,
}

impl<S: AsyncRead + AsFd + Unpin> Captured<S> {
    fn new(stream: S, max: usize) -> Self {
        Self { stream, kept: Vec::new(), max, cut: false }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.max - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }

    async fn follow(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.stream.read(&mut buffer).await? {
                0 => return Ok(()),
                count => self.keep(&buffer[..count]),
            }
        }
    }

    /// Takes what the ended process left in the pipe. Its end is not waited for: a background process may hold it.
    fn drain(&mut self) {
        let mut buffer = vec![0; CHUNK];
        while !self.cut {
            match rustix::io::read(self.stream.as_fd(), &mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => self.keep(&buffer[..count]),
            }
        }
    }
}

fn start(command: &Command) -> io::Result<Child> {
    let mut process = tokio::process::Command::new(&command.arguments[0]);
    process.args(&command.arguments[1..]).envs(&command.environment).process_group(0).kill_on_drop(true);
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if !command.directory.is_empty() {
        process.current_dir(&command.directory);
    }
    process.spawn()
}

async fn finish(mut child: Child, mut group: Group, input: &[u8], max: usize) -> io::Result<Output> {
    let (mut stdout, mut stderr, stdin) = pipes(&mut child, max);
    let status = {
        let talk = async { tokio::join!(stdout.follow(), stderr.follow(), feed(stdin, input)) };
        tokio::select! {
            status = child.wait() => status?,
            (out, err, ()) = talk => {
                out.and(err)?;
                child.wait().await?
            }
        }
    };
    group.release();
    stdout.drain();
    stderr.drain();
    Ok(Output { code: code(status), cut: stdout.cut || stderr.cut, stdout: stdout.kept, stderr: stderr.kept })
}

fn pipes(child: &mut Child, max: usize) -> (Captured<ChildStdout>, Captured<ChildStderr>, ChildStdin) {
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take().expect("standard error is piped");
    (Captured::new(stdout, max), Captured::new(stderr, max), child.stdin.take().expect("standard input is piped"))
}

/// A command may end without reading everything: that is its own affair.
async fn feed(mut stdin: ChildStdin, input: &[u8]) {
    let _ = stdin.write_all(input).await;
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Why a program could not be started.
pub(crate) fn not_started(program: &str, directory: Option<&Path>, error: io::Error) -> Error {
    let place = directory.map(|directory| format!(" in `{}`", directory.display())).unwrap_or_default();
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("`{program}` could not be started{place}")).with_source(error)
}
