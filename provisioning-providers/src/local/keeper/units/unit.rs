//! One unit: a task that starts its program, watches it, ends it, and starts it again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use provisioning_core::error::{Error, Result};
use provisioning_core::host::{Log, Restart, Stop, Unit, UnitState, UnitStatus};
use rustix::process::Signal;
use tokio::sync::oneshot::{self, Receiver, Sender};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, timeout};

use super::Keeper;
use super::check::{seconds, signal};
use super::child::{self, Child};
use super::course::{Course, Ending, Next, Run};
use super::health;
use super::log::{LogFile, follow};
use super::processes;

/// How long the rest of what an ended program wrote may take to be read. Only a process that escaped its unit holds the
/// pipe for longer.
const REST: Duration = Duration::from_secs(1);

/// How long a program that has no health check runs before it is said to: one that dies at once, again and again, would
/// otherwise be seen as running between two of its ends.
const SETTLED: Duration = Duration::from_millis(200);

/// A unit that is kept running, or that could not be read.
#[derive(Debug)]
pub(super) struct Kept {
    status: Rc<RefCell<UnitStatus>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Kept {
    /// Starts to keep a checked unit running.
    pub(super) fn start(keeper: Rc<Keeper>, name: &str, unit: Unit) -> Self {
        // Also without a health check: whether the program is there at all is not known before it was started.
        let status = UnitStatus { unit: unit.clone(), state: UnitState::Starting, process: None, restarts: 0 };
        let status = Rc::new(RefCell::new(status));
        let log = LogFile::new(&keeper.surroundings.control, name, unit.log.clone());
        let course = Course::new(unit.restart);
        let task = Task { keeper, name: name.to_owned(), unit, status: status.clone(), log: Rc::new(RefCell::new(log)), course };
        let (stop, stopped) = oneshot::channel();
        Self { status, running: Some(Running { stop, task: spawn_local(task.run(stopped)) }) }
    }

    /// A unit whose file says nothing that can be kept running.
    pub(super) fn unreadable(reason: String) -> Self {
        let unit = Unit {
            arguments: Vec::new(),
            directory: String::new(),
            environment: [].into(),
            restart: Restart::Never,
            health: None,
            stop: Stop { signal: "TERM".to_owned(), timeout_seconds: 0.0 },
            log: Log { max_bytes: 0, files: 0 },
        };
        let status = UnitStatus { unit, state: UnitState::Failed(reason), process: None, restarts: 0 };
        Self { status: Rc::new(RefCell::new(status)), running: None }
    }

    /// Whether this is a unit, and nobody asked it to stop.
    pub(super) fn is(&self, unit: &Unit) -> bool {
        self.running.is_some() && self.status.borrow().unit == *unit
    }

    /// How it is.
    pub(super) fn status(&self) -> UnitStatus {
        self.status.borrow().clone()
    }

    /// Asks it to stop; the future, if there is anything to stop, ends when no process of it is left.
    pub(super) fn stop(&mut self) -> Option<impl Future<Output = Result<()>> + use<>> {
        let Running { stop, task } = self.running.take()?;
        Some(async move {
            // Fails only when the task has ended already.
            let _ = stop.send(());
            task.await.unwrap_or_else(|error| Err(Error::bug(format!("the task of a unit ended early: {error}"))))
        })
    }
}

struct Task {
    keeper: Rc<Keeper>,
    name: String,
    unit: Unit,
    status: Rc<RefCell<UnitStatus>>,
    log: Rc<RefCell<LogFile>>,
    course: Course,
}

impl Task {
    async fn run(mut self, mut stop: Receiver<()>) -> Result<()> {
        loop {
            match self.once(&mut stop).await {
                Ok(Some(Next::Again(wait, _))) => tokio::select! {
                    () = tokio::time::sleep(wait) => self.status.borrow_mut().restarts += 1,
                    _ = &mut stop => return Ok(()),
                },
                Ok(Some(Next::Ended | Next::Failed(_))) => {
                    // An error is as good an answer: it says that the keeper has forgotten the unit.
                    let _ = stop.await;
                    return Ok(());
                }
                Ok(None) => return Ok(()),
                Err(error) => return self.give_up(error, stop).await,
            }
        }
    }

    /// Runs the program once; `None` when it was asked to stop.
    async fn once(&mut self, stop: &mut Receiver<()>) -> Result<Option<Next>> {
        let (begin, passed) = (Instant::now(), Cell::new(false));
        let (mut child, pipe) = match child::start(&self.keeper, &self.name, &self.unit) {
            Ok(started) => started,
            Err(ending) => return Ok(Some(self.decide(Run { ending, lasted: Duration::ZERO, passed: false }))),
        };
        let output = spawn_local(follow(pipe, self.log.clone()));
        self.show_started(&child);
        let ending = tokio::select! {
            status = child.ended() => Some(match status {
                Ok(status) => child.verdict(status, &self.unit.arguments[0]),
                Err(error) => Ending::Failed(error.to_string()),
            }),
            ending = self.watch(&passed) => Some(ending),
            _ = stop => None,
        };
        let run = ending.map(|ending| Run { ending, lasted: begin.elapsed(), passed: passed.get() });
        let next = run.map(|run| self.decide(run));
        self.end(child).await?;
        finish(output).await;
        Ok(next)
    }

    async fn watch(&self, passed: &Cell<bool>) -> Ending {
        let pass = || {
            passed.set(true);
            self.status.borrow_mut().state = UnitState::Running;
        };
        let Some(health) = &self.unit.health else {
            tokio::time::sleep(SETTLED).await;
            pass();
            return std::future::pending().await;
        };
        health::watch(health, async |arguments: &[String]| self.ask(arguments).await, pass).await
    }

    async fn ask(&self, arguments: &[String]) -> health::Answer {
        child::ask(&self.keeper, &self.name, &self.unit, arguments).await
    }

    fn show_started(&self, child: &Child) {
        let mut status = self.status.borrow_mut();
        status.process = child.id().as_raw_pid().try_into().ok();
        status.state = UnitState::Starting;
    }

    /// Decides and says it at once, since ending what is left of the run takes its time.
    fn decide(&mut self, run: Run) -> Next {
        let next = self.course.after(run);
        self.status.borrow_mut().state = next.state();
        next
    }

    /// Ends every process of the unit; what the program itself left running is no unit without it.
    async fn end(&self, mut child: Child) -> Result<()> {
        self.end_group(&child).await?;
        // Not an error of the unit: its exit status is known already, or nobody wants it.
        let _ = child.ended().await;
        self.status.borrow_mut().process = None;
        Ok(())
    }

    async fn end_group(&self, child: &Child) -> Result<()> {
        let find = || self.keeper.mark.of_unit(&self.name, Some(child.id()));
        let (signal, patience) = (signal(&self.unit.stop).unwrap_or(Signal::TERM), seconds(self.unit.stop.timeout_seconds));
        processes::end(Some(child.id()), find, signal, patience).await
    }

    /// Stays down beside processes that do not end, and tries once more when it is asked to stop.
    async fn give_up(self, error: Error, stop: Receiver<()>) -> Result<()> {
        self.status.borrow_mut().state = UnitState::Failed(error.to_string());
        // As above.
        let _ = stop.await;
        let find = || self.keeper.mark.of_unit(&self.name, None);
        processes::end(None, find, Signal::KILL, Duration::ZERO).await
    }
}

async fn finish(mut output: JoinHandle<()>) {
    if timeout(REST, &mut output).await.is_err() {
        output.abort();
    }
}
