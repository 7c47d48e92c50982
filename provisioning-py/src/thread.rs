//! The thread that an engine lives on: one for every workspace, so that none waits for another and a fork is noticed.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::errors;
use crate::workers::Workers;

/// How often a thread that waits looks whether a signal has come.
pub(crate) const GLANCE: Duration = Duration::from_millis(50);

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The thread that an engine lives on. It ends when nobody holds it any longer.
#[derive(Debug)]
pub(crate) struct EngineThread {
    jobs: mpsc::UnboundedSender<Job>,
    handle: Handle,
    workers: Arc<Workers>,
    process: u32,
}

impl EngineThread {
    pub(crate) fn start() -> Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (sender, handle) = channel();
        let unavailable = |what: &str| Error::new(ErrorKind::Unavailable, format!("no thread can be started: {what}"));
        let body = move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            // Whoever waits for the handle sees that there is none.
            if sender.send(runtime.as_ref().map(|runtime| runtime.handle().clone()).map_err(ToString::to_string)).is_ok()
                && let Ok(runtime) = runtime
            {
                LocalSet::new().block_on(&runtime, work(queue));
                runtime.shutdown_background();
            }
        };
        thread::Builder::new().name("provisioning".into()).spawn(body).map_err(|error| unavailable(&error.to_string()))?;
        let handle = handle.recv().map_err(|error| unavailable(&error.to_string()))?.map_err(|error| unavailable(&error))?;
        Ok(Self { jobs, handle, workers: Arc::default(), process: std::process::id() })
    }

    /// The runtime of the thread, for what is waited for elsewhere.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The threads on which methods in Python are called for it.
    pub(crate) fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// Whether this process is not the one that the thread runs in.
    pub(crate) fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    /// Does something on the thread.
    ///
    /// # Errors
    /// `Unsupported` in a fork of the process that opened the workspace: a fork has none of its threads.
    pub(crate) fn spawn<F: Future<Output = ()> + 'static>(&self, make: impl FnOnce() -> F + Send + 'static) -> Result<()> {
        if self.is_forked() {
            let message = "the workspace was opened before this process was forked, and has no thread here";
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("open it in the child; `multiprocessing` does with the start method `spawn` or `forkserver`"));
        }
        let sent = self.jobs.send(Box::new(move || Box::pin(make())));
        sent.map_err(|_| Error::bug("the engine's thread has ended"))
    }

    /// Does something on the thread and waits for it, without the interpreter; a signal ends the waiting, and drops what
    /// is being done.
    pub(crate) fn call<T, F>(&self, py: Python<'_>, make: impl FnOnce() -> F + Send + 'static) -> PyResult<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + 'static,
    {
        let (answer, answered) = channel();
        let (kept, dropped) = oneshot::channel::<()>();
        let work = move || async move {
            let given = tokio::select! {
                given = make() => given,
                _ = dropped => return,
            };
            // Nobody may be there to hear it.
            answer.send(given).ok();
        };
        self.spawn(work).map_err(|error| errors::raised(py, &error))?;
        let answered = Mutex::new(answered);
        let result = loop {
            let glance = || answered.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(GLANCE);
            match py.detach(glance) {
                Ok(result) => break result,
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => break Err(Error::bug("the engine's thread broke off")),
            }
        };
        drop(kept);
        result.map_err(|error| errors::raised(py, &error))
    }
}

/// Does what comes, several things at a time, until nobody can send anything any more.
async fn work(mut jobs: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        tokio::task::spawn_local(job());
    }
}
