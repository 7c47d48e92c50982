//! The threads on which methods in Python are called.
//!
//! A thread that enters the interpreter is made known to it each time, which costs as much as a short method. These threads
//! enter once, and wait for work outside of the lock; one that finds work waiting keeps the lock for it. Only one of them can
//! have the lock, so another one is roused only when those that work have stopped coming back for more: they wait for something.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use pyo3::prelude::*;
use tokio::runtime::Handle;

/// How often it is looked at whether work is taken.
const GLANCE: Duration = Duration::from_millis(1);

type Work = Box<dyn FnOnce(Python<'_>) + Send>;

/// Whether the interpreter is about to end: who is outside of it then stays there.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Says that the interpreter is about to end.
#[pyfunction]
pub(crate) fn ending() {
    ENDING.store(true, Ordering::SeqCst);
}

/// The threads, and the work that none of them has taken yet. They go when nobody holds this any longer.
#[derive(Default)]
pub(crate) struct Workers(Arc<Shared>);

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
        let mut state = self.lock();
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

    /// Does work for as long as there is any.
    fn serve(&self) {
        Python::attach(|py| {
            self.lock().coming -= 1;
            loop {
                let work = self.take(&mut self.lock());
                match work.or_else(|| py.detach(|| self.wait())) {
                    Some(work) => work(py),
                    None => return,
                }
            }
        });
    }

    /// Has another thread come and work.
    fn rouse(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> io::Result<()> {
        state.busy += 1;
        state.coming += 1;
        if state.idle > 0 {
            state.idle -= 1;
            state.roused += 1;
            self.more.notify_one();
            return Ok(());
        }
        drop(state);
        let shared = self.clone();
        let begun = thread::Builder::new().name("provisioning-call".into()).spawn(move || shared.serve());
        begun.map(drop).inspect_err(|_| {
            let mut state = self.lock();
            state.busy -= 1;
            state.coming -= 1;
        })
    }
}

impl Workers {
    /// Has something done on one of the threads, with the interpreter's lock.
    ///
    /// # Errors
    /// Where there has to be another thread, and the system gives none.
    pub(crate) fn begin(&self, runtime: &Handle, work: impl FnOnce(Python<'_>) + Send + 'static) -> io::Result<()> {
        let mut state = self.0.lock();
        state.work.push_back(Box::new(work));
        if state.busy == 0 {
            return self.0.rouse(state);
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
