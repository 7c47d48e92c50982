//! What the processes of servers take, by proc(5): resident, and their share of it where pages are shared.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, median};

const MIB: f64 = 1024.0;

/// The memory of one process, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Memory {
    share: u32,
    resident: u32,
}

/// The medians over the keepers of a workspace, and over their web servers.
pub(crate) fn memory(workspace: &Path) -> Result<(Memory, Memory)> {
    let servers = workspace.canonicalize()?.join(".provisioning/local/servers");
    let (mut keepers, mut webs) = (Vec::new(), Vec::new());
    for process in fs::read_dir("/proc")?.flatten().map(|entry| entry.path()) {
        // A keeper holds the lock of its server as its standard input; what runs in a server has its name in the environment.
        if fs::read_link(process.join("fd/0")).is_ok_and(|held| held.starts_with(&servers)) {
            keepers.extend(of(&process));
        } else if server_of(&process).is_some_and(|name| servers.join(name).exists()) {
            webs.extend(of(&process));
        }
    }
    if keepers.is_empty() || webs.is_empty() {
        return Err("the processes of the servers are not to be found".into());
    }
    Ok((median(keepers), median(webs)))
}

fn server_of(process: &Path) -> Option<PathBuf> {
    let environment = fs::read(process.join("environ")).ok()?;
    let environment = String::from_utf8_lossy(&environment);
    environment.split('\0').find_map(|variable| variable.strip_prefix("PROVISIONING_MACHINE=")).map(PathBuf::from)
}

fn of(process: &Path) -> Option<Memory> {
    let rollup = fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let size = |field| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory { share: size("Pss:")?, resident: size("Rss:")? })
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { share, resident } = *self;
        write!(f, "{:.1} MiB ({:.1})", f64::from(resident) / MIB, f64::from(share) / MIB)
    }
}
