//! Calling a method that is written in Python: on a thread of its own, and, where it gives a coroutine, in an event loop.

use std::sync::{Arc, Mutex, PoisonError};

use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use provisioning_core::provider::Context as CoreContext;
use provisioning_core::value::Value;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::context::Context;
use crate::errors::{self, Foreign};
use crate::hosts::Host;
use crate::thread::EngineThread;
use crate::values::to_python;
use crate::workers::{Work, Workers};

/// An object whose methods are called, what runs their coroutines, and where the engine lives.
#[derive(Debug, Clone)]
pub(crate) struct Target(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    object: Py<PyAny>,
    submit: Py<PyAny>,
    runtime: Handle,
    workers: Arc<Workers>,
    foreign: Foreign,
}

/// Something that a method is called with.
pub(crate) enum Argument {
    Value(Value),
    Texts(Vec<String>),
    Context(CoreContext),
    Host(Host),
}

impl Argument {
    fn into_python<'py>(self, py: Python<'py>, runtime: &Handle) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Value(value) => to_python(py, &value)?,
            Self::Texts(texts) => texts.into_pyobject(py)?.into_any(),
            Self::Context(context) => Bound::new(py, Context::new(context, runtime.clone()))?.into_any(),
            Self::Host(host) => Bound::new(py, host)?.into_any(),
        })
    }
}

/// What a call came to before anything was waited for.
enum Begun<T, F> {
    Done(T),
    /// What it gave is still to come, and to be read then.
    Awaited(Awaited, F),
}

/// A coroutine that runs; it is cancelled when nobody waits for it any longer.
struct Awaited {
    future: Option<Py<PyAny>>,
    done: oneshot::Receiver<()>,
}

impl Target {
    /// `submit` runs a coroutine and gives a `concurrent.futures.Future` of it.
    pub(crate) fn new(object: Py<PyAny>, submit: Py<PyAny>, thread: &EngineThread, foreign: Foreign) -> Self {
        let (runtime, workers) = (thread.handle().clone(), thread.workers().clone());
        Self(Arc::new(Parts { object, submit, runtime, workers, foreign }))
    }

    /// The same for another object.
    pub(crate) fn with_object(&self, py: Python<'_>, object: Py<PyAny>) -> Self {
        let Parts { submit, runtime, workers, foreign, .. } = &*self.0;
        let (submit, runtime, workers) = (submit.clone_ref(py), runtime.clone(), workers.clone());
        Self(Arc::new(Parts { object, submit, runtime, workers, foreign: *foreign }))
    }

    /// The object.
    pub(crate) fn object(&self) -> &Py<PyAny> {
        &self.0.object
    }

    /// Calls a method; `take` reads what it gave.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        method: &'static str,
        arguments: Vec<Argument>,
        take: impl FnOnce(&Bound<'_, PyAny>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let (called, asked) = (self.0.clone(), self.0.clone());
        // Nobody calls any more what nobody waits for any more: it was cut off, or took too long, before it began.
        let waiting = Arc::new(());
        let wanted = Arc::downgrade(&waiting);
        let begin = move |py: Python<'_>| match wanted.upgrade() {
            Some(_) => called.prepare(py, method, arguments),
            None => Err(PyRuntimeError::new_err("nobody waits for it any longer")),
        };
        let end = move |py: Python<'_>, given: PyResult<Bound<'_, PyAny>>| {
            // Nobody may wait for the answer any longer.
            answer.send(asked.begun(py, given, take)).ok();
        };
        let no_thread = |error: PyErr| {
            Error::new(ErrorKind::Unavailable, format!("`{method}` cannot be called: {error}")).with_retry(Retry::Later(None))
        };
        self.0.workers.begin(&self.0.runtime, Work::new(begin, end)).map_err(no_thread)?;
        let broken = |_| Error::bug(format!("`{method}` broke off")).with_retry(Retry::Unsure);
        let came = answered.await.map_err(broken)??;
        drop(waiting);
        match came {
            Begun::Done(taken) => Ok(taken),
            Begun::Awaited(awaited, take) => self.finish(awaited, take).await,
        }
    }

    async fn finish<T: Send + 'static>(
        &self,
        mut awaited: Awaited,
        take: impl FnOnce(&Bound<'_, PyAny>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // An end without a word is the end of the loop: the result says so.
        drop((&mut awaited.done).await);
        let Some(future) = awaited.future.take() else { return Err(Error::bug("a coroutine was finished twice")) };
        Python::attach(|py| match future.bind(py).call_method1("result", (0,)) {
            Ok(given) => take(&given),
            Err(error) => Err(errors::caught(py, &error, self.0.foreign)),
        })
    }
}

impl Parts {
    /// The method and what it is called with.
    fn prepare(&self, py: Python<'_>, method: &str, arguments: Vec<Argument>) -> PyResult<(Py<PyAny>, Py<PyTuple>)> {
        let arguments = arguments.into_iter().map(|argument| argument.into_python(py, &self.runtime));
        let arguments = PyTuple::new(py, arguments.collect::<PyResult<Vec<_>>>()?)?;
        Ok((self.object.bind(py).getattr(method)?.unbind(), arguments.unbind()))
    }

    /// What came of a call: what it gave is read, or awaited where it is still to come.
    fn begun<T, F>(&self, py: Python<'_>, given: PyResult<Bound<'_, PyAny>>, take: F) -> Result<Begun<T, F>>
    where
        F: FnOnce(&Bound<'_, PyAny>) -> Result<T>,
    {
        let caught = |error: PyErr| errors::caught(py, &error, self.foreign);
        let given = given.map_err(caught)?;
        if given.getattr_opt("__await__").map_err(caught)?.is_none() {
            return take(&given).map(Begun::Done);
        }
        Awaited::begin(&given, self.submit.bind(py)).map(|awaited| Begun::Awaited(awaited, take)).map_err(caught)
    }
}

impl Awaited {
    fn begin(coroutine: &Bound<'_, PyAny>, submit: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = coroutine.py();
        let (sender, done) = oneshot::channel();
        let future = submit.call1((coroutine,))?;
        future.call_method1("add_done_callback", (Bound::new(py, Done(Mutex::new(Some(sender))))?,))?;
        Ok(Self { future: Some(future.unbind()), done })
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            // One that has ended cannot be cancelled any more, which is as well.
            Python::attach(|py| future.bind(py).call_method0("cancel").map(drop).unwrap_or_default());
        }
    }
}

/// What a future calls when it is done.
#[pyclass(frozen)]
struct Done(Mutex<Option<oneshot::Sender<()>>>);

#[pymethods]
impl Done {
    fn __call__(&self, _future: &Bound<'_, PyAny>) {
        if let Some(sender) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody may wait for it any longer.
            sender.send(()).ok();
        }
    }
}
