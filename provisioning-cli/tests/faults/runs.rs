//! Runs that meet each other, are killed, are interrupted, fail, or take too long.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::workspace::Workspace;
use super::{fails, said};

/// How long a test waits for what must happen; it is a failure, never a pace.
const PATIENCE: Duration = Duration::from_mins(1);

/// A host, a command on it, and a value after that.
fn with_command(check: &str, apply: &str, more: &str) -> Workspace {
    let text = format!(
        "providers.lab.type = \"local\"\n[resources.machine]\nkind = \"host\"\n\
         [resources.late]\nkind = \"value\"\ninput = 1\ndepends_on = [\"job\"]\n\
         [services.job]\nservice = \"command\"\non = [\"machine\"]\n{more}\n\
         config.check = '''{check}'''\nconfig.apply = '''{apply}'''\n"
    );
    Workspace::of(&[("main.toml", &text)])
}

/// A workspace whose command says on one pipe that it runs, and goes on when told so on the other.
fn with_gate() -> Workspace {
    let workspace = with_command("test -e done", "echo $$ > pid; echo up > begun; read line < go; touch done", "");
    let made = Command::new("mkfifo").args(["begun", "go"]).current_dir(workspace.path()).status().expect("mkfifo runs");
    assert!(made.success());
    workspace
}

/// Does something with a pipe, or fails when nobody is at its other end in time.
fn at_the_pipe(workspace: &Workspace, name: &str, act: fn(&std::path::Path)) {
    let path = workspace.path().join(name);
    let (done, heard) = mpsc::channel();
    thread::spawn(move || {
        act(&path);
        // The test may have given up.
        done.send(()).ok();
    });
    heard.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody came to `{name}`"));
}

fn wait_until_it_runs(workspace: &Workspace) {
    at_the_pipe(workspace, "begun", |path| drop(fs::read(path).expect("read")));
}

fn let_it_go(workspace: &Workspace) {
    at_the_pipe(workspace, "go", |path| fs::write(path, "go\n").expect("written"));
}

fn begin(workspace: &Workspace, words: &[&str]) -> Child {
    workspace.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

fn last_run(workspace: &Workspace) -> String {
    let runs: serde_json::Value = serde_json::from_str(&workspace.expect(&["runs", "--json"], 0)).expect("JSON");
    runs.as_array().and_then(|runs| runs.last()).and_then(|run| run["id"].as_str()).expect("a run").to_owned()
}

#[test]
fn beside_a_run_that_is_under_way_everything_else_says_who_holds_the_workspace() {
    let workspace = with_gate();
    let child = begin(&workspace, &["apply", "--yes"]);
    wait_until_it_runs(&workspace);
    let status: serde_json::Value = serde_json::from_str(&workspace.expect(&["status", "--json"], 0)).expect("JSON");
    let (host, since) = (&status["lease"]["holder"]["host"], &status["lease"]["acquired_at"]);
    assert_eq!(status["lease"]["holder"]["pid"], child.id());
    let says = format!(
        "error: the workspace is held by process {} on {} since {}\n\
         hint: wait until it is done; `provisioning status` shows how far it is\n",
        child.id(),
        host.as_str().expect("a name"),
        since.as_str().expect("a time"),
    );
    for words in ["plan", "apply --yes", "destroy --yes", "refresh", "resume", "forget late"] {
        fails(&workspace, words, 67, &says);
    }
    let status = workspace.expect(&["status"], 0);
    assert!(status.contains(" (apply), is under way; its last record is of "), "{status}");
    assert!(!status.contains("Next:"), "{status}");
    let_it_go(&workspace);
    assert!(child.wait_with_output().expect("ends").status.success());
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn a_killed_run_is_told_as_cut_off_and_resumed() {
    let workspace = with_gate();
    let mut child = begin(&workspace, &["apply", "--yes"]);
    wait_until_it_runs(&workspace);
    child.kill().and_then(|()| child.wait()).expect("killed");
    // What it had begun outlives it, as any process does.
    let orphan = fs::read_to_string(workspace.path().join("pid")).expect("a number");
    assert!(Command::new("sh").arg("-c").arg(format!("kill -KILL {orphan}")).status().expect("sh runs").success());
    let run = last_run(&workspace);
    let status = workspace.expect(&["status"], 0);
    assert!(status.contains(&format!("It was left by process {} on ", child.id())), "{status}");
    assert!(status.contains("was cut off; its last record is of "), "{status}");
    assert!(status.ends_with("Next: `provisioning resume` finds out what became of the steps that were begun, and goes on.\n"));
    // A plan looks first, and begins nothing.
    let planned = workspace.run(&["plan"]);
    let looked = format!(
        "Run {run} did not come to its end: looking what became of its steps.\n\
         [2/3] job@machine/apply failed after "
    );
    assert!(said(&workspace, &planned).starts_with(&looked), "{}", said(&workspace, &planned));
    let text = String::from_utf8(planned.stdout).expect("text");
    let reason = "job@machine  # it may not be what it should: it was interrupted, and may have been done in part";
    assert!(text.contains(reason), "{text}");
    let resumed = begin(&workspace, &["resume"]);
    wait_until_it_runs(&workspace);
    let_it_go(&workspace);
    let resumed = resumed.wait_with_output().expect("ends");
    let progress = said(&workspace, &resumed);
    assert!(progress.starts_with("[2/3] job@machine/apply done in "), "{progress}");
    assert_eq!(resumed.status.code(), Some(0), "{progress}");
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
}

fn interrupt(child: &Child) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status().expect("sh runs");
    assert!(sent.success());
}

#[test]
fn an_interrupt_lets_what_runs_finish_and_begins_nothing_new() {
    let workspace = with_gate();
    let mut child = begin(&workspace, &["apply", "--yes"]);
    wait_until_it_runs(&workspace);
    interrupt(&child);
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    assert!(lines.any(|line| line == "Finishing what runs; press again to stop at once."));
    let_it_go(&workspace);
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(81));
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains(": 2 of 3 steps done, 1 not begun.\nNext: `provisioning resume` goes on where it stopped"), "{text}");
    let status = workspace.expect(&["status"], 0);
    assert!(status.ends_with("Next: `provisioning resume` goes on with it; `provisioning plan` starts anew.\n"), "{status}");
    workspace.expect(&["resume"], 0);
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn a_second_interrupt_stops_at_once_and_a_resume_finds_out() {
    let workspace = with_gate();
    let mut child = begin(&workspace, &["apply", "--yes"]);
    wait_until_it_runs(&workspace);
    interrupt(&child);
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while line != "Finishing what runs; press again to stop at once.\n" {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).expect("text"), 0, "it ended");
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("ends").code(), Some(81));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "Stopping at once.\n\njob@machine/apply was interrupted: a resume first looks for what it left\n");
    workspace.write("done", "");
    workspace.expect(&["resume"], 0);
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn a_step_in_doubt_can_be_given_up_on() {
    let workspace = with_command("test -e done", "read line < never", "timeout_seconds = 0.3\nretry.attempts = 1");
    assert!(Command::new("mkfifo").arg("never").current_dir(workspace.path()).status().expect("mkfifo runs").success());
    workspace.expect(&["apply", "--yes"], 80);
    let status = workspace.expect(&["status"], 0);
    let next = "Next: look whether it had its effect, then `retry job@machine/apply` if it had none, \
                `abandon job@machine/apply --reason TEXT` if it is dealt with; `resume` looks again.\n";
    assert!(status.ends_with(next), "{status}");
    workspace.expect(&["abandon", "job@machine/none", "--reason", "no such step"], 66);
    workspace.expect(&["abandon", "job@machine/apply", "--reason", "it was not begun"], 0);
    workspace.expect(&["plan"], 0);
    let status = workspace.expect(&["status"], 0);
    assert!(status.contains("given up by hand: it was not begun"), "{status}");
    workspace.expect(&["verify"], 0);
}

#[test]
fn a_command_that_fails_is_told_beside_its_resource_with_its_last_words() {
    let workspace = with_command("test -e done", "for word in one two three four; do echo $word >&2; done; exit 7", "");
    let output = workspace.run(&["apply", "--yes"]);
    assert_eq!(output.status.code(), Some(80));
    let told = said(&workspace, &output);
    let expect = "\nerror: job@machine/apply: `apply` exits with 7: two / three / four\n  \
                  command job@machine, declared in main.toml:8:11\n";
    assert!(told.ends_with(expect), "{told}");
    let text = String::from_utf8(output.stdout).expect("text");
    let run = last_run(&workspace);
    let next = format!(
        "Next: remove the cause, then `provisioning resume` goes on with the same plan (run {run}); after a change of the declarations, `provisioning apply`.\n"
    );
    assert!(text.contains(": 1 of 3 steps done, 1 failed, 1 not begun.\n") && text.ends_with(&next), "{text}");
    let json = workspace.run(&["resume", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let failure = serde_json::json!({
        "step": "job@machine/apply", "kind": "unavailable", "message": "`apply` exits with 7: two / three / four"
    });
    assert_eq!(report["failures"], serde_json::json!([failure]));
    assert_eq!(report["not_begun"], 1);
}

#[test]
fn a_check_that_does_not_come_true_is_told() {
    let workspace = with_command("echo not yet >&2; exit 3", "true", "");
    let told = said(&workspace, &workspace.run(&["apply", "--yes"]));
    let expect = "error: job@machine/apply: `apply` succeeded without bringing about what was wanted: `check` exits with 3: not yet\n  \
                  command job@machine, declared in main.toml:8:11\n  hint: make `apply` and the check speak of the same thing\n";
    assert!(told.ends_with(expect), "{told}");
}

#[test]
fn a_command_that_takes_too_long_is_in_doubt_until_somebody_looked() {
    let workspace = with_command("test -e done", "read line < never", "timeout_seconds = 0.3\nretry.attempts = 1");
    assert!(Command::new("mkfifo").arg("never").current_dir(workspace.path()).status().expect("mkfifo runs").success());
    let output = workspace.run(&["apply", "--yes"]);
    assert_eq!(output.status.code(), Some(80));
    let told = said(&workspace, &output);
    let expect = "\nerror: job@machine/apply is in doubt: no answer within 300ms\n  \
                  hint: look whether it had its effect, then `retry job@machine/apply` if it had none, \
                  `abandon job@machine/apply --reason TEXT` if it is dealt with; `resume` looks again\n";
    assert!(told.ends_with(expect), "{told}");
    let status = workspace.expect(&["status"], 0);
    assert!(status.contains("  job@machine/apply  in doubt    no answer within 300ms\n"), "{status}");
    workspace.write("done", "");
    workspace.expect(&["resume"], 0);
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
}
