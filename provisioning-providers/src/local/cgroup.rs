//! Control groups: how much memory, processor and how many processes a machine may use.
//!
//! Both versions are known, and tried where they are mounted; what is not permitted is said, not hidden. The groups that
//! may be made are written down before they are, so that they are found again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use provisioning_core::error::Result;

use super::error::at;
use super::machine::{self, Place, Quota};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// The length of a processor period, in microseconds.
const PERIOD: f64 = 100_000.0;
/// How often an emptied group is tried to be removed, and how long after each try.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// One limit, in the words of both versions.
struct Limit {
    /// As the user writes it.
    field: &'static str,
    controller: &'static str,
    /// The file and its content in version 2.
    unified: (&'static str, String),
    /// The files and their content in version 1.
    legacy: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Legacy,
    Unified,
}

/// Puts this process into groups with a machine's limits; gives back what could not be limited.
pub(super) fn enter(place: &Place, quota: &Quota) -> Result<Vec<String>> {
    let limits = limits(quota);
    if limits.is_empty() {
        return Ok(Vec::new());
    }
    let name = format!("provisioning-{}", place.id());
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut groups = Vec::new();
    let mut unmet = Vec::new();
    for limit in &limits {
        let candidates = candidates(&own, limit.controller, &name);
        groups.extend(candidates.iter().map(|(group, _)| group.clone()));
        machine::write(&record(place), &groups)?;
        let mut refusal = io::Error::other("there are no control groups");
        let held = candidates.iter().any(|(group, version)| match hold(group, *version, limit) {
            Ok(()) => true,
            Err(error) => {
                refusal = error;
                false
            }
        });
        if !held {
            unmet.push(format!("`{}` is not held to: {refusal}", limit.field));
        }
    }
    Ok(unmet)
}

/// Joins the groups of a machine, so that what is started next counts among it.
pub(super) fn join(place: &Place) -> Result<()> {
    for group in machine::read::<Vec<PathBuf>>(&record(place))?.unwrap_or_default() {
        let members = group.join("cgroup.procs");
        if members.exists() {
            fs::write(&members, "0").map_err(at(&members))?;
        }
    }
    Ok(())
}

/// Removes the groups of a machine in which nothing runs any more.
pub(super) fn remove(place: &Place) -> Result<()> {
    let groups: Vec<PathBuf> = machine::read(&record(place))?.unwrap_or_default();
    for group in groups.iter().filter(|group| group.exists()) {
        let mut tries = 0;
        while let Err(error) = fs::remove_dir(group) {
            // Whoever was killed leaves its group a moment later.
            if error.kind() != io::ErrorKind::ResourceBusy || tries == TRIES {
                return Err(at(group)(error));
            }
            tries += 1;
            sleep(PAUSE);
        }
    }
    match fs::remove_file(record(place)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&record(place))(error)),
        _ => Ok(()),
    }
}

fn record(place: &Place) -> PathBuf {
    place.as_path().join("groups.json")
}

fn limits(quota: &Quota) -> Vec<Limit> {
    let memory = quota.memory_mb.map(|megabytes| megabytes.saturating_mul(1_000_000).to_string()).map(|bytes| Limit {
        field: "memory_mb",
        controller: "memory",
        unified: ("memory.max", bytes.clone()),
        legacy: vec![("memory.limit_in_bytes", bytes)],
    });
    let processor = quota.cpus.map(|cpus| format!("{:.0}", cpus * PERIOD)).map(|share| Limit {
        field: "cpus",
        controller: "cpu",
        unified: ("cpu.max", format!("{share} {PERIOD:.0}")),
        legacy: vec![("cpu.cfs_period_us", format!("{PERIOD:.0}")), ("cpu.cfs_quota_us", share)],
    });
    let processes = quota.processes.map(|count| count.to_string()).map(|count| Limit {
        field: "max_processes",
        controller: "pids",
        unified: ("pids.max", count.clone()),
        legacy: vec![("pids.max", count)],
    });
    memory.into_iter().chain(processor).chain(processes).collect()
}

/// The groups that may be possible, best first: one at the top of the hierarchy, one below the own group in version 1,
/// one beside it in version 2, where a user may be permitted to make some. `own` is `/proc/self/cgroup`.
fn candidates(own: &str, controller: &str, name: &str) -> Vec<(PathBuf, Version)> {
    let path_of = |wanted: &dyn Fn(&str, &str) -> bool| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            wanted(number, controllers).then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let mut found = Vec::new();
    if let Some(path) = path_of(&|_, controllers| controllers.split(',').any(|one| one == controller)) {
        let top = Path::new(MOUNT).join(controller);
        found.push((top.join(name), Version::Legacy));
        found.push((top.join(path).join(name), Version::Legacy));
    } else if let Some(path) = path_of(&|number, _| number == "0") {
        let top = Path::new(MOUNT);
        found.push((top.join(name), Version::Unified));
        let beside = Path::new(&path).parent().map(|parent| top.join(parent).join(name));
        found.extend(beside.map(|group| (group, Version::Unified)));
    }
    found.dedup();
    found
}

fn hold(group: &Path, version: Version, limit: &Limit) -> io::Result<()> {
    if let (Version::Unified, Some(parent)) = (version, group.parent()) {
        let enabled = fs::read_to_string(parent.join("cgroup.subtree_control"))?;
        if !enabled.split_whitespace().any(|one| one == limit.controller) {
            fs::write(parent.join("cgroup.subtree_control"), format!("+{}", limit.controller))?;
        }
    }
    match fs::create_dir(group) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let files = match version {
        Version::Unified => std::slice::from_ref(&limit.unified),
        Version::Legacy => limit.legacy.as_slice(),
    };
    files.iter().try_for_each(|(file, content)| fs::write(group.join(file), content))?;
    fs::write(group.join("cgroup.procs"), "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_said_in_both_versions() {
        let quota = Quota { memory_mb: Some(64), cpus: Some(0.5), processes: Some(20) };
        let said: Vec<_> = limits(&quota).into_iter().map(|limit| (limit.unified, limit.legacy)).collect();
        let legacy =
            |words: &[(&'static str, &str)]| words.iter().map(|(file, content)| (*file, (*content).to_owned())).collect();
        assert_eq!(said[0], (("memory.max", "64000000".into()), legacy(&[("memory.limit_in_bytes", "64000000")])));
        let periods = legacy(&[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")]);
        assert_eq!(said[1], (("cpu.max", "50000 100000".into()), periods));
        assert_eq!(said[2], (("pids.max", "20".into()), legacy(&[("pids.max", "20")])));
        assert!(limits(&Quota::default()).is_empty());
    }

    #[test]
    fn groups_are_made_where_the_hierarchies_are() {
        let paths = |own: &str| -> Vec<_> {
            candidates(own, "memory", "x").into_iter().map(|(path, _)| path.display().to_string()).collect()
        };
        assert_eq!(paths("4:memory:/jobs/1\n0::/\n"), ["/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory/jobs/1/x"]);
        assert_eq!(paths("0::/user.slice/app.slice/a.scope\n"), ["/sys/fs/cgroup/x", "/sys/fs/cgroup/user.slice/app.slice/x"]);
        assert!(paths("").is_empty());
    }
}
