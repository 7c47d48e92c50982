//! The native module `_provisioning` under the Python package `provisioning`.
//!
//! Private: what a user calls is the package, written in Python, which gives these calls their names, types and
//! documentation. Here is only what needs the engine: calls go in as plain values and come out as plain values or JSON.
//! Every call that waits releases the interpreter.
//!
//! - `thread` is where an engine lives, `workspace` and `runs` what is asked of it.
//! - `kinds`, `providers` and `services` are what a program offers in Python; `calls` is how such a method is called.
//! - `values`, `errors` and `context` carry things between the two languages.

mod calls;
mod command;
mod context;
mod errors;
mod hosts;
mod kinds;
mod opening;
mod plans;
mod providers;
mod runs;
mod schemas;
mod services;
mod thread;
mod trial;
mod values;
mod workers;
mod workspace;

use provisioning_core::error::ErrorKind;
use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _provisioning {
    #[pymodule_export]
    use super::command::{command, keep};
    #[pymodule_export]
    use super::context::Context;
    #[pymodule_export]
    use super::hosts::Host;
    #[pymodule_export]
    use super::opening::init;
    #[pymodule_export]
    use super::plans::Plan;
    #[pymodule_export]
    use super::runs::Run;
    #[pymodule_export]
    use super::schemas::{check_schema, parse_schema};
    #[pymodule_export]
    use super::trial::conformance;
    #[pymodule_export]
    use super::values::Secret;
    #[pymodule_export]
    use super::workers::{Calls, Work, ending};
    #[pymodule_export]
    use super::workspace::Workspace;

    use super::{Bound, ErrorKind, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("ERROR_CODES", ErrorKind::ALL.map(ErrorKind::as_str).to_vec())?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
