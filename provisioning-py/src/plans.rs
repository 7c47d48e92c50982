//! A plan, as Python holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use provisioning_cli::texts::{plan_document, plan_text};
use provisioning_core::engine::OutputValue;
use provisioning_core::plan::Plan as CorePlan;
use pyo3::prelude::*;

use crate::errors;
use crate::workspace::json;

/// What a run will do.
#[pyclass(frozen, module = "_provisioning")]
pub(crate) struct Plan {
    pub(crate) inner: Arc<CorePlan>,
    /// The outputs that were given when it was made.
    given: BTreeMap<String, OutputValue>,
}

impl Plan {
    pub(crate) fn new(plan: CorePlan, given: BTreeMap<String, OutputValue>) -> Self {
        Self { inner: Arc::new(plan), given }
    }
}

#[pymethods]
impl Plan {
    /// Reads what `to_json` wrote.
    #[staticmethod]
    fn parse(py: Python<'_>, json: &[u8]) -> PyResult<Self> {
        let plan = CorePlan::parse(json).map_err(|error| errors::raised(py, &error))?;
        Ok(Self::new(plan, BTreeMap::new()))
    }

    /// The plan in the form that can be read again, and that the command reads.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        json(py, &*self.inner)
    }

    /// The same with the lines of the texts that change, for people and programs.
    fn document(&self, py: Python<'_>) -> PyResult<String> {
        json(py, &plan_document(&self.inner))
    }

    fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    fn hash(&self) -> String {
        self.inner.hash().to_string()
    }

    fn __str__(&self) -> String {
        plan_text(&self.inner, &self.given)
    }
}
