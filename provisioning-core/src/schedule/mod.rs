//! The run as a pure state machine: what has happened goes in, what is to be done comes out.
//!
//! Everything hard about a run is decided here, without time, threads or storage: time is an argument. What actions append
//! is on its way from the next [`Event::Appending`] on, and durable at the [`Event::Appended`] after that. Steps are begun at
//! an `Appending` alone: one append carries results and the intents that follow from them, and what was asked before it left
//! holds for it.

mod lanes;
mod node;
#[cfg(test)]
mod tests;

use std::time::Duration;

use lanes::{Lanes, Ready};
use node::{Node, Phase};

use crate::config::{Limits, OnFailure};
use crate::error::{Failure, Retry};
use crate::journal::Status;
use crate::plan::Plan;
use crate::record::Outcome;

/// The longest wait that a provider can ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// How long a step takes where nothing is known: then they count alike.
const ALIKE: Duration = Duration::from_millis(1);

/// A step, by its place in the plan.
pub type StepIndex = usize;

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run begins or is taken up again.
    Begin,
    /// What was begun in an earlier life is to be settled, and nothing else is to be begun.
    Settle,
    /// An append is about to leave, with everything that was to be appended and with what is begun now.
    Appending,
    /// What was on its way is durable.
    Appended,
    /// A call came back.
    Replied(StepIndex, Reply),
    /// The time that was asked for has come.
    Timer(StepIndex),
    /// Somebody asked to begin nothing new for now; what was begun goes on.
    Pause,
    /// Somebody asked to go on.
    Unpause,
    /// Somebody asked to begin nothing new.
    Cancel,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The effect stands.
    Done,
    /// The object is not ready.
    Wait(Duration),
    /// It failed.
    Failed(Retry, Failure),
    /// What was to be settled did not come to its end; a part of its effect may stand.
    Unfinished(Failure),
    /// Nothing can tell whether it had its effect; asking again will not help.
    InDoubt(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Record that an attempt begins.
    AppendStarted(StepIndex, u32),
    /// Record that the effect stands.
    AppendSucceeded(StepIndex),
    /// Record that the provider waits.
    AppendWaiting(StepIndex),
    /// Record that the attempt failed, and when the next begins.
    AppendFailed(StepIndex, Failure, Option<Duration>),
    /// Record that the attempt ended halfway.
    AppendUnfinished(StepIndex, Failure),
    /// Record that the step is not begun because another failed.
    AppendSkipped(StepIndex, StepIndex),
    /// Record that nobody knows.
    AppendInDoubt(StepIndex, String),
    /// Call the provider.
    Call(StepIndex, Call),
    /// Say when this time has come, counted like `now`.
    SetTimer(StepIndex, Duration),
    /// The run is over.
    Finish(Outcome),
}

/// In which situation the provider is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// For the first time in this attempt.
    Begin,
    /// After a wait.
    Continue,
    /// After a crash or an unsure reply: look before calling.
    Recover,
    /// After a crash: look, and leave it at that where nothing is under way.
    Settle,
}

/// What a schedule is made with, besides the plan.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How many calls may run at once.
    pub limits: Limits,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// Where the jitter of waits comes from.
    pub seed: u64,
    /// How long steps take.
    pub estimates: Estimates,
}

/// How long each step of a plan is estimated to take, in the order of the steps; empty where nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Estimates(pub Vec<Duration>);

impl Estimates {
    /// How long a step takes; the same for all where nothing is known.
    fn of(&self, step: StepIndex) -> Duration {
        self.0.get(step).copied().unwrap_or(ALIKE)
    }
}

/// What somebody asked of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Nothing,
    /// To begin nothing new for now.
    Pause,
    /// To begin nothing new.
    Stop,
}

/// The state of a run.
#[derive(Debug)]
pub struct Schedule {
    nodes: Vec<Node>,
    lanes: Lanes,
    policy: Policy,
    /// Calls whose intent is on its way.
    appending: Vec<(StepIndex, Call)>,
    /// Calls that run.
    running: usize,
    /// Timers that are set for steps that wait for their object.
    waiting: usize,
    /// Timers that are set for another attempt.
    backing_off: usize,
    /// How a step is called whose effect may stand.
    look: Call,
    asked: Asked,
    failed: bool,
    finished: bool,
}

impl Schedule {
    /// The schedule of a plan whose steps stand as a journal says; an empty journal is a first run.
    pub fn new(plan: &Plan, status: impl Fn(usize) -> Status, policy: Policy) -> Self {
        let mut nodes = node::nodes(plan, &status);
        node::set_priorities(&mut nodes, |step| policy.estimates.of(step));
        let lanes = Lanes::new(plan, &policy.limits);
        for index in 0..nodes.len() {
            if nodes[index].phase == Phase::Succeeded {
                for (dependent, _) in std::mem::take(&mut nodes[index].dependents) {
                    nodes[dependent].missing -= 1;
                }
            }
        }
        Self {
            nodes,
            lanes,
            policy,
            appending: Vec::new(),
            running: 0,
            waiting: 0,
            backing_off: 0,
            look: Call::Recover,
            asked: Asked::Nothing,
            failed: false,
            finished: false,
        }
    }

    /// Takes in what has happened, `now` after the run began, and says what to do.
    pub fn on(&mut self, now: Duration, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Begin => self.begin(),
            Event::Settle => {
                self.asked = Asked::Stop;
                self.look = Call::Settle;
                self.begin_open();
            }
            Event::Appending => self.start(&mut actions),
            Event::Appended => actions.extend(self.appending.drain(..).map(|(step, call)| Action::Call(step, call))),
            Event::Replied(step, reply) => self.replied(now, step, reply, &mut actions),
            Event::Timer(step) => self.timer(step),
            Event::Pause => self.asked = self.asked.max(Asked::Pause),
            Event::Unpause if self.asked == Asked::Pause => self.asked = Asked::Nothing,
            Event::Unpause => {}
            Event::Cancel => self.asked = Asked::Stop,
        }
        if self.is_over() && !self.finished {
            self.finished = true;
            actions.push(Action::Finish(self.outcome()));
        }
        actions
    }

    /// How long the rest takes, by estimate: the longest way to the end, or all that is left shared among as many calls as may
    /// run at once, whichever is longer. `None` where nothing is known.
    pub fn time_left(&self) -> Option<Duration> {
        if self.policy.estimates.0.is_empty() {
            return None;
        }
        let left = self.nodes.iter().filter(|node| !node.phase.has_ended());
        let (longest, all) = left.fold((Duration::ZERO, Duration::ZERO), |(longest, all), node| {
            (longest.max(node.priority), all.saturating_add(node.weight))
        });
        let slots = u32::try_from(self.policy.limits.run).unwrap_or(u32::MAX).max(1);
        Some(longest.max(all / slots))
    }

    fn begin(&mut self) {
        self.begin_open();
        for index in 0..self.nodes.len() {
            if self.nodes[index].phase == Phase::Idle && self.nodes[index].missing == 0 {
                self.ready(index, Call::Begin);
            }
        }
    }

    fn begin_open(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].phase == Phase::Open {
                self.ready(index, self.look);
            }
        }
    }

    fn ready(&mut self, step: StepIndex, call: Call) {
        let node = &mut self.nodes[step];
        node.phase = Phase::Ready;
        self.lanes.push(Ready { priority: node.priority, step, call });
    }

    fn replied(&mut self, now: Duration, step: StepIndex, reply: Reply, actions: &mut Vec<Action>) {
        self.running -= 1;
        self.lanes.leave(step);
        match reply {
            Reply::Done => {
                self.nodes[step].phase = Phase::Succeeded;
                actions.push(Action::AppendSucceeded(step));
                self.release(step);
            }
            Reply::Wait(after) => {
                self.nodes[step].phase = Phase::Waiting;
                self.waiting += 1;
                actions.push(Action::AppendWaiting(step));
                actions.push(Action::SetTimer(step, now + after.min(LONGEST_WAIT)));
            }
            Reply::Failed(retry, failure) => self.failed(now, step, (retry, failure), actions),
            Reply::Unfinished(failure) => {
                self.nodes[step].phase = Phase::Failed;
                self.failed = true;
                actions.push(Action::AppendUnfinished(step, failure));
            }
            Reply::InDoubt(reason) => self.in_doubt(step, reason, actions),
        }
    }

    fn failed(&mut self, now: Duration, step: StepIndex, (retry, failure): (Retry, Failure), actions: &mut Vec<Action>) {
        let draining = self.draining();
        let node = &mut self.nodes[step];
        let wait = node.backoff(self.policy.seed ^ step as u64);
        match retry {
            Retry::Later(after) if node.tries_left > 1 && !draining => {
                let wait = after.map_or(wait, |after| after.min(LONGEST_WAIT).max(wait));
                node.tries_left -= 1;
                node.phase = Phase::BackingOff(Call::Begin);
                self.backing_off += 1;
                actions.push(Action::AppendFailed(step, failure, Some(wait)));
                actions.push(Action::SetTimer(step, now + wait));
            }
            Retry::Unsure if node.tries_left > 1 => {
                node.tries_left -= 1;
                node.phase = Phase::BackingOff(self.look);
                self.waiting += 1;
                actions.push(Action::SetTimer(step, now + wait));
            }
            Retry::Unsure => self.in_doubt(step, failure.message, actions),
            Retry::Never | Retry::Later(_) => {
                node.phase = Phase::Failed;
                self.failed = true;
                actions.push(Action::AppendFailed(step, failure, None));
                self.skip_dependents(step, actions);
            }
        }
    }

    fn in_doubt(&mut self, step: StepIndex, reason: String, actions: &mut Vec<Action>) {
        self.nodes[step].phase = Phase::Failed;
        self.failed = true;
        actions.push(Action::AppendInDoubt(step, reason));
        self.skip_dependents(step, actions);
    }

    /// Everything that needs the step, at any distance, is skipped; what only comes after it is released.
    fn skip_dependents(&mut self, root: StepIndex, actions: &mut Vec<Action>) {
        let mut open = vec![root];
        while let Some(step) = open.pop() {
            for (dependent, hard) in std::mem::take(&mut self.nodes[step].dependents) {
                let node = &mut self.nodes[dependent];
                node.missing -= 1;
                if hard && node.phase == Phase::Idle {
                    node.phase = Phase::Skipped;
                    actions.push(Action::AppendSkipped(dependent, root));
                    open.push(dependent);
                } else if node.phase == Phase::Idle && node.missing == 0 {
                    self.ready(dependent, Call::Begin);
                }
            }
        }
    }

    fn release(&mut self, step: StepIndex) {
        for (dependent, _) in std::mem::take(&mut self.nodes[step].dependents) {
            let node = &mut self.nodes[dependent];
            node.missing -= 1;
            if node.missing == 0 && node.phase == Phase::Idle {
                self.ready(dependent, Call::Begin);
            }
        }
    }

    fn timer(&mut self, step: StepIndex) {
        match self.nodes[step].phase {
            Phase::Waiting => {
                self.waiting -= 1;
                self.ready(step, Call::Continue);
            }
            Phase::BackingOff(Call::Begin) => {
                self.backing_off -= 1;
                self.ready(step, Call::Begin);
            }
            Phase::BackingOff(call) => {
                self.waiting -= 1;
                self.ready(step, call);
            }
            _ => {}
        }
    }

    /// Begins what is ready, as far as the limits go. While draining or paused only what was begun goes on.
    fn start(&mut self, actions: &mut Vec<Action>) {
        let held = self.draining() || self.asked == Asked::Pause;
        while let Some(Ready { step, call, .. }) = self.lanes.pop(|ready| !held || ready.call != Call::Begin) {
            self.running += 1;
            let node = &mut self.nodes[step];
            node.phase = Phase::Running;
            if call == Call::Begin {
                node.attempt += 1;
                actions.push(Action::AppendStarted(step, node.attempt));
            }
            self.appending.push((step, call));
        }
    }

    fn draining(&self) -> bool {
        self.asked == Asked::Stop || (self.failed && self.policy.on_failure != OnFailure::Continue)
    }

    fn is_over(&self) -> bool {
        let settled = self.running == 0 && self.waiting == 0 && self.lanes.is_empty_of_begun();
        settled && (self.draining() || (self.backing_off == 0 && self.lanes.is_empty()))
    }

    fn outcome(&self) -> Outcome {
        if self.nodes.iter().all(|node| node.phase == Phase::Succeeded) {
            Outcome::Completed
        } else if self.failed {
            Outcome::Failed
        } else {
            Outcome::Cancelled
        }
    }
}
