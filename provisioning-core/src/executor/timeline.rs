//! When the steps of a run began and ended, and which of them it waited for.

use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Serialize, Serializer};

use crate::clock::write_seconds;
use crate::name::StepId;
use crate::plan::Plan;
use crate::schedule::StepIndex;

/// When steps began and ended, counted from when the run began.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    spans: FxHashMap<StepIndex, Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    begun: Duration,
    ended: Option<Duration>,
}

/// The steps that a run waited for, one after the other, from its begin to its end. In JSON times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriticalPath {
    /// The steps, each with how long it took.
    #[serde(serialize_with = "write_steps")]
    pub steps: Vec<(StepId, Duration)>,
    /// How long none of them ran: they waited for room among the calls that may run at once.
    #[serde(rename = "waited_seconds", serialize_with = "write_seconds")]
    pub waited: Duration,
    /// How long the run would have taken had every step begun when it could: the longest way through what it did.
    #[serde(rename = "unlimited_seconds", serialize_with = "write_seconds")]
    pub unlimited: Duration,
}

#[derive(Serialize)]
struct Took<'a> {
    step: &'a StepId,
    seconds: f64,
}

fn write_steps<S: Serializer>(steps: &[(StepId, Duration)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(steps.iter().map(|(step, took)| Took { step, seconds: took.as_secs_f64() }))
}

impl Timeline {
    pub(super) fn begin(&mut self, step: StepIndex, now: Duration) {
        self.spans.entry(step).or_insert(Span { begun: now, ended: None });
    }

    pub(super) fn end(&mut self, step: StepIndex, now: Duration) {
        if let Some(span) = self.spans.get_mut(&step) {
            span.ended = Some(now);
        }
    }

    /// The steps that the run waited for; `None` where it did fewer than two.
    pub(crate) fn critical_path(&self, plan: &Plan) -> Option<CriticalPath> {
        if self.spans.len() < 2 {
            return None;
        }
        let index: FxHashMap<&StepId, StepIndex> = plan.steps.iter().enumerate().map(|(at, step)| (&step.id, at)).collect();
        let before = |at: StepIndex| {
            let step = &plan.steps[at];
            step.requires.iter().chain(&step.after).filter_map(|on| index.get(on).copied())
        };
        let ended = |at: &StepIndex| self.spans.get(at).and_then(|span| Some((span.begun, span.ended?)));
        let mut way: Vec<StepIndex> = Vec::new();
        let end = |at: &StepIndex| ended(at).map(|(_, end)| end);
        let mut next = self.spans.keys().copied().filter(|at| end(at).is_some()).max_by_key(|at| (end(at), *at));
        let mut waited = Duration::ZERO;
        while let Some(at) = next {
            way.push(at);
            next = before(at).filter(|at| end(at).is_some()).max_by_key(|at| (end(at), *at));
            let since = next.and_then(|at| ended(&at)).map_or(Duration::ZERO, |(_, end)| end);
            waited += ended(&at).map_or(Duration::ZERO, |(begun, _)| begun.saturating_sub(since));
        }
        way.reverse();
        let took = |at: &StepIndex| ended(at).map_or(Duration::ZERO, |(begun, end)| end.saturating_sub(begun));
        let mut finish: Vec<Duration> = Vec::with_capacity(plan.steps.len());
        for at in 0..plan.steps.len() {
            let begin = before(at).filter_map(|on| finish.get(on)).max().copied().unwrap_or_default();
            finish.push(begin + took(&at));
        }
        Some(CriticalPath {
            steps: way.iter().map(|at| (plan.steps[*at].id.clone(), took(at))).collect(),
            waited,
            unlimited: finish.into_iter().max().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::plan;

    fn path(steps: &[&str], spans: &[(u64, u64)]) -> Option<CriticalPath> {
        let mut timeline = Timeline::default();
        for (step, (begun, ended)) in spans.iter().enumerate() {
            timeline.begin(step, Duration::from_secs(*begun));
            timeline.end(step, Duration::from_secs(*ended));
        }
        timeline.critical_path(&plan(steps))
    }

    fn names(path: &CriticalPath) -> Vec<(&str, u64)> {
        path.steps.iter().map(|(step, took)| (step.resource(), took.as_secs())).collect()
    }

    #[test]
    fn a_run_waited_for_the_longest_of_what_each_step_needed() {
        let path = path(&["a", "b", "c < a b"], &[(0, 2), (0, 5), (5, 6)]).expect("three steps");
        assert_eq!(names(&path), [("b", 5), ("c", 1)]);
        assert_eq!((path.waited, path.unlimited), (Duration::ZERO, Duration::from_secs(6)));
    }

    #[test]
    fn time_without_room_is_told_and_what_more_room_would_take() {
        let path = path(&["a", "b", "c"], &[(0, 2), (2, 5), (5, 9)]).expect("three steps");
        assert_eq!(names(&path), [("c", 4)]);
        assert_eq!((path.waited, path.unlimited), (Duration::from_secs(5), Duration::from_secs(4)));
    }

    #[test]
    fn the_way_ends_with_the_step_that_ended_last() {
        let path = path(&["long", "short", "shorter"], &[(0, 10), (0, 1), (1, 2)]).expect("three steps");
        assert_eq!((names(&path), path.waited), (vec![("long", 10)], Duration::ZERO));
    }

    #[test]
    fn a_single_step_has_no_way() {
        assert_eq!(path(&["a"], &[(0, 2)]), None);
    }
}
