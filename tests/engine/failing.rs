//! What a run does when calls fail: another attempt, a search, a stop, a step in doubt.

use std::time::Duration;

use provisioning_core::config::{OnFailure, Settings};
use provisioning_core::engine::Control;
use provisioning_core::error::{ErrorKind, Retry};
use provisioning_core::journal::Status;
use provisioning_core::name::StepId;
use provisioning_core::record::{Outcome, StepFact};
use provisioning_core::testing::{CrashPoint, CrashingStore, Death, Fault, Moment};
use serde_json::json;
use tokio::time::Instant;

use crate::fixture::{Lab, steps};

fn limited(run: usize) -> Settings {
    let mut settings = Settings::shipped();
    settings.limits.run = run;
    settings
}

#[tokio::test]
async fn a_wait_holds_no_slot() {
    let lab = Lab::with(limited(1));
    let calls = lab.apply(&json!({ "resources": { "a": { "polls": 2 }, "b": { "polls": 2 } } })).await;
    assert_eq!(calls[..2], ["create a", "create b"]);
    assert_eq!(calls.iter().filter(|call| *call == "poll a").count(), 2);
    let waits = lab.facts("a/create").await.into_iter().filter(|fact| matches!(fact, StepFact::Waiting { .. }));
    assert_eq!(waits.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_definite_failure_is_tried_again_after_a_growing_wait() {
    let lab = Lab::memory();
    lab.cloud.inject("create a", Fault::Refuse(Retry::Later(None)));
    lab.cloud.inject("create a", Fault::Refuse(Retry::Later(Some(Duration::from_secs(20)))));
    let begun = Instant::now();
    assert_eq!(lab.apply(&json!({ "resources": { "a": {} } })).await, ["create a"; 3]);
    assert!(begun.elapsed() >= Duration::from_millis(20_250), "{:?}", begun.elapsed());
    let facts = lab.facts("a/create").await;
    let attempts: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            StepFact::Started { attempt, .. } => Some((*attempt, None)),
            StepFact::Failed { retry_after, .. } => Some((0, *retry_after)),
            _ => None,
        })
        .collect();
    assert_eq!(attempts.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 0, 2, 0, 3]);
    assert!(attempts[1].1.is_some_and(|wait| wait >= Duration::from_millis(250) && wait <= Duration::from_millis(500)));
    assert_eq!(attempts[3].1, Some(Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_a_provider_asks_for_has_an_end() {
    let lab = Lab::memory();
    lab.cloud.inject("create a", Fault::Refuse(Retry::Later(Some(Duration::MAX))));
    let begun = Instant::now();
    lab.apply(&json!({ "resources": { "a": {} } })).await;
    assert_eq!(begun.elapsed().as_secs(), 24 * 3600);
}

#[tokio::test(start_paused = true)]
async fn after_a_timeout_it_looks_before_it_calls_again() {
    let lab = Lab::memory();
    lab.cloud.inject("create a", Fault::Hang);
    lab.cloud.inject("create b", Fault::LoseReply);
    let begun = Instant::now();
    let calls = lab.apply(&json!({ "resources": { "a": {}, "b": {} } })).await;
    assert!(begun.elapsed() >= Duration::from_mins(10));
    let of = |name: &str| calls.iter().filter(|call| call.ends_with(name)).cloned().collect::<Vec<_>>();
    assert_eq!(of(" a"), ["create a", "find a", "create a"]);
    assert_eq!(of(" b"), ["create b", "find b", "poll b"]);
    let started = lab.facts("a/create").await.into_iter().filter(|fact| matches!(fact, StepFact::Started { .. }));
    assert_eq!(started.count(), 1);
}

#[tokio::test]
async fn stop_keeps_what_worked_and_continue_goes_on_beside_the_failure() {
    let wanted = json!({ "resources": {
        "a": {}, "b": { "from": "${a.id}" }, "c": { "from": "${b.id}" }, "d": {}, "e": { "after": ["a"] },
    } });
    let cases = [(OnFailure::Stop, 0, 4, [""].as_slice()), (OnFailure::Continue, 2, 2, ["d", "e"].as_slice())];
    for (on_failure, succeeded, not_begun, contents) in cases {
        let lab = Lab::with(Settings { on_failure, ..limited(1) });
        lab.cloud.inject("create a", Fault::Refuse(Retry::Never));
        let report = lab.run(&wanted).await;
        assert_eq!((report.outcome, report.succeeded, report.not_begun), (Outcome::Failed, succeeded, not_begun));
        assert_eq!(report.failures.len(), 1);
        assert_eq!(report.failures[0].0.as_str(), "a/create");
        assert_eq!(report.failures[0].1.message, "the cloud refused to create a");
        assert_eq!(lab.cloud.contents(), contents.iter().filter(|name| !name.is_empty()).copied().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_resume_goes_on_with_the_same_plan() {
    for lab in Lab::both() {
        let wanted = json!({ "resources": { "a": {}, "b": { "from": "${a.id}" }, "c": { "from": "${b.id}" } } });
        lab.cloud.inject("create b", Fault::Refuse(Retry::Never));
        let failed = lab.run(&wanted).await;
        assert_eq!((failed.outcome, failed.succeeded, failed.not_begun), (Outcome::Failed, 1, 1));
        lab.cloud.clear_calls();
        let resumed = lab.resume().await;
        assert_eq!((resumed.outcome, resumed.succeeded, resumed.not_begun), (Outcome::Completed, 3, 0));
        assert_eq!((resumed.run, resumed.failures), (failed.run, Vec::new()));
        assert_eq!(lab.cloud.calls(), ["create b", "create c"]);
        let error = lab.engine.resume(None, &Control::new()).await.expect_err("nothing is left");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_new_apply_takes_the_place_of_a_failed_run() {
    for lab in Lab::both() {
        let wanted = json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } });
        lab.cloud.inject("create b", Fault::Refuse(Retry::Never));
        let failed = lab.run(&wanted).await.run.expect("a run");
        lab.apply(&wanted).await;
        let runs = lab.engine.runs().await.expect("runs");
        let outcomes: Vec<_> = runs.iter().map(|run| run.outcome).collect();
        assert_eq!(outcomes, [Some(Outcome::Superseded), Some(Outcome::Completed)]);
        let error = lab.engine.resume(Some(&failed), &Control::new()).await.expect_err("superseded");
        assert!(error.to_string().contains("a newer run took the place"), "{error}");
    }
}

#[tokio::test]
async fn an_object_that_was_identified_and_failed_is_gone_on_with_by_a_resume_and_replaced_by_a_new_plan() {
    for resumes in [true, false] {
        let lab = Lab::memory();
        let wanted = json!({ "resources": { "a": { "polls": 1 } } });
        lab.cloud.inject("poll a", Fault::Refuse(Retry::Never));
        assert_eq!(lab.run(&wanted).await.outcome, Outcome::Failed);
        assert!(lab.engine.state().await.expect("rows")["a"].tainted);
        lab.cloud.clear_calls();
        if resumes {
            assert_eq!(lab.resume().await.outcome, Outcome::Completed);
            assert_eq!(lab.cloud.calls(), ["poll a"]);
        } else {
            assert_eq!(lab.apply(&wanted).await, ["delete a", "create a", "poll a"]);
        }
        assert_eq!(lab.cloud.contents(), ["a"]);
        assert!(!lab.engine.state().await.expect("rows")["a"].tainted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_that_fails_leaves_the_step_in_doubt_until_somebody_can_look() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } });
    lab.cloud.inject("create a", Fault::LoseReply);
    lab.cloud.inject("find a", Fault::Refuse(Retry::Never));
    let report = lab.run(&wanted).await;
    assert_eq!((report.outcome, report.failures.len(), report.not_begun), (Outcome::Failed, 0, 1));
    assert_eq!(report.in_doubt.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>(), ["a/create"]);
    lab.cloud.inject("find a", Fault::Refuse(Retry::Never));
    let error = lab.engine.plan(&crate::fixture::desired(&wanted), &plan_options()).await.expect_err("open");
    assert!(error.to_string().contains("began `a/create` and did not record how that ended"), "{error}");
    let hint = "`provisioning resume` looks again; `provisioning status` tells how to settle it by hand";
    assert_eq!(error.hint(), Some(hint));
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
}

fn plan_options() -> provisioning_core::engine::PlanOptions {
    provisioning_core::engine::PlanOptions::new(provisioning_core::plan::Command::Apply)
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_keeps_the_identity_of_its_object() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": { "polls": 1 } } });
    // The second attempt has another token than the one that the object bears.
    lab.cloud.inject("poll a", Fault::Refuse(Retry::Later(None)));
    for _ in 0..3 {
        lab.cloud.inject("poll a", Fault::LoseReply);
    }
    let report = lab.run(&wanted).await;
    assert_eq!((report.outcome, report.in_doubt.len()), (Outcome::Failed, 1));
    let status = lab.engine.status().await.expect("read").unfinished[0].status.clone();
    assert_eq!(status, Status::InDoubt { attempt: 2, object: Some("t-1".into()) });
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_can_be_abandoned_by_somebody_who_looked() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {} } });
    lab.cloud.inject("create a", Fault::LoseReply);
    lab.cloud.inject("find a", Fault::Refuse(Retry::Never));
    lab.run(&wanted).await;
    lab.cloud.steal("a");
    let step = StepId::parse("a/create").expect("a step");
    lab.engine.abandon(&step, "it was deleted by hand").await.expect("it is open");
    let error = lab.engine.abandon(&step, "again").await.expect_err("it is not open");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(lab.apply(&wanted).await, ["create a"]);
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
}

#[tokio::test]
async fn a_store_that_fails_hides_no_failure_of_a_step() {
    let lab = Lab::memory();
    let point = CrashPoint { spared: 2, moment: Moment::BeforeWrite, death: Death::Error };
    let store = std::sync::Arc::new(CrashingStore::new(lab.store.clone(), point));
    let engine = provisioning_core::engine::Engine::builder(lab.cloud.registry(), store).build();
    let plan = lab.plan(&json!({ "resources": { "a": {} } })).await;
    lab.cloud.inject("create a", Fault::Refuse(Retry::Never));
    let error = engine.apply(&plan, &Control::new()).await.expect_err("the store died");
    assert_eq!(error.to_string(), "the store was cut off");
    assert_eq!(error.context()[0], ("failed", "`a/create`: the cloud refused to create a".to_owned()));
}

#[tokio::test]
async fn a_new_plan_repeats_only_what_is_missing() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } });
    lab.cloud.inject("create b", Fault::Refuse(Retry::Never));
    lab.run(&wanted).await;
    assert_eq!(steps(&lab.plan(&wanted).await), ["b/create"]);
}

#[tokio::test]
async fn the_same_plan_goes_on_after_a_failure() {
    for lab in Lab::both() {
        let plan = lab.plan(&json!({ "resources": { "a": {}, "b": { "from": "${a.id}" } } })).await;
        lab.cloud.inject("create b", Fault::Refuse(Retry::Never));
        let failed = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
        assert_eq!(failed.outcome, Outcome::Failed);
        lab.cloud.clear_calls();
        let done = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
        assert_eq!((done.outcome, done.run), (Outcome::Completed, failed.run));
        assert_eq!(lab.cloud.calls(), ["create b"]);
        let error = lab.engine.apply(&plan, &Control::new()).await.expect_err("it is done");
        assert!(error.to_string().starts_with("the plan was carried out already"), "{error}");
    }
}
