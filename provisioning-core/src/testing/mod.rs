//! What engines, providers and task services are tried out with: a conformance suite for provider authors, a fake cloud,
//! and a clock and identifiers that repeat.
//!
//! Public, so that the authors of providers and the users of the engine can test with it.

mod cloud;
mod conformance;
mod flag;
mod reporter;
mod seeded;

pub use cloud::{FakeCloud, Fault};
pub use conformance::{Case, Finding, conformance};
pub use reporter::{RecordingReporter, context};
pub use seeded::{ManualClock, SeededIds};
