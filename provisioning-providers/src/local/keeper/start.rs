//! The verb `start`: makes what a keeper has to be born into, starts it, and ends.
//!
//! Whoever is to be number 1 of a process namespace must be a child of who makes the namespace, and a user namespace has
//! to stand before everything else that belongs to it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use provisioning_core::error::{Error, ErrorKind, Failure, Result};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use super::super::cgroup;
use super::super::machine::{Level, Place};
use super::isolation::{self, unshare};
use super::order::{Answer, Order};
use super::{THIS_PROGRAM, argument};
use crate::local::error::at;

/// How long another keeper of the machine may take to stand or to go, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(2);
/// Variables of this machine's user that a program on this machine keeps.
const KEPT: [&str; 7] = ["HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"];

pub(super) fn run(arguments: &[String]) -> Result<u8> {
    let order = Order::parse(argument("start", arguments)?)?;
    let place = Place::at(&order.place);
    let begun = await_turn(&place).and_then(|turn| match turn {
        Some(lock) => begin(order, &place, lock).map(|()| None),
        None => place.standing().map(Some),
    });
    match begun {
        // The keeper answers for itself.
        Ok(None) => {}
        Ok(Some(standing)) => Answer::Ready(standing).say(),
        Err(error) => Answer::Refused(Failure::from(&error)).say(),
    }
    Ok(0)
}

/// Waits for the lock, or until whoever has it stands: it may be a keeper that is being born, or one that is going.
fn await_turn(place: &Place) -> Result<Option<File>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = place.lock()? {
            return Ok(Some(lock));
        }
        if isolation::keeper_of(place)?.is_some() {
            return Ok(None);
        }
        if Instant::now() > deadline {
            return Err(Error::new(ErrorKind::Unavailable, "another keeper has the machine and does not stand"));
        }
        sleep(PAUSE);
    }
}

fn begin(mut order: Order, place: &Place, lock: File) -> Result<()> {
    // From now on whoever looks for the holder of the lock finds this process, and then the keeper.
    rustix::stdio::dup2_stdin(&lock).map_err(|error| at(place.as_path())(error.into()))?;
    drop(lock);
    let machine = place.expect()?;
    if machine.level == Level::Namespaces && !has_real_root()? {
        return Err(Error::new(ErrorKind::Unsupported, "this user is not root of the whole machine"));
    }
    isolation::clear(place)?;
    order.limits.extend(cgroup::enter(place, &machine.quota)?);
    order.put(place)?;
    let log = place.log();
    let log = File::options().create(true).write(true).truncate(true).open(&log).map_err(at(&log))?;
    if machine.level == Level::UserNamespaces {
        be_root_of_a_user_namespace()?;
    }
    if machine.level.has_namespaces() {
        unshare(UnshareFlags::NEWPID)?;
    }
    let mut keeper = Command::new(&order.words[0]);
    if order.words[0] == THIS_PROGRAM {
        keeper.arg0("provisioning");
    }
    keeper
        .args(&order.words[1..])
        .args(["init", &place.id()])
        .current_dir(place.as_path())
        // What the user's environment has is none of the machine's business, and may be secret.
        .env_clear()
        .envs(environment().filter(|_| machine.level == Level::Bare))
        // The lock is handed on as the keeper's standard input: it is held as long as that process lives.
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::from(log))
        .spawn()
        .map_err(at(place.as_path()))?;
    Ok(())
}

/// What a program on this machine takes over of the user's environment.
pub(super) fn environment() -> impl Iterator<Item = (&'static str, OsString)> {
    KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}

/// Whether this process is root in the first user namespace: elsewhere, root is some user's name for itself.
fn has_real_root() -> Result<bool> {
    let path = Path::new("/proc/self/uid_map");
    let map = fs::read_to_string(path).map_err(at(path))?;
    Ok(geteuid().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Maps this user, and nobody else, to root.
fn be_root_of_a_user_namespace() -> Result<()> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER)?;
    let maps = [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))];
    for (file, content) in maps {
        let path = format!("/proc/self/{file}");
        fs::write(&path, content).map_err(at(path.as_ref()))?;
    }
    Ok(())
}
