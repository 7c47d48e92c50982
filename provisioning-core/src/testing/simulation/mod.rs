//! Simulation: a workspace lives a random life, and after every act of it the promises of the engine must hold.
//!
//! A life is a sequence of acts by two orchestrators on one store and one fake cloud: edits, plans, applies, resumes,
//! rollbacks, with faults of the cloud, crashes, stalls beyond the lease and meddling from outside. Everything that is
//! random comes from one seed, and time is the runtime's, which is to be paused: the same seed lives the same life.
//! What must hold is in `oracle`, what is declared in `declarations`, what is done in `acts` and by whom in `orchestrator`.

mod acts;
mod declarations;
mod oracle;
mod orchestrator;

use acts::Life;

/// What became of one life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lived {
    /// What was done, and what came of it, in order.
    pub story: Vec<String>,
    /// Which promises did not hold, and when; empty when all is well.
    pub findings: Vec<String>,
    /// How many runs there were.
    pub runs: usize,
    /// How many of them died.
    pub crashes: usize,
}

/// Lives the life of a seed, on a current-thread runtime with a paused clock.
pub async fn simulate(seed: u64) -> Lived {
    Box::pin(Life::new(seed).live()).await
}
