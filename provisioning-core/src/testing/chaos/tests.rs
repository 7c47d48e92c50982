//! Workspaces tried out: those that are right on right fakes, and what is found on wrong ones.

use serde_json::{Value as Json, json};

use super::{Chaos, Disturbance, Flaw, Journey, Verdict, chaos, chaos_on};
use crate::config::Settings;
use crate::registry::Registry;
use crate::testing::fakes::tests::{declared, on_paper};
use crate::testing::{FakeCloud, Fakes};

/// Two boxes of the same name are no conflict: whoever makes one twice is not stopped.
const BOX: &str = "kind = \"box\"\nsummary = \"A box.\"\n[fields.size]\ntype = \"integer\"\nsummary = \"Its size.\"\n";

async fn tried(registry: &Registry, names: (&str, &str), sections: &Json) -> Chaos {
    let desired = declared(registry, names, sections);
    chaos(&desired, registry, &Settings::shipped()).await.expect("the undisturbed runs")
}

/// The verdicts of a journey, a line for each step.
fn words(chaos: &Chaos, journey: Journey) -> Vec<String> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Unreached => "-".to_owned(),
        Verdict::Converged { resumes } => resumes.to_string(),
        Verdict::RolledBack => "undone".to_owned(),
        Verdict::Stuck { .. } => "stuck".to_owned(),
        Verdict::Broken { flaw, .. } => format!("{flaw:?}"),
    };
    let rows = chaos.rows.iter().filter(|row| row.journey == journey);
    rows.map(|row| {
        assert!(row.cells.iter().map(|cell| cell.fault).eq(Disturbance::ALL), "{row:?}");
        let words: Vec<_> = row.cells.iter().map(|cell| word(&cell.verdict)).collect();
        format!("{}: {}", row.step, words.join(" "))
    })
    .collect()
}

fn shop() -> Json {
    json!({
        "resources": { "net": { "name": "net" }, "web": { "name": "web", "from": "${net.id}" } },
        "lookups": { "image": { "kind": "image", "name": "r${web.revision}" } },
        "services": { "flag": { "service": "flag", "on": ["web"], "config": { "value": "${image.id}" } } },
        "outputs": { "address": "${web.address}", "raised": "${flag@web.raised}" },
    })
}

#[tokio::test(start_paused = true)]
async fn a_right_workspace_comes_to_its_end_or_back_whatever_happens() {
    let chaos = tried(&FakeCloud::default().registry(), ("fake", "thing"), &shop()).await;
    let applied =
        ["net/create: 1 0 0 0 1 1 -", "web/create: 1 0 0 0 1 1 -", "image/read: 1 0 0 0 1 1 -", "flag@web/apply: 1 0 0 0 1 1 -"];
    assert_eq!(words(&chaos, Journey::Apply), applied);
    let undone = [
        "net/create: undone 0 0 0 1 1 -",
        "web/create: undone 0 0 0 1 1 undone",
        "image/read: undone 0 0 0 1 1 undone",
        "flag@web/apply: undone 0 0 0 1 1 undone",
    ];
    assert_eq!(words(&chaos, Journey::ApplyOrUndo), undone, "before the first step there is nothing to take back");
    let mut destroyed = words(&chaos, Journey::Destroy);
    destroyed.sort();
    assert_eq!(destroyed, ["flag@web/forget: - - - - 1 1 -", "net/delete: 1 0 0 0 1 1 -", "web/delete: 1 0 0 0 1 1 -"]);
    assert_eq!(chaos.findings, [""; 0]);
    assert_eq!((chaos.findings_left_out, chaos.left_out.len()), (0, 0));
    assert!(chaos.cases > 60, "only {} cases", chaos.cases);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_finds_nothing_by_token_makes_things_twice_and_that_is_found() {
    let registry = on_paper(&[BOX]);
    let desired = declared(&registry, ("paper", "box"), &json!({ "resources": { "a": {} } }));
    let settings = Settings::shipped();
    let right = chaos(&desired, &registry, &settings).await.expect("the undisturbed runs");
    assert_eq!(right.findings, [""; 0]);
    let wrong = chaos_on(&Fakes::of(&registry).without_tokens(), &desired, &settings).await.expect("the undisturbed runs");
    assert_eq!(words(&wrong, Journey::Apply), ["a/create: 1 0 0 Orphan Orphan 1 -"]);
    let told = |part: &str| wrong.findings.iter().any(|finding| finding.contains(part));
    assert!(told("apply: reply lost at `a/create`: `a#1` exists and nobody knows of it"), "{:#?}", wrong.findings);
    assert!(told("apply: reply lost at `a/create`: one step made `a#1` and `a#2`"), "{:#?}", wrong.findings);
    assert!(told("apply: crash before a record at `a/create`"), "{:#?}", wrong.findings);
    let finding = wrong.rows.iter().flat_map(|row| &row.cells).find_map(|cell| match &cell.verdict {
        Verdict::Broken { flaw: Flaw::Orphan, finding } => Some(finding.as_str()),
        _ => None,
    });
    assert_eq!(finding, Some("`a#1` exists and nobody knows of it"));
}

#[tokio::test(start_paused = true)]
async fn what_is_protected_is_applied_and_not_destroyed() {
    let registry = on_paper(&[BOX]);
    let protected = json!({ "resources": { "a": { "lifecycle": { "prevent_destroy": true } } } });
    let chaos = tried(&registry, ("paper", "box"), &protected).await;
    assert_eq!(words(&chaos, Journey::Apply), ["a/create: 1 0 0 0 1 1 -"]);
    let left_out: Vec<_> = chaos.left_out.iter().map(|left_out| left_out.journey).collect();
    assert_eq!(left_out, [Journey::UndoApply, Journey::Destroy, Journey::DestroyOrUndo, Journey::UndoDestroy]);
    assert!(chaos.left_out.iter().all(|left_out| left_out.reason.contains("`a`")), "{:?}", chaos.left_out);
    assert_eq!(chaos.findings, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn of_a_long_plan_some_steps_are_chosen_and_that_is_said() {
    let registry = on_paper(&[BOX]);
    let boxes: serde_json::Map<_, _> = (0..90).map(|number| (format!("b{number}"), json!({}))).collect();
    let desired = declared(&registry, ("paper", "box"), &json!({ "resources": boxes }));
    let steps =
        super::Course::of(&super::Scene::new(&Fakes::of(&registry), &desired, &Settings::shipped(), Journey::Apply)).await;
    let steps = steps.expect("the undisturbed run").plan.steps;
    let chosen: Vec<_> = super::chosen(&steps).into_iter().map(|step| &step.id).collect();
    assert_eq!(chosen.len(), super::WORK / 90);
    assert!(chosen.iter().eq(super::chosen(&steps).into_iter().map(|step| &step.id).collect::<Vec<_>>().iter()), "others");
    assert_eq!(super::chosen(&steps[..30]).len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_does_not_hold_together_is_an_error() {
    let registry = on_paper(&[BOX]);
    let desired = declared(&registry, ("paper", "box"), &json!({ "resources": { "a": { "size": "${b.size}" } } }));
    let error = chaos(&desired, &registry, &Settings::shipped()).await.expect_err("there is no b");
    assert_eq!(error.kind(), crate::error::ErrorKind::Invalid);
    assert!(error.to_string().contains("`b`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn waits_of_years_are_cut_short() {
    let registry = on_paper(&[BOX]);
    let slow = json!({ "resources": { "a": { "timeout_seconds": 900_000_000, "retry": { "initial_seconds": 900_000_000, "max_seconds": 900_000_000 } } } });
    let chaos = tried(&registry, ("paper", "box"), &slow).await;
    assert_eq!(words(&chaos, Journey::Apply), ["a/create: 1 0 0 0 1 1 -"]);
}
