//! The ready steps, in one queue per provider and kind, and the limits on how many of each may run.

use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::{Call, StepIndex};
use crate::config::Limits;
use crate::plan::Plan;

/// A step that can be called now; the one with the longest way to go comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    pub priority: Duration,
    pub step: StepIndex,
    pub call: Call,
}

impl Ord for Ready {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let begun = |ready: &Self| ready.call != Call::Begin;
        (begun(self), self.priority, other.step).cmp(&(begun(other), other.priority, self.step))
    }
}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug)]
pub(super) struct Lanes {
    /// The lane of each step.
    lane_of: Vec<usize>,
    all: Vec<Lane>,
    run: Gauge,
    providers: Vec<Gauge>,
    kinds: Vec<Gauge>,
    begun: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Lane {
    provider: usize,
    kind: usize,
    ready: BinaryHeap<Ready>,
}

#[derive(Debug)]
struct Gauge {
    used: usize,
    limit: usize,
}

impl Gauge {
    fn has_room(&self) -> bool {
        self.used < self.limit
    }
}

impl Lanes {
    pub(super) fn new(plan: &Plan, limits: &Limits) -> Self {
        let (mut providers, mut kinds, mut lanes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut provider_gauges, mut kind_gauges, mut all) = (Vec::new(), Vec::new(), Vec::new());
        let mut lane_of = Vec::with_capacity(plan.steps.len());
        // A limit of nothing would stand still for ever.
        let gauge = |limit: Option<&usize>| Gauge { used: 0, limit: (*limit.unwrap_or(&limits.run)).max(1) };
        for step in plan.steps.iter() {
            let provider = step.role.provider().map_or("", |provider| provider.as_str());
            let provider = *providers.entry(provider).or_insert_with(|| {
                provider_gauges.push(gauge(limits.providers.get(provider)));
                provider_gauges.len() - 1
            });
            let kind = *kinds.entry(step.kind.as_str()).or_insert_with(|| {
                kind_gauges.push(gauge(limits.kinds.get(step.kind.as_str())));
                kind_gauges.len() - 1
            });
            lane_of.push(*lanes.entry((provider, kind)).or_insert_with(|| {
                all.push(Lane { provider, kind, ready: BinaryHeap::new() });
                all.len() - 1
            }));
        }
        let run = gauge(None);
        Self { lane_of, all, run, providers: provider_gauges, kinds: kind_gauges, begun: 0, waiting: 0 }
    }

    pub(super) fn push(&mut self, ready: Ready) {
        *self.count(ready.call) += 1;
        let lane = self.lane_of[ready.step];
        self.all[lane].ready.push(ready);
    }

    /// Takes the most urgent step that passes a test and for which there is room, and takes up that room.
    pub(super) fn pop(&mut self, test: impl Fn(&Ready) -> bool) -> Option<Ready> {
        if !self.run.has_room() {
            return None;
        }
        let open = self.all.iter().enumerate();
        let open = open.filter(|(_, lane)| self.providers[lane.provider].has_room() && self.kinds[lane.kind].has_room());
        let tops = open.filter_map(|(index, lane)| lane.ready.peek().filter(|ready| test(ready)).map(|ready| (*ready, index)));
        let (_, index) = tops.max_by(|a, b| a.0.cmp(&b.0))?;
        let lane = &mut self.all[index];
        let ready = lane.ready.pop()?;
        self.run.used += 1;
        self.providers[lane.provider].used += 1;
        self.kinds[lane.kind].used += 1;
        *self.count(ready.call) -= 1;
        Some(ready)
    }

    /// Gives up the room of a step whose call came back.
    pub(super) fn leave(&mut self, step: StepIndex) {
        let lane = &self.all[self.lane_of[step]];
        self.run.used -= 1;
        self.providers[lane.provider].used -= 1;
        self.kinds[lane.kind].used -= 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begun == 0 && self.waiting == 0
    }

    /// Whether no step that was begun before waits for room.
    pub(super) fn is_empty_of_begun(&self) -> bool {
        self.begun == 0
    }

    fn count(&mut self, call: Call) -> &mut usize {
        if call == Call::Begin { &mut self.waiting } else { &mut self.begun }
    }
}
