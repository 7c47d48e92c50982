//! What the records of a run mean: the status of each step, the rows of the state, the summary of the run, how long
//! steps take.
//!
//! Everything here is pure. Replaying the same records gives the same status and the same rows, on the first run as
//! after a crash.

mod durations;
mod effect;
mod progress;
mod replay;
mod status;
mod summary;

pub use durations::Durations;
pub use effect::{RowChange, effect};
pub use progress::Progress;
pub use replay::Replay;
pub use status::Status;
pub use summary::RunSummary;
