//! What is left of a machine whose keeper is to go or has gone: its processes, its control groups, its cable.
//!
//! A process is known by the machine's name in its environment, which everything that runs in a machine has.

use std::fs::{self, File};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, Signal, kill_process};

use super::super::super::cgroup;
use super::super::super::link::Links;
use super::super::super::machine::Place;
use super::super::procfs::{self, Process};
use super::super::protocol;
use crate::local::error::at;

/// The variable that names the machine a process belongs to.
pub(in super::super) const MARK: &str = "PROVISIONING_MACHINE";
/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it is.
const PAUSE: Duration = Duration::from_millis(2);

/// Ends the keeper, whoever is about to start one, and everything that was in the machine. Gives the lock: as long as it
/// is held, no other keeper comes.
pub(in super::super) fn end(place: &Place) -> Result<File> {
    let mut lock = None;
    wait("the keeper", || {
        lock = place.lock()?;
        if lock.is_none() {
            holders(place).for_each(kill);
        }
        Ok(lock.is_some())
    })?;
    clear(place)?;
    lock.ok_or_else(|| Error::bug("a lock was waited for and not taken"))
}

/// Ends what a dead keeper left behind.
pub(in super::super) fn clear(place: &Place) -> Result<()> {
    let mark = format!("{MARK}={}", place.id());
    wait("a process", || {
        let left: Vec<_> = processes().filter(|process| bears(*process, &mark)).collect();
        left.iter().for_each(|process| kill(*process));
        Ok(left.is_empty())
    })?;
    if let Some(attachment) = place.machine()?.and_then(|machine| machine.attachment) {
        Links::open()?.detach(&attachment.port)?;
    }
    cgroup::remove(place)
}

/// The keeper of a machine, once it listens at its socket: one that is being born is in no namespace yet that could be
/// joined.
pub(in super::super) fn keeper_of(place: &Place) -> Result<Option<Pid>> {
    let control = place.control();
    let connected = match protocol::socket(&control) {
        Ok((socket, _directory)) => connect(&socket),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match connected {
        // One that listens and does not accept has its queue full.
        Ok(()) | Err(Errno::AGAIN) => {}
        Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
        Err(error) => return Err(at(&control)(error.into())),
    }
    // Who started it may not have ended yet.
    let holders: Vec<_> = holders(place).collect();
    let parents: Vec<_> = holders.iter().filter_map(|holder| parent(*holder)).collect();
    Ok(holders.into_iter().find(|holder| !parents.contains(holder)))
}

/// Connects without waiting: what runs in a server could listen there and never accept.
fn connect(socket: &Path) -> rustix::io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let ours = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&ours, &SocketAddrUnix::new(socket)?)
}

/// Who holds a machine's lock, its keeper and who starts one: they have it as their standard input.
fn holders(place: &Place) -> impl Iterator<Item = Pid> {
    let lock = place.as_path().join("lock");
    let lock = lock.canonicalize().unwrap_or(lock);
    processes().filter(move |process| fs::read_link(procfs::file(*process, "fd/0")).is_ok_and(|held| held == lock))
}

fn processes() -> impl Iterator<Item = Pid> {
    let own = rustix::process::getpid();
    procfs::ids().filter(move |process| *process != own)
}

fn bears(process: Pid, mark: &str) -> bool {
    procfs::carries(process, &[mark]) && Process::of(process).is_some_and(|process| !process.has_ended())
}

fn parent(process: Pid) -> Option<Pid> {
    Pid::from_raw(Process::of(process)?.parent)
}

/// A process that is gone already needs no signal.
fn kill(process: Pid) {
    let _ = kill_process(process, Signal::KILL);
}

fn wait(what: &str, mut gone: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !gone()? {
        if Instant::now() > deadline {
            let message = format!("{what} of the machine was killed and does not end");
            return Err(Error::new(ErrorKind::Unavailable, message).with_retry(Retry::Unsure));
        }
        sleep(PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn one_that_listens_and_does_not_accept_holds_nobody_up() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("socket");
        assert_eq!(connect(&path), Err(Errno::NOENT));
        let listening = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
        rustix::net::bind(&listening, &SocketAddrUnix::new(&path).expect("an address")).expect("binds");
        assert_eq!(connect(&path), Err(Errno::CONNREFUSED));
        rustix::net::listen(&listening, 0).expect("listens");
        assert_eq!(connect(&path), Ok(()));
        assert_eq!(connect(&path), Err(Errno::AGAIN));
    }
}
