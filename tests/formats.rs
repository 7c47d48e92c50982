//! The formats that leave the engine: a plan, the events of a run and the graph are written as they were, and read back.
//!
//! `PROVISIONING_WRITE_GOLDEN=1 cargo test --test formats` writes the golden files anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use provisioning_core::clock::Timestamp;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::error::ErrorKind;
use provisioning_core::plan::{Command, Plan};
use provisioning_core::record::Entry;
use provisioning_core::resource::Desired;
use provisioning_core::store::{Identity, MemoryStore, Range};
use provisioning_core::testing::{FakeCloud, ManualClock, SeededIds};
use provisioning_core::value::Value;

/// An engine whose clock stands still, which makes one call at a time.
fn engine() -> (Engine, FakeCloud) {
    let (cloud, ids) = (FakeCloud::default(), Arc::new(SeededIds::new(7)));
    let store = Arc::new(MemoryStore::new(Identity::fresh(ids.as_ref())));
    let mut settings = Settings::shipped();
    settings.limits.run = 1;
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_324_522_042)));
    (Engine::builder(cloud.registry(), store).settings(settings).clock(clock).ids(ids).build(), cloud)
}

fn desired(cloud: &FakeCloud) -> Desired {
    let document = serde_json::json!({
        "providers": { "lab": { "type": "fake" } },
        "lookups": { "image": { "kind": "image", "name": "debian" } },
        "resources": {
            "net": { "kind": "thing", "name": "net", "zone": "a" },
            "web": { "kind": "thing", "name": "web", "size": 2, "polls": 1, "from": ["${net.id}", "${image.id}"],
                     "lifecycle": { "create_before_destroy": true } },
        },
        "services": { "flag": { "service": "flag", "on": ["web"], "config": { "value": "up on ${web.address}" } } },
        "outputs": { "address": { "value": "${web.address}", "sensitive": true } },
    });
    let document = Value::try_from(document).expect("a document");
    config::desired(document.into(), &cloud.registry(), &Settings::shipped()).expect("it is valid")
}

fn golden(name: &str, text: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("PROVISIONING_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("there is no {}", path.display()));
    assert_eq!(text, kept, "{name} is not written as it was");
    kept
}

#[tokio::test]
async fn a_plan_is_written_as_it_was_and_read_back() {
    let (engine, cloud) = engine();
    let plan = engine.plan(&desired(&cloud), &PlanOptions::new(Command::Apply)).await.expect("a plan");
    let text = serde_json::to_string_pretty(&plan).expect("it serialises") + "\n";
    let kept = golden("plan-v1.json", &text);
    let read = Plan::parse(kept.as_bytes()).expect("it parses");
    assert_eq!((read.hash(), &read.steps), (plan.hash(), &plan.steps));
}

#[tokio::test]
async fn a_plan_of_a_newer_format_is_refused_by_its_number() {
    let error = Plan::parse(b"{ \"format\": 2, \"steps\": \"of another shape\" }").expect_err("refused");
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Unsupported, "the plan has format 2, this version reads up to 1")
    );
}

#[tokio::test]
async fn the_events_of_a_run_are_written_as_they_were_and_read_back() {
    let (engine, cloud) = engine();
    let plan = engine.plan(&desired(&cloud), &PlanOptions::new(Command::Apply)).await.expect("a plan");
    engine.apply(&plan, &Control::new()).await.expect("it is applied");
    let entries = engine.entries(Range::default()).await.expect("entries");
    let lines: String = entries.iter().map(|entry| serde_json::to_string(entry).expect("it serialises") + "\n").collect();
    let kept = golden("events-v1.jsonl", &lines);
    let read: Vec<Entry> = kept.lines().map(|line| serde_json::from_str(line).expect("it parses")).collect();
    assert_eq!(read, entries);
}

#[tokio::test]
async fn the_graph_is_drawn_as_it_was() {
    let (engine, cloud) = engine();
    let graph = engine.validate(&desired(&cloud)).expect("it is valid");
    golden("graph.dot", &graph.dot(|name| format!("label = \"{name}\"")));
}
