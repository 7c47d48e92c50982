//! The command, and what it starts again of itself, for a program whose main file is an interpreter's.

use std::ffi::OsString;

use provisioning_providers::local::{self, Keeper};
use pyo3::prelude::*;

/// What starts an interpreter as a keeper: its words, to which the keeper's arguments are added.
pub(crate) fn keeper(words: Vec<String>) -> Keeper {
    Keeper::command(words)
}

/// Runs the command with its arguments, the program's name first, and gives its exit code.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>, keeper_words: Vec<String>) -> u8 {
    py.detach(|| provisioning_cli::run(arguments, &keeper(keeper_words)))
}

/// Does what a keeper was started for, and gives its exit code.
#[pyfunction]
pub(crate) fn keep(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| local::keep(&arguments))
}
