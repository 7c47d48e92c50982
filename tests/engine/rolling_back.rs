//! Rolling back: the world and the state are again as they were before a run.

use std::sync::Arc;

use provisioning_core::clock::Timestamp;
use provisioning_core::config::{OnFailure, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions, Undone};
use provisioning_core::error::{ErrorKind, Retry};
use provisioning_core::name::StepId;
use provisioning_core::plan::Command;
use provisioning_core::record::{Fact, Outcome};
use provisioning_core::store::Store;
use provisioning_core::testing::{CrashPoint, CrashingStore, Death, Fault, ManualClock, Moment};
use serde_json::json;

use crate::fixture::{Lab, steps};

#[tokio::test]
async fn what_a_run_made_changed_and_removed_is_as_before() {
    for lab in Lab::both() {
        let first = json!({ "resources": {
            "net": {}, "web": { "size": 1, "from": "${net.id}" }, "old": { "size": 7 },
        }, "outputs": { "size": "${web.size}" } });
        lab.apply(&first).await;
        let world = lab.cloud.contents();
        let second = json!({ "resources": {
            "net": {}, "web": { "size": 2, "from": "${net.id}" }, "new": { "from": "${web.id}" },
        }, "outputs": { "more": "${new.id}" } });
        lab.apply(&second).await;

        let plan = lab.engine.plan_rollback(None).await.expect("a plan");
        assert_eq!(plan.command, Command::Rollback);
        assert_eq!(steps(&plan), ["new/delete", "web/update", "old/create"]);
        let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
        assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
        assert_eq!(lab.cloud.contents(), world);
        assert_eq!(lab.output("size").await, 1.into());
        assert!(lab.plan(&first).await.is_empty(), "the first declaration holds again");
        assert_eq!(lab.engine.verify().await.expect("reads").problem, None);
        let commands: Vec<_> = lab.engine.runs().await.expect("runs").into_iter().map(|run| run.command).collect();
        assert_eq!(commands, ["apply", "apply", "rollback"]);
    }
}

#[tokio::test]
async fn a_destroy_is_taken_back_with_new_identities() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "net": {}, "web": { "from": "${net.id}" } } });
    lab.apply(&wanted).await;
    let run = lab.engine.runs().await.expect("runs").pop().expect("one").id;
    lab.command(&wanted, &PlanOptions::new(Command::Destroy)).await;
    let plan = lab.engine.plan_rollback(None).await.expect("a plan");
    assert_eq!(steps(&plan), ["net/create", "web/create"]);
    lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert!(lab.plan(&wanted).await.is_empty());
    let error = lab.engine.plan_rollback(Some(&run)).await.expect_err("the destroy came after it");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().starts_with("`net` was changed by the later run"), "{error}");
}

#[tokio::test]
async fn a_rollback_is_rolled_back() {
    let lab = Lab::memory();
    lab.apply(&json!({ "resources": { "a": { "size": 1 } } })).await;
    let second = json!({ "resources": { "a": { "size": 2 } } });
    lab.apply(&second).await;
    for expected in [1, 2, 1] {
        let plan = lab.engine.plan_rollback(None).await.expect("a plan");
        lab.engine.apply(&plan, &Control::new()).await.expect("a report");
        assert_eq!(lab.cloud.contents(), [format!("a size {expected}")]);
    }
}

#[tokio::test]
async fn a_failed_run_takes_back_what_it_did() {
    let lab = Lab::with(Settings { on_failure: OnFailure::Rollback, ..Settings::shipped() });
    let first = json!({ "resources": { "a": { "size": 1 } } });
    lab.apply(&first).await;
    let world = lab.cloud.contents();
    lab.cloud.inject("create broken", Fault::Refuse(Retry::Never));
    let report = lab
        .run(&json!({ "resources": {
        "a": { "size": 2 }, "b": {}, "broken": { "from": "${b.id}" },
    } }))
        .await;
    assert_eq!(report.outcome, Outcome::Failed);
    let Some(Undone::Run(back)) = report.rollback else { panic!("{:?}", report.rollback) };
    assert_eq!(back.outcome, Outcome::Completed, "{:?}", back.failures);
    assert_eq!(lab.cloud.contents(), world);
    assert!(lab.plan(&first).await.is_empty());
}

#[tokio::test]
async fn there_is_nothing_to_take_back_of_what_changed_nothing() {
    let lab = Lab::memory();
    let error = lab.engine.plan_rollback(None).await.expect_err("there is no run");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "there is no run to undo"));
}

/// A change of everything there is, after `first`: made, changed, replaced, removed, and a service with it.
fn declarations() -> [serde_json::Value; 2] {
    let first = json!({ "resources": {
        "net": {}, "web": { "size": 1, "from": "${net.id}" }, "old": { "size": 7, "from": "${web.id}" },
    } });
    let second = json!({ "resources": {
        "net": {}, "web": { "size": 2, "from": "${net.id}" }, "new": { "from": "${web.id}" }, "last": { "from": "${new.id}" },
    } });
    [first, second]
}

#[tokio::test]
async fn whichever_step_fails_the_world_is_as_before() {
    for call in ["update web", "delete old", "create new", "create last"] {
        for fault in [Fault::Refuse(Retry::Never), Fault::Panic] {
            let lab = Lab::with(Settings { on_failure: OnFailure::Rollback, ..Settings::shipped() });
            let [first, second] = declarations();
            lab.apply(&first).await;
            let world = lab.cloud.contents();
            lab.cloud.inject(call, fault);
            let report = lab.run(&second).await;
            match (report.outcome, &report.rollback) {
                (Outcome::Failed, Some(Undone::Run(back))) => assert_eq!(back.outcome, Outcome::Completed, "{call} {fault:?}"),
                // What failed first and had nothing before it leaves nothing to take back.
                (Outcome::Failed, Some(Undone::Nothing)) => {}
                // After a panic it is found out what became of the call, and the run goes on.
                (Outcome::Completed, None) => continue,
                other => panic!("{call} {fault:?}: {other:?}"),
            }
            assert_eq!(lab.cloud.contents(), world, "{call} {fault:?}");
            assert!(lab.plan(&first).await.is_empty(), "{call} {fault:?}");
            assert_eq!(lab.engine.verify().await.expect("reads").problem, None, "{call} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_rollback_that_dies_at_any_record_is_gone_on_with() {
    for moment in [Moment::BeforeWrite, Moment::AfterWrite] {
        let mut spared = 0;
        loop {
            let lab = Lab::memory();
            let [first, second] = declarations();
            lab.apply(&first).await;
            let world = lab.cloud.contents();
            lab.apply(&second).await;
            let plan = lab.engine.plan_rollback(None).await.expect("a plan");
            let store = Arc::new(CrashingStore::new(lab.store.clone(), CrashPoint { spared, moment, death: Death::Error }));
            let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
            let engine = |store: Arc<dyn Store>| Engine::builder(lab.cloud.registry(), store).clock(clock.clone()).build();
            if engine(store).apply(&plan, &Control::new()).await.is_ok() {
                assert!(spared > plan.steps.len(), "every step was cut off once");
                break;
            }
            // The process is gone, and its lease runs out.
            clock.advance(60_000);
            let next = engine(lab.store.clone());
            match next.resume(None, &Control::new()).await {
                Ok(report) => assert_eq!(report.outcome, Outcome::Completed, "{moment:?} {spared}"),
                // Cut off before its first record there is no run, and after its last one nothing is left to do.
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{moment:?} {spared}: {error}"),
            }
            if (moment, spared) == (Moment::BeforeWrite, 0) {
                next.apply(&plan, &Control::new()).await.expect("a report");
            }
            assert_eq!(lab.cloud.contents(), world, "{moment:?} {spared}");
            assert!(lab.plan(&first).await.is_empty(), "{moment:?} {spared}");
            assert_eq!(lab.engine.verify().await.expect("reads").problem, None, "{moment:?} {spared}");
            spared += 1;
        }
    }
}

#[tokio::test]
async fn an_undo_that_fails_leaves_a_run_to_go_on_with() {
    let lab = Lab::with(Settings { on_failure: OnFailure::Rollback, ..Settings::shipped() });
    let [first, second] = declarations();
    lab.apply(&first).await;
    let world = lab.cloud.contents();
    lab.cloud.inject("create last", Fault::Refuse(Retry::Never));
    lab.cloud.inject("delete new", Fault::Refuse(Retry::Never));
    let report = lab.run(&second).await;
    let Some(Undone::Run(back)) = report.rollback else { panic!("{:?}", report.rollback) };
    assert_eq!((back.outcome, back.rollback.is_none()), (Outcome::Failed, true), "a rollback is not rolled back");
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), world);
}

#[tokio::test]
async fn what_referred_to_a_lookup_and_what_was_renamed_comes_back() {
    let lab = Lab::memory();
    let lookups = json!({ "base": { "kind": "image", "name": "debian" } });
    let first = json!({ "lookups": lookups, "resources": { "web": { "size": 1, "from": "${base.id}" }, "old": {} } });
    lab.apply(&first).await;
    let world = lab.cloud.contents();
    let second = json!({ "lookups": lookups, "resources": {
        "web": { "size": 2, "from": "${base.id}" },
        "new": { "name": "old", "lifecycle": { "moved_from": "old" } },
    } });
    lab.apply(&second).await;
    let plan = lab.engine.plan_rollback(None).await.expect("a plan");
    assert_eq!(steps(&plan), ["web/update", "old/rename"]);
    let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
    assert_eq!(lab.cloud.contents(), world);
    // That it hangs on a lookup is known again from the next declaration on: the state alone takes that in.
    assert_eq!(steps(&lab.plan(&first).await), ["web/refresh"]);
}

/// A rollback of two resources whose first undo is refused: it is stuck, and the second was not begun.
async fn stuck(lab: &Lab) -> StepId {
    lab.apply(&json!({ "resources": { "net": {}, "web": { "from": "${net.id}" } } })).await;
    let plan = lab.engine.plan_rollback(None).await.expect("a plan");
    assert_eq!(steps(&plan), ["web/delete", "net/delete"]);
    lab.cloud.inject("delete web", Fault::Refuse(Retry::Never));
    let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!((report.outcome, report.not_begun), (Outcome::Failed, 1));
    report.failures[0].0.clone()
}

#[tokio::test]
async fn a_rollback_that_is_stuck_goes_on_when_it_is_continued() {
    let lab = Lab::memory();
    stuck(&lab).await;
    let report = lab.engine.continue_rollback(&Control::new()).await.expect("a report");
    assert_eq!((report.outcome, report.waived), (Outcome::Completed, 0));
    assert_eq!(lab.cloud.contents(), [""; 0]);
    let error = lab.engine.continue_rollback(&Control::new()).await.expect_err("it is over");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_step_that_is_left_out_marks_its_resource_until_it_is_repaired() {
    for lab in Lab::both() {
        let step = stuck(&lab).await;
        let other = StepId::parse("net/delete").expect("a step");
        let error = lab.engine.skip_undo(&other, "no").await.expect_err("it did not fail");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().ends_with("did not fail: it is skipped"), "{error}");
        lab.engine.skip_undo(&step, "the cloud keeps it").await.expect("left out");
        let report = lab.engine.continue_rollback(&Control::new()).await.expect("a report");
        assert_eq!((report.outcome, report.succeeded, report.waived), (Outcome::Completed, 1, 1));
        assert_eq!(lab.cloud.contents(), ["web"], "what came after the step was undone");
        let rows = lab.engine.state().await.expect("rows");
        assert_eq!(rows["web"].inconsistent.as_deref(), Some("the cloud keeps it"));
        assert_eq!(lab.engine.verify().await.expect("read").problem, None);

        let wanted = json!({ "resources": { "web": { "from": "t-1" } } });
        let plan = lab.plan(&wanted).await;
        assert_eq!(plan.changes[0].reason.as_deref(), Some("it may not be what it should: the cloud keeps it"));
        lab.apply(&wanted).await;
        assert_eq!(lab.engine.state().await.expect("rows")["web"].inconsistent, None);
        assert!(lab.plan(&wanted).await.is_empty());
    }
}

#[tokio::test]
async fn a_create_that_is_left_out_is_marked_as_well() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "net": {}, "web": { "from": "${net.id}" } } });
    lab.apply(&wanted).await;
    lab.command(&wanted, &PlanOptions::new(Command::Destroy)).await;
    let plan = lab.engine.plan_rollback(None).await.expect("a plan");
    lab.cloud.inject("create web", Fault::Refuse(Retry::Never));
    let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    lab.engine.skip_undo(&report.failures[0].0, "no room").await.expect("left out");
    let report = lab.engine.continue_rollback(&Control::new()).await.expect("a report");
    assert_eq!((report.outcome, report.waived), (Outcome::Completed, 1));
    let row = lab.engine.state().await.expect("rows")["web"].clone();
    assert_eq!((row.object, row.inconsistent.as_deref()), (None, Some("no room")));
    assert_eq!(lab.engine.verify().await.expect("read").problem, None);
    assert_eq!(steps(&lab.plan(&json!({ "resources": { "net": {} } })).await), ["web/forget"], "nothing is left of it");
    assert_eq!(lab.apply(&wanted).await, ["create web"]);
    assert!(lab.plan(&wanted).await.is_empty());
}

#[tokio::test]
async fn a_rollback_stops_at_a_checkpoint() {
    for lab in Lab::both() {
        lab.apply(&json!({ "resources": { "net": { "size": 1 } } })).await;
        let wanted = json!({
            "resources": {
                "net": { "size": 2 }, "db": { "from": "${net.size}" }, "web": { "from": "${db.id}" }, "dns": { "from": "${web.id}" },
            },
            "checkpoints": { "data": ["net", "db"], "all": ["dns"], "idle": ["net"] },
            "outputs": { "db": "${db.id}" },
        });
        lab.apply(&wanted).await;
        let reached: Vec<_> = lab
            .entries()
            .await
            .into_iter()
            .filter_map(|entry| match entry.record.fact {
                Fact::Checkpoint { name } => Some(name),
                _ => None,
            })
            .collect();
        assert_eq!(reached, ["idle", "data", "all"]);
        let error = lab.engine.plan_rollback_to(None, "date").await.expect_err("unknown");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.hint(), Some("it reached `all`, `data`, `idle`"));

        let plan = lab.engine.plan_rollback_to(None, "data").await.expect("a plan");
        assert_eq!(steps(&plan), ["dns/delete", "web/delete"]);
        let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
        assert_eq!(report.outcome, Outcome::Completed);
        assert_eq!(lab.cloud.contents(), ["db", "net size 2"]);
        assert_eq!(lab.output("db").await, "t-2".into());
        assert_eq!(lab.engine.verify().await.expect("read").problem, None);
        // From there on it goes forward again.
        assert_eq!(lab.apply(&wanted).await, ["create web", "create dns"]);
    }
}

#[tokio::test]
async fn a_checkpoint_is_not_reached_while_one_of_its_steps_has_failed() {
    let lab = Lab::memory();
    let wanted = json!({ "resources": { "a": {}, "b": {} }, "checkpoints": { "both": ["a", "b"] } });
    lab.cloud.inject("create b", Fault::Refuse(Retry::Never));
    let report = lab.run(&wanted).await;
    let run = report.run.expect("a run");
    let error = lab.engine.plan_rollback_to(Some(&run), "both").await.expect_err("not reached");
    assert_eq!(error.hint(), Some("it reached none; they are declared in the section `checkpoints`"));
    assert_eq!(lab.resume().await.outcome, Outcome::Completed);
    let error = lab.engine.plan_rollback_to(Some(&run), "both").await.expect_err("nothing came after it");
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// The call that a step of the way back makes.
fn call_of(step: &StepId) -> String {
    format!("{} {}", step.verb(), step.resource())
}

#[tokio::test]
async fn whichever_undo_fails_the_way_back_is_continued_or_goes_on_without_it() {
    let first = json!({ "resources": { "net": {}, "web": { "size": 1, "from": "${net.id}" }, "old": { "size": 7 } } });
    let second = json!({ "resources": { "net": {}, "web": { "size": 2, "from": "${net.id}" }, "new": { "from": "${web.id}" } } });
    let mut tried = 0;
    for index in 0..3 {
        for skipped in [false, true] {
            let lab = Lab::memory();
            lab.apply(&first).await;
            let world = lab.cloud.contents();
            lab.apply(&second).await;
            let plan = lab.engine.plan_rollback(None).await.expect("a plan");
            let step = plan.steps[index].id.clone();
            lab.cloud.inject(&call_of(&step), Fault::Refuse(Retry::Never));
            let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
            assert_eq!((report.outcome, &report.failures[0].0), (Outcome::Failed, &step), "it is stuck, and says where");
            if skipped {
                lab.engine.skip_undo(&step, "it stays").await.expect("left out");
            }
            let report = lab.engine.continue_rollback(&Control::new()).await.expect("a report");
            assert_eq!((report.outcome, report.waived), (Outcome::Completed, usize::from(skipped)), "{step}");
            if skipped {
                let row = lab.engine.state().await.expect("rows").remove(step.resource()).expect("a row that is marked");
                assert_eq!(row.inconsistent.as_deref(), Some("it stays"), "{step}");
                // What was declared before is declared again, and applied: that repairs it.
                lab.apply(&first).await;
            }
            assert_eq!(lab.cloud.contents(), world, "{step}, skipped: {skipped}");
            assert!(lab.plan(&first).await.is_empty());
            assert_eq!(lab.engine.verify().await.expect("reads").problem, None);
            tried += 1;
        }
    }
    assert_eq!(tried, 6, "three undos, continued and skipped");
}
