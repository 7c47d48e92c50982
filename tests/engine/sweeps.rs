//! Every sweep over graphs of every shape: every fault at every call, forward and on the way back, two at a time by seed,
//! looks in vain, crashes, failures and stops that are taken back; each must come to one end.

use std::collections::BTreeSet;
use std::time::Duration;

use provisioning_core::error::Result;
use provisioning_core::plan::Command;
use provisioning_core::schema::Tokens;
use provisioning_core::seal::Keyring;
use provisioning_core::testing::{
    FakeSecrets, Scene, SeededIds, Swept, blind_every_step, cancel_and_roll_back, crash_after_every_record, every_fault,
    fail_and_roll_back, fail_every_undo, pairs, sweep,
};
use serde_json::{Value as Json, json};

use crate::fixture::{desired, zoned};

/// Pairs of faults for each scene and limit.
const SEEDS: std::ops::Range<u64> = 0..40;

/// Sweeps a scene forward and on its way back; one call at a time makes more and smaller appends, and so more points to
/// crash at.
async fn check(scene: Scene, limits: &[usize], least: usize) {
    let mut found = BTreeSet::new();
    let mut note = |what: String, swept: Result<Swept>, least: usize| {
        println!("{}", counted(&what, &swept, least));
        let findings = swept.map_or_else(|error| vec![error.to_string()], |swept| swept.findings);
        found.extend(findings.into_iter().map(|finding| format!("{what}: {finding}")));
    };
    for limit in limits {
        let mut scene = scene.clone();
        scene.settings.limits.run = *limit;
        note(format!("forward, {limit} at once"), Box::pin(sweep(&scene)).await, least);
        note(format!("pairs, {limit} at once"), Box::pin(pairs(&scene, SEEDS)).await, 40);
    }
    if scene.command == Command::Apply {
        let mut scene = scene;
        scene.settings.limits.run = limits[limits.len() - 1];
        let back = scene.clone().undone();
        note("back".into(), Box::pin(sweep(&back)).await, 10);
        note("pairs back".into(), Box::pin(pairs(&back, SEEDS)).await, 40);
        note("failures taken back".into(), Box::pin(fail_and_roll_back(&scene)).await, 3);
        note("stops taken back".into(), Box::pin(cancel_and_roll_back(&scene)).await, 6);
        note("undos that fail".into(), Box::pin(fail_every_undo(&scene)).await, 3);
    }
    let shown: Vec<_> = found.iter().take(12).cloned().collect();
    assert!(shown.is_empty(), "{} findings\n{}", found.len(), shown.join("\n"));
}

/// How many cases there were; enough, where there was anything to sweep.
fn counted(what: &str, swept: &Result<Swept>, least: usize) -> String {
    let Ok(swept) = swept else { return format!("{what}: nothing") };
    assert!(swept.cases >= least, "{what}: only {} cases", swept.cases);
    format!("{what}: {} cases", swept.cases)
}

/// Says how many cases there were, and that all of them are as promised.
fn clean(what: &str, swept: Result<Swept>, least: usize) {
    println!("{}", counted(what, &swept, least));
    let findings = swept.expect("the undisturbed run").findings;
    let shown: Vec<_> = findings.iter().take(12).cloned().collect();
    assert!(shown.is_empty(), "{what}: {} findings\n{}", findings.len(), shown.join("\n"));
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
    clean("every fault", every_fault(&scene).await, 30);
    clean("blind", blind_every_step(&scene).await, 3);
    clean("crashes", crash_after_every_record(&scene).await, 3);
    clean("stops taken back", cancel_and_roll_back(&scene).await, 6);
    clean("failures taken back", fail_and_roll_back(&scene).await, 3);
}

#[tokio::test(start_paused = true)]
async fn sealed_secrets_come_to_one_end() {
    let secrets = FakeSecrets::default().with_keys(Keyring::fresh(&SeededIds::new(3)));
    secrets.set("word", "open sesame");
    let declared = |size: i64| {
        json!({
            "resources": {
                "host": {},
                "db": { "size": size, "from": "${secret.word}" },
                "app": { "from": { "password": "${db.password}", "word": format!("{size} as ${{secret.word}}") } },
            },
            "services": { "flag": { "service": "flag", "on": ["host"], "config": { "value": format!("{size} as ${{secret.word}}") } } },
        })
    };
    let scene = Scene { secrets, ..Scene::new(desired(&declared(1))) };
    check(scene.clone(), &[16, 1], 20).await;
    let scene = Scene { before: desired(&declared(1)), desired: desired(&declared(2)), ..scene };
    check(scene, &[16], 5).await;
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
async fn a_fan_of_twelve_comes_to_one_end() {
    let mut resources = json!({ "hub": {} });
    for index in 0..12 {
        resources[format!("leaf{index}")] = json!({ "size": index, "from": "${hub.id}" });
    }
    check(Scene::new(desired(&json!({ "resources": resources }))), &[16], 100).await;
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

/// [`zoned`], where two of the three are waited for.
fn zoned_with_waits(zone: &str, first: bool) -> Json {
    let mut document = zoned(zone, first);
    for name in ["net", "web"] {
        document["resources"][name]["polls"] = json!(1);
    }
    document
}

#[tokio::test(start_paused = true)]
async fn a_replacement_comes_to_one_end() {
    check(Scene::new(desired(&zoned_with_waits("b", false))).after(desired(&zoned_with_waits("a", false))), &[16, 1], 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_creates_first_comes_to_one_end() {
    check(Scene::new(desired(&zoned_with_waits("b", true))).after(desired(&zoned_with_waits("a", true))), &[16, 1], 60).await;
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
    let [mut before, mut after] = [flags("up"), flags("half")];
    after["services"]["flag"]["on"] = json!(["web"]);
    // A way back is not even planned where an output refers to a lookup.
    for document in [&mut before, &mut after] {
        document["outputs"].as_object_mut().expect("outputs").remove("image");
    }
    check(Scene::new(desired(&after)).after(desired(&before)), &[16, 1], 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_destroy_comes_to_one_end() {
    let mut scene = Scene::new(desired(&flags("up"))).after(desired(&flags("up")));
    scene.command = Command::Destroy;
    check(scene, &[16, 1], 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_comes_to_one_end() {
    let mut scene = Scene::new(desired(&zoned_with_waits("b", false))).after(desired(&zoned_with_waits("a", false)));
    scene.lag = Duration::from_secs(20);
    clean("every fault", every_fault(&scene).await, 60);
    clean("crashes", crash_after_every_record(&scene).await, 40);
    clean("pairs", Box::pin(pairs(&scene, SEEDS)).await, 40);
    clean("every fault back", every_fault(&scene.undone()).await, 60);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_the_cloud_itself_come_to_one_end() {
    let mut scene = Scene::new(desired(&chain()));
    scene.tokens = Tokens::Native;
    clean("every fault", every_fault(&scene).await, 30);
    clean("crashes", crash_after_every_record(&scene).await, 20);
    clean("stops taken back", cancel_and_roll_back(&scene).await, 6);
    clean("every fault back", every_fault(&scene.undone()).await, 30);
}
