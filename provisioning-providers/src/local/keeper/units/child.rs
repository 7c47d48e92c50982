//! Children of the keeper: how a unit's programs are started, and which exit statuses are waited for.
//!
//! The keeper adopts what its units leave behind and has to reap it. [`Children`] tells those from the children whose
//! exit status somebody waits for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;

use provisioning_core::host::Unit;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, child_subreaper, getpid, kill_process_group};
use tokio::process::Command;

use super::course::Ending;
use super::health::Answer;
use super::processes;
use super::{Keeper, Surroundings};

/// The children whose exit statuses are waited for.
#[derive(Debug, Clone, Default)]
pub(super) struct Children(Rc<RefCell<BTreeSet<i32>>>);

/// A child whose exit status is waited for.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    id: Pid,
    children: Children,
    /// Where a wrapper around the program says why it could not start it.
    report: Option<PipeReader>,
}

impl Children {
    /// Starts a process that leads a process group.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        let process = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("a new process has a number");
        self.0.borrow_mut().insert(id.as_raw_pid());
        Ok(Child { process, id, children: self.clone(), report: None })
    }

    /// Takes the exit status of every other child, if this process adopts orphans at all.
    pub(super) fn reap_others(&self) {
        if getpid().is_init() || child_subreaper().is_ok_and(|own| own.is_some()) {
            processes::reap(|child| self.0.borrow().contains(&child.as_raw_pid()));
        }
    }
}

impl Child {
    /// Its number, which is that of its group.
    pub(super) fn id(&self) -> Pid {
        self.id
    }

    /// Waits for its end; may be called again.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.wait().await;
        self.children.0.borrow_mut().remove(&self.id.as_raw_pid());
        status
    }

    /// What its exit status says, once it has ended.
    pub(super) fn verdict(&mut self, status: ExitStatus, program: &str) -> Ending {
        let mut said = String::new();
        // Nobody can hold the other end any more: a program that began has closed it.
        let read = self.report.take().map(|mut report| report.read_to_string(&mut said));
        match (read, said.parse()) {
            (Some(Ok(_)), Ok(number)) => not_started(program, &io::Error::from_raw_os_error(number)),
            _ => Ending::of(status),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Not waited for any more: whoever sees its end first may take it.
        self.children.0.borrow_mut().remove(&self.id.as_raw_pid());
    }
}

/// The process group of a question, which is killed when nobody waits for the answer any more.
struct Question(Option<Pid>);

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails only when nothing is left to kill.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Starts a unit's program; what it writes comes out of the pipe.
///
/// # Errors
/// How it ended without having begun.
pub(super) fn start(keeper: &Keeper, name: &str, unit: &Unit) -> Result<(Child, OwnedFd), Ending> {
    let directory = directory(&keeper.surroundings, unit);
    if !directory.is_dir() {
        return Err(Ending::Impossible(format!("its directory `{}` does not exist", directory.display())));
    }
    let start = || {
        let (reader, writer) = io::pipe()?;
        let mut command = command(keeper, name, unit, &unit.arguments);
        command.stdout(writer.try_clone()?).stderr(writer);
        let report = if keeper.surroundings.prefix.is_empty() {
            None
        } else {
            let (report, writer) = io::pipe()?;
            command.stdin(writer);
            Some(report)
        };
        let mut child = keeper.children.start(&mut command)?;
        child.report = report;
        Ok((child, OwnedFd::from(reader)))
    };
    start().map_err(|error| not_started(&unit.arguments[0], &error))
}

/// Runs a unit's question to its end.
pub(super) async fn ask(keeper: &Keeper, name: &str, unit: &Unit, arguments: &[String]) -> Answer {
    let mut command = command(keeper, name, unit, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let unknown = |error: io::Error| format!("`{}` could not be run: {}", arguments[0], error.kind());
    let mut child = keeper.children.start(&mut command).map_err(unknown)?;
    let mut question = Question(Some(child.id()));
    let status = child.ended().await.map_err(unknown)?;
    question.0 = None;
    match Ending::of(status) {
        Ending::Succeeded => Ok(()),
        Ending::Failed(reason) => Err(reason.trim_start_matches("it ").to_owned()),
        other => unreachable!("an exit status says {other:?}"),
    }
}

fn command(keeper: &Keeper, name: &str, unit: &Unit, arguments: &[String]) -> Command {
    let mut words = keeper.surroundings.prefix.iter().map(AsRef::as_ref).chain(arguments.iter().map(OsStr::new));
    let mut command = Command::new(words.next().expect("a unit has a program"));
    command.args(words).current_dir(directory(&keeper.surroundings, unit)).stdin(Stdio::null());
    command.env_clear().envs(&keeper.surroundings.environment).envs(&unit.environment);
    command.envs(keeper.mark.variables(name));
    command
}

fn directory(surroundings: &Surroundings, unit: &Unit) -> PathBuf {
    surroundings.home.join(&unit.directory)
}

/// Starting again helps only where the system was short of something.
fn not_started(program: &str, error: &io::Error) -> Ending {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => format!("`{program}` was not found"),
        io::ErrorKind::PermissionDenied => format!("`{program}` may not be executed"),
        _ => format!("`{program}` could not be started: {error}"),
    };
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::TXTBSY) => Ending::Failed(reason),
        _ => Ending::Impossible(reason),
    }
}
