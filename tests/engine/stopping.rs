//! How a run is stopped: gently, at once, before it began; and taken up again.

use std::time::Duration;

use provisioning_core::engine::Control;
use provisioning_core::error::Retry;
use provisioning_core::event::{Event, Transient};
use provisioning_core::record::{Fact, Outcome, StepFact};
use provisioning_core::testing::{CrashPoint, Death, Fault, Moment};
use serde_json::json;
use tokio::time::Instant;

use crate::fixture::{Lab, until};

#[tokio::test]
async fn cancelling_once_finishes_what_runs_and_begins_nothing() {
    for lab in Lab::both() {
        let control = Control::new();
        let plan = lab.plan(&json!({ "resources": { "a": { "polls": 3 }, "b": { "from": "${a.id}" } } })).await;
        let (engine, handle) = (lab.engine.clone(), control.clone());
        let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
        until(|| lab.cloud.calls().contains(&"poll a".to_owned())).await;
        control.cancel();
        let report = run.await.expect("no panic").expect("a report");
        assert_eq!((report.outcome, report.succeeded, report.not_begun), (Outcome::Cancelled, 1, 1));
        assert_eq!(lab.cloud.contents(), ["a"]);
        assert_eq!(lab.resume().await.outcome, Outcome::Completed);
        assert_eq!(lab.cloud.contents(), ["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_record_is_on_its_way_to_a_slow_disk_is_heard_at_once() {
    const PAUSE: Duration = Duration::from_mins(1);
    let death = Death::Pause(PAUSE);
    let lab = Lab::crashing(CrashPoint { spared: 1, moment: Moment::BeforeWrite, death });
    let control = Control::new();
    let plan = lab.plan(&json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } })).await;
    let (engine, handle, begun) = (lab.engine.clone(), control.clone(), Instant::now());
    let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
    tokio::time::sleep(PAUSE / 10).await;
    control.cancel();
    tokio::time::sleep(PAUSE / 10).await;
    assert!(lab.events().iter().any(|event| matches!(event, Event::Transient(Transient::Draining { .. }))));
    assert_eq!(lab.cloud.contents(), [""; 0], "nobody is called before the intent is durable");
    let report = run.await.expect("no panic").expect("a report");
    assert!(begun.elapsed() >= PAUSE);
    assert_eq!((report.outcome, report.succeeded, report.not_begun), (Outcome::Cancelled, 1, 1));
}

#[tokio::test]
async fn a_paused_run_begins_nothing_until_it_goes_on() {
    for lab in Lab::both() {
        let control = Control::new();
        let plan = lab.plan(&json!({ "resources": { "a": { "polls": 3 }, "b": { "from": "${a.id}" } } })).await;
        let (engine, handle) = (lab.engine.clone(), control.clone());
        let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
        until(|| lab.cloud.calls().contains(&"poll a".to_owned())).await;
        control.pause();
        until(|| lab.events().iter().any(is_success)).await;
        assert_eq!((lab.cloud.contents(), run.is_finished()), (vec!["a".to_owned()], false));
        control.unpause();
        let report = run.await.expect("no panic").expect("a report");
        assert_eq!((report.outcome, report.succeeded), (Outcome::Completed, 2));
    }
}

#[tokio::test]
async fn a_run_that_was_paused_before_it_began_can_be_cancelled() {
    let lab = Lab::memory();
    let plan = lab.plan(&json!({ "resources": { "a": {} } })).await;
    let control = Control::new();
    control.pause();
    let (engine, handle) = (lab.engine.clone(), control.clone());
    let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
    tokio::task::yield_now().await;
    control.cancel();
    control.unpause();
    let report = run.await.expect("no panic").expect("a report");
    assert_eq!((report.outcome, report.not_begun), (Outcome::Cancelled, 1));
    assert_eq!(lab.cloud.contents(), [""; 0]);
}

#[tokio::test]
async fn cancelling_twice_drops_what_runs_and_a_resume_finds_out() {
    for lab in Lab::both() {
        let control = Control::new();
        let plan = lab.plan(&json!({ "resources": { "a": {}, "b": {}, "c": {} } })).await;
        lab.cloud.inject("create a", Fault::Hang);
        lab.cloud.inject("create b", Fault::LoseReply);
        let (engine, handle) = (lab.engine.clone(), control.clone());
        let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
        until(|| lab.cloud.calls().len() >= 3).await;
        control.cancel();
        control.cancel();
        let report = run.await.expect("no panic").expect("a report");
        assert_eq!(report.outcome, Outcome::Cancelled);
        assert!(report.in_doubt.len() >= 2, "{report:?}");
        lab.cloud.clear_calls();
        let resumed = lab.resume().await;
        assert_eq!((resumed.outcome, resumed.in_doubt.len()), (Outcome::Completed, 0));
        let calls = lab.cloud.calls();
        assert!(calls.contains(&"find a".to_owned()) && calls.contains(&"create a".to_owned()), "{calls:?}");
        assert!(calls.contains(&"find b".to_owned()) && !calls.contains(&"create b".to_owned()), "{calls:?}");
        assert_eq!(lab.cloud.contents(), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_before_it_begins_calls_nobody() {
    let lab = Lab::memory();
    let plan = lab.plan(&json!({ "resources": { "a": {} } })).await;
    for times in [1, 2] {
        let control = Control::new();
        (0..times).for_each(|_| control.cancel());
        let report = lab.engine.apply(&plan, &control).await.expect("a report");
        assert_eq!((report.outcome, report.not_begun), (Outcome::Cancelled, 1));
        assert_eq!(lab.cloud.contents(), [""; 0]);
    }
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_resume_that_is_cancelled_before_it_begins_leaves_what_is_open_open() {
    let lab = Lab::memory();
    let plan = lab.plan(&json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } })).await;
    lab.cloud.inject("create a", Fault::Hang);
    let control = Control::new();
    let (engine, handle) = (lab.engine.clone(), control.clone());
    let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
    until(|| !lab.cloud.calls().is_empty()).await;
    control.cancel();
    control.cancel();
    run.await.expect("no panic").expect("a report");
    lab.cloud.clear_calls();
    let report = lab.engine.resume(None, &control).await.expect("a report");
    assert_eq!((report.outcome, report.in_doubt.len(), report.not_begun), (Outcome::Cancelled, 1, 1));
    assert_eq!(lab.cloud.calls(), [""; 0]);
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn cancelling_during_a_wait_for_another_attempt_ends_the_run() {
    let lab = Lab::memory();
    let plan = lab.plan(&json!({ "resources": { "a": {} } })).await;
    lab.cloud.inject("create a", Fault::Refuse(Retry::Later(Some(std::time::Duration::from_hours(1)))));
    let control = Control::new();
    let (engine, handle) = (lab.engine.clone(), control.clone());
    let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    control.cancel();
    let report = run.await.expect("no panic").expect("a report");
    assert_eq!((report.outcome, report.failures.len()), (Outcome::Cancelled, 0));
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
}

fn is_success(event: &Event) -> bool {
    let Event::Recorded(entry) = event else { return false };
    matches!(entry.record.fact, Fact::Step { fact: StepFact::Succeeded { .. }, .. })
}
