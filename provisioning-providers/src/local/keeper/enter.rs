//! The verbs `enter` and `terminal`: one deed inside of a machine.
//!
//! What is to be done comes framed on standard input, so that no secret stands in a list of processes; what follows the
//! frame is the input of the deed. Whoever wants to know whether the deed could be begun asks [`outcome`].

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use provisioning_core::error::{Error, ErrorKind, Failure, Result};
use provisioning_core::host::Output;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::machine::{Machine, Place};
use super::super::{cgroup, disk};
use super::{Keeper, argument, isolation};
use crate::local::error::at;

/// What stands before the JSON of a failure on standard error.
const REFUSAL: &str = "\0provisioning\0";
/// The exit code of a deed that could not be begun.
const REFUSED: u8 = 125;
/// What stands before the content of a file, and what stands alone where there is none.
const FOUND: u8 = b'+';
const MISSING: u8 = b'-';
/// The digits of the length before a frame.
const LENGTH: usize = 8;

/// Something to be done in a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    /// Run a command to its end.
    Run { arguments: Vec<String>, directory: String, environment: Vec<(String, String)> },
    /// Put a file, whose content is the input.
    Put { path: PathBuf, mode: u32 },
    /// Write a file to standard output.
    Get { path: PathBuf },
}

impl Keeper {
    /// The command that does a deed, and the beginning of its input.
    pub(crate) fn deed(&self, place: &Place, deed: &Deed) -> Result<(Vec<String>, Vec<u8>)> {
        let json = serde_json::to_string(deed).map_err(|error| Error::invalid("a path is not UTF-8").with_source(error))?;
        let frame = format!("{:0LENGTH$x}{json}", json.len());
        Ok((self.words("enter", place), frame.into_bytes()))
    }

    /// The command that runs another in a machine with the terminal it is given.
    pub(crate) fn terminal(&self, place: &Place, arguments: &[String]) -> Vec<String> {
        let mut words = self.words("terminal", place);
        words.extend_from_slice(arguments);
        words
    }

    fn words(&self, verb: &str, place: &Place) -> Vec<String> {
        let more = [verb.to_owned(), place.as_path().display().to_string()];
        self.words.iter().cloned().chain(more).collect()
    }
}

/// What a deed came to, by what its process left; an error where it could not be begun.
pub(crate) fn outcome(output: Output) -> Result<Output> {
    let text = String::from_utf8_lossy(&output.stderr);
    let refusal = text.split_once(REFUSAL).and_then(|(_, json)| serde_json::from_str::<Failure>(json.lines().next()?).ok());
    match refusal {
        Some(failure) if output.code == i32::from(REFUSED) => Err(super::launch::of(failure)),
        _ => Ok(output),
    }
}

/// The file that a deed got, by what it wrote to standard output.
pub(crate) fn content(stdout: &[u8]) -> Result<Option<Vec<u8>>> {
    match stdout.split_first() {
        Some((&FOUND, content)) => Ok(Some(content.to_vec())),
        Some((&MISSING, [])) => Ok(None),
        _ => Err(Error::bug("a deed got neither a file nor none")),
    }
}

pub(super) fn run(arguments: &[String]) -> u8 {
    let done = argument("enter", arguments).and_then(|place| {
        let deed = read_frame()?;
        Room::enter(Path::new(place))?.perform(deed)
    });
    done.unwrap_or_else(|error| {
        eprintln!("{REFUSAL}{}", serde_json::json!(Failure::from(&error)));
        REFUSED
    })
}

pub(super) fn terminal(arguments: &[String]) -> Result<u8> {
    let (place, command) = arguments.split_first().ok_or_else(|| Error::bug("`terminal` takes a machine"))?;
    let room = Room::enter(Path::new(place))?;
    let _held = hold_signals()?;
    let mut command = room.command(command, "")?;
    command.envs(std::env::var("TERM").map(|terminal| ("TERM", terminal)));
    finish(&mut command)
}

/// Leaves what a terminal's keys signal to the command: who waits for it must not end before it does.
fn hold_signals() -> Result<(tokio::runtime::Runtime, [Signal; 2])> {
    let unheld = |error| Error::bug("signals cannot be held").with_source(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unheld)?;
    let listen = |kind| {
        let _entered = runtime.enter();
        signal(kind).map_err(unheld)
    };
    let held = [listen(SignalKind::interrupt())?, listen(SignalKind::quit())?];
    Ok((runtime, held))
}

/// The inside of a machine.
struct Room {
    home: PathBuf,
    environment: Vec<(String, String)>,
}

impl Room {
    /// Makes this process one of the machine's; what it starts is in every respect.
    fn enter(folder: &Path) -> Result<Self> {
        let place = Place::at(folder);
        let machine = place.expect()?;
        let stopped =
            || Error::new(ErrorKind::Unavailable, "the server does not run").with_hint("apply again: it is started then");
        let keeper = isolation::keeper_of(&place)?.ok_or_else(stopped)?;
        cgroup::join(&place)?;
        let room = Self::of(&machine, &place);
        if machine.level.has_namespaces() {
            isolation::hide_from_processes()?;
            isolation::join(keeper)?;
            std::env::set_current_dir("/").map_err(at(Path::new("/")))?;
            isolation::drop_capabilities(machine.attachment.is_some())?;
        } else {
            isolation::confine(&machine, folder)?;
        }
        Ok(room)
    }

    fn of(machine: &Machine, place: &Place) -> Self {
        let home = if machine.level.has_namespaces() { "/".into() } else { place.as_path().join("root") };
        let mut environment: Vec<_> = isolation::environment(machine.level, &home).into_iter().collect();
        environment.push((isolation::MARK.to_owned(), place.id()));
        Self { home, environment }
    }

    fn perform(&self, deed: Deed) -> Result<u8> {
        match deed {
            Deed::Run { arguments, directory, environment } => finish(self.command(&arguments, &directory)?.envs(environment)),
            Deed::Put { path, mode } => {
                let mut content = Vec::new();
                io::stdin().read_to_end(&mut content).map_err(at(&path))?;
                disk::put_content(&self.home.join(path), &content, mode).map(|()| 0)
            }
            Deed::Get { path } => match disk::read(&self.home.join(&path))? {
                Some((_, content)) => write(&[&[FOUND], content.as_slice()].concat(), &path),
                None => write(&[MISSING], &path),
            },
        }
    }

    fn command(&self, arguments: &[String], directory: &str) -> Result<Command> {
        let (program, rest) = arguments.split_first().ok_or_else(|| Error::bug("a command has no arguments"))?;
        let mut command = Command::new(program);
        command.args(rest).env_clear().envs(self.environment.iter().cloned()).current_dir(self.home.join(directory));
        Ok(command)
    }
}

fn write(answer: &[u8], path: &Path) -> Result<u8> {
    // This may run in a program that knows nothing of this buffer when it ends.
    let mut stdout = io::stdout();
    stdout.write_all(answer).and_then(|()| stdout.flush()).map_err(at(path)).map(|()| 0)
}

/// The frame; not a byte behind it is read, because that belongs to the deed.
fn read_frame() -> Result<Deed> {
    let broken = || Error::bug("a deed came without its frame");
    let length = read_exactly(LENGTH)?;
    let length = std::str::from_utf8(&length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let frame = read_exactly(length.ok_or_else(broken)?)?;
    serde_json::from_slice(&frame).map_err(|error| broken().with_source(error))
}

fn read_exactly(length: usize) -> Result<Vec<u8>> {
    let mut content = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match rustix::io::read(io::stdin().as_fd(), &mut content[filled..]) {
            Ok(0) => return Err(Error::bug("a deed ends before its frame does")),
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::bug("a deed cannot be read").with_source(io::Error::from(error))),
        }
    }
    Ok(content)
}

/// Runs a command to its end: a child of this process, though in the namespaces of the machine.
fn finish(command: &mut Command) -> Result<u8> {
    let status = command.status().map_err(|error| {
        crate::transport::local::not_started(&command.get_program().to_string_lossy(), command.get_current_dir(), error)
    })?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(REFUSED))
}
