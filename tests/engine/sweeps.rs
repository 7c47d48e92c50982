//! Every sweep over graphs of every shape: fail, repeat, panic, hang, look in vain, crash; each must come to one end.

use provisioning_core::plan::Command;
use provisioning_core::testing::{
    Scene, blind_every_step, crash_after_every_record, panic_at_every_step, repeat_every_step, sweep,
};
use serde_json::{Value as Json, json};

use crate::fixture::desired;

/// Sweeps a scene; one call at a time makes more and smaller appends, and so more points to crash at.
async fn check(scene: Scene, limits: &[usize], least: usize) {
    for limit in limits {
        let mut scene = scene.clone();
        scene.settings.limits.run = *limit;
        let swept = sweep(&scene).await.expect("the undisturbed run");
        println!("{limit} at once: {} cases", swept.cases);
        assert!(swept.cases >= least, "{limit} at once: only {} cases", swept.cases);
        let shown: Vec<_> = swept.findings.iter().take(12).cloned().collect();
        assert!(shown.is_empty(), "{limit} at once: {} findings\n{}", swept.findings.len(), shown.join("\n"));
    }
}

fn chain() -> Json {
    json!({
        "resources": { "a": {}, "b": { "from": "${a.id}" }, "c": { "from": "at ${b.address}" } },
        "outputs": { "end": "${c.address}" },
    })
}

#[tokio::test(start_paused = true)]
async fn a_chain_comes_to_one_end() {
    check(Scene::new(desired(&chain())), &[16, 1], 30).await;
}

/// A new plan after a failure is left out: it cannot know a secret that an earlier run made.
#[tokio::test(start_paused = true)]
async fn secrets_come_to_one_end() {
    let secrets = json!({ "resources": { "db": {}, "app": { "from": "${db.password}" }, "log": { "from": "${app.id}" } } });
    let scene = Scene::new(desired(&secrets));
    let sweeps = [
        repeat_every_step(&scene).await,
        panic_at_every_step(&scene).await,
        blind_every_step(&scene).await,
        crash_after_every_record(&scene).await,
    ];
    for swept in sweeps {
        let swept = swept.expect("the undisturbed run");
        assert!(swept.cases >= 3, "only {} cases", swept.cases);
        assert_eq!(swept.findings, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_diamond_comes_to_one_end() {
    let diamond = json!({ "resources": {
        "top": { "size": 1 },
        "left": { "from": "${top.id}" },
        "right": { "from": "${top.address}" },
        "bottom": { "from": ["${left.id}", "${right.id}"] },
    } });
    check(Scene::new(desired(&diamond)), &[16, 1], 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_fan_of_twenty_comes_to_one_end() {
    let mut resources = json!({ "hub": {} });
    for index in 0..20 {
        resources[format!("leaf{index}")] = json!({ "size": index, "from": "${hub.id}" });
    }
    check(Scene::new(desired(&json!({ "resources": resources }))), &[16], 150).await;
}

#[tokio::test(start_paused = true)]
async fn waits_come_to_one_end() {
    let waits = json!({ "resources": {
        "slow": { "polls": 3 },
        "slower": { "polls": 4, "from": "${slow.address}" },
        "beside": { "polls": 2 },
    } });
    check(Scene::new(desired(&waits)), &[16, 1], 60).await;
}

#[tokio::test(start_paused = true)]
async fn updates_and_deletes_come_to_one_end() {
    let before = json!({ "resources": { "a": { "size": 1 }, "b": { "size": 1, "from": "${a.id}" }, "c": { "from": "${b.id}" }, "d": {} } });
    let after =
        json!({ "resources": { "a": { "size": 2 }, "b": { "size": 2, "from": "${a.id}" }, "e": { "from": "${b.revision}" } } });
    check(Scene::new(desired(&after)).after(desired(&before)), &[16, 1], 40).await;
}

fn zoned(zone: &str, first: bool) -> Json {
    let mut resources = json!({
        "net": { "zone": zone, "polls": 1 },
        "web": { "zone": zone, "from": "${net.id}", "polls": 1 },
        "dns": { "from": "${web.address}" },
    });
    if first {
        for name in ["net", "web"] {
            resources[name]["name"] = json!(format!("{name}-{zone}"));
            resources[name]["lifecycle"] = json!({ "create_before_destroy": true });
        }
    }
    json!({ "resources": resources })
}

#[tokio::test(start_paused = true)]
async fn a_replacement_comes_to_one_end() {
    check(Scene::new(desired(&zoned("b", false))).after(desired(&zoned("a", false))), &[16, 1], 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_creates_first_comes_to_one_end() {
    check(Scene::new(desired(&zoned("b", true))).after(desired(&zoned("a", true))), &[16, 1], 60).await;
}

fn flags(value: &str) -> Json {
    json!({
        "resources": { "web": { "size": 1 }, "db": { "from": "${golden.id}" } },
        "lookups": {
            "golden": { "kind": "image", "name": "golden" },
            "late": { "kind": "image", "name": "r${web.revision}" },
        },
        "services": {
            "flag": { "service": "flag", "on": ["web", "db"], "config": { "value": value } },
        },
        "outputs": { "image": "${late.id} of ${late.name}", "raised": "${flag@web.raised}" },
    })
}

#[tokio::test(start_paused = true)]
async fn services_and_lookups_come_to_one_end() {
    check(Scene::new(desired(&flags("up"))), &[16, 1], 50).await;
}

#[tokio::test(start_paused = true)]
async fn changed_services_come_to_one_end() {
    let mut after = flags("half");
    after["services"]["flag"]["on"] = json!(["web"]);
    check(Scene::new(desired(&after)).after(desired(&flags("up"))), &[16, 1], 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_destroy_comes_to_one_end() {
    let mut scene = Scene::new(desired(&flags("up"))).after(desired(&flags("up")));
    scene.command = Command::Destroy;
    check(scene, &[16, 1], 30).await;
}
