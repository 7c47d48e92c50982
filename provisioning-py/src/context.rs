//! What a call to a provider or a task service knows besides its inputs.

use provisioning_core::provider::Context as CoreContext;
use pyo3::prelude::*;
use tokio::runtime::Handle;

use crate::errors;

/// What a call knows besides its inputs.
#[pyclass(frozen, module = "provisioning")]
pub(crate) struct Context {
    inner: CoreContext,
    runtime: Handle,
}

impl Context {
    pub(crate) fn new(inner: CoreContext, runtime: Handle) -> Self {
        Self { inner, runtime }
    }
}

#[pymethods]
impl Context {
    /// The identity of the workspace.
    #[getter]
    fn workspace(&self) -> &str {
        self.inner.workspace.as_str()
    }

    /// The resource.
    #[getter]
    fn resource(&self) -> &str {
        self.inner.resource.as_str()
    }

    /// What marks an object as made by one attempt of one step: the same after a crash, and no other attempt's.
    #[getter]
    fn token(&self) -> &str {
        self.inner.token.as_str()
    }

    /// The identity that an earlier call of this attempt reported.
    #[getter]
    fn object(&self) -> Option<&str> {
        self.inner.object.as_deref()
    }

    /// What an earlier call of this attempt waited for.
    #[getter]
    fn phase(&self) -> Option<&str> {
        self.inner.phase.as_deref()
    }

    /// Make the external identity durable, before anything else is waited for.
    fn identified(&self, py: Python<'_>, object: &str) -> PyResult<()> {
        let recorded = py.detach(|| self.runtime.block_on(self.inner.identified(object)));
        recorded.map_err(|error| errors::raised(py, &error))
    }

    /// Show a line about what the call is doing.
    fn progress(&self, message: &str) {
        self.inner.progress(message);
    }

    fn __repr__(&self) -> String {
        format!("<Context of {} with token {}>", self.inner.resource, self.inner.token)
    }
}
