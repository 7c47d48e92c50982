//! The conformance suite, on a kind that is written in Python.

use std::sync::{Arc, Mutex, PoisonError};

use provisioning_core::error::{Error, Result};
use provisioning_core::provider::AnyKind;
use provisioning_core::testing::{self, Case};
use provisioning_core::value::{Node, Value};
use pyo3::prelude::*;

use crate::calls::Target;
use crate::errors::{self, Foreign};
use crate::kinds::PyKind;
use crate::schemas;
use crate::thread::EngineThread;
use crate::values::from_python;

/// Tries every rule that applies to a kind, and gives those that it breaks, each with how.
#[pyfunction]
pub(crate) fn conformance(
    py: Python<'_>,
    schema: &str,
    kind: Py<PyAny>,
    submit: Py<PyAny>,
    specs: (Py<PyAny>, Option<Py<PyAny>>),
) -> PyResult<Vec<(&'static str, String)>> {
    let thread = EngineThread::start().map_err(|error| errors::raised(py, &error))?;
    let schema = schemas::of_json(schema).map_err(|error| errors::raised(py, &error))?;
    let target = Target::new(kind, submit, thread.handle().clone(), Foreign::Unsure);
    let kind = PyKind { schema, target };
    let problem: Arc<Mutex<Option<Error>>> = Arc::default();
    let (wanted, changed) = specs;
    let specs = |make: Py<PyAny>| {
        let (kind, problem) = (kind.clone(), problem.clone());
        move |number: usize| {
            fields(&kind, &make, number).unwrap_or_else(|error| {
                *problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Value::Null
            })
        }
    };
    let mut case = Case::new(specs(wanted));
    if let Some(changed) = changed {
        case = case.with_update(specs(changed));
    }
    let findings = thread.call(py, move || async move { Ok(testing::conformance(&kind, &case).await) })?;
    match problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(errors::raised(py, &error)),
        None => Ok(findings.into_iter().map(|finding| (finding.rule, finding.message)).collect()),
    }
}

/// The fields of the object of a number, checked, with defaults filled in.
fn fields(kind: &PyKind, make: &Py<PyAny>, number: usize) -> Result<Value> {
    let given = Python::attach(|py| match make.call1(py, (number,)) {
        Ok(given) => from_python(given.bind(py)),
        Err(error) => Err(errors::caught(py, &error, Foreign::Failed)),
    })?;
    let (mut problems, schema) = (Vec::new(), kind.schema());
    let value = schema.check(&Node::from(given), &format!("object {number}"), &mut problems);
    Error::from_diagnostics(problems).map_or(Ok(value), Err)
}
