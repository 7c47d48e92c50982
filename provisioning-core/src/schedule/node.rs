//! One step as the schedule sees it.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::{Call, StepIndex};
use crate::journal::Status;
use crate::name::StepId;
use crate::plan::Plan;
use crate::resource::RetryPolicy;

#[derive(Debug)]
pub(super) struct Node {
    pub phase: Phase,
    /// The last attempt.
    pub attempt: u32,
    /// How many calls may still fail before the step does, this one included.
    pub tries_left: u32,
    /// How many dependencies have not ended.
    pub missing: usize,
    /// What waits for it, and whether it needs it.
    pub dependents: Vec<(StepIndex, bool)>,
    /// How long it takes, by estimate.
    pub weight: Duration,
    /// The longest way from here to the end, in estimated time.
    pub priority: Duration,
    retry: RetryPolicy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not begun.
    Idle,
    /// Begun in an earlier life of the run, and not known how it ended.
    Open,
    /// In a lane.
    Ready,
    /// Called, or about to be.
    Running,
    /// Its timer is set; the object is not ready.
    Waiting,
    /// Its timer is set; it will be called like this.
    BackingOff(Call),
    Succeeded,
    Failed,
    Skipped,
}

impl Phase {
    /// Whether nothing more is to come of it.
    pub(super) fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

impl Node {
    /// The wait before the next try: doubled each time, at most the policy's, and between half and all of that.
    pub(super) fn backoff(&self, seed: u64) -> Duration {
        let failures = self.retry.attempts.saturating_sub(self.tries_left).min(32);
        let full = (self.retry.initial_seconds * f64::from(2_u32.saturating_pow(failures))).min(self.retry.max_seconds);
        let random = mix(seed.wrapping_add(u64::from(self.tries_left) << 32)) % 1000;
        Duration::from_secs_f64(full * (0.5 + f64::from(u32::try_from(random).unwrap_or(0)) / 2000.0))
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

pub(super) fn nodes(plan: &Plan, status: &impl Fn(usize) -> Status) -> Vec<Node> {
    let index: FxHashMap<&StepId, usize> = plan.steps.iter().enumerate().map(|(index, step)| (&step.id, index)).collect();
    let mut nodes: Vec<Node> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let (phase, attempt) = match status(index) {
                Status::Succeeded | Status::Waived => (Phase::Succeeded, 0),
                Status::Failed { attempt, .. } => (Phase::Idle, attempt),
                Status::Pending | Status::Skipped => (Phase::Idle, 0),
                open => (Phase::Open, open.open().map_or(1, |(attempt, _)| attempt)),
            };
            let retry = step.retry.clone();
            Node {
                phase,
                attempt,
                tries_left: retry.attempts,
                missing: 0,
                dependents: Vec::new(),
                weight: Duration::ZERO,
                priority: Duration::ZERO,
                retry,
            }
        })
        .collect();
    for (dependent, step) in plan.steps.iter().enumerate() {
        let hard = step.requires.iter().map(|on| (on, true));
        for (on, hard) in hard.chain(step.after.iter().map(|on| (on, false))) {
            if let Some(&on) = index.get(on) {
                nodes[on].dependents.push((dependent, hard));
                nodes[dependent].missing += 1;
            }
        }
    }
    nodes
}

/// The steps of a plan stand after those they depend on, so one walk from the end suffices.
pub(super) fn set_priorities(nodes: &mut [Node], weights: impl Fn(StepIndex) -> Duration) {
    for index in (0..nodes.len()).rev() {
        let longest = nodes[index].dependents.iter().map(|(dependent, _)| nodes[*dependent].priority).max();
        nodes[index].weight = weights(index);
        nodes[index].priority = nodes[index].weight.saturating_add(longest.unwrap_or_default());
    }
}
