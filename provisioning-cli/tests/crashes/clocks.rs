//! Wrong clocks: a run that is taken up a month later or an hour earlier, and holders whose clock is not that of the others.
//!
//! `faketime` gives a process a clock of its own.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value as Json;

use super::chance::{Chance, seeds};
use super::disk::{self, Deed, EVERY, Fault};
use super::kills::{APPLY, count};
use super::reference::{PATIENCE, Scenario, by_seed, compare, ends};
use super::workspace::Workspace;

const MISSING: &str = "missing: `faketime`, which is in the package faketime";
const MONTH_LATER: &str = "+30d";
const HOUR_EARLIER: &str = "-1h";
const NOW: &str = "+0s";

/// The command under a clock that is so far from the right one.
fn under(workspace: &Workspace, clock: &str, words: &[&str]) -> Command {
    let mut command = Command::new("faketime");
    command.args(["-f", clock, env!("CARGO_BIN_EXE_provisioning")]).args(words);
    command.current_dir(workspace.path()).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

fn run_under(workspace: &Workspace, clock: &str, words: &[&str]) -> Output {
    under(workspace, clock, words).output().expect(MISSING)
}

/// Goes on under a clock.
fn recover_under(workspace: &Workspace, clock: &str) -> Result<(), String> {
    let mut output = run_under(workspace, clock, &["resume"]);
    if output.status.code() == Some(66) {
        output = run_under(workspace, clock, APPLY);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("it ended with {}: {said}", output.status)) }
}

/// The hours of the entries of the journal, in its order.
fn hours(workspace: &Workspace) -> Result<Vec<String>, String> {
    let text = ends(workspace, &["events", "--json"], 0)?;
    let entries = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    Ok(entries.map(|entry| entry["at"].as_str().expect("a time")[..13].to_owned()).collect())
}

#[test]
fn an_apply_that_was_killed_is_taken_up_under_a_clock_that_jumped() {
    for scenario in [Scenario::First, Scenario::Second] {
        let (wanted, calls) = (scenario.undisturbed(), count(scenario, EVERY));
        for clock in [MONTH_LATER, HOUR_EARLIER] {
            let jumped = AtomicUsize::new(0);
            let tally = by_seed(seeds(20), |seed| {
                let at = Chance::of(seed).up_to(calls);
                let workspace = scenario.begin();
                let killed = disk::run(&workspace, APPLY, Fault { calls: EVERY, at, deed: Deed::Kill }).was_killed();
                let told = |error| format!("seed {seed}, at {at}: {error}");
                recover_under(&workspace, clock).and_then(|()| compare(&workspace, &wanted)).map_err(told)?;
                let hours = hours(&workspace)?;
                let jumps = if clock == HOUR_EARLIER {
                    hours.windows(2).any(|pair| pair[0] > pair[1])
                } else {
                    hours[0][..10] < hours[hours.len() - 1][..10]
                };
                jumped.fetch_add(usize::from(jumps), Ordering::Relaxed);
                Ok(killed)
            });
            let (name, jumped) = (format!("{scenario:?} apply, killed and resumed at {clock}"), jumped.into_inner());
            println!("{name}: {jumped} journals jump");
            assert!(jumped > 0, "{name}: every clock was right");
            tally.close_loosely(&name, "killed");
        }
    }
}

/// A workspace whose command writes down who it is and goes on when there is a file `open`, and an apply that is there.
fn held(clock: &str) -> (Workspace, Child) {
    let workspace = Workspace::of(&[(
        "main.toml",
        "providers.here.type = \"local\"\nresources.machine = { kind = \"host\" }\n\
         resources.late = { kind = \"value\", input = 1, depends_on = [\"job\"] }\n\
         [services.job]\nservice = \"command\"\non = [\"machine\"]\nconfig.check = \"test -e open\"\n\
         config.apply = \"echo $$ >> here; until test -e open; do sleep 0.01; done\"\n",
    )]);
    let mut apply = under(&workspace, clock, APPLY);
    let child = apply.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect(MISSING);
    until(|| callers(&workspace).len() == 1);
    (workspace, child)
}

/// The process that holds the workspace; `faketime` is a process before it.
fn holder(workspace: &Workspace) -> String {
    let status: Json = serde_json::from_str(&workspace.expect(&["status", "--json"], 0)).expect("JSON");
    status["lease"]["holder"]["pid"].to_string()
}

/// The processes that came to the command.
fn callers(workspace: &Workspace) -> Vec<String> {
    let text = fs::read_to_string(workspace.path().join("here")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not come to that");
        std::thread::yield_now();
    }
}

#[test]
fn the_lease_of_a_dead_holder_is_taken_over_whatever_the_clocks_say() {
    for (first, second) in [(MONTH_LATER, NOW), (NOW, HOUR_EARLIER), (HOUR_EARLIER, NOW), (NOW, MONTH_LATER)] {
        let (workspace, mut child) = held(first);
        // What it had begun outlives it, as any process does.
        let line = format!("kill -KILL {} {}", holder(&workspace), callers(&workspace)[0]);
        assert!(Command::new("sh").arg("-c").arg(line).status().expect("sh runs").success());
        assert!(!child.wait().expect("gone").success(), "it was not killed");
        let before = workspace.expect(&["events", "--json"], 0);
        assert!(!before.contains("run_finished"), "{before}");
        workspace.write("open", "");
        let resumed = run_under(&workspace, second, &["resume"]);
        let said = String::from_utf8_lossy(&resumed.stderr);
        assert_eq!(resumed.status.code(), Some(0), "begun at {first}, resumed at {second}: {said}");
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        workspace.expect(&["verify"], 0);
        println!("dead holder at {first}, resumed at {second}: taken over");
    }
}

#[test]
fn a_live_holder_is_left_alone_by_those_whose_clock_is_behind_its_own() {
    for (first, second) in [(NOW, HOUR_EARLIER), (MONTH_LATER, NOW)] {
        let (workspace, child) = held(first);
        let before = workspace.expect(&["events", "--json"], 0);
        for words in [&["resume"][..], APPLY, &["destroy", "--yes"], &["refresh"]] {
            let refused = run_under(&workspace, second, words);
            let said = String::from_utf8_lossy(&refused.stderr);
            let holder = format!("error: the workspace is held by process {} on ", holder(&workspace));
            assert!(refused.status.code() == Some(67) && said.starts_with(&holder), "{words:?} at {second}: {said}");
        }
        assert_eq!(workspace.expect(&["events", "--json"], 0), before);
        workspace.write("open", "");
        let ended = child.wait_with_output().expect("ends");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        workspace.expect(&["verify"], 0);
        println!("live holder at {first}, others at {second}: refused four times");
    }
}

/// Time is all that tells a holder which hangs from one that works; who is robbed by a wrong clock is fenced, as anybody is.
#[test]
fn a_live_holder_whose_lease_ran_out_by_another_clock_appends_nothing_any_more() {
    for (first, second) in [(NOW, MONTH_LATER), (HOUR_EARLIER, NOW)] {
        let (workspace, child) = held(first);
        let mut resume = under(&workspace, second, &["resume"]);
        let other = resume.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect(MISSING);
        until(|| callers(&workspace).len() == 2);
        let before = workspace.expect(&["events", "--json"], 0);
        assert!(before.contains("run_resumed"), "{before}");
        workspace.write("open", "");
        let (robbed, other) = (child.wait_with_output().expect("ends"), other.wait_with_output().expect("ends"));
        let said = String::from_utf8_lossy(&robbed.stderr);
        let fenced = robbed.status.code() == Some(67) && said.contains("error: another process took the workspace over");
        assert!(fenced, "begun at {first}, robbed at {second}: {} {said}", robbed.status);
        assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stderr));
        // The end of the command, what comes after it, and the end of the run: each once.
        let (before, after) = (before.lines().count(), workspace.expect(&["events", "--json"], 0).lines().count());
        assert_eq!(after - before, 4, "the one who was robbed appended something");
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        workspace.expect(&["verify"], 0);
        println!("live holder at {first}, another at {second}: robbed, and appended nothing");
    }
}
