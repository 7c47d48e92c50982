//! What a run left open is settled by the next plan, by what a former holder still learned, and by hand.

use std::sync::Arc;

use provisioning_core::clock::System;
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::error::{Error, ErrorKind, Retry};
use provisioning_core::event::{Event, Observer};
use provisioning_core::journal::Status;
use provisioning_core::name::StepId;
use provisioning_core::plan::{ChangeKind, Command, Plan};
use provisioning_core::record::{Fact, Outcome, StepFact};
use provisioning_core::store::{Identity, Late, MemoryStore};
use provisioning_core::testing::{CrashPoint, CrashingStore, Death, Fault, Moment};
use serde_json::{Value as Json, json};
use tokio::runtime::Builder;

use crate::fixture::{Lab, desired, steps};

/// Carries a plan out with a store that dies after so many appends, and the process with it.
async fn die(lab: &Lab, plan: &Plan, spared: usize, moment: Moment) {
    let store = Arc::new(CrashingStore::new(lab.store.clone(), CrashPoint { spared, moment, death: Death::Silence }));
    let engine = Engine::builder(lab.cloud.registry(), store.clone()).settings(lab.settings.clone()).build();
    let control = Control::new();
    tokio::select! {
        _ = engine.apply(plan, &control) => panic!("it was to die"),
        () = store.death() => {}
    }
    lab.engine.unlock().await.expect("the dead held it");
    lab.cloud.clear_calls();
}

async fn planned(lab: &Lab, wanted: &Json) -> Plan {
    lab.engine.plan(&desired(wanted), &PlanOptions::new(Command::Apply)).await.expect("a plan")
}

#[tokio::test]
async fn a_plan_takes_up_what_was_made_and_begins_nothing() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } });
    // The run began, `a` was made, and its identity was not recorded.
    die(&lab, &lab.plan(&wanted).await, 2, Moment::BeforeWrite).await;
    let plan = planned(&lab, &wanted).await;
    assert_eq!(steps(&plan), ["b/create"]);
    assert_eq!(lab.cloud.calls(), ["find a", "poll a", "check", "read 1"]);
    let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(report.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
    let outcomes: Vec<_> = lab.engine.runs().await.expect("runs").iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Some(Outcome::Superseded), Some(Outcome::Completed)]);
}

#[tokio::test]
async fn a_plan_makes_nothing_of_what_had_not_been_made() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {} } });
    // The intent is durable, and nobody acted on it.
    die(&lab, &lab.plan(&wanted).await, 1, Moment::AfterWrite).await;
    let nothing = planned(&lab, &json!({ "resources": {} })).await;
    assert!(nothing.is_empty());
    assert_eq!(lab.cloud.calls(), ["find a"]);
    let status = lab.engine.status().await.expect("read");
    assert_eq!(status.unfinished[0].status, Status::Failed { attempt: 1, object: None });
    // Whoever wants the old plan still may have it.
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a"]);
}

#[tokio::test]
async fn an_interrupted_update_is_repaired_though_nothing_is_seen_to_be_wrong() {
    let lab = Lab::memory();
    let before = json!({ "resources": { "a": { "size": 1 } } });
    lab.apply(&before).await;
    let plan = lab.plan(&json!({ "resources": { "a": { "size": 2 } } })).await;
    die(&lab, &plan, 1, Moment::AfterWrite).await;
    // Somebody changed their mind: what was declared before is wanted again, and is what there is.
    let plan = planned(&lab, &before).await;
    assert_eq!(steps(&plan), ["a/update"]);
    let reason = plan.changes[0].reason.clone().unwrap_or_default();
    assert_eq!(reason, "it may not be what it should: it was interrupted, and may have been done in part");
    assert!(lab.engine.state().await.expect("rows")["a"].inconsistent.is_some());
    lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(lab.engine.state().await.expect("rows")["a"].inconsistent, None);
    assert!(lab.plan(&before).await.is_empty());
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
}

#[tokio::test]
async fn an_interrupted_delete_is_settled_by_what_is_there() {
    for (moment, left) in [(Moment::AfterWrite, 1), (Moment::BeforeWrite, 0)] {
        let lab = Lab::memory();
        lab.apply(&json!({ "resources": { "a": {} } })).await;
        let nothing = json!({ "resources": {} });
        let spared = if left == 1 { 1 } else { 2 };
        die(&lab, &lab.plan(&nothing).await, spared, moment).await;
        let plan = planned(&lab, &nothing).await;
        assert_eq!(plan.steps.len(), left, "{moment:?}");
        assert_eq!(lab.engine.state().await.expect("rows").len(), left);
        lab.engine.apply(&plan, &Control::new()).await.expect("a report");
        assert_eq!(lab.cloud.contents(), [""; 0]);
    }
}

#[tokio::test]
async fn a_service_that_was_begun_is_taken_away_when_it_is_declared_no_more() {
    let lab = Lab::memory();
    let host = json!({ "resources": { "web": {} } });
    lab.apply(&host).await;
    let mut wanted = host.clone();
    wanted["services"] = json!({ "flag": { "service": "flag", "on": ["web"], "config": { "value": "up" } } });
    die(&lab, &lab.plan(&wanted).await, 2, Moment::BeforeWrite).await;
    assert_eq!(lab.cloud.contents(), ["flag on web: \"up\"", "web"]);
    let plan = planned(&lab, &host).await;
    // The check finds it done: so the run has come to its end, and the plan takes it away again.
    assert_eq!(steps(&plan), ["flag@web/remove"]);
    lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(lab.cloud.contents(), ["web"]);
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
}

#[tokio::test]
async fn a_service_that_failed_halfway_is_known_and_removed() {
    let lab = Lab::memory();
    let host = json!({ "resources": { "web": {} } });
    lab.apply(&host).await;
    let mut wanted = host.clone();
    wanted["services"] = json!({ "flag": { "service": "flag", "on": ["web"], "config": { "value": "up" } } });
    lab.cloud.inject("raise flag on web", Fault::Refuse(Retry::Never));
    let report = lab.run(&wanted).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(lab.engine.state().await.expect("rows")["flag@web"].is_begun_service());
    let again = planned(&lab, &wanted).await;
    assert_eq!(again.changes[0].change, ChangeKind::Create);
    assert_eq!(again.changes[0].reason.as_deref(), Some("it was begun and never finished"));
    assert_eq!(lab.apply(&host).await, ["lower flag on web"]);
    assert!(planned(&lab, &host).await.is_empty());
}

/// An engine that loses the workspace when it is about to call the provider.
async fn fenced(lab: &Lab, wanted: &Json) -> Error {
    let plan = lab.plan(wanted).await;
    let second = lab.second();
    let observer = Observer::new(move |event| {
        let Event::Recorded(entry) = event else { return };
        if matches!(entry.record.fact, Fact::Step { fact: StepFact::Started { .. }, .. }) {
            let second = second.clone();
            let unlock = move || Builder::new_current_thread().build().expect("a runtime").block_on(second.unlock());
            std::thread::spawn(unlock).join().expect("whole").expect("it was held");
        }
    });
    let engine = Engine::builder(lab.cloud.registry(), lab.store.clone()).observer(observer).build();
    engine.apply(&plan, &Control::new()).await.expect_err("the lease is lost")
}

#[tokio::test]
async fn what_a_fenced_engine_made_is_evidence_for_the_next() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {} } });
    let error = fenced(&lab, &wanted).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(lab.store.late().await.expect("read").len(), 1);
    let recorded = lab.entries().await.len();
    lab.cloud.clear_calls();
    assert!(planned(&lab, &wanted).await.is_empty(), "it is taken up");
    assert_eq!(lab.cloud.calls(), ["poll a", "check", "read 1"], "nobody has to search for it");
    assert_eq!(lab.store.late().await.expect("read"), []);
    let first = &lab.entries().await[recorded].record.fact;
    assert!(matches!(first, Fact::Step { fact: StepFact::Identified { object }, .. } if object == "t-1"), "{first:?}");
}

#[tokio::test]
async fn an_object_that_comes_to_light_later_is_removed_by_the_next_plan() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {} } });
    lab.apply(&wanted).await;
    // What another process made for the same step, which could not record it any more.
    let other = Engine::builder(lab.cloud.registry(), Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
    let stray = desired(&json!({ "resources": { "stray": {} } }));
    let plan = other.plan(&stray, &PlanOptions::new(Command::Apply)).await.expect("a plan");
    other.apply(&plan, &Control::new()).await.expect("a report");
    let (run, step) = (lab.engine.runs().await.expect("runs")[0].id.clone(), StepId::parse("a/create").expect("a step"));
    lab.store.leave_late(vec![Late { run, step, object: "t-2".to_owned() }]).await.expect("kept");

    assert_eq!(lab.apply(&wanted).await, ["read 1", "delete stray"]);
    assert_eq!(lab.cloud.contents(), ["a"]);
    assert!(planned(&lab, &wanted).await.is_empty());
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
}

#[tokio::test]
async fn nobody_can_unlock_what_nobody_holds() {
    let lab = Lab::memory();
    let error = lab.engine.unlock().await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// The late results of two former holders, of which one is what the step made and one is a second object.
#[tokio::test]
async fn two_late_results_of_one_step_are_both_known() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {} } });
    fenced(&lab, &wanted).await;
    let other = Engine::builder(lab.cloud.registry(), Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
    let stray = desired(&json!({ "resources": { "stray": {} } }));
    let plan = other.plan(&stray, &PlanOptions::new(Command::Apply)).await.expect("a plan");
    other.apply(&plan, &Control::new()).await.expect("a report");
    let first = lab.store.late().await.expect("read").pop().expect("one");
    lab.store.leave_late(vec![Late { object: "t-2".to_owned(), ..first }]).await.expect("kept");
    let plan = planned(&lab, &wanted).await;
    let known: Vec<_> = lab.engine.state().await.expect("rows")["a"].objects().map(|object| object.id.clone()).collect();
    assert_eq!(known, ["t-1", "t-2"]);
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
    lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(lab.cloud.contents(), ["a"]);
    assert!(planned(&lab, &wanted).await.is_empty());
}

#[tokio::test]
async fn what_surfaced_later_does_not_make_a_later_run_part_of_an_earlier_one() {
    let lab = Lab::memory();
    lab.apply(&json!({ "resources": { "a": {} } })).await;
    let first = lab.engine.runs().await.expect("runs")[0].id.clone();
    let both = json!({ "resources": { "a": {}, "b": {} } });
    lab.apply(&both).await;
    let late = |object: &str| {
        let step = StepId::parse("a/create").expect("a step");
        vec![Late { run: first.clone(), step, object: object.to_owned() }]
    };
    // What is known already is nothing new.
    let recorded = lab.entries().await.len();
    lab.store.leave_late(late("t-1")).await.expect("kept");
    assert!(planned(&lab, &both).await.is_empty());
    assert_eq!(lab.entries().await.len(), recorded);
    lab.store.leave_late(late("t-9")).await.expect("kept");
    planned(&lab, &both).await;
    let plan = lab.engine.plan_rollback(Some(&first)).await;
    // `a` has been written since, by what surfaced: the rollback says so, and does not take `b` along.
    let error = plan.expect_err("it has changed since");
    assert!(error.to_string().starts_with("`a` was changed by the later run"), "{error}");
}

#[tokio::test]
async fn nothing_is_adopted_where_the_object_is_known() {
    let lab = Lab::memory();
    lab.apply(&json!({ "resources": { "b": {} } })).await;
    let plan = lab.plan(&json!({ "resources": { "a": { "polls": 3 }, "b": {} } })).await;
    // The identity is durable, and the object was not ready.
    die(&lab, &plan, 3, Moment::BeforeWrite).await;
    let step = StepId::parse("a/create").expect("a step");
    let error = lab.engine.adopt(&step, "t-1").await.expect_err("it has made another");
    assert_eq!((error.kind(), error.hint()), (ErrorKind::Conflict, Some("`provisioning resume` goes on with it")));
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
}
