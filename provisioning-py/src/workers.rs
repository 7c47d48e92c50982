//! The threads on which methods in Python are called.
//!
//! They are Python's own, and daemons: what they run is a loop in Python (`_bridge.serve`), so that nothing of Rust lies below
//! a method that returns when the interpreter is ending already. A thread waits for work outside of the lock; one that finds
//! work waiting keeps the lock for it. Only one of them can have the lock, so another one is roused only when those that work
//! have stopped coming back for more: they wait for something.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::runtime::Handle;

/// How often a thread looks for more work before it goes to sleep: about as long as a fast disk takes to confirm what came
/// of the last.
const LOOKS: usize = 400;

/// How often it is looked at whether work is taken.
const GLANCE: Duration = Duration::from_millis(1);

type Begin = Box<dyn FnOnce(Python<'_>) -> PyResult<(Py<PyAny>, Py<PyTuple>)> + Send>;
type End = Box<dyn FnOnce(Python<'_>, PyResult<Bound<'_, PyAny>>) + Send>;

/// A method that is to be called, and what becomes of what it gives.
#[pyclass(module = "_provisioning")]
pub(crate) struct Work {
    begin: Mutex<Option<Begin>>,
    end: Mutex<Option<End>>,
}

impl Work {
    pub(crate) fn new(
        begin: impl FnOnce(Python<'_>) -> PyResult<(Py<PyAny>, Py<PyTuple>)> + Send + 'static,
        end: impl FnOnce(Python<'_>, PyResult<Bound<'_, PyAny>>) + Send + 'static,
    ) -> Self {
        Self { begin: Mutex::new(Some(Box::new(begin))), end: Mutex::new(Some(Box::new(end))) }
    }

    fn finish(&self, py: Python<'_>, given: PyResult<Bound<'_, PyAny>>) {
        let _inside = Inside::enter(py);
        if let Some(end) = self.end.lock().unwrap_or_else(PoisonError::into_inner).take() {
            end(py, given);
        }
    }
}

#[pymethods]
impl Work {
    /// The method and its arguments; `None` where they cannot be had, which is told already.
    fn begin(&self, py: Python<'_>) -> Option<(Py<PyAny>, Py<PyTuple>)> {
        let _inside = Inside::enter(py);
        let begin = self.begin.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        begin(py).map_err(|error| self.finish(py, Err(error))).ok()
    }

    /// Takes what the method gave.
    fn done(&self, py: Python<'_>, given: Bound<'_, PyAny>) {
        self.finish(py, Ok(given));
    }

    /// Takes what the method raised.
    fn failed(&self, py: Python<'_>, exception: Bound<'_, PyAny>) {
        self.finish(py, Err(PyErr::from_value(exception)));
    }
}

/// Whether the interpreter is about to end: who is outside of it then stays there.
static ENDING: AtomicBool = AtomicBool::new(false);

/// How many threads are on their way through what is written here, and may wait for the interpreter.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How long an ending interpreter waits for them.
const LONGEST: Duration = Duration::from_secs(5);

/// Says that the interpreter is about to end: whoever is inside is let out, and nobody is let in any more.
#[pyfunction]
pub(crate) fn ending(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    let since = Instant::now();
    py.detach(|| {
        while INSIDE.load(Ordering::SeqCst) > 0 && since.elapsed() < LONGEST {
            thread::sleep(GLANCE);
        }
    });
}

/// A thread that is on its way through. An interpreter that ends while it waits for it would tear it out of the middle.
struct Inside;

impl Inside {
    /// Goes in; `None` where nobody is let in any more.
    fn new() -> Option<Self> {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let inside = Self;
        (!ENDING.load(Ordering::SeqCst)).then_some(inside)
    }

    /// Goes in, with the interpreter's lock, or stays outside for ever.
    fn enter(py: Python<'_>) -> Self {
        Self::new().unwrap_or_else(|| py.detach(stay))
    }
}

/// Stays where it is until the process ends.
fn stay() -> ! {
    loop {
        thread::park();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The threads, and the work that none of them has taken yet. They go when nobody holds this any longer.
#[derive(Default)]
pub(crate) struct Workers(Arc<Shared>);

/// Where a thread asks for work.
#[pyclass(frozen, module = "_provisioning")]
pub(crate) struct Calls(Arc<Shared>);

#[pymethods]
impl Calls {
    /// The next method to call; waits for one, and gives `None` when there will never be any.
    fn next(&self, py: Python<'_>) -> Option<Work> {
        let waiting = self.0.take(&mut self.0.lock());
        if waiting.is_some() {
            return waiting;
        }
        let (work, _inside) = py.detach(|| {
            let work = self.0.wait();
            // On its way back to the interpreter.
            (work, Inside::new().unwrap_or_else(|| stay()))
        });
        work
    }

    /// Says that a thread has come.
    fn come(&self) {
        self.0.lock().coming -= 1;
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    work: VecDeque<Work>,
    /// The threads that wait for work, and those that do some or have been roused to.
    idle: usize,
    busy: usize,
    /// How many of those that wait have been roused, and have not woken yet.
    roused: usize,
    /// How many were roused or started, and have not asked for work yet: they may have to wait for the interpreter.
    coming: usize,
    /// How many pieces of work have been taken.
    taken: u64,
    /// Whether it is going to be looked at whether work is taken.
    watched: bool,
    /// Whether nobody can bring work any more.
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a piece of work, if there is one.
    fn take(&self, state: &mut State) -> Option<Work> {
        let work = state.work.pop_front();
        state.taken += u64::from(work.is_some());
        work
    }

    /// Waits for work; `None` where there will never be any.
    fn wait(&self) -> Option<Work> {
        for _ in 0..LOOKS {
            let found = self.state.try_lock().map(|mut state| (self.take(&mut state), state.over));
            match found {
                Ok((Some(work), _)) => return Some(work),
                Ok((None, true)) => return None,
                Ok((None, false)) | Err(_) => thread::yield_now(),
            }
        }
        let mut state = self.lock();
        // What came since the last look roused nobody: this thread counted as one that works.
        if let Some(work) = self.take(&mut state) {
            return Some(work);
        }
        state.idle += 1;
        state.busy -= 1;
        loop {
            let asleep = |state: &mut State| state.roused == 0 && !state.over;
            state = self.more.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner);
            if state.over {
                return None;
            }
            state.roused -= 1;
            state.coming -= 1;
            // Another thread may have been quicker.
            if let Some(work) = self.take(&mut state) {
                return Some(work);
            }
            state.idle += 1;
            state.busy -= 1;
        }
    }

    /// Has another thread come and work.
    fn rouse(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> PyResult<()> {
        state.busy += 1;
        state.coming += 1;
        if state.idle > 0 {
            state.idle -= 1;
            state.roused += 1;
            self.more.notify_one();
            return Ok(());
        }
        drop(state);
        let calls = Calls(self.clone());
        Python::attach(|py| py.import("provisioning._bridge")?.call_method1("start", (calls,)).map(drop)).inspect_err(|_| {
            let mut state = self.lock();
            state.busy -= 1;
            state.coming -= 1;
        })
    }
}

impl Workers {
    /// Has a method called on one of the threads.
    ///
    /// # Errors
    /// Where there has to be another thread, and the system gives none.
    pub(crate) fn begin(&self, runtime: &Handle, work: Work) -> PyResult<()> {
        let mut state = self.0.lock();
        state.work.push_back(work);
        if state.busy == 0 {
            // What nobody does is not done later, when nobody asks for it any more.
            return self.0.rouse(state).inspect_err(|_| drop(self.0.lock().work.pop_back()));
        }
        if !std::mem::replace(&mut state.watched, true) {
            runtime.spawn(watch(self.0.clone(), state.taken));
        }
        Ok(())
    }
}

/// Rouses another thread whenever nobody has taken any work for a while, until none is left.
async fn watch(shared: Arc<Shared>, mut taken: u64) {
    loop {
        tokio::time::sleep(GLANCE).await;
        let mut state = shared.lock();
        if state.work.is_empty() || state.over {
            state.watched = false;
            return;
        }
        if state.taken == taken && state.coming < state.work.len() {
            // Where the system gives no thread, those that work will come back some time.
            shared.rouse(state).ok();
        } else {
            taken = state.taken;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if !ENDING.load(Ordering::SeqCst) {
            self.0.lock().over = true;
            self.0.more.notify_all();
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workers")
    }
}
