//! A run that is under way: what it tells, how it is stopped, and what it came to.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use provisioning_core::engine::{Control, Report};
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::event::{Event, Observer};
use pyo3::prelude::*;
use serde::Serialize;

use crate::errors;
use crate::thread::{EngineThread, GLANCE};
use crate::workspace::json;

/// How many events are kept for somebody who does not take them; what comes then is counted, and is in the journal.
const MOST_BEHIND: usize = 100_000;

/// What a run has told and nobody has taken yet.
#[derive(Default)]
pub(crate) struct Feed {
    told: Mutex<Told>,
    changed: Condvar,
}

/// Something that a run told, or how much of it was let go.
#[derive(Serialize)]
#[serde(untagged)]
enum Happening {
    Event(Event),
    Missed(Missed),
}

#[derive(Serialize)]
struct Missed {
    event: &'static str,
    what: &'static str,
    count: u64,
}

impl Missed {
    const NONE: Self = Self { event: "transient", what: "missed", count: 0 };
}

#[derive(Default)]
struct Told {
    events: VecDeque<Happening>,
    ended: Option<Result<Report>>,
    /// How many threads wait for events, and how many for the end alone.
    takers: usize,
    enders: usize,
    /// Whether somebody takes the events: then whoever waits for the end lets none of them go.
    followed: bool,
    /// Called when there is something new, once until that is taken.
    on_change: Option<Py<PyAny>>,
    has_called: bool,
}

impl Feed {
    pub(crate) fn observer(self: &Arc<Self>) -> Observer {
        let feed = self.clone();
        Observer::new(move |event| {
            let mut told = feed.lock();
            if told.enders > 0 && !told.followed && told.on_change.is_none() {
                // Whoever waits wants to hear of the end, and is not woken before.
                return;
            }
            if told.events.len() < MOST_BEHIND {
                told.events.push_back(Happening::Event(event.clone()));
            } else if let Some(Happening::Missed(missed)) = told.events.back_mut() {
                missed.count += 1;
            } else {
                told.events.push_back(Happening::Missed(Missed { count: 1, ..Missed::NONE }));
            }
            if told.takers > 0 {
                feed.changed.notify_all();
            }
            feed.tell(told);
        })
    }

    pub(crate) fn end(&self, report: Result<Report>) {
        let mut told = self.lock();
        told.ended = Some(report);
        told.has_called = false;
        self.changed.notify_all();
        self.tell(told);
        // Whoever is told holds the run, which holds this.
        self.lock().on_change = None;
    }

    /// Tells whoever has asked for it that there is something new.
    fn tell(&self, mut told: MutexGuard<'_, Told>) {
        if !told.has_called && told.on_change.is_some() {
            told.has_called = true;
            // Nobody may hold the feed who waits for the interpreter.
            drop(told);
            Python::attach(|py| {
                let call = self.lock().on_change.as_ref().map(|call| call.clone_ref(py));
                // A loop that has ended needs to hear nothing.
                call.map(|call| call.call0(py).ok());
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to take, for so long at most.
    fn wait(&self, limit: Duration) {
        let nothing = |told: &mut Told| told.events.is_empty() && told.ended.is_none();
        let mut told = self.lock();
        told.takers += 1;
        let (mut told, _) = self.changed.wait_timeout_while(told, limit, nothing).unwrap_or_else(PoisonError::into_inner);
        told.takers -= 1;
    }

    /// Waits until the run has ended, for so long at most; what it tells is let go.
    fn wait_for_end(&self, limit: Duration) {
        let mut told = self.lock();
        if !told.followed {
            told.events.clear();
        }
        told.enders += 1;
        let runs = |told: &mut Told| told.ended.is_none();
        let (mut told, _) = self.changed.wait_timeout_while(told, limit, runs).unwrap_or_else(PoisonError::into_inner);
        told.enders -= 1;
    }
}

/// A run that is under way, or has ended.
#[pyclass(frozen, module = "_provisioning")]
pub(crate) struct Run {
    pub(crate) feed: Arc<Feed>,
    pub(crate) control: Control,
    pub(crate) thread: Arc<EngineThread>,
}

impl Run {
    /// A fork has none of the threads of its parent: nothing would ever come.
    fn check_process(&self, py: Python<'_>) -> PyResult<()> {
        if !self.thread.is_forked() {
            return Ok(());
        }
        let error =
            Error::new(ErrorKind::Unsupported, "the run was begun before this process was forked, and goes on in the parent");
        Err(errors::raised(py, &error.with_hint("wait for it there; `Workspace.runs()` tells of it anywhere")))
    }

    /// Waits with the interpreter released, and lets signals through; gives whether what was waited for has come.
    fn wait(&self, py: Python<'_>, seconds: Option<f64>, once: impl Fn(Duration) -> bool + Sync) -> PyResult<bool> {
        self.check_process(py)?;
        let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let left = end.map_or(GLANCE, |end| end.saturating_duration_since(Instant::now()).min(GLANCE));
            if py.detach(|| once(left)) {
                return Ok(true);
            }
            py.check_signals()?;
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(false);
            }
        }
    }
}

#[pymethods]
impl Run {
    /// Takes the events that there are, at most so many, waiting for the first; and says whether the run has ended.
    #[pyo3(signature = (most, seconds=None))]
    fn take(&self, py: Python<'_>, most: usize, seconds: Option<f64>) -> PyResult<(Vec<String>, bool)> {
        self.wait(py, seconds, |limit| {
            self.feed.wait(limit);
            let told = self.feed.lock();
            !told.events.is_empty() || told.ended.is_some()
        })?;
        let (events, ended) = {
            let mut told = self.feed.lock();
            told.has_called = false;
            told.followed = true;
            let count = told.events.len().min(most);
            let events: Vec<_> = told.events.drain(..count).collect();
            (events, told.ended.is_some() && told.events.is_empty())
        };
        let events = events.iter().map(|event| json(py, event)).collect::<PyResult<_>>()?;
        Ok((events, ended))
    }

    /// Calls a function when there is something to take, or the run has ended; once, until something is taken.
    fn on_change(&self, call: Py<PyAny>) {
        let mut told = self.feed.lock();
        told.on_change = Some(call);
        told.has_called = false;
    }

    /// Lets go what the run has told.
    fn let_go(&self) {
        let mut told = self.feed.lock();
        told.events.clear();
        told.has_called = false;
    }

    /// Waits for the end, and lets go what the run tells; gives whether it has ended.
    #[pyo3(signature = (seconds=None))]
    fn wait_for_end(&self, py: Python<'_>, seconds: Option<f64>) -> PyResult<bool> {
        self.wait(py, seconds, |limit| {
            self.feed.wait_for_end(limit);
            self.feed.lock().ended.is_some()
        })
    }

    /// Whether it has ended.
    fn has_ended(&self, py: Python<'_>) -> PyResult<bool> {
        self.check_process(py)?;
        Ok(self.feed.lock().ended.is_some())
    }

    /// What it came to, as JSON; `None` before its end.
    fn report(&self, py: Python<'_>) -> PyResult<Option<String>> {
        match &self.feed.lock().ended {
            None => Ok(None),
            Some(Ok(report)) => json(py, report).map(Some),
            Some(Err(error)) => Err(errors::raised(py, error)),
        }
    }

    /// Waits until the engine's thread is done with everything that it has to tell: an interpreter must not end before.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.thread.call(py, || async { Ok(()) })
    }

    fn cancel(&self) {
        self.control.cancel();
    }

    fn pause(&self) {
        self.control.pause();
    }

    fn unpause(&self) {
        self.control.unpause();
    }
}
