//! The schedule, driven by hand and by seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::{Action, Call, Estimates, Event, Policy, Reply, Schedule, StepIndex};
use crate::config::{Limits, OnFailure};
use crate::error::ErrorKind;
use crate::error::{Failure, Retry};
use crate::journal::Status;
use crate::plan::Plan;
use crate::plan::sample::plan;
use crate::record::Outcome;

fn policy(run: usize, on_failure: OnFailure) -> Policy {
    Policy {
        limits: Limits { run, providers: BTreeMap::new(), kinds: BTreeMap::from([("slow".into(), 1)]) },
        on_failure,
        seed: 7,
        estimates: Estimates::default(),
    }
}

fn failure() -> Failure {
    Failure { kind: ErrorKind::Unavailable, message: "no".into(), hint: None }
}

/// What a list of events makes a first run of a plan do, a line an event; an append leaves after each.
fn trace(steps: &[&str], policy: Policy, events: &[Event]) -> String {
    let plan = plan(steps);
    let mut schedule = Schedule::new(&plan, |_| Status::Pending, policy);
    let name = |step: &StepIndex| plan.steps[*step].resource.to_string();
    let mut text = String::new();
    for event in events {
        let mut actions = schedule.on(Duration::ZERO, event.clone());
        if *event != Event::Appended {
            actions.extend(schedule.on(Duration::ZERO, Event::Appending));
        }
        let shown: Vec<_> = actions.iter().map(|action| show(action, &name)).collect();
        writeln!(text, "{}", shown.join(", ")).unwrap();
    }
    text
}

fn show(action: &Action, name: &impl Fn(&StepIndex) -> String) -> String {
    match action {
        Action::AppendStarted(step, attempt) => format!("start {} {attempt}", name(step)),
        Action::AppendSucceeded(step) => format!("done {}", name(step)),
        Action::AppendWaiting(step) => format!("wait {}", name(step)),
        Action::AppendFailed(step, _, None) => format!("fail {}", name(step)),
        Action::AppendFailed(step, _, Some(_)) => format!("back off {}", name(step)),
        Action::AppendUnfinished(step, _) => format!("unfinished {}", name(step)),
        Action::AppendSkipped(step, because) => format!("skip {} for {}", name(step), name(because)),
        Action::AppendInDoubt(step, _) => format!("doubt {}", name(step)),
        Action::Call(step, Call::Begin) => format!("call {}", name(step)),
        Action::Call(step, call) => format!("{call:?} {}", name(step)).to_lowercase(),
        Action::SetTimer(step, _) => format!("timer {}", name(step)),
        Action::Finish(outcome) => format!("finish {outcome:?}").to_lowercase(),
    }
}

fn check(steps: &[&str], policy: Policy, events: &[Event], expect: &str) {
    let lines: Vec<_> = expect.trim().lines().map(str::trim).collect();
    assert_eq!(trace(steps, policy, events).trim(), lines.join("\n"));
}

fn done(step: StepIndex) -> Event {
    Event::Replied(step, Reply::Done)
}

fn failed(step: StepIndex, retry: Retry) -> Event {
    Event::Replied(step, Reply::Failed(retry, failure()))
}

#[test]
fn a_result_and_the_intents_that_follow_share_one_append() {
    let events = [Event::Begin, Event::Appended, done(0), Event::Appended, done(1), Event::Appended];
    check(
        &["a", "b < a"],
        policy(4, OnFailure::Stop),
        &events,
        "
        start a 1
        call a
        done a, start b 1
        call b
        done b, finish completed
        ",
    );
}

#[test]
fn the_longest_way_to_the_end_goes_first() {
    check(
        &["a", "b", "c < b", "d < c"],
        policy(1, OnFailure::Stop),
        &[Event::Begin, Event::Appended, done(1)],
        "
        start b 1
        call b
        done b, start c 1
        ",
    );
}

#[test]
fn the_way_that_takes_longest_by_estimate_goes_first() {
    let seconds = |seconds: &[u64]| Estimates(seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect());
    let policy = Policy { estimates: seconds(&[9, 1, 1, 1]), ..policy(1, OnFailure::Stop) };
    let mut schedule = Schedule::new(&plan(&["a", "b", "c < b", "d < c"]), |_| Status::Pending, policy.clone());
    assert_eq!(schedule.time_left(), Some(Duration::from_secs(12)));
    check(
        &["a", "b", "c < b", "d < c"],
        policy,
        &[Event::Begin, Event::Appended, done(0)],
        "
        start a 1
        call a
        done a, start b 1
        ",
    );
    for event in [Event::Begin, Event::Appending, done(0)] {
        schedule.on(Duration::ZERO, event);
    }
    assert_eq!(schedule.time_left(), Some(Duration::from_secs(3)));
}

#[test]
fn a_kind_with_a_limit_leaves_the_other_slots_to_others() {
    check(
        &["x1", "x2", "a"],
        policy(4, OnFailure::Stop),
        &[Event::Begin, Event::Appended, done(0)],
        "
        start x1 1, start a 1
        call x1, call a
        done x1, start x2 1
        ",
    );
}

#[test]
fn a_pause_lets_what_was_begun_go_on_and_begins_nothing() {
    check(
        &["a", "b < a"],
        policy(4, OnFailure::Stop),
        &[Event::Begin, Event::Appended, Event::Pause, done(0), Event::Appended, Event::Unpause, Event::Appended, done(1)],
        "
        start a 1
        call a

        done a

        start b 1
        call b
        done b, finish completed
        ",
    );
}

#[test]
fn a_limit_of_nothing_lets_one_at_a_time() {
    check(
        &["a", "b"],
        policy(0, OnFailure::Stop),
        &[Event::Begin, Event::Appended, done(0), Event::Appended, done(1)],
        "
        start a 1
        call a
        done a, start b 1
        call b
        done b, finish completed
        ",
    );
}

#[test]
fn stop_finishes_what_runs_and_begins_nothing() {
    check(
        &["a", "b", "c < a", "d"],
        policy(2, OnFailure::Stop),
        &[Event::Begin, Event::Appended, failed(0, Retry::Never), done(1)],
        "
        start a 1, start b 1
        call a, call b
        fail a, skip c for a
        done b, finish failed
        ",
    );
}

#[test]
fn continue_goes_on_with_what_does_not_need_the_failed_step() {
    let events = [Event::Begin, Event::Appended, failed(0, Retry::Never), Event::Appended, done(2), Event::Appended, done(3)];
    check(
        &["a", "b < a", "c <~ a", "d"],
        policy(1, OnFailure::Continue),
        &events,
        "
        start a 1
        call a
        fail a, skip b for a, start c 1
        call c
        done c, start d 1
        call d
        done d, finish failed
        ",
    );
}

#[test]
fn waiting_holds_no_slot_and_polls_again_when_its_time_comes() {
    let events = [
        Event::Begin,
        Event::Appended,
        Event::Replied(0, Reply::Wait(Duration::from_secs(1))),
        Event::Appended,
        Event::Timer(0),
        Event::Appended,
        done(1),
        Event::Appended,
        done(0),
    ];
    check(
        &["a", "b"],
        policy(1, OnFailure::Stop),
        &events,
        "
        start a 1
        call a
        wait a, timer a, start b 1
        call b


        done b
        continue a
        done a, finish completed
        ",
    );
}

#[test]
fn a_definite_failure_makes_another_attempt_and_an_unsure_one_looks_first() {
    let events = [
        Event::Begin,
        Event::Appended,
        failed(0, Retry::Later(None)),
        Event::Timer(0),
        Event::Appended,
        failed(0, Retry::Unsure),
        Event::Timer(0),
        Event::Appended,
        failed(0, Retry::Unsure),
    ];
    check(
        &["a"],
        policy(1, OnFailure::Stop),
        &events,
        "
        start a 1
        call a
        back off a, timer a
        start a 2
        call a
        timer a

        recover a
        doubt a, finish failed
        ",
    );
}

#[test]
fn cancelling_drains() {
    check(
        &["a", "b < a"],
        policy(1, OnFailure::Stop),
        &[Event::Begin, Event::Appended, Event::Cancel, done(0)],
        "
        start a 1
        call a

        done a, finish cancelled
        ",
    );
}

#[test]
fn a_run_taken_up_again_looks_at_what_was_open_and_begins_the_rest() {
    let plan = plan(&["a", "b", "c < a", "d < c"]);
    let status =
        [Status::Succeeded, Status::Started { attempt: 1 }, Status::Failed { attempt: 3, object: None }, Status::Skipped];
    let mut schedule = Schedule::new(&plan, |index| status[index].clone(), policy(4, OnFailure::Stop));
    let name = |step: &StepIndex| plan.steps[*step].resource.to_string();
    let mut on =
        |event| schedule.on(Duration::ZERO, event).iter().map(|action| show(action, &name)).collect::<Vec<_>>().join(", ");
    assert_eq!(on(Event::Begin), "");
    assert_eq!(on(Event::Appending), "start c 4");
    assert_eq!(on(Event::Appended), "recover b, call c");
}

/// A run of three steps, two at once: what each event makes it do.
fn three() -> impl FnMut(Event) -> String {
    let plan = plan(&["a", "b", "c"]);
    let mut schedule = Schedule::new(&plan, |_| Status::Pending, policy(2, OnFailure::Stop));
    move |event| {
        let name = |step: &StepIndex| plan.steps[*step].resource.to_string();
        schedule.on(Duration::ZERO, event).iter().map(|action| show(action, &name)).collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn what_happens_while_an_append_is_on_its_way_waits_for_the_next() {
    let mut on = three();
    assert_eq!((on(Event::Begin).as_str(), on(Event::Appending).as_str()), ("", "start a 1, start b 1"));
    assert_eq!(on(Event::Appended), "call a, call b");
    assert_eq!((on(done(0)).as_str(), on(Event::Appending).as_str()), ("done a", "start c 1"));
    assert_eq!(on(done(1)), "done b");
    assert_eq!(on(Event::Appended), "call c");
    assert_eq!(on(done(2)), "done c, finish completed");
}

#[test]
fn a_stop_that_comes_before_an_append_leaves_begins_nothing_with_it() {
    let mut on = three();
    for event in [Event::Begin, Event::Appending, Event::Appended, done(0), Event::Cancel] {
        on(event);
    }
    assert_eq!((on(Event::Appending).as_str(), on(Event::Appended).as_str()), ("", ""));
    assert_eq!(on(done(1)), "done b, finish cancelled");
}

/// A small random source, so that a seed is all there is to a case.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn random_plan(dice: &mut Dice) -> Plan {
    let names: Vec<String> =
        (0..=dice.below(30)).map(|index| format!("{}{index}", if dice.below(4) == 0 { 'x' } else { 'r' })).collect();
    let mut steps = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let chosen: BTreeSet<_> = (0..dice.below(3).min(index)).map(|_| names[dice.below(index)].clone()).collect();
        let arrow = if dice.below(4) == 0 { "<~" } else { "<" };
        let on: Vec<_> = chosen.into_iter().collect();
        steps.push(if on.is_empty() { name.clone() } else { format!("{name} {arrow} {}", on.join(" ")) });
    }
    plan(&steps.iter().map(String::as_str).collect::<Vec<_>>())
}

fn random_reply(dice: &mut Dice) -> Reply {
    match dice.below(12) {
        0 => Reply::Wait(Duration::from_millis(5)),
        1 => Reply::Failed(Retry::Never, failure()),
        2 => Reply::Failed(Retry::Later(None), failure()),
        3 => Reply::Failed(Retry::Unsure, failure()),
        _ => Reply::Done,
    }
}

/// Runs a random plan to its end and checks every action against the rules.
#[expect(clippy::too_many_lines, reason = "one loop that checks every rule at every action")]
fn simulate(seed: u64) {
    let mut dice = Dice(seed);
    let plan = random_plan(&mut dice);
    let on_failure = if dice.below(2) == 0 { OnFailure::Stop } else { OnFailure::Continue };
    let limit = 1 + dice.below(4);
    let mut schedule = Schedule::new(&plan, |_| Status::Pending, policy(limit, on_failure));
    let index: BTreeMap<_, _> = plan.steps.iter().enumerate().map(|(index, step)| (&step.id, index)).collect();
    let (mut durable, mut appending, mut recorded, mut ended) = (BTreeSet::new(), None, Vec::new(), BTreeSet::new());
    let (mut running, mut timers, mut outcome) = (BTreeSet::new(), Vec::new(), None);
    let mut event = Event::Begin;
    for turn in 0.. {
        assert!(turn < 10_000, "seed {seed}: the run does not end");
        match event {
            Event::Appending => appending = Some(std::mem::take(&mut recorded)),
            Event::Appended => durable.extend(appending.take().into_iter().flatten()),
            _ => {}
        }
        for action in schedule.on(Duration::from_millis(turn), event.clone()) {
            match action {
                Action::AppendSucceeded(step) => {
                    recorded.push(step);
                    ended.insert(step);
                }
                Action::AppendFailed(step, _, None) | Action::AppendSkipped(step, _) | Action::AppendInDoubt(step, _) => {
                    assert!(ended.insert(step), "seed {seed}: step {step} ended twice");
                }
                Action::Call(step, _) => {
                    assert!(running.insert(step), "seed {seed}: step {step} is called twice at once");
                    let needed = plan.steps[step].requires.iter().map(|on| index[on]);
                    assert!(
                        needed.clone().all(|on| durable.contains(&on)),
                        "seed {seed}: step {step} began before a result was durable"
                    );
                }
                Action::SetTimer(step, _) => timers.push(step),
                Action::Finish(how) => assert!(outcome.replace(how).is_none(), "seed {seed}: the run ends twice"),
                _ => {}
            }
        }
        assert!(running.len() <= limit, "seed {seed}: more than {limit} calls");
        // Calls come back and timers run out while an append is on its way as well.
        let ways = running.len() + timers.len();
        event = match dice.below(ways + 1) {
            way if way < running.len() => {
                let step = running.iter().nth(way).copied().expect("one that runs");
                running.remove(&step);
                Event::Replied(step, random_reply(&mut dice))
            }
            way if way < ways => Event::Timer(timers.swap_remove(way - running.len())),
            _ if appending.is_some() => Event::Appended,
            _ if outcome.is_some() && recorded.is_empty() => break,
            _ => Event::Appending,
        };
    }
    let outcome = outcome.expect("the loop ends with it");
    assert_eq!(outcome == Outcome::Completed, durable.len() == plan.steps.len(), "seed {seed}");
    if on_failure == OnFailure::Continue {
        assert_eq!(ended.len(), plan.steps.len(), "seed {seed}: a step neither ended nor was skipped");
    }
}

#[test]
fn every_random_run_ends_within_the_rules() {
    (0..3_000).for_each(simulate);
}
