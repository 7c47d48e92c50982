//! Engines with a store on disk: in this process, and in one that is killed.

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisioning_core::clock::System;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions, Report};
use provisioning_core::error::{ErrorKind, Result};
use provisioning_core::event::{Event, Observer};
use provisioning_core::plan::Command;
use provisioning_core::resource::Desired;
use provisioning_core::store::{Opening, SqliteStore};
use provisioning_core::testing::{CloudClient, CloudReport};
use provisioning_core::value::Value;
use serde_json::{Value as Json, json};

/// The word that starts an engine as a process.
pub(crate) const PART: &str = "be-an-engine";

/// Runs a test, which has a minute.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(1), work).await.expect("it takes less than a minute") })
}

/// Short waits, but longer than what is late by a tenth of a second; and enough of them for a cloud to start again.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::shipped();
    settings.retry.attempts = 12;
    settings.retry.initial_seconds = 0.4;
    settings.retry.max_seconds = 0.5;
    settings
}

/// The declarations of things, by name.
pub(crate) fn desired(resources: &Json, client: &CloudClient) -> Desired {
    let mut document = json!({ "providers": { "lab": { "type": "fake" } }, "resources": resources });
    for (name, fields) in document["resources"].as_object_mut().expect("resources") {
        let fields = fields.as_object_mut().expect("fields");
        fields.entry("kind").or_insert(json!("thing"));
        fields.entry("name").or_insert(json!(name));
    }
    let document = Value::try_from(document).expect("a document");
    config::desired(document.into(), &client.registry(), &settings()).expect("a right document")
}

pub(crate) fn engine(client: &CloudClient, store: &Path, observer: Observer) -> Engine {
    let store = SqliteStore::open(store, Opening::OrCreate(&System)).expect("a store");
    Engine::builder(client.registry(), Arc::new(store)).settings(settings()).observer(observer).build()
}

/// Plans and applies; whatever comes of it.
pub(crate) async fn apply(engine: &Engine, desired: &Desired) -> Result<Report> {
    let plan = engine.plan(desired, &PlanOptions::new(Command::Apply)).await?;
    engine.apply(&plan, &Control::new()).await
}

/// What is in the cloud is what is wanted, and all of it is in the state once; nothing is left to do.
pub(crate) async fn check(what: &str, client: &CloudClient, engine: &Engine, wanted: (&Desired, &[&str])) {
    let CloudReport { tokens, contents, .. } = client.report().await.expect("the cloud answers");
    assert_eq!(contents, wanted.1, "{what}");
    let rows = engine.state().await.expect("rows");
    let mut known: Vec<_> = rows.values().flat_map(|row| row.object.iter().chain(&row.deposed)).map(|known| &known.id).collect();
    known.sort();
    let mut there: Vec<_> = tokens.keys().collect();
    there.sort();
    assert_eq!(known, there, "{what}: what the state knows, and what there is");
    let plan = engine.plan(wanted.0, &PlanOptions::new(Command::Apply)).await.expect("a plan");
    assert!(plan.is_empty(), "{what}: {:?}", plan.steps.iter().map(|step| &step.id).collect::<Vec<_>>());
    assert_eq!(engine.verify().await.expect("read").problem, None, "{what}");
}

/// An engine as a process: applies or resumes, says each record, and stands still after one of a number.
pub(crate) fn play(words: &[String]) {
    let [address, store, verb, still, resources] = words else { panic!("five words are given: {words:?}") };
    crate::cloud::end_with_parent();
    let still: usize = still.parse().expect("a number");
    let client = CloudClient::new(address.parse().expect("an address"), Duration::from_secs(30)).expect("a client");
    let resources: Json = serde_json::from_str(resources).expect("resources");
    let count = AtomicUsize::new(0);
    let observer = Observer::new(move |event| {
        if matches!(event, Event::Recorded(_)) && count.fetch_add(1, Ordering::SeqCst) + 1 == still {
            say("still");
            loop {
                std::thread::park();
            }
        }
    });
    block_on(async {
        let engine = engine(&client, Path::new(store), observer);
        let ended = match verb.as_str() {
            "apply" => apply(&engine, &desired(&resources, &client)).await,
            _ => engine.resume(None, &Control::new()).await,
        };
        match ended {
            Ok(report) => say(&format!("{:?} {}", report.outcome, report.in_doubt.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => say("nothing"),
            Err(error) => panic!("{error}"),
        }
    });
}

fn say(word: &str) {
    println!("{word}");
    std::io::stdout().flush().expect("somebody listens");
}
