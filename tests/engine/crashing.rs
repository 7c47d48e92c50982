//! Crashes after every record, before and after it is durable, told and in silence, and two crashes by seed, on graphs of
//! every shape: the run that goes on leads to the same world.

use std::time::Duration;

use provisioning_core::testing::{Fault, Scene, crash_after_every_record, crash_twice};
use serde_json::{Value as Json, json};

use crate::fixture::{desired, zoned};

/// Double crashes for each graph.
const SEEDS: std::ops::Range<u64> = 0..100;

async fn check(name: &str, mut scene: Scene, least: usize) {
    let (mut cases, mut findings) = (Vec::new(), Vec::new());
    for limit in [16, 1] {
        scene.settings.limits.run = limit;
        let each = crash_after_every_record(&scene).await.expect("the undisturbed run");
        let twice = crash_twice(&scene, SEEDS).await.expect("the undisturbed run");
        cases.push(format!("{limit} at once: {} single crashes, {} double ones", each.cases, twice.cases));
        assert!(each.cases >= least, "{name}: only {} cases", each.cases);
        findings.extend(each.findings.into_iter().chain(twice.findings));
    }
    println!("{name}: {}", cases.join("; "));
    let shown: Vec<_> = findings.iter().take(12).cloned().collect();
    assert!(shown.is_empty(), "{name}: {} findings\n{}", findings.len(), shown.join("\n"));
}

fn chain() -> Json {
    json!({ "resources": { "a": {}, "b": { "from": "${a.id}" }, "c": { "from": "${b.address}" }, "d": { "from": "${c.id}" } } })
}

#[tokio::test(start_paused = true)]
async fn a_chain_survives_every_crash() {
    check("chain", Scene::new(desired(&chain())), 24).await;
}

#[tokio::test(start_paused = true)]
async fn a_diamond_survives_every_crash() {
    let diamond = json!({ "resources": {
        "top": { "size": 1 },
        "left": { "from": "${top.id}" },
        "right": { "from": "${top.address}" },
        "bottom": { "from": ["${left.id}", "${right.id}"] },
    } });
    check("diamond", Scene::new(desired(&diamond)), 24).await;
}

#[tokio::test(start_paused = true)]
async fn a_fan_of_fifty_survives_every_crash() {
    let mut resources = json!({ "hub": {} });
    for index in 0..50 {
        resources[format!("leaf{index}")] = json!({ "from": "${hub.id}" });
    }
    check("fan of fifty", Scene::new(desired(&json!({ "resources": resources }))), 40).await;
}

#[tokio::test(start_paused = true)]
async fn retries_survive_every_crash() {
    let mut scene = Scene::new(desired(&chain()));
    let later = Fault::TooMany { retry_after: Some(Duration::from_secs(3)) };
    for (call, fault) in
        [("create a", later), ("create a", later), ("create b", Fault::LoseReply), ("create c", Fault::ServerError)]
    {
        scene.troubles.push((call.to_owned(), fault));
    }
    check("retries", scene, 30).await;
}

#[tokio::test(start_paused = true)]
async fn replacements_survive_every_crash() {
    for (name, first) in [("replace", false), ("replace that creates first", true)] {
        check(name, Scene::new(desired(&zoned("b", first))).after(desired(&zoned("a", first))), 24).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_survives_every_crash() {
    let before = json!({ "resources": { "a": { "size": 1 }, "b": { "size": 1, "from": "${a.id}" }, "d": {} } });
    let after =
        json!({ "resources": { "a": { "size": 2 }, "b": { "size": 2, "from": "${a.id}" }, "e": { "from": "${b.revision}" } } });
    check("rollback", Scene::new(desired(&after)).after(desired(&before)).undone(), 24).await;
}
