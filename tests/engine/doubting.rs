//! Lost replies on clouds of every sort: listings that lag, tokens that the cloud itself knows, and no tokens at all,
//! where somebody has to look and say what became of a step.

use std::time::Duration;

use provisioning_core::engine::Control;
use provisioning_core::error::{ErrorKind, Retry};
use provisioning_core::name::StepId;
use provisioning_core::record::{Outcome, StepFact};
use provisioning_core::schema::Tokens;
use provisioning_core::testing::{FakeCloud, Fault};
use serde_json::{Value as Json, json};

use crate::fixture::{Lab, until};

/// Faults after which nobody knows whether the thing was made, and whether it was.
const LOST: [(Fault, bool); 6] = [
    (Fault::LoseReply, true),
    (Fault::Malformed, true),
    (Fault::Panic, true),
    (Fault::HalfOpen, false),
    (Fault::ServerError, false),
    (Fault::Hang, false),
];

fn two() -> Json {
    json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } })
}

fn step() -> StepId {
    StepId::parse("a/create").expect("a step")
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_is_waited_for_before_anything_is_made_again() {
    for (fault, made) in LOST.into_iter().chain([(Fault::LateSuccess(Duration::from_millis(100)), true)]) {
        let lab = Lab::on(FakeCloud::default().with_lag(Duration::from_secs(20)));
        lab.cloud.inject("create a", fault);
        let calls = lab.apply(&two()).await;
        let creates = calls.iter().filter(|call| *call == "create a").count();
        assert_eq!(creates, if made { 1 } else { 2 }, "{fault:?}: {calls:?}");
        assert_eq!(lab.cloud.tokens().len(), 2, "{fault:?}");
        assert_eq!(lab.cloud.contents(), ["a", "b"], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_plan_waits_for_a_listing_that_lags() {
    let lab = Lab::on(FakeCloud::default().with_lag(Duration::from_secs(20)));
    let plan = lab.plan(&two()).await;
    lab.cloud.inject("create a", Fault::LoseReply);
    let control = Control::new();
    let (engine, handle) = (lab.engine.clone(), control.clone());
    let run = tokio::spawn(async move { engine.apply(&plan, &handle).await });
    until(|| !lab.cloud.calls().is_empty()).await;
    control.cancel();
    control.cancel();
    let report = run.await.expect("no panic").expect("a report");
    assert_eq!(report.in_doubt.len(), 1, "{report:?}");
    lab.apply(&two()).await;
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
    assert_eq!(lab.cloud.tokens().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_the_cloud_knows_tokens_calling_again_makes_one_thing() {
    for (fault, _) in LOST {
        let lab = Lab::on(FakeCloud::default().with_tokens(Tokens::Native));
        lab.cloud.inject("create a", fault);
        let calls = lab.apply(&two()).await;
        assert_eq!(calls, ["create a", "create a", "create b"], "{fault:?}");
        assert_eq!(lab.cloud.tokens().len(), 2, "{fault:?}");
    }
}

/// A lost reply of a cloud without tokens.
async fn doubtful(fault: Fault) -> Lab {
    let lab = Lab::on(FakeCloud::default().with_tokens(Tokens::None));
    lab.cloud.inject("create a", fault);
    let report = lab.run(&two()).await;
    assert_eq!((report.outcome, report.failures.len(), report.not_begun), (Outcome::Failed, 0, 1), "{fault:?}");
    assert_eq!(report.in_doubt.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>(), ["a/create"], "{fault:?}");
    lab
}

#[tokio::test(start_paused = true)]
async fn without_tokens_a_lost_reply_ends_in_doubt_and_a_resume_does_not_guess() {
    for (fault, made) in LOST {
        let lab = doubtful(fault).await;
        let resumed = lab.resume().await;
        assert_eq!((resumed.outcome, resumed.in_doubt.len()), (Outcome::Failed, 1), "{fault:?}");
        let plan = lab.engine.plan(&crate::fixture::desired(&two()), &crate::fixture::applying()).await;
        assert_eq!(plan.expect_err("open").kind(), ErrorKind::Conflict, "{fault:?}");
        assert_eq!(lab.cloud.tokens().len(), usize::from(made), "{fault:?}");
        assert_eq!(lab.cloud.calls().iter().filter(|call| *call == "create a").count(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_found_is_adopted_and_gone_on_with() {
    let lab = doubtful(Fault::LoseReply).await;
    let error = lab.engine.adopt(&step(), "t-7").await.expect_err("there is none");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    lab.engine.adopt(&step(), "t-1").await.expect("it is there");
    assert!(lab.facts("a/create").await.contains(&StepFact::Identified { object: "t-1".into() }));
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
    assert_eq!(lab.engine.state().await.expect("rows")["a"].object.as_ref().expect("one").id, "t-1");
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
}

#[tokio::test(start_paused = true)]
async fn a_new_plan_takes_on_what_was_adopted() {
    let lab = doubtful(Fault::LoseReply).await;
    lab.engine.adopt(&step(), "t-1").await.expect("it is there");
    lab.apply(&two()).await;
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
    assert_eq!(lab.cloud.tokens().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_had_no_effect_is_tried_again() {
    let lab = doubtful(Fault::HalfOpen).await;
    lab.engine.retry(&step()).await.expect("it is open");
    lab.cloud.clear_calls();
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.calls(), ["create a", "create b"]);
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_dealt_with_by_hand_is_planned_anew() {
    let lab = doubtful(Fault::LoseReply).await;
    lab.cloud.steal("a");
    lab.engine.abandon(&step(), "it was deleted by hand").await.expect("it is open");
    assert_eq!(lab.apply(&two()).await, ["create a", "create b"]);
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_doubt_can_be_settled_once_and_by_a_create_alone() {
    let lab = Lab::memory();
    lab.apply(&two()).await;
    let more = json!({ "resources": { "a": { "size": 2 }, "b": { "from": "${a.id}" } } });
    lab.cloud.inject("update a", Fault::LoseReply);
    lab.cloud.inject("read 1", Fault::Refuse(Retry::Never));
    let plan = lab.engine.plan(&crate::fixture::desired(&more), &crate::fixture::applying()).await.expect("a plan");
    let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(report.in_doubt.len(), 1, "{report:?}");
    let update = StepId::parse("a/update").expect("a step");
    assert_eq!(lab.engine.adopt(&update, "t-1").await.expect_err("no create").kind(), ErrorKind::Invalid);
    lab.engine.retry(&update).await.expect("it is open");
    assert_eq!(lab.engine.retry(&update).await.expect_err("it is settled").kind(), ErrorKind::NotFound);
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a size 2", "b"]);
}

/// Late beyond what the kind declares is what nobody can wait for: the name, which the cloud keeps unique, stops it.
#[tokio::test(start_paused = true)]
async fn an_effect_later_than_declared_makes_no_second_thing_of_one_name() {
    let lab = Lab::memory();
    lab.cloud.inject("create a", Fault::LateSuccess(Duration::from_mins(5)));
    lab.apply(&two()).await;
    tokio::time::sleep(Duration::from_mins(6)).await;
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
    assert_eq!(lab.cloud.tokens().len(), 2);
}
