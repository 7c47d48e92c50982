//! Who holds a lease, and whether that process still lives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process, told apart from every other one, also from a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The boot of that machine.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// The process namespace that the number counts in: containers of one boot do not see one another's processes.
    #[serde(default)]
    pub namespace: String,
    /// When the process began, in the kernel's own count since the boot.
    pub started: u64,
}

impl Holder {
    /// This process.
    pub fn this_process() -> Self {
        Self::of(std::process::id())
    }

    /// A process of this machine.
    pub(super) fn of(pid: u32) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { host, boot: boot_id(), pid, namespace: namespace(), started: start_of(pid).unwrap_or(0) }
    }

    /// Whether the process is known to be gone; `false` when nobody here can tell.
    pub fn is_dead(&self) -> bool {
        let here = Self::this_process();
        if self.host != here.host || self.boot.is_empty() {
            return false;
        }
        if self.boot == here.boot && self.namespace != here.namespace {
            return false;
        }
        self.boot != here.boot || start_of(self.pid) != Some(self.started)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Field 22 of `/proc/PID/stat` (proc(5)); a zombie counts as gone.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19)?.parse().ok()
}
