//! `kill -9` before every call that changes the disk, amid every write, and at random during the resume as well.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use super::chance::{Chance, seeds};
use super::disk::{self, Deed, Disturbed, EVERY, Fault, WRITING};
use super::reference::{Scenario, by_seed, compare, recover, sweep};
use super::workspace::Workspace;

pub(crate) const APPLY: &[&str] = &["apply", "--yes"];

/// How many of these calls an apply makes that nothing disturbs.
pub(crate) fn count(scenario: Scenario, calls: &'static str) -> usize {
    disk::run(&scenario.begin(), APPLY, Fault { calls, at: 0, deed: Deed::Kill }).calls.len()
}

fn kill_at_every(name: &str, scenario: Scenario, calls: &'static str, deed: Deed) {
    let wanted = scenario.undisturbed();
    let tally = sweep(count(scenario, calls), |at| {
        let workspace = scenario.begin();
        let disturbed = disk::run(&workspace, APPLY, Fault { calls, at, deed });
        let told = |error| format!("{:?}: {error}", disturbed.calls.get(at - 1));
        recover(&workspace).and_then(|()| compare(&workspace, &wanted)).map_err(told)?;
        Ok(disturbed.was_killed())
    });
    tally.close(name, "killed");
}

#[test]
fn a_first_apply_killed_anywhere_comes_to_the_undisturbed_end() {
    kill_at_every("first apply, killed before a call", Scenario::First, EVERY, Deed::Kill);
    kill_at_every("first apply, killed amid a write", Scenario::First, WRITING, Deed::Tear);
}

#[test]
fn an_apply_that_changes_things_killed_anywhere_comes_to_the_undisturbed_end() {
    kill_at_every("second apply, killed before a call", Scenario::Second, EVERY, Deed::Kill);
    kill_at_every("second apply, killed amid a write", Scenario::Second, WRITING, Deed::Tear);
}

/// An apply under strace, which writes down the calls of a name and may do something to one. It counts in each thread by
/// itself, so that one step at a time brings the most calls into one count.
fn traced(workspace: &Workspace, call: &str, inject: Option<&str>) -> (Output, String) {
    let log = workspace.path().with_extension("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", &format!("trace={call}"), "-o"]).arg(&log);
    command.args(inject.iter().flat_map(|inject| ["-e", inject]));
    command.arg(env!("CARGO_BIN_EXE_provisioning")).args(APPLY).args(["--parallelism", "1"]);
    command.current_dir(workspace.path()).env_clear().env("PATH", "/usr/bin:/bin");
    let output = command.output().expect("missing: `strace`, which is in the package strace");
    let text = fs::read_to_string(&log).expect("strace wrote it down");
    fs::remove_file(&log).expect("removed");
    (output, text)
}

/// The largest number of calls that one thread makes.
fn most_of_a_thread(trace: &str, call: &str) -> usize {
    let mut threads: BTreeMap<&str, usize> = BTreeMap::new();
    for line in trace.lines().filter(|line| line.contains(&format!(" {call}("))) {
        *threads.entry(line.split(' ').next().expect("a number")).or_default() += 1;
    }
    threads.into_values().max().unwrap_or_default()
}

/// Two calls go round the C library, where `disk.c` cannot number them.
#[test]
fn an_apply_killed_where_something_is_signed_or_published_comes_to_the_undisturbed_end() {
    for call in ["lsetxattr", "renameat2"] {
        for scenario in [Scenario::First, Scenario::Second] {
            let wanted = scenario.undisturbed();
            let expected = most_of_a_thread(&traced(&scenario.begin(), call, None).1, call);
            let tally = sweep(expected, |at| {
                let workspace = scenario.begin();
                let (output, trace) = traced(&workspace, call, Some(&format!("inject={call}:signal=KILL:when={at}")));
                let told = |error| format!("{error}\n{trace}");
                recover(&workspace).and_then(|()| compare(&workspace, &wanted)).map_err(told)?;
                // strace ends as what it traced did.
                Ok(output.status.code().is_none())
            });
            tally.close_loosely(&format!("{scenario:?} apply, killed by strace in `{call}`"), "killed");
        }
    }
}

/// Goes on, and is killed somewhere.
fn killed_again(workspace: &Workspace, at: usize) -> Disturbed {
    let fault = Fault { calls: EVERY, at, deed: Deed::Kill };
    let resumed = disk::run(workspace, &["resume"], fault);
    // It was killed before there was a run.
    if resumed.output.status.code() == Some(66) { disk::run(workspace, APPLY, fault) } else { resumed }
}

#[test]
fn an_apply_and_its_resume_both_killed_come_to_the_undisturbed_end() {
    for scenario in [Scenario::First, Scenario::Second] {
        let (wanted, calls) = (scenario.undisturbed(), count(scenario, EVERY));
        let tally = by_seed(seeds(50), |seed| {
            let mut chance = Chance::of(seed);
            let first = chance.up_to(calls);
            let workspace = scenario.begin();
            let killed = disk::run(&workspace, APPLY, Fault { calls: EVERY, at: first, deed: Deed::Kill }).was_killed();
            // What is left to do shrinks with what was done.
            let second = chance.up_to((calls - first).max(10));
            let again = killed_again(&workspace, second).was_killed();
            let told = |error| format!("seed {seed}, at {first}, then at {second}: {error}");
            recover(&workspace).and_then(|()| compare(&workspace, &wanted)).map_err(told)?;
            Ok(killed && again)
        });
        tally.close_loosely(&format!("{scenario:?} apply, killed twice"), "killed twice");
    }
}
