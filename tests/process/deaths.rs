//! SIGKILL for the cloud and for engines, at points that are chosen and not hit by chance.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use provisioning_core::event::Observer;
use provisioning_core::record::Outcome;
use provisioning_core::testing::Fault;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::cloud::{CloudProcess, start};
use crate::engine::{self, apply, block_on, check, desired, engine};

fn chain() -> Json {
    json!({ "a": { "polls": 1 }, "b": { "from": "${a.id}" }, "c": { "from": "${b.address}" } })
}

async fn world() -> (TempDir, CloudProcess) {
    let directory = tempfile::tempdir().expect("a directory");
    let cloud = CloudProcess::start(&directory.path().join("ledger")).await;
    (directory, cloud)
}

pub(crate) fn a_cloud_killed_during_a_call_is_found_again() {
    block_on(async {
        let (directory, mut cloud) = world().await;
        let (client, ledger) = (cloud.patient(), directory.path().join("ledger"));
        client.inject_after(0, "create b", Fault::Hang).await.expect("the cloud answers");
        let engine = engine(&client, &directory.path().join("store.db"), Observer::default());
        let wanted = desired(&chain(), &client);
        let run = tokio::spawn({
            let (engine, wanted) = (engine.clone(), wanted.clone());
            async move { apply(&engine, &wanted).await }
        });
        client.heard("create b").await.expect("it is called");
        let before = client.report().await.expect("the cloud answers").tokens;
        cloud.kill().await;
        // The line that it was writing.
        let mut file = OpenOptions::new().append(true).open(&ledger).expect("a ledger");
        file.write_all(b"{\"done\":{\"when\":{\"now\"").expect("written");
        cloud.start_again().await;
        let after = client.report().await.expect("the cloud answers").tokens;
        assert!(before.iter().all(|made| after.iter().any(|kept| kept == made)), "{before:?} {after:?}");
        let report = run.await.expect("no panic").expect("a report");
        assert_eq!(report.outcome, Outcome::Completed, "{report:?}");
        check("killed during a call", &client, &engine, (&wanted, &["a", "b", "c"])).await;
    });
}

pub(crate) fn a_cloud_that_dies_after_an_effect_keeps_it() {
    block_on(async {
        let (directory, mut cloud) = world().await;
        let client = cloud.patient();
        let engine = engine(&client, &directory.path().join("store.db"), Observer::default());
        let resized = json!({ "a": { "polls": 1 }, "b": { "size": 2, "from": "${a.id}" }, "c": { "from": "${b.address}" } });
        let steps = [
            ("create b", chain(), ["a", "b", "c"].as_slice()),
            ("update b", resized, ["a", "b size 2", "c"].as_slice()),
            ("delete b", json!({}), [].as_slice()),
        ];
        for (call, resources, contents) in steps {
            client.inject_after(0, call, Fault::Panic).await.expect("the cloud answers");
            let wanted = desired(&resources, &client);
            let run = tokio::spawn({
                let (engine, wanted) = (engine.clone(), wanted.clone());
                async move { apply(&engine, &wanted).await }
            });
            cloud.end().await;
            cloud.start_again().await;
            let report = run.await.expect("no panic").expect("a report");
            assert_eq!(report.outcome, Outcome::Completed, "{call}: {report:?}");
            let heard = client.report().await.expect("the cloud answers").calls;
            assert!(call != "create b" || !heard.contains(&"create b".to_owned()), "made again: {heard:?}");
            check(call, &client, &engine, (&wanted, contents)).await;
        }
    });
}

/// Starts an engine that stands still after a record, or goes to its end; gives what it says.
async fn live(cloud: &CloudProcess, store: &Path, verb: &str, still: usize) -> String {
    let (address, store) = (cloud.address.to_string(), store.to_str().expect("a plain path"));
    let (mut child, mut lines) = start(engine::PART, &[&address, store, verb, &still.to_string(), &chain().to_string()]);
    let said = lines.next_line().await.expect("it can be read").unwrap_or_else(|| panic!("{verb} {still}: it said nothing"));
    child.kill().await.expect("it could be killed");
    said
}

/// What the world is to be like after an engine went on where another died.
async fn went_on(what: &str, cloud: &CloudProcess, store: &Path) {
    let said = live(cloud, store, "resume", 0).await;
    assert!(["Completed 0", "nothing"].contains(&said.as_str()), "{what}: {said}");
    let client = cloud.patient();
    let engine = engine(&client, store, Observer::default());
    check(what, &client, &engine, (&desired(&chain(), &client), &["a", "b", "c"])).await;
    assert_eq!(apply(&engine, &desired(&json!({}), &client)).await.expect("a report").outcome, Outcome::Completed, "{what}");
}

pub(crate) fn an_engine_killed_after_any_record_is_gone_on_with() {
    block_on(async {
        let (directory, cloud) = world().await;
        let mut killed = 0;
        loop {
            let store = directory.path().join(format!("store-{killed}.db"));
            let said = live(&cloud, &store, "apply", killed + 1).await;
            if said != "still" {
                assert_eq!(said, "Completed 0");
                break;
            }
            killed += 1;
            went_on(&format!("killed after record {killed}"), &cloud, &store).await;
        }
        println!("killed after each of {killed} records");
        assert!(killed >= 10, "only {killed} records");
    });
}

pub(crate) fn an_engine_killed_during_a_call_is_gone_on_with() {
    block_on(async {
        let (directory, cloud) = world().await;
        let client = cloud.patient();
        let points = [
            // The call that hangs, and whether an earlier one had its effect without an answer.
            ("create b", false),
            ("find b", true),
            ("poll a", false),
            ("create c", false),
        ];
        for (number, (call, lost)) in points.into_iter().enumerate() {
            let store = directory.path().join(format!("store-{number}.db"));
            if lost {
                client.inject_after(0, "create b", Fault::LoseReply).await.expect("the cloud answers");
            }
            client.inject_after(0, call, Fault::Hang).await.expect("the cloud answers");
            let heard = client.report().await.expect("the cloud answers").calls.iter().filter(|heard| *heard == call).count();
            let (address, path) = (cloud.address.to_string(), store.to_str().expect("a plain path"));
            let (mut child, _lines) = start(engine::PART, &[&address, path, "apply", "0", &chain().to_string()]);
            client.heard_after(heard, call).await.expect("it is called");
            child.kill().await.expect("it could be killed");
            went_on(&format!("killed during `{call}`"), &cloud, &store).await;
        }
    });
}
