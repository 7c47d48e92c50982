//! What the planner promises of a run, seen through the engine: names, secrets and the way to a provider.

use std::sync::Arc;

use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::plan::{Command, Plan};
use provisioning_core::record::Outcome;
use provisioning_core::store::{Identity, MemoryStore};
use provisioning_core::testing::{FakeCloud, SeededIds};
use provisioning_core::value::Value;
use serde_json::json;

struct Workspace {
    cloud: FakeCloud,
    engine: Engine,
}

impl Workspace {
    fn new() -> Self {
        let cloud = FakeCloud::default();
        let ids = Arc::new(SeededIds::new(1));
        let store = Arc::new(MemoryStore::new(Identity::fresh(ids.as_ref())));
        let engine = Engine::builder(cloud.registry(), store).ids(ids).build();
        Self { cloud, engine }
    }

    async fn plan(&self, document: &serde_json::Value, command: Command) -> Plan {
        let mut document = document.clone();
        document.as_object_mut().expect("a map").entry("providers").or_insert(json!({ "lab": { "type": "fake" } }));
        let document = Value::try_from(document).expect("a document");
        let desired = config::desired(document.into(), &self.cloud.registry(), &Settings::shipped()).expect("it is valid");
        self.engine.plan(&desired, &PlanOptions::new(command)).await.expect("a plan")
    }

    /// Plans and carries out, then sees that nothing is left to plan.
    async fn run(&self, document: serde_json::Value, command: Command) -> Plan {
        let plan = self.plan(&document, command).await;
        let report = self.engine.apply(&plan, &Control::new()).await.expect("it is carried out");
        assert_eq!((report.outcome, report.failures), (Outcome::Completed, Vec::new()));
        let again = self.plan(&document, command).await;
        assert_eq!(*again.steps, []);
        plan
    }

    async fn apply(&self, document: serde_json::Value) -> Plan {
        self.run(document, Command::Apply).await
    }
}

#[tokio::test]
async fn a_renamed_host_keeps_its_service_and_serves_references_at_once() {
    let workspace = Workspace::new();
    let services = |host: &str| json!({ "flag": { "service": "flag", "on": [host], "config": { "value": 1 } } });
    workspace
        .apply(json!({
            "resources": { "web": { "kind": "thing", "name": "web" }, "dns": { "kind": "thing", "name": "dns", "from": "${web.id}" } },
            "services": services("web"),
        }))
        .await;
    workspace.cloud.clear_calls();
    workspace
        .apply(json!({
            "resources": {
                "site": { "kind": "thing", "name": "web", "lifecycle": { "moved_from": "web" } },
                "dns": { "kind": "thing", "name": "dns", "from": ["${site.id}", "${site.address}"] },
            },
            "services": services("site"),
        }))
        .await;
    let calls = workspace.cloud.calls();
    let changing: Vec<_> = calls.iter().filter(|call| !call.starts_with("read") && !call.starts_with("check")).collect();
    assert_eq!(changing, ["update dns"]);
    let names: Vec<_> = workspace.engine.state().await.expect("a state").into_keys().map(|name| name.to_string()).collect();
    assert_eq!(names, ["dns", "flag@site", "site"]);
}

#[tokio::test]
async fn a_renamed_resource_is_replaced_under_its_new_name() {
    let workspace = Workspace::new();
    workspace.apply(json!({ "resources": { "web": { "kind": "thing", "name": "web", "zone": "a" } } })).await;
    let lifecycle = json!({ "moved_from": "web" });
    let plan = workspace
        .apply(json!({ "resources": { "site": { "kind": "thing", "name": "web", "zone": "b", "lifecycle": lifecycle } } }))
        .await;
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(steps, ["site/rename", "site/delete", "site/create"]);
    assert_eq!(workspace.cloud.contents(), ["web"]);
}

#[tokio::test]
async fn a_secret_that_a_provider_reports_in_the_clear_is_kept_as_a_digest() {
    let workspace = Workspace::new();
    let document = |size: i64| {
        json!({ "resources": {
            "db": { "kind": "thing", "name": "db", "size": size },
            "web": { "kind": "thing", "name": "web", "from": "${db.password}" },
        } })
    };
    workspace.apply(document(1)).await;
    let plan = workspace.apply(document(2)).await;
    let state = workspace.engine.state().await.expect("a state");
    let told = serde_json::to_string(&(&state, &plan)).expect("it serialises");
    assert!(!told.contains("hunter"), "{told}");
}

#[tokio::test]
async fn a_provider_may_be_reached_by_a_lookup_until_everything_is_gone() {
    let workspace = Workspace::new();
    let document = json!({
        "providers": { "lab": { "type": "fake" }, "far": { "type": "fake", "region": "${image.id}" } },
        "lookups": { "image": { "kind": "image", "provider": "lab", "name": "debian" } },
        "resources": { "web": { "kind": "thing", "provider": "far", "name": "web" } },
    });
    workspace.apply(document.clone()).await;
    assert_eq!(workspace.cloud.contents(), ["web"]);
    workspace.run(document, Command::Destroy).await;
    assert_eq!(workspace.cloud.contents(), Vec::<String>::new());
}
