//! What the tests of the engine begin with: a cloud, a store, and documents written as JSON.

use std::sync::{Arc, Mutex};

use provisioning_core::clock::{Clock, System, Timestamp};
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions, Report};
use provisioning_core::event::{Event, Observer};
use provisioning_core::plan::{Command, Plan};
use provisioning_core::record::{Entry, Fact, Outcome, StepFact};
use provisioning_core::resource::Desired;
use provisioning_core::store::{Identity, MemoryStore, Opening, Range, SqliteStore, Store};
use provisioning_core::testing::{CrashPoint, CrashingStore, FakeCloud};
use provisioning_core::value::Value;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// The declarations in sections such as `{ "resources": { "a": { "size": 1 } } }`.
///
/// A resource is a thing with its own key as name where it says nothing else; the provider is one fake cloud.
pub(crate) fn desired(sections: &Json) -> Desired {
    let mut document = json!({ "providers": { "lab": { "type": "fake" } } });
    for (section, entries) in sections.as_object().expect("a map of sections") {
        document[section] = entries.clone();
    }
    if let Some(resources) = document.get_mut("resources").and_then(Json::as_object_mut) {
        for (name, fields) in resources {
            let fields = fields.as_object_mut().expect("fields");
            fields.entry("kind").or_insert(json!("thing"));
            fields.entry("name").or_insert(json!(name));
        }
    }
    let document = Value::try_from(document).expect("a document");
    config::desired(document.into(), &FakeCloud::default().registry(), &Settings::shipped()).expect("a right document")
}

/// An engine on a cloud of its own.
pub(crate) struct Lab {
    pub(crate) cloud: FakeCloud,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    events: Arc<Mutex<Vec<Event>>>,
    _directory: Option<TempDir>,
}

impl Lab {
    pub(crate) fn memory() -> Self {
        Self::with(Settings::shipped())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::over(FakeCloud::default(), Arc::new(MemoryStore::new(Identity::fresh(&System))), settings, None)
    }

    /// One with a cloud of a certain sort.
    pub(crate) fn on(cloud: FakeCloud) -> Self {
        Self::over(cloud, Arc::new(MemoryStore::new(Identity::fresh(&System))), Settings::shipped(), None)
    }

    /// One whose store is cut off, or stands still, at a point.
    pub(crate) fn crashing(point: CrashPoint) -> Self {
        let store = Arc::new(MemoryStore::new(Identity::fresh(&System)));
        Self::over(FakeCloud::default(), Arc::new(CrashingStore::new(store, point)), Settings::shipped(), None)
    }

    /// One with a store in memory, one with a store on disk.
    pub(crate) fn both() -> [Self; 2] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&directory.path().join("store.db"), Opening::OrCreate(&System)).expect("a store");
        [Self::memory(), Self::over(FakeCloud::default(), Arc::new(store), Settings::shipped(), Some(directory))]
    }

    fn over(cloud: FakeCloud, store: Arc<dyn Store>, settings: Settings, directory: Option<TempDir>) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let observer = Observer::new(move |event| seen.lock().expect("whole").push(event.clone()));
        let engine = Engine::builder(cloud.registry(), store.clone()).settings(settings.clone()).observer(observer).build();
        Self { cloud, store, engine, settings, events, _directory: directory }
    }

    /// Another engine on the same store and the same cloud.
    pub(crate) fn second(&self) -> Engine {
        Engine::builder(self.cloud.registry(), self.store.clone()).settings(self.settings.clone()).build()
    }

    pub(crate) async fn plan(&self, sections: &Json) -> Plan {
        self.engine.plan(&desired(sections), &PlanOptions::new(Command::Apply)).await.expect("a plan")
    }

    /// Plans and applies; whatever comes of it.
    pub(crate) async fn run(&self, sections: &Json) -> Report {
        let plan = self.plan(sections).await;
        self.engine.apply(&plan, &Control::new()).await.expect("a report")
    }

    /// Plans and applies; gives the calls that the apply made.
    pub(crate) async fn apply(&self, sections: &Json) -> Vec<String> {
        let plan = self.plan(sections).await;
        self.carry_out(&plan).await
    }

    /// Plans and carries out something else than an apply; gives the calls that it made.
    pub(crate) async fn command(&self, sections: &Json, options: &PlanOptions) -> Vec<String> {
        let plan = self.engine.plan(&desired(sections), options).await.expect("a plan");
        self.carry_out(&plan).await
    }

    async fn carry_out(&self, plan: &Plan) -> Vec<String> {
        self.cloud.clear_calls();
        let report = self.engine.apply(plan, &Control::new()).await.expect("a report");
        assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
        let verified = self.engine.verify().await.expect("read");
        assert_eq!(verified.problem, None);
        self.cloud.calls()
    }

    pub(crate) async fn resume(&self) -> Report {
        self.engine.resume(None, &Control::new()).await.expect("a report")
    }

    pub(crate) async fn output(&self, name: &str) -> Value {
        self.engine.outputs().await.expect("outputs")[name].value.clone()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.engine.entries(Range::default()).await.expect("entries")
    }

    /// What happened to a step, by the journal.
    pub(crate) async fn facts(&self, step: &str) -> Vec<StepFact> {
        let facts = self.entries().await.into_iter().filter_map(|entry| match entry.record.fact {
            Fact::Step { id, fact } if id.as_str() == step => Some(fact),
            _ => None,
        });
        facts.collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().expect("whole").clone()
    }
}

/// What an apply is planned with.
pub(crate) fn applying() -> PlanOptions {
    PlanOptions::new(Command::Apply)
}

/// The verbs and resources of a plan's steps.
pub(crate) fn steps(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

/// A clock that goes with the runtime's, which a test can pause.
#[derive(Debug)]
pub(crate) struct RuntimeClock(pub(crate) tokio::time::Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.elapsed().as_millis()).expect("a short test"))
    }
}

/// Lets everything else run until something is so.
pub(crate) async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}

/// Three resources in a row, two of which are replaced when they come to another zone; the new ones first, where wanted.
pub(crate) fn zoned(zone: &str, first: bool) -> Json {
    let mut resources =
        json!({ "net": { "zone": zone }, "web": { "zone": zone, "from": "${net.id}" }, "dns": { "from": "${web.address}" } });
    if first {
        for name in ["net", "web"] {
            resources[name]["name"] = json!(format!("{name}-{zone}"));
            resources[name]["lifecycle"] = json!({ "create_before_destroy": true });
        }
    }
    json!({ "resources": resources })
}
