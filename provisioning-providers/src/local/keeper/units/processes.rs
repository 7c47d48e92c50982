//! The processes of units: whose they are, and how they are ended.
//!
//! A unit's processes are those of its process group and those that carry its mark in their environment, wherever they
//! went. A process that left the group and also cleared its environment belongs to nobody until the keeper ends.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, waitpid};
use tokio::time::{Instant, sleep};

use super::super::procfs::{self, Process};
use crate::local::error::at;

/// The variable that names a process's unit.
const UNIT: &str = "PROVISIONING_UNIT";
/// The variable that names a process's keeper.
const KEEPER: &str = "PROVISIONING_KEPT_BY";
/// The first pause between two looks at processes that end; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause between two looks at processes that end.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long killed processes may take to be gone: one that waits for a disk takes as long as the disk.
const KILL: Duration = Duration::from_secs(20);

/// What the environment of a keeper's processes says about whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    keeper: String,
}

impl Mark {
    /// The mark of the keeper of a control directory: the same for every process that was one, on any path to it.
    pub(super) fn of(control: &Path) -> Result<Self> {
        let metadata = fs::metadata(control).map_err(at(control))?;
        Ok(Self { keeper: format!("{}:{}", metadata.dev(), metadata.ino()) })
    }

    /// The variables that a unit's processes get.
    pub(super) fn variables(&self, unit: &str) -> [(&'static str, String); 2] {
        [(UNIT, unit.to_owned()), (KEEPER, self.keeper.clone())]
    }

    /// Every process of the keeper's units.
    pub(super) fn marked(&self) -> Vec<Process> {
        self.carriers(None)
    }

    /// Every process of a unit, with those of its process group.
    pub(super) fn of_unit(&self, unit: &str, group: Option<Pid>) -> Vec<Process> {
        let mut found = self.carriers(Some(unit));
        let group = group.map(Pid::as_raw_pid);
        found.extend(all().into_iter().filter(|process| Some(process.group) == group));
        found
    }

    fn carriers(&self, unit: Option<&str>) -> Vec<Process> {
        let keeper = format!("{KEEPER}={}", self.keeper);
        let unit = unit.map(|unit| format!("{UNIT}={unit}"));
        let wanted: Vec<_> = [Some(keeper.as_str()), unit.as_deref()].into_iter().flatten().collect();
        all().into_iter().filter(|process| process.id != getpid() && procfs::carries(process.id, &wanted)).collect()
    }
}

/// Every process that descends from this one.
pub(super) fn descendants() -> Vec<Process> {
    let all = all();
    let mut known = vec![getpid().as_raw_pid()];
    let mut found = Vec::new();
    while let Some(parent) = known.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            known.push(process.id.as_raw_pid());
            found.push(*process);
        }
    }
    found
}

/// Ends processes: a signal, to the whole group where there is one, then time, then kills until none is left.
///
/// # Errors
/// `Unavailable` when some do not end.
pub(super) async fn end(group: Option<Pid>, find: impl Fn() -> Vec<Process>, signal: Signal, patience: Duration) -> Result<()> {
    if gone(group, &find, signal, patience, Sent::Once).await || gone(group, &find, Signal::KILL, KILL, Sent::Repeatedly).await {
        return Ok(());
    }
    let left: Vec<_> = find().iter().map(|process| process.id.to_string()).collect();
    let message = format!("these processes do not end though they were killed: {}", left.join(", "));
    Err(Error::new(ErrorKind::Unavailable, message).with_hint("they wait for a device or a file system; look at it"))
}

/// How often a signal is sent to those who are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Once,
    /// Until nobody is left: processes may have been started since.
    Repeatedly,
}

async fn gone(group: Option<Pid>, find: &impl Fn() -> Vec<Process>, signal: Signal, patience: Duration, sent: Sent) -> bool {
    let (begin, mut pause, mut told) = (Instant::now(), FIRST_PAUSE, false);
    loop {
        let found = find();
        if found.is_empty() {
            return true;
        }
        if begin.elapsed() >= patience {
            return false;
        }
        if sent == Sent::Repeatedly || !told {
            send(group, &found, signal);
            told = true;
        }
        sleep(pause.min(patience.saturating_sub(begin.elapsed()))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Sending fails only when the process has ended meanwhile, or is not ours to signal; the next look tells.
fn send(group: Option<Pid>, processes: &[Process], signal: Signal) {
    let inside = |process: &&Process| group.is_some_and(|group| group.as_raw_pid() == process.group);
    if let Some(group) = group.filter(|_| processes.iter().any(|process| inside(&process))) {
        let _ = kill_process_group(group, signal);
    }
    for process in processes.iter().filter(|process| !inside(process)) {
        let _ = kill_process(process.id, signal);
    }
}

/// Takes the exit status of every child that has ended and that nobody else waits for.
pub(super) fn reap(is_waited_for: impl Fn(Pid) -> bool) {
    for child in children().into_iter().filter(|child| !is_waited_for(*child)) {
        // Fails only when it is no child any more.
        let _ = waitpid(Some(child), WaitOptions::NOHANG);
    }
}

fn children() -> Vec<Pid> {
    listed_children().unwrap_or_else(|| {
        let own = getpid().as_raw_pid();
        let processes = procfs::ids().filter_map(Process::of).filter(|process| process.parent == own);
        processes.map(|process| process.id).collect()
    })
}

/// The children as the kernel lists them; not every kernel does.
fn listed_children() -> Option<Vec<Pid>> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let listed = fs::read_to_string(task.path().join("children")).ok()?;
        found.extend(listed.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)));
    }
    Some(found)
}

/// Every process that has not ended.
fn all() -> Vec<Process> {
    procfs::ids().filter_map(Process::of).filter(|process| !process.has_ended()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_descends_from_this_process_and_is_listed() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("starts");
        let id = Pid::from_child(&child);
        assert!(descendants().iter().any(|process| process.id == id));
        assert!(children().contains(&id));
        child.kill().expect("kills");
        child.wait().expect("ends");
        assert!(!descendants().iter().any(|process| process.id == id));
    }
}
