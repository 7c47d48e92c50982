//! Who may run: one at a time, with a lease, on a plan that still fits.

use std::sync::Arc;
use std::time::Duration;

use provisioning_core::clock::{Clock, Timestamp};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::error::{ErrorKind, Retry};
use provisioning_core::event::Event;
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::store::Holder;
use provisioning_core::testing::{CrashPoint, Death, Fault, Moment};
use serde_json::json;
use tokio::time::Instant;

use crate::fixture::{Lab, RuntimeClock, applying, desired, until};

#[tokio::test]
async fn a_plan_is_refused_when_a_row_that_it_touches_has_moved_and_only_then() {
    for lab in Lab::both() {
        lab.apply(&json!({ "resources": { "a": { "size": 1 }, "b": { "size": 1 } } })).await;
        let of_a = lab.plan(&json!({ "resources": { "a": { "size": 2 }, "b": { "size": 1 } } })).await;
        let of_b = lab.plan(&json!({ "resources": { "a": { "size": 1 }, "b": { "size": 2 } } })).await;
        let stale = lab.plan(&json!({ "resources": { "a": { "size": 3 }, "b": { "size": 1 } } })).await;
        let control = Control::new();
        assert_eq!(lab.engine.apply(&of_a, &control).await.expect("it fits").outcome, Outcome::Completed);
        assert_eq!(lab.engine.apply(&of_b, &control).await.expect("it still fits").outcome, Outcome::Completed);
        let error = lab.engine.apply(&stale, &control).await.expect_err("it is out of date");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("`a` has changed"), "{error}");
        let error = lab.engine.apply(&of_a, &control).await.expect_err("it was applied");
        assert!(error.to_string().contains("was carried out already, by the run"), "{error}");
        assert_eq!(lab.cloud.contents(), ["a size 2", "b size 2"]);
        assert_eq!(lab.store.holder().await.expect("read"), None);
    }
}

#[tokio::test]
async fn a_plan_of_another_workspace_is_refused() {
    let (here, there) = (Lab::memory(), Lab::memory());
    let plan = there.plan(&json!({ "resources": { "a": {} } })).await;
    let error = here.engine.apply(&plan, &Control::new()).await.expect_err("another workspace");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("another workspace"), "{error}");
    assert_eq!(here.store.holder().await.expect("read"), None);
}

#[tokio::test]
async fn a_second_engine_is_told_who_is_at_work() {
    for lab in Lab::both() {
        let wanted = json!({ "resources": { "a": {} } });
        let plan = lab.plan(&wanted).await;
        lab.cloud.inject("create a", Fault::Hang);
        let control = Control::new();
        let (engine, handle, same) = (lab.engine.clone(), control.clone(), plan.clone());
        let run = tokio::spawn(async move { engine.apply(&same, &handle).await });
        until(|| !lab.cloud.calls().is_empty()).await;

        let second = lab.second();
        let holder = Holder::this_process().to_string();
        let error = second.apply(&plan, &Control::new()).await.expect_err("held");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains(&format!("the workspace is held by {holder}")), "{error}");
        let error = second.plan(&desired(&wanted), &PlanOptions::new(Command::Apply)).await.expect_err("held");
        assert!(error.to_string().contains(&format!("the workspace is held by {holder}")), "{error}");
        let error = second.resume(None, &Control::new()).await.expect_err("held");
        assert_eq!(error.kind(), ErrorKind::Conflict);

        control.cancel();
        control.cancel();
        run.await.expect("no panic").expect("a report");
        assert_eq!(lab.store.holder().await.expect("read"), None);
        assert_eq!(second.resume(None, &Control::new()).await.expect("free").outcome, Outcome::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_kept_while_a_record_is_on_its_way_to_a_slow_disk() {
    let stalled = Duration::from_mins(2);
    let lab = Lab::crashing(CrashPoint { spared: 1, moment: Moment::BeforeWrite, death: Death::Pause(stalled) });
    let clock = Arc::new(RuntimeClock(Instant::now()));
    let engine = Engine::builder(lab.cloud.registry(), lab.store.clone()).clock(clock.clone()).build();
    let plan = engine.plan(&desired(&json!({ "resources": { "a": {} } })), &applying()).await.expect("a plan");
    let run = tokio::spawn(async move { engine.apply(&plan, &Control::new()).await });
    for _ in 0..5 {
        tokio::time::sleep(stalled / 6).await;
        let lease = lab.store.holder().await.expect("read").expect("held");
        assert!(lease.expires_at > clock.now(), "{lease:?} at {}", clock.now());
    }
    assert_eq!(lab.cloud.contents(), [""; 0], "the disk still stands still");
    assert_eq!(run.await.expect("no panic").expect("a report").outcome, Outcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_long_run_keeps_its_lease() {
    let lab = Lab::memory();
    let clock = Arc::new(RuntimeClock(Instant::now()));
    let engine =
        |clock: &Arc<RuntimeClock>| Engine::builder(lab.cloud.registry(), lab.store.clone()).clock(clock.clone()).build();
    let plan = lab.plan(&json!({ "resources": { "a": {} } })).await;
    lab.cloud.inject("create a", Fault::Hang);
    let (first, same) = (engine(&clock), plan.clone());
    let run = tokio::spawn(async move { first.apply(&same, &Control::new()).await });
    let second = engine(&clock);
    for minute in 1..10 {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let error = second.apply(&plan, &Control::new()).await.expect_err("held");
        assert!(error.to_string().contains("is held by"), "minute {minute}: {error}");
    }
    assert_eq!(run.await.expect("no panic").expect("a report").outcome, Outcome::Completed);
}

#[tokio::test]
async fn an_engine_that_lost_its_lease_appends_nothing() {
    for lab in Lab::both() {
        let plan = lab.plan(&json!({ "resources": { "a": { "polls": 1000 } } })).await;
        let engine = lab.engine.clone();
        let run = tokio::spawn(async move { engine.apply(&plan, &Control::new()).await });
        until(|| lab.cloud.calls().contains(&"poll a".to_owned())).await;
        let other = Holder { host: "elsewhere".into(), boot: "b".into(), pid: 1, namespace: String::new(), started: 1 };
        let later = Timestamp::from_millis(4_000_000_000_000);
        let lease = lab.store.acquire(&other, later, Duration::from_mins(1)).await.expect("expired by then");
        let before = lab.entries().await.len();
        let error = run.await.expect("no panic").expect_err("the lease is lost");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("another process took the workspace over"), "{error}");
        assert_eq!(lab.entries().await.len(), before);
        assert_eq!(lab.store.holder().await.expect("read"), Some(lease));
    }
}

#[tokio::test]
async fn an_observer_sees_every_record_once_and_in_order() {
    for lab in Lab::both() {
        lab.cloud.inject("create leaf3", Fault::Refuse(Retry::Never));
        let mut resources = json!({ "hub": {} });
        for index in 0..10 {
            resources[format!("leaf{index}")] = json!({ "from": "${hub.id}", "polls": index % 3 });
        }
        lab.run(&json!({ "resources": resources })).await;
        lab.resume().await;
        let recorded = lab.events().into_iter().filter_map(|event| match event {
            Event::Recorded(entry) => Some(entry.as_ref().clone()),
            Event::Transient(_) => None,
        });
        let (seen, kept) = (recorded.collect::<Vec<_>>(), lab.entries().await);
        assert!(kept.len() > 30);
        assert!(kept.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
        assert_eq!(seen, kept);
    }
}
