//! What engines, providers and task services are tried out with: a fake cloud, and a clock and identifiers that repeat.
//!
//! Public, so that the authors of providers and the users of the engine can test with it.

mod cloud;
mod flag;
mod seeded;

pub use cloud::{FakeCloud, Fault};
pub use seeded::{ManualClock, SeededIds};
