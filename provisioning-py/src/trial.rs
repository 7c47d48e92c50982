//! The conformance suite, on a kind that is written in Python.

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

/// How many objects there are at most: more than the rules of the suite make.
const NUMBERS: usize = 64;

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
    let target = Target::new(kind, submit, &thread, Foreign::Unsure);
    let kind = PyKind { schema, target };
    // All of them beforehand: what is wrong with one is told before anything is made.
    let specs_of = |make: Py<PyAny>| -> PyResult<_> {
        let specs = (0..NUMBERS).map(|number| fields(&kind, &make, number)).collect::<Result<Vec<_>>>();
        let specs = specs.map_err(|error| errors::raised(py, &error))?;
        Ok(move |number: usize| specs[number % NUMBERS].clone())
    };
    let (wanted, changed) = specs;
    let mut case = Case::new(specs_of(wanted)?);
    if let Some(changed) = changed {
        case = case.with_update(specs_of(changed)?);
    }
    let findings = thread.call(py, move || async move { Ok(testing::conformance(&kind, &case).await) })?;
    Ok(findings.into_iter().map(|finding| (finding.rule, finding.message)).collect())
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
