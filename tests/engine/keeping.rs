//! Secrets: used within a run, kept nowhere.

use provisioning_core::engine::{Control, PlanOptions};
use provisioning_core::error::Retry;
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::testing::Fault;
use serde_json::{Value as Json, json};

use crate::fixture::Lab;

/// A thing whose password another resource and a service take.
fn wanted() -> Json {
    json!({
        "resources": { "db": {}, "app": { "from": { "password": "${db.password}" } } },
        "services": { "flag": { "service": "flag", "on": ["app"], "config": { "value": "as ${db.password}" } } },
        "outputs": { "password": { "value": "${db.password}", "sensitive": true } },
    })
}

/// Everything that a lab keeps or shows.
async fn everything(lab: &Lab) -> String {
    let shown = |value: &dyn erased::Shown| value.shown();
    let mut text = shown(&lab.engine.state().await.expect("rows"));
    for run in lab.engine.runs().await.expect("runs") {
        text += &shown(&run);
        text += &shown(&lab.store.plan(&run.plan).await.expect("a plan"));
    }
    text += &shown(&lab.entries().await);
    text += &shown(&lab.events());
    text += &shown(&lab.engine.status().await.expect("status"));
    let outputs = lab.engine.outputs().await.expect("outputs");
    format!("{text} {outputs:?}")
}

mod erased {
    //! Both forms in which a value can leak.

    pub(super) trait Shown {
        fn shown(&self) -> String;
    }

    impl<T: serde::Serialize + std::fmt::Debug> Shown for T {
        fn shown(&self) -> String {
            format!("{} {self:?}", serde_json::to_string(self).expect("it serialises"))
        }
    }
}

#[tokio::test]
async fn a_secret_is_used_in_its_run_and_kept_nowhere() {
    for lab in Lab::both() {
        lab.apply(&wanted()).await;
        assert_eq!(lab.cloud.contents(), ["app", "db", "flag on app: \"as hunter1\""]);
        let kept = everything(&lab).await;
        assert!(kept.contains("db/create") && kept.contains("keyed:"));
        assert!(!kept.contains("hunter"), "a secret was kept");
        assert!(lab.plan(&wanted()).await.is_empty());
    }
}

#[tokio::test]
async fn a_later_run_says_that_a_secret_is_known_no_more() {
    for lab in Lab::both() {
        lab.apply(&wanted()).await;
        let mut more = wanted();
        more["resources"]["late"] = json!({ "from": "${db.password}" });
        let report = lab.run(&more).await;
        assert_eq!((report.outcome, report.failures.len()), (Outcome::Failed, 1));
        let failure = &report.failures[0].1;
        assert_eq!(failure.message, "`${db.password}` is a secret of which only a digest was kept");
        assert_eq!(failure.hint.as_deref(), Some("replace the resource that made it, so that it is known in this run"));
    }
}

#[tokio::test]
async fn a_resumed_run_reads_its_secrets_again() {
    for lab in Lab::both() {
        lab.cloud.inject("create app", Fault::Refuse(Retry::Never));
        assert_eq!(lab.run(&wanted()).await.outcome, Outcome::Failed);
        let resumed = lab.second().resume(None, &Control::new()).await.expect("a report");
        assert_eq!(resumed.outcome, Outcome::Completed, "{:?}", resumed.failures);
        assert_eq!(lab.cloud.contents(), ["app", "db", "flag on app: \"as hunter1\""]);
        assert!(!everything(&lab).await.contains("hunter"), "a secret was kept");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_does_not_show_it() {
    let lab = Lab::memory();
    let report = lab.run(&json!({ "resources": { "db": {}, "app": { "size": "${db.password}" } } })).await;
    assert_eq!(report.failures[0].1.message, "`resources.app.size`: expected integer, found a secret of another type");
    assert!(!everything(&lab).await.contains("hunter"), "a secret was kept");
}

#[tokio::test]
async fn a_secret_that_is_made_anew_reaches_everything_that_refers_to_it() {
    for lab in Lab::both() {
        lab.apply(&wanted()).await;
        let options = PlanOptions { replace: vec!["db".into()], ..PlanOptions::new(Command::Apply) };
        let calls = lab.command(&wanted(), &options).await;
        assert_eq!(calls, ["delete db", "create db", "update app", "check flag on app", "raise flag on app"]);
        assert_eq!(lab.cloud.contents(), ["app", "db", "flag on app: \"as hunter3\""]);
        assert!(lab.plan(&wanted()).await.is_empty());
        assert!(!everything(&lab).await.contains("hunter"), "a secret was kept");
    }
}

#[tokio::test]
async fn what_was_made_with_a_secret_can_be_destroyed() {
    for lab in Lab::both() {
        lab.apply(&wanted()).await;
        assert_eq!(lab.command(&wanted(), &PlanOptions::new(Command::Destroy)).await, ["delete app", "delete db"]);
        assert_eq!(lab.cloud.contents(), [""; 0]);
    }
}
