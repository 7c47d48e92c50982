//! `shell`: a program on a host that has this terminal.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command as Process;

use provisioning_core::error::{Error, Result};
use provisioning_core::host::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::look;
use crate::args::Pace;
use crate::console::of_io;
use crate::exit::{Problem, of_program};
use crate::workspace::Start;

pub(super) async fn run(start: &Start, name: &str, arguments: Vec<String>) -> Result<u8, Problem> {
    let arguments = if arguments.is_empty() { start.location(&Pace::default())?.settings.shell } else { arguments };
    let host = look(start)?.engine.host(name).await?;
    let words = host.terminal(&Command { arguments, ..Command::default() })?;
    let (program, rest) = words.split_first().ok_or_else(|| Error::bug("a terminal has no program"))?;
    // What is typed at the terminal is the program's alone: nobody here is to end before it.
    let listen = |kind| signal(kind).map_err(|error| of_io("listen to", "signals", error));
    let _deaf = (listen(SignalKind::interrupt())?, listen(SignalKind::quit())?);
    let ended = Process::new(program).args(rest).status();
    let status = ended.map_err(|error| of_io("start", &program.to_string_lossy(), error))?;
    Ok(of_program(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)))
}
