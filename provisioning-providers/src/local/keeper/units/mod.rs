//! What a keeper does once it stands: it keeps units running, until it is told to end.
//!
//! One thread and one runtime. `set.rs` holds the units, `unit.rs` is the task of one; `course.rs` decides what follows
//! an end, `health.rs` asks, `log.rs` writes, `child.rs` starts and `processes.rs` ends; `files.rs` remembers and
//! `check.rs` refuses. How the process was started and isolated is not known here.

mod check;
mod child;
mod course;
mod files;
mod health;
mod log;
mod processes;
mod set;
#[cfg(test)]
mod tests;
mod unit;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::process::Signal;
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::protocol::{self, MAX_REPLY, MAX_REQUEST, Reply, Request};
use crate::local::error::at;
use child::Children;
use processes::Mark;
use set::Units;

/// How many connections are served at once; others wait.
const MAX_CONNECTIONS: usize = 64;
/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a keeper looks whether it can still be reached.
const LOOK: Duration = Duration::from_secs(2);
/// How long accepting connections rests when the system is short of something.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Where a keeper stands.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// The control directory, which exists and which no other keeper uses.
    pub(super) control: PathBuf,
    /// Where the relative directories of units start.
    pub(super) home: PathBuf,
    /// The environment of every unit, before its own variables.
    pub(super) environment: BTreeMap<String, String>,
    /// The words before each unit's command.
    pub(super) prefix: Vec<OsString>,
    /// What whoever asks for something has to know.
    pub(super) key: String,
    /// How the keeper is isolated, told to whoever asks.
    pub(super) level: String,
}

/// What every part of a keeper knows.
#[derive(Debug)]
struct Keeper {
    surroundings: Surroundings,
    mark: Mark,
    children: Children,
}

/// Keeps the units of the control directory running until somebody asks it to end, by the socket or by a signal.
///
/// - `ready` is called when requests are answered and every unit is about to start.
/// - The whole process is its own: children that it did not start are reaped if it adopts orphans, and every descendant
///   is killed at the end.
///
/// # Errors
/// When the control directory cannot be used, or when processes do not end.
pub(super) fn keep(surroundings: Surroundings, ready: impl FnOnce()) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(at(&surroundings.control))?;
    let result = LocalSet::new().block_on(&runtime, stand(surroundings, ready));
    // A name that is still being looked up is not worth waiting for.
    runtime.shutdown_background();
    result
}

async fn stand(surroundings: Surroundings, ready: impl FnOnce()) -> Result<()> {
    let control = surroundings.control.clone();
    files::prepare(&control)?;
    let mark = Mark::of(&control)?;
    let mut signals = Signals::new().map_err(at(&control))?;
    end_left_behind(&mark).await?;
    let listener = bind(&control)?;
    let keeper = Rc::new(Keeper { surroundings, mark, children: Children::default() });
    let units = Rc::new(Units::new(keeper.clone()));
    units.load()?;
    ready();
    let stop = Rc::new(Notify::new());
    tokio::select! {
        () = accept(listener, &units, &stop) => {}
        () = signals.follow(&keeper.children) => {}
        () = stop.notified() => {}
        () = abandoned(&control) => {}
    }
    let ended = units.close(async { signals.reap(&keeper.children).await }).await;
    let _ = fs::remove_file(control.join("socket"));
    ended
}

/// The signals that a keeper minds.
struct Signals {
    child: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Reaps until a signal says to end.
    async fn follow(&mut self, children: &Children) {
        let Self { child, terminate, interrupt } = self;
        tokio::select! {
            () = reap(child, children) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }

    /// Reaps for ever.
    async fn reap(&mut self, children: &Children) {
        reap(&mut self.child, children).await;
    }
}

async fn reap(child: &mut tokio::signal::unix::Signal, children: &Children) {
    loop {
        children.reap_others();
        child.recv().await;
    }
}

/// Ends what a keeper that was killed has left: it would stand in the way of what is started now.
async fn end_left_behind(mark: &Mark) -> Result<()> {
    processes::end(None, || mark.marked(), Signal::KILL, Duration::ZERO).await
}

fn bind(control: &Path) -> Result<UnixListener> {
    let (socket, _directory) = protocol::socket(control)?;
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(control)(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&socket).map_err(at(control))?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(at(control))?;
    Ok(listener)
}

/// Ends when the socket is gone, and with it the machine's folder: nobody can ask this keeper to end any more.
async fn abandoned(control: &Path) {
    let socket = control.join("socket");
    while !fs::symlink_metadata(&socket).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        tokio::time::sleep(LOOK).await;
    }
}

async fn accept(listener: UnixListener, units: &Rc<Units>, stop: &Rc<Notify>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let slot = slots.clone().acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, _)) => {
                let (units, stop) = (units.clone(), stop.clone());
                spawn_local(async move {
                    talk(stream, &units, &stop).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(SHORTAGE).await,
        }
    }
}

async fn talk(stream: UnixStream, units: &Units, stop: &Notify) {
    let mut stream = BufReader::new(stream);
    let key = timeout(SILENCE, protocol::read_line(&mut stream, MAX_REQUEST)).await;
    let key = key.ok().and_then(Result::ok).flatten().and_then(|line| serde_json::from_slice::<String>(&line).ok());
    if key.as_deref() != Some(units.key()) {
        // What runs in a machine may reach the socket of another one's keeper; it does not know its key.
        let _ = say(&mut stream, Err(Error::new(ErrorKind::Denied, "the keeper was not given its key"))).await;
        return;
    }
    while let Ok(line) = timeout(SILENCE, protocol::read_line(&mut stream, MAX_REQUEST)).await {
        let request = match line {
            Ok(Some(line)) => parse(&line),
            Ok(None) => return,
            Err(error) => {
                // Where the next request begins is not known.
                let _ = say(&mut stream, Err(error)).await;
                return;
            }
        };
        if matches!(request, Ok(Request::Stop)) {
            // Whether anybody hears it makes no difference.
            let _ = say(&mut stream, Ok(Reply::Done)).await;
            hold(stream);
            return stop.notify_one();
        }
        let reply = match request {
            Ok(request) => units.answer(request).await,
            Err(error) => Err(error),
        };
        if say(&mut stream, reply).await.is_err() {
            return;
        }
    }
}

fn parse(line: &[u8]) -> Result<Request> {
    serde_json::from_slice(line).map_err(|error| Error::invalid("a keeper does not understand the request").with_source(error))
}

async fn say(stream: &mut BufReader<UnixStream>, reply: Result<Reply>) -> Result<()> {
    match protocol::write_line(stream, &Reply::from(reply), MAX_REPLY).await {
        Err(error) if error.kind() == ErrorKind::Limited => {
            protocol::write_line(stream, &Reply::from(Err(error)), MAX_REPLY).await
        }
        other => other,
    }
}

/// Leaves a connection open until this process is gone, which is what its other side waits for.
fn hold(stream: BufReader<UnixStream>) {
    if let Ok(stream) = stream.into_inner().into_std() {
        let _ = stream.into_raw_fd();
    }
}
