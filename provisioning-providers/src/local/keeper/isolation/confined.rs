//! The level where no namespace is to be had: a process tree that may read the system and write its own folder.
//!
//! The kernel's Landlock holds it to that, for root as well; where there is none, the machine says so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use provisioning_core::error::{Error, Result};
use rustix::process::{getpid, set_child_subreaper};

use super::super::super::machine::Machine;
use super::super::order::Order;
use super::{Ground, drop_held_capabilities, environment};
use crate::local::error::at;

/// The newest rules that are asked for; an older kernel gives what it has.
const RULES: ABI = ABI::V6;
/// What may be read and run.
const SYSTEM: [&str; 11] =
    ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/opt", "/proc", "/sys", "/nix/store"];
/// What in `/etc` is nobody's business but root's; `ssl` has keys beside what everybody needs, which is named.
const PRIVATE: [&str; 8] = ["shadow", "shadow-", "gshadow", "gshadow-", "ssh", "ssl", "sudoers", "sudoers.d"];
const PUBLIC: [&str; 2] = ["/etc/ssl/certs", "/etc/ssl/openssl.cnf"];
/// What may be written besides the machine's own folder.
const DEVICES: [&str; 9] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm"];
/// What is said of every server of this level.
const LIMITS: [&str; 3] = [
    "it shares this machine's network, host name, users and list of processes: its services bind its own address, on ports from 1024, and it can connect to what else listens",
    "its files lie in a folder of this machine: relative paths start there, absolute ones are this machine's and can only be read",
    "permissions and times of files outside can be changed as its user may: the kernel's rules do not cover them",
];

pub(super) fn separate(machine: &Machine, order: &Order) -> Result<Ground> {
    adopt_orphans()?;
    let home = order.place.join("root");
    fs::create_dir_all(home.join("tmp")).map_err(at(&home))?;
    let mut limits = LIMITS.map(str::to_owned).to_vec();
    if !confine(machine, &order.place)? {
        limits.push("this kernel has no Landlock: what runs in it can touch whatever its user can".to_owned());
    }
    // What ran in it before may have put links in the way: from here on they lead nowhere outside.
    mount_volumes(machine, &home)?;
    Ok(Ground { control: "control".into(), environment: environment(machine.level, &home), home, limits, claim: None })
}

/// Becomes the parent of all descendants whose own parent ends, so that they can be ended.
pub(super) fn adopt_orphans() -> Result<()> {
    set_child_subreaper(Some(getpid()))
        .map_err(|error| Error::bug("orphans cannot be adopted").with_source(std::io::Error::from(error)))
}

/// Holds this process and all it starts to the rules; false where the kernel has none.
pub(in super::super) fn confine(machine: &Machine, place: &Path) -> Result<bool> {
    let read = AccessFs::from_read(RULES);
    let folders = [place.join("root"), place.join("control")];
    let own: Vec<PathBuf> = folders.into_iter().chain(machine.volumes.values().cloned()).collect();
    let confined = || -> std::result::Result<_, RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(RULES))?
            .scope(Scope::from_all(RULES))?
            .create()?
            .add_rules(path_beneath_rules(SYSTEM, read))?
            .add_rules(path_beneath_rules(["/etc"], AccessFs::ReadDir))?
            .add_rules(path_beneath_rules(settings(), read))?
            .add_rules(path_beneath_rules(std::env::current_exe().ok(), read))?
            .add_rules(path_beneath_rules(DEVICES, devices()))?
            .add_rules(path_beneath_rules(own, AccessFs::from_all(RULES) & !(AccessFs::MakeChar | AccessFs::MakeBlock)))?
            .restrict_self()
    };
    match confined() {
        // Root could still look into the memory of every process of this machine.
        Ok(status) => drop_held_capabilities().map(|()| status.ruleset != RulesetStatus::NotEnforced),
        Err(error) => Err(Error::bug("the rules for a confined server do not hold together").with_source(error)),
    }
}

/// What in `/etc` may be read.
fn settings() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/etc").into_iter().flatten().flatten();
    let shown = entries.filter(|entry| !PRIVATE.iter().any(|name| entry.file_name() == *name)).map(|entry| entry.path());
    shown.chain(PUBLIC.map(PathBuf::from))
}

fn devices() -> BitFlags<AccessFs> {
    AccessFs::from_read(RULES) | AccessFs::from_file(RULES) | AccessFs::MakeReg | AccessFs::RemoveFile
}

/// A volume is a link at its place below the machine's folder: nothing can be mounted.
fn mount_volumes(machine: &Machine, home: &Path) -> Result<()> {
    for (target, source) in &machine.volumes {
        let place = home.join(target.trim_start_matches('/'));
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        if fs::symlink_metadata(&place).is_ok_and(|there| there.is_symlink()) {
            fs::remove_file(&place).map_err(at(&place))?;
        }
        symlink(source, &place).map_err(at(&place))?;
    }
    Ok(())
}
