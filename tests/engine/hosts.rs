//! Services that keep programs on a host, from plan to destroy, and the logs of what runs there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::clock::System;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, Logs, PlanOptions};
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Host, Output, UnitState};
use provisioning_core::plan::{Command, Plan};
use provisioning_core::provider::{Context, Found, Reply, ResourceKind, erase};
use provisioning_core::record::Outcome;
use provisioning_core::registry::{Registry, Transport};
use provisioning_core::schema::Schema;
use provisioning_core::store::{Identity, MemoryStore};
use provisioning_core::testing::{FakeHost, FakeSupervisor};
use provisioning_core::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// An engine for which this machine is a host in memory.
struct Lab {
    host: Arc<FakeHost>,
    supervisor: FakeSupervisor,
    registry: Registry,
    engine: Engine,
}

struct ToFake(Arc<FakeHost>);

impl Transport for ToFake {
    fn host(&self, _: &Value) -> Result<Arc<dyn Host>> {
        Ok(self.0.clone())
    }
}

impl Lab {
    fn new() -> Self {
        let supervisor = FakeSupervisor::default();
        let host = FakeHost::default().with_program("busybox", |_| Output::default()).with_supervisor(supervisor.clone());
        let host = Arc::new(host);
        let registry = provisioning_providers::registry(&PathBuf::from("/"))
            .with_transport("local", ToFake(host.clone()))
            .with_kinds("diary", vec![erase(Diary)])
            .expect("a name");
        let engine = Engine::builder(registry.clone(), Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
        Self { host, supervisor, registry, engine }
    }

    async fn plan(&self, document: &Json, command: Command) -> Plan {
        let document = Value::try_from(document.clone()).expect("a document");
        let desired = config::desired(document.into(), &self.registry, &Settings::shipped()).expect("a right document");
        self.engine.plan(&desired, &PlanOptions::new(command)).await.expect("a plan")
    }

    async fn carry_out(&self, document: &Json, command: Command) {
        let plan = self.plan(document, command).await;
        let report = self.engine.apply(&plan, &Control::new()).await.expect("runs");
        assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
    }
}

fn shop() -> Json {
    json!({
        "providers": { "lab": { "type": "local" } },
        "resources": { "box": { "kind": "host" }, "title": { "kind": "value", "input": "hello" } },
        "services": {
            "worker": { "service": "program", "on": ["box"], "config": { "command": ["/bin/worker"] } },
            "site": { "service": "web", "on": ["box"], "config": {
                "address": "10.0.0.2", "files": { "index.html": "<h1>${title.output}</h1>" }
            } },
        },
        "outputs": { "url": "${site@box.url}", "unit": "${worker@box.unit}" },
    })
}

#[tokio::test(start_paused = true)]
async fn programs_and_sites_live_from_plan_to_destroy() {
    let shop = shop();
    let here = Lab::new();
    here.carry_out(&shop, Command::Apply).await;
    let outputs = here.engine.outputs().await.expect("outputs");
    assert_eq!((&outputs["url"].value, &outputs["unit"].value), (&"http://10.0.0.2:8080/".into(), &"worker".into()));
    assert!(here.plan(&shop, Command::Apply).await.is_empty(), "a second apply has nothing to do");
    here.supervisor.set("worker", UnitState::Failed("it exited with 1".into()));
    here.host.put(Path::new("srv/www/index.html"), b"<h1>defaced</h1>", 0o644).await.expect("put");
    let plan = here.plan(&shop, Command::Apply).await;
    let mut steps: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    steps.sort_unstable();
    assert_eq!(steps, ["site@box/apply", "worker@box/apply"]);
    here.carry_out(&shop, Command::Apply).await;
    let page = here.host.get(Path::new("srv/www/index.html")).await.expect("reads");
    assert_eq!(page.as_deref(), Some(&b"<h1>hello</h1>"[..]));
    here.carry_out(&shop, Command::Destroy).await;
    assert_eq!((here.supervisor.unit("worker"), here.supervisor.unit("site")), (None, None));
    assert_eq!(here.host.files(), Vec::<PathBuf>::new());
}

#[tokio::test(start_paused = true)]
async fn logs_are_those_of_a_host_of_a_unit_or_of_a_service() {
    let here = Lab::new();
    here.carry_out(&shop(), Command::Apply).await;
    here.supervisor.write("site", "GET /\nGET /style.css\n");
    here.supervisor.write("worker", "working\n");
    let logs = async |name: &str, unit: Option<&str>, max| here.engine.logs(name, unit, max).await;
    let told = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let all: Logs = told(&[("site", "GET /\nGET /style.css\n"), ("worker", "working\n")]);
    assert_eq!(logs("box", None, 100).await.expect("logs"), all);
    assert_eq!(logs("box", Some("worker"), 100).await.expect("logs"), told(&[("worker", "working\n")]));
    assert_eq!(logs("site@box", None, 20).await.expect("logs"), told(&[("site", "GET /style.css\n")]));
    let units = here.engine.units("box").await.expect("units");
    assert_eq!(units.keys().collect::<Vec<_>>(), ["site", "worker"]);
    let error = logs("box", Some("sitee"), 100).await.expect_err("unknown");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "`box` keeps no unit `sitee`"));
    assert_eq!(error.hint(), Some("did you mean `site`?"));
    let error = logs("title", None, 100).await.expect_err("no host");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, "`title` has no `connection`"));
}

/// A kind that names a file as its log.
struct Diary;

#[derive(Deserialize)]
struct Spec {
    path: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct State {
    id: String,
    log: String,
}

#[async_trait]
impl ResourceKind for Diary {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        let text = "kind = 'diary'\nsummary = 'A diary.'\n\
            fields.path = { type = 'string', summary = 'Its file.', presence = 'required' }\n\
            fields.id = { type = 'string', summary = 'Its file.', presence = 'computed' }\n\
            fields.log = { type = 'string', summary = 'Its file.', presence = 'computed' }";
        Schema::parse(text).expect("a schema")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        Ok(ids.iter().map(|id| Some(State { id: id.clone(), log: id.clone() })).collect())
    }

    async fn find(&self, _: &Context, _: &Spec) -> Result<Found<State>> {
        Ok(Found::None)
    }

    async fn create(&self, _: &Context, spec: Spec) -> Result<Reply<State>> {
        Ok(Reply::Done(State { id: spec.path.clone(), log: spec.path }))
    }

    async fn update(&self, _: &Context, _: State, _: Spec) -> Result<Reply<State>> {
        Err(Error::bug("nothing changes"))
    }

    async fn delete(&self, _: &Context, _: State) -> Result<Reply<()>> {
        Ok(Reply::Done(()))
    }
}

#[tokio::test]
async fn a_resource_that_names_its_log_has_the_end_of_that_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("diary.log");
    let here = Lab::new();
    let document = json!({
        "providers": { "shelf": { "type": "diary" } },
        "resources": { "diary": { "kind": "diary", "path": path.display().to_string() } },
    });
    here.carry_out(&document, Command::Apply).await;
    let text = async |max| here.engine.logs("diary", None, max).await.expect("logs")["diary"].clone();
    assert_eq!(text(100).await, b"", "nothing was written yet");
    std::fs::write(&path, "monday\ntuesday\n").expect("written");
    assert_eq!(text(100).await, b"monday\ntuesday\n");
    assert_eq!(text(8).await, b"tuesday\n");
}
