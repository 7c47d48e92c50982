//! The processes of this machine or namespace, as /proc tells of them.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

/// A process, from its line in /proc/PID/stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: Pid,
    pub(super) parent: i32,
    pub(super) group: i32,
    state: char,
}

impl Process {
    /// What is known of a process; nothing of one that is gone.
    pub(super) fn of(id: Pid) -> Option<Self> {
        parse(&String::from_utf8_lossy(&fs::read(file(id, "stat")).ok()?))
    }

    /// Whether it waits for nothing but to be asked how it ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// The numbers of all processes.
pub(super) fn ids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// Whether a process has all of these variables, as `NAME=value`. Another user's environment cannot be read: it has none.
pub(super) fn carries(id: Pid, variables: &[&str]) -> bool {
    let Ok(environment) = fs::read(file(id, "environ")) else { return false };
    let has = |wanted: &&str| environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
    variables.iter().all(has)
}

/// A file about a process.
pub(super) fn file(id: Pid, name: &str) -> PathBuf {
    Path::new("/proc").join(id.to_string()).join(name)
}

/// A line of /proc/PID/stat (proc(5)); the name in it may hold spaces and parentheses.
fn parse(stat: &str) -> Option<Process> {
    let id = Pid::from_raw(stat.split(' ').next()?.parse().ok()?)?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    let state = words.next()?.chars().next()?;
    let (parent, group) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Process { id, parent, group, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let process = parse("7 (a) b (c) S 3 5 5 0 -1").expect("parses");
        assert_eq!((process.id.as_raw_pid(), process.parent, process.group, process.state), (7, 3, 5, 'S'));
        assert_eq!(parse("7 (cut"), None);
        assert_eq!(parse(""), None);
    }
}
