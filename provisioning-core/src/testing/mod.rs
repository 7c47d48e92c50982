//! What authors of providers test theirs with: a reporter that remembers, and the conformance suite.
//!
//! Everything here is public and runs the real contracts; nothing in the engine uses it.

mod conformance;
mod reporter;

pub use conformance::{Case, Finding, conformance};
pub use reporter::{RecordingReporter, context};
