//! What a rollback goes back to: old objects that are there still, the answers of lookups, and what was made of them.

use provisioning_core::config::{OnFailure, Settings};
use provisioning_core::engine::{Control, PlanOptions, Undone};
use provisioning_core::error::Retry;
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::testing::Fault;
use serde_json::{Value as Json, json};

use crate::fixture::{Lab, desired, steps};

#[tokio::test]
async fn a_run_is_taken_back_where_an_output_refers_to_a_lookup() {
    let lab = Lab::memory();
    let sized = |size: u32| {
        json!({
            "lookups": { "base": { "kind": "image", "name": "debian" } },
            "resources": { "a": { "size": size } },
            "outputs": { "image": "${base.id}" },
        })
    };
    lab.apply(&sized(1)).await;
    lab.apply(&sized(2)).await;
    let planned = lab.engine.plan_rollback(None).await;
    let plan = planned.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(steps(&plan), ["a/update"]);
    lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(lab.output("image").await, "img-debian".into());
    assert!(lab.plan(&sized(1)).await.is_empty());
}

async fn refused(first: &Json, second: &Json, call: &str) -> (Lab, Undone) {
    let lab = Lab::with(Settings { on_failure: OnFailure::Rollback, ..Settings::shipped() });
    lab.apply(first).await;
    lab.cloud.inject(call, Fault::Refuse(Retry::Never));
    let report = lab.run(second).await;
    assert_eq!(report.outcome, Outcome::Failed);
    (lab, report.rollback.expect("it was to be taken back"))
}

#[tokio::test]
async fn what_refers_to_an_object_that_is_made_anew_follows_it_back() {
    let zoned = |zone: &str| json!({ "resources": { "a": { "zone": zone }, "b": { "from": "${a.address}" } } });
    let (lab, back) = refused(&zoned("1"), &zoned("2"), "create a").await;
    let Undone::Run(back) = back else { panic!("{back:?}") };
    assert_eq!(back.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["a", "b"]);
    assert_eq!(steps(&lab.plan(&zoned("1")).await), [""; 0]);
}

fn renewed(zone: &str) -> Json {
    let lifecycle = json!({ "create_before_destroy": true });
    let name = |of: &str| format!("{of}-{zone}");
    json!({ "resources": {
        "a": { "name": name("a"), "zone": zone, "polls": 1, "lifecycle": lifecycle },
        "b": { "name": name("b"), "zone": zone, "from": "${a.id}", "lifecycle": lifecycle },
    } })
}

#[tokio::test]
async fn a_replacement_that_creates_first_and_failed_is_taken_back() {
    let (lab, back) = refused(&renewed("1"), &renewed("2"), "poll a-2").await;
    let Undone::Run(back) = back else { panic!("{back:?}") };
    assert_eq!(back.outcome, Outcome::Completed, "{:?}", back.failures);
    assert_eq!(lab.cloud.contents(), ["a-1", "b-1"]);
}

#[tokio::test]
async fn a_replacement_that_creates_first_and_failed_goes_back_to_the_old_object() {
    let alone = |zone: &str| {
        let mut document = renewed(zone);
        document["resources"].as_object_mut().expect("resources").remove("b");
        document
    };
    let (lab, back) = refused(&alone("1"), &alone("2"), "poll a-2").await;
    let Undone::Run(back) = back else { panic!("{back:?}") };
    assert_eq!(back.outcome, Outcome::Completed, "{:?}", back.failures);
    assert_eq!(lab.cloud.contents(), ["a-1"]);
    assert_eq!(lab.engine.state().await.expect("rows")["a"].object.as_ref().expect("one").id, "t-1");
}

/// The services of a host that was deleted are forgotten with it; where one was not forgotten yet, it is on no host any
/// more, and comes back with the host.
#[tokio::test]
async fn a_service_comes_back_with_its_host() {
    let wanted = json!({
        "resources": { "web": {}, "other": {} },
        "services": { "flag": { "service": "flag", "on": ["web"], "config": { "value": "up" } } },
    });
    let lab = Lab::with(Settings { on_failure: OnFailure::Rollback, ..Settings::shipped() });
    lab.apply(&wanted).await;
    lab.cloud.inject("delete other", Fault::Refuse(Retry::Never));
    let plan = lab.engine.plan(&desired(&wanted), &PlanOptions::new(Command::Destroy)).await.expect("a plan");
    let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    let Some(Undone::Run(back)) = report.rollback else { panic!("{report:?}") };
    assert_eq!(back.outcome, Outcome::Completed);
    assert_eq!(lab.cloud.contents(), ["flag on web: \"up\"", "other", "web"]);
    assert!(lab.plan(&wanted).await.is_empty());
}
