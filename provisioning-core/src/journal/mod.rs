//! What the records of a run mean: the status of each step, the rows of the state, the summary of the run.
//!
//! Everything here is pure. Replaying the same records gives the same status and the same rows, on the first run as
//! after a crash.

mod effect;
mod progress;
mod replay;
mod status;
mod summary;

pub use effect::{RowChange, effect};
pub use progress::Progress;
pub use replay::Replay;
pub use status::Status;
pub use summary::RunSummary;
