//! Errors between the two languages: one exception class per kind, and what an exception says of the effect of a call.

use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Retry};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// What an exception means that is not one of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// The call may have had its effect.
    Unsure,
    /// The call came to its end without the effect, and may be repeated.
    Failed,
}

/// The exception for an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    static MADE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let diagnostics = serde_json::to_string(error.diagnostics()).unwrap_or_default();
    let context: Vec<_> = error.context().iter().map(|(key, value)| (*key, value.as_str())).collect();
    let (retry, after) = match error.retry() {
        Retry::Never => ("never", None),
        Retry::Later(after) => ("later", after.map(|after| after.as_secs_f64())),
        Retry::Unsure => ("unsure", None),
    };
    let message = provisioning_core::error::Failure::from(error).message;
    let arguments = (error.kind().as_str(), message, error.hint(), context, diagnostics, retry, after);
    let made = MADE.import(py, "provisioning.errors", "_made").and_then(|made| made.call1(arguments));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The error for an exception. One of the package says itself what it means for the call; any other means what `foreign`
/// says.
pub(crate) fn caught(py: Python<'_>, exception: &PyErr, foreign: Foreign) -> Error {
    static READ: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let read =
        READ.import(py, "provisioning.errors", "_read").and_then(|read| read.call1((exception.clone_ref(py).into_value(py),)));
    let said = read.and_then(|read| Ok(read.cast_into::<PyDict>()?));
    said.and_then(|said| of_dict(&said, foreign)).unwrap_or_else(|_| Error::bug(exception.to_string()).with_retry(Retry::Unsure))
}

fn of_dict(said: &Bound<'_, PyDict>, foreign: Foreign) -> PyResult<Error> {
    let text = |key: &str| -> PyResult<Option<String>> {
        said.get_item(key)?.filter(|value| !value.is_none()).map(|value| value.extract()).transpose()
    };
    let after: Option<f64> = said.get_item("after")?.filter(|after| !after.is_none()).map(|after| after.extract()).transpose()?;
    let after = after.and_then(|after| Duration::try_from_secs_f64(after).ok());
    let retry = match (text("retry")?.as_deref(), foreign) {
        (Some("never"), _) => Retry::Never,
        (Some("later"), _) => Retry::Later(after),
        (Some(_), _) | (None, Foreign::Unsure) => Retry::Unsure,
        (None, Foreign::Failed) => Retry::Later(None),
    };
    let code = text("code")?;
    let kind = ErrorKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == code.as_deref()).unwrap_or(ErrorKind::Bug);
    let error = Error::new(kind, text("message")?.unwrap_or_default()).with_retry(retry);
    Ok(match text("hint")? {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}
