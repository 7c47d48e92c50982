//! What is left of a machine whose keeper is to go or has gone: its processes, its control groups, its cable.
//!
//! A process is known by the machine's name in its environment, which everything that runs in a machine has.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use rustix::process::{Pid, Signal, kill_process};

use super::super::super::cgroup;
use super::super::super::link::Links;
use super::super::super::machine::Place;

/// The variable that names the machine a process belongs to.
pub(in super::super) const MARK: &str = "PROVISIONING_MACHINE";
/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it is.
const PAUSE: Duration = Duration::from_millis(2);

/// Ends the keeper, if one is left, and everything that was in the machine.
pub(in super::super) fn end(place: &Place) -> Result<()> {
    // Whoever starts a keeper has the lock before it: it is looked again until nobody has it.
    let mut refused = Ok(());
    wait("the keeper", || match keeper_of(place) {
        Ok(Some(keeper)) => {
            kill(keeper);
            is_gone(keeper) && place.is_kept().is_ok_and(|kept| !kept)
        }
        Ok(None) => place.is_kept().is_ok_and(|kept| !kept),
        Err(error) => {
            refused = Err(error);
            true
        }
    })?;
    refused?;
    clear(place)
}

/// Ends what a dead keeper left behind.
pub(in super::super) fn clear(place: &Place) -> Result<()> {
    let mark = format!("{MARK}={}", place.id());
    wait("a process", || {
        let left: Vec<_> = processes().filter(|process| bears(*process, &mark)).collect();
        left.iter().for_each(|process| kill(*process));
        left.is_empty()
    })?;
    if let Some(attachment) = place.machine()?.and_then(|machine| machine.attachment) {
        Links::open()?.detach(&attachment.port)?;
    }
    cgroup::remove(place)
}

/// The process that holds a machine's lock: it has it as its standard input.
pub(in super::super) fn keeper_of(place: &Place) -> Result<Option<Pid>> {
    if !place.is_kept()? {
        return Ok(None);
    }
    let lock = place.as_path().join("lock");
    let lock = lock.canonicalize().unwrap_or(lock);
    Ok(processes().find(|process| fs::read_link(file(*process, "fd/0")).is_ok_and(|held| held == lock)))
}

fn processes() -> impl Iterator<Item = Pid> {
    let own = rustix::process::getpid();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(Pid::from_raw).filter(move |process| *process != own)
}

/// Another user's environment cannot be read: such a process is not of this machine.
fn bears(process: Pid, mark: &str) -> bool {
    let environment = fs::read(file(process, "environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) && !is_gone(process)
}

/// Whether a process is gone, or waits for nothing but to be asked how it ended.
fn is_gone(process: Pid) -> bool {
    let Ok(line) = fs::read_to_string(file(process, "stat")) else { return true };
    line.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
}

fn file(process: Pid, name: &str) -> PathBuf {
    Path::new("/proc").join(process.to_string()).join(name)
}

/// A process that is gone already needs no signal.
fn kill(process: Pid) {
    let _ = kill_process(process, Signal::KILL);
}

fn wait(what: &str, mut gone: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !gone() {
        if Instant::now() > deadline {
            let message = format!("{what} of the machine was killed and does not end");
            return Err(Error::new(ErrorKind::Unavailable, message).with_retry(Retry::Unsure));
        }
        sleep(PAUSE);
    }
    Ok(())
}
