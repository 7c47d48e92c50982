//! Hosts for Python: what is asked of one goes to where the host lives, and the answer comes back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Command, Facts, Host as CoreHost, Output};
use pyo3::prelude::*;
use tokio::sync::{mpsc, oneshot};

use crate::errors;

/// What can be asked of a host, and where the answer goes.
pub(crate) enum Request {
    Run(Command, oneshot::Sender<Result<Output>>),
    Put(PathBuf, Vec<u8>, u32, oneshot::Sender<Result<()>>),
    Get(PathBuf, oneshot::Sender<Result<Option<Vec<u8>>>>),
    Facts(oneshot::Sender<Result<Facts>>),
}

impl Request {
    /// Asks the host. Nobody may be there any more to hear the answer.
    pub(crate) async fn ask(self, host: &dyn CoreHost) {
        match self {
            Self::Run(command, answer) => answer.send(host.run(&command).await).map_err(drop),
            Self::Put(path, content, mode, answer) => answer.send(host.put(&path, &content, mode).await).map_err(drop),
            Self::Get(path, answer) => answer.send(host.get(&path).await).map_err(drop),
            Self::Facts(answer) => answer.send(host.facts().await).map_err(drop),
        }
        .ok();
    }
}

/// A command, as Python says it.
#[derive(FromPyObject)]
struct Wanted {
    arguments: Vec<String>,
    input: Vec<u8>,
    directory: String,
    environment: BTreeMap<String, String>,
    timeout: Option<f64>,
}

/// A host: somewhere a command can run and a file can be put.
#[pyclass(frozen, module = "provisioning")]
pub(crate) struct Host {
    requests: mpsc::UnboundedSender<Request>,
}

impl Host {
    /// A host, and what is asked of it, to be given to it for as long as it is there.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Request>) {
        let (requests, asked) = mpsc::unbounded_channel();
        (Self { requests }, asked)
    }

    fn ask<T: Send>(&self, py: Python<'_>, request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request + Send) -> PyResult<T> {
        let ended =
            || Error::new(ErrorKind::Unavailable, "the host is not at hand any more: the call that it was given to has ended");
        let answer = py.detach(|| {
            let (sender, answer) = oneshot::channel();
            self.requests.send(request(sender)).map_err(|_| ended())?;
            answer.blocking_recv().map_err(|_| ended())?
        });
        answer.map_err(|error| errors::raised(py, &error))
    }
}

#[pymethods]
impl Host {
    fn run(&self, py: Python<'_>, command: Wanted) -> PyResult<(i32, Vec<u8>, Vec<u8>, bool)> {
        let Wanted { arguments, input, directory, environment, timeout } = command;
        let timeout = timeout.map(Duration::try_from_secs_f64).transpose();
        let timeout = timeout.map_err(|_| errors::raised(py, &Error::invalid("`timeout` is no number of seconds")))?;
        let command = Command { arguments, directory, environment, input, timeout };
        let Output { code, stdout, stderr, cut } = self.ask(py, |answer| Request::Run(command, answer))?;
        Ok((code, stdout, stderr, cut))
    }

    fn put(&self, py: Python<'_>, path: PathBuf, content: Vec<u8>, mode: u32) -> PyResult<()> {
        self.ask(py, |answer| Request::Put(path, content, mode, answer))
    }

    fn get(&self, py: Python<'_>, path: PathBuf) -> PyResult<Option<Vec<u8>>> {
        self.ask(py, |answer| Request::Get(path, answer))
    }

    fn facts(&self, py: Python<'_>) -> PyResult<(String, String, String)> {
        let Facts { host_name, system, architecture } = self.ask(py, Request::Facts)?;
        Ok((host_name, system, architecture))
    }
}
