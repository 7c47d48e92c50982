//! What engines, providers and task services are tried out with: a conformance suite for provider authors, a fake cloud
//! (also as a process of its own), a fake host, secrets in memory, fakes of whatever a registry offers, a store that dies, sweeps over a
//! plan, chaos for a workspace, random lives by seed, and a clock and identifiers that repeat.
//!
//! Public, so that the authors of providers and the users of the engine can test with it.

mod chaos;
mod cloud;
mod conformance;
mod crash;
mod fakes;
mod host;
mod named;
mod random;
mod reporter;
mod secrets;
mod seeded;
mod simulation;
mod sweep;

pub use chaos::{Cell, Chaos, Disturbance, Flaw, Journey, LeftOut, Row, Verdict, chaos, chaos_on};
#[cfg(feature = "cloud-process")]
pub use cloud::{CloudClient, CloudReport, serve_cloud};
pub use cloud::{FakeCloud, Fault};
pub use conformance::{Case, Finding, conformance};
pub use crash::{CrashPoint, CrashingStore, Death, Moment};
pub use fakes::Fakes;
pub use host::{FakeHost, FakeSupervisor};
pub use random::Random;
pub use reporter::{RecordingReporter, context};
pub use secrets::FakeSecrets;
pub use seeded::{ManualClock, SeededIds};
pub use simulation::{Lived, simulate};
pub use sweep::{Scene, Swept, sweep};
pub use sweep::{
    blind_every_step, crash_after_every_record, crash_twice, every_fault, fail_every_step, hang_at_every_step, pairs,
    panic_at_every_step, repeat_every_step,
};
pub use sweep::{cancel_and_roll_back, fail_and_roll_back, fail_every_undo};
