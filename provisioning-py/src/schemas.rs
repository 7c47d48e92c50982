//! Schemas that come from Python, as JSON or as the TOML file beside a kind.

use std::sync::Arc;

use provisioning_core::error::{Error, Result};
use provisioning_core::schema::Schema;
use pyo3::prelude::*;

use crate::errors;

/// A schema that Python wrote.
///
/// # Errors
/// `Invalid` when it is none: somebody wrote it.
pub(crate) fn of_json(json: &str) -> Result<Arc<Schema>> {
    let schema = serde_json::from_str(json).map(Arc::new);
    schema.map_err(|error| Error::invalid(format!("this is not a schema: {}", without_place(&error.to_string()))))
}

/// Whether it is a schema.
#[pyfunction]
pub(crate) fn check_schema(py: Python<'_>, json: &str) -> PyResult<()> {
    of_json(json).map(drop).map_err(|error| errors::raised(py, &error))
}

/// The schema in a TOML file, as JSON.
#[pyfunction]
pub(crate) fn parse_schema(py: Python<'_>, toml: &str) -> PyResult<String> {
    let schema = Schema::parse(toml).map_err(|error| errors::raised(py, &Error::invalid(error.to_string())))?;
    serde_json::to_string(&schema).map_err(|error| errors::raised(py, &Error::bug(error.to_string())))
}

/// The message without a place in a text that nobody wrote.
fn without_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}
