//! The verb `child`: becomes a unit's program that ends with its keeper.
//!
//! Where there is no process namespace, nothing else ends a program whose keeper was killed.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use provisioning_core::error::{Error, Result};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The exit code of a program that could not be started, as shells have it.
const NOT_STARTED: u8 = 127;

pub(super) fn run(arguments: &[String]) -> Result<u8> {
    let (program, rest) = arguments.split_first().ok_or_else(|| Error::bug("`child` takes a program"))?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::bug("no signal can be asked for").with_source(std::io::Error::from(error)))?;
    if getppid().is_none_or(Pid::is_init) {
        return Ok(NOT_STARTED);
    }
    let error = Command::new(program).args(rest).exec();
    eprintln!("`{program}` could not be started: {error}");
    Ok(NOT_STARTED)
}
