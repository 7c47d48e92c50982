//! The command from outside: a real process in a folder that vanishes, with nothing in its environment.
//!
//! What texts look like is tested beside the renderers; here stands what a script relies on.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;

fn run(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning"));
    command.args(words.split(' ')).current_dir(folder).env_clear().output().expect("the command runs")
}

/// Runs it, compares the exit code, and gives what it wrote to standard output.
fn expect(folder: &Path, words: &str, code: i32) -> String {
    let output = run(folder, words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "`{words}` said: {errors}");
    String::from_utf8(output.stdout).expect("the output is text")
}

fn workspace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    expect(folder.path(), "init", 0);
    folder
}

#[test]
fn a_new_workspace_runs_from_plan_to_destroy() {
    let folder = workspace();
    let at = folder.path();
    assert_eq!(expect(at, "validate", 0), "Valid: 3 resources, 1 provider, 1 output.\n");
    assert!(!at.join(".provisioning").exists(), "validating made a store");
    expect(at, "plan --detailed-exitcode --out saved.plan", 2);
    expect(at, "apply saved.plan", 0);
    assert_eq!(fs::read_to_string(at.join("site/index.html")).expect("the page"), "<h1>hello</h1>\n");
    assert_eq!(expect(at, "output page", 0), "site/index.html\n");
    expect(at, "plan --detailed-exitcode", 0);
    expect(at, "destroy --yes", 0);
    assert!(!at.join("site").exists(), "something is left");
    expect(at, "verify", 0);
}

#[test]
fn a_failed_run_has_its_code_and_goes_on_when_the_cause_is_gone() {
    let folder = workspace();
    let at = folder.path();
    fs::write(at.join("site"), "in the way").expect("written");
    expect(at, "apply --yes", 80);
    let status: Json = serde_json::from_str(&expect(at, "status --json", 0)).expect("JSON");
    assert_eq!(status["last_run"]["outcome"], "failed");
    fs::remove_file(at.join("site")).expect("removed");
    expect(at, "resume", 0);
    assert!(at.join("site/index.html").exists());
    let events = expect(at, "events --json", 0);
    let last: Json = serde_json::from_str(events.lines().last().expect("an event")).expect("JSON");
    assert_eq!(last["run_finished"]["outcome"], "completed", "{last}");
}

#[test]
fn without_a_terminal_nothing_is_changed_unless_told_to() {
    let folder = workspace();
    let output = run(folder.path(), "apply --json");
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    let error: Json = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(error["error"]["kind"], "usage");
    assert!(!folder.path().join("site").exists());
}

#[test]
fn a_mistake_shows_its_line() {
    let folder = workspace();
    let main = "{\n  \"providers\": { \"lab\": { \"type\": \"local\" } },\n  \"resources\": { \"a\": { \"kind\": \"file\", \"pth\": \"x\", \"path\": \"x\", \"content\": \"\" } }\n}\n";
    fs::remove_file(folder.path().join("main.ncl")).expect("removed");
    fs::write(folder.path().join("main.json"), main).expect("written");
    let output = run(folder.path(), "plan");
    assert_eq!(output.status.code(), Some(65));
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(errors.starts_with("error: 1 problem in the input\n  main.json:3:") && errors.contains("    3 | "), "{errors}");
}

#[test]
fn colours_stay_out_of_pipes() {
    let folder = workspace();
    assert!(!expect(folder.path(), "plan", 0).contains('\u{1b}'));
}
