//! The verb `child`: becomes a unit's program that ends with its keeper.
//!
//! Where there is no process namespace, nothing else ends a program whose keeper was killed. Why a program could not be
//! started is written to standard input, where the keeper gave a pipe for that: no exit code can tell it from what a
//! program says itself.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use provisioning_core::error::{Error, Result};
use rustix::fs::FileType;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The exit code of a program that could not be started, as shells have it.
const NOT_STARTED: u8 = 127;
/// The first number of a descriptor that is none of the standard streams.
const FIRST_OTHER: i32 = 3;

pub(super) fn run(arguments: &[String]) -> Result<u8> {
    let (program, rest) = arguments.split_first().ok_or_else(|| Error::bug("`child` takes a program"))?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::bug("no signal can be asked for").with_source(io::Error::from(error)))?;
    if getppid().is_none_or(Pid::is_init) {
        return Ok(NOT_STARTED);
    }
    let report = report().map_err(|error| Error::bug("standard input cannot be replaced").with_source(error))?;
    let error = Command::new(program).args(rest).exec();
    match (report, error.raw_os_error()) {
        (Some(mut report), Some(number)) => {
            // A keeper that does not listen any more has ended, and this process is about to.
            let _ = write!(report, "{number}");
        }
        _ => eprintln!("`{program}` could not be started: {error}"),
    }
    Ok(NOT_STARTED)
}

/// Takes the keeper's pipe out of the program's way: it closes when the program begins, which has no input.
fn report() -> io::Result<Option<File>> {
    let input = rustix::stdio::stdin();
    if FileType::from_raw_mode(rustix::fs::fstat(input)?.st_mode) != FileType::Fifo {
        return Ok(None);
    }
    let report = rustix::io::fcntl_dupfd_cloexec(input, FIRST_OTHER)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(Some(File::from(report)))
}
