//! A disk that fails: no success is told that is not there, and when the disk works again the rest is done.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value as Json;

use super::disk::{self, Call, Deed, Disturbed, EIO, ENOSPC, EVERY, Fault, GROWING};
use super::kills::{APPLY, count};
use super::reference::{Scenario, compare, ends, recover, sweep};
use super::workspace::Workspace;

/// How an apply may end on such a disk: the store or a file may not be written, is unavailable or full, or a step failed.
const CODES: [i32; 4] = [68, 69, 72, 80];

/// The steps of which standard error said that they are done.
fn told(disturbed: &Disturbed) -> BTreeSet<String> {
    let said = disturbed.said();
    let step = |line: &str| Some(line.split_once("] ")?.1.split_once(" done in ")?.0.to_owned());
    said.lines().filter_map(step).collect()
}

/// The steps of which the journal says that they succeeded.
fn recorded(workspace: &Workspace) -> Result<BTreeSet<String>, String> {
    let text = ends(workspace, &["events", "--json"], 0)?;
    let entries = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    let steps = entries.filter_map(|entry| {
        let step = entry.get("step").filter(|step| step.get("succeeded").is_some())?;
        Some(step["id"].as_str().expect("a name").to_owned())
    });
    Ok(steps.collect())
}

/// `SQLite` removes the index of its log and then the log, and does not say when the first fails. An index alone is what is
/// left where a log is lost; so the store is refused, although nothing is, until somebody has looked.
fn is_index(call: &Call) -> bool {
    call.name == "unlink" && call.path.ends_with("state.db-shm")
}

fn put_right(workspace: &Workspace) -> Result<(), String> {
    let index = workspace.path().join(".provisioning/state.db-shm");
    if index.exists() {
        ends(workspace, &["plan"], 74)?;
        fs::remove_file(&index).expect("removed");
    }
    Ok(())
}

fn check(workspace: &Workspace, disturbed: &Disturbed, is_done: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let told = told(disturbed);
    if !told.is_empty() && !told.is_subset(&recorded(workspace)?) {
        return Err(format!("it told {told:?}, and recorded {:?}", recorded(workspace)?));
    }
    match disturbed.output.status.code() {
        Some(0) => is_done().map_err(|error| format!("success was told: {error}")),
        Some(code) if CODES.contains(&code) && disturbed.said().contains("error: ") => Ok(()),
        _ => Err(format!("it ended with {}: {}", disturbed.output.status, disturbed.said())),
    }
}

fn fail_at_every(name: &str, scenario: Scenario, calls: &'static str, deed: Deed) {
    let (wanted, successes) = (scenario.undisturbed(), std::sync::Mutex::new(Vec::new()));
    let tally = sweep(count(scenario, calls), |at| {
        let workspace = scenario.begin();
        let disturbed = disk::run(&workspace, APPLY, Fault { calls, at, deed });
        let call = disturbed.calls.get(at - 1);
        let told = |error| format!("{call:?}: {error}");
        if call.is_some_and(is_index) {
            put_right(&workspace).map_err(told)?;
        }
        check(&workspace, &disturbed, || compare(&workspace, &wanted)).map_err(told)?;
        recover(&workspace).and_then(|()| compare(&workspace, &wanted)).map_err(told)?;
        let succeeded = disturbed.output.status.success();
        successes.lock().expect("no panic").extend(call.filter(|_| succeeded).cloned());
        Ok(call.is_some())
    });
    let successes = successes.into_inner().expect("no panic");
    println!("{name}: {} of them told success", successes.len());
    // A file of the user's that was not written is no success, whatever the store says.
    let lost: Vec<_> = successes.iter().filter(|call| !call.path.contains(".provisioning")).collect();
    assert!(lost.is_empty(), "{name}: success was told after {lost:?}");
    tally.close(name, "failed");
}

#[test]
fn a_call_that_fails_is_told_and_made_good_by_a_resume() {
    for scenario in [Scenario::First, Scenario::Second] {
        fail_at_every(&format!("{scenario:?} apply, one call fails"), scenario, EVERY, Deed::Fail(EIO));
    }
}

#[test]
fn a_disk_that_is_full_from_some_moment_on_is_told_and_made_good_by_a_resume() {
    for scenario in [Scenario::First, Scenario::Second] {
        fail_at_every(&format!("{scenario:?} apply, the disk is full"), scenario, GROWING, Deed::FailFromHere(ENOSPC));
    }
}
