//! Servers, networks and programs as somebody meets them who errs, is careless or means harm: the exact words, the exit
//! code, what is left afterwards, and what a server cannot reach.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod machine;
#[path = "servers_faults/face.rs"]
mod face;
#[path = "servers_faults/inside.rs"]
mod inside;
#[path = "servers_faults/outside.rs"]
mod outside;
#[path = "servers_faults/packages.rs"]
mod packages;
#[path = "servers_faults/programs.rs"]
mod programs;
#[path = "servers_faults/refused.rs"]
mod refused;

use std::fs;
use std::time::{Duration, Instant};

use machine::{Person, Workspace};

/// How long something may take that cannot be waited for otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// A workspace with the local provider and these declarations.
fn declared(person: Person, text: &str) -> Workspace {
    let workspace = Workspace::of(person, &[]);
    declare(&workspace, text);
    workspace
}

fn declare(workspace: &Workspace, text: &str) {
    workspace.write("main.toml", &format!("providers.here.type = \"local\"\n{text}"));
}

/// What a command that ends with a code said, to both streams.
fn said(workspace: &Workspace, words: &[&str], code: i32) -> String {
    let output = workspace.run(words);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).replace(workspace.path().to_str().expect("a path"), "ROOT");
    assert_eq!(output.status.code(), Some(code), "`{}` said: {text}", words.join(" "));
    text
}

/// Applies in vain, and gives the error with its hint.
fn refusal(workspace: &Workspace) -> String {
    let text = said(workspace, &["apply", "--yes"], 80);
    let lines = text.lines().skip_while(|line| !line.starts_with("error: ")).take_while(|line| !line.is_empty());
    let told: Vec<_> = lines.filter(|line| !line.contains("declared in")).map(str::trim_start).collect();
    told.join("\n")
}

/// A word in a server, which ends with 0.
fn inside(workspace: &Workspace, server: &str, line: &str) -> String {
    workspace.expect(&["exec", server, "--", "/bin/sh", "-c", line], 0)
}

/// Destroys, and makes sure that nothing is left of what the local provider made.
fn destroy(workspace: &Workspace) {
    workspace.expect(&["destroy", "--yes"], 0);
    let left: Vec<_> = fs::read_dir(workspace.path().join(".provisioning")).expect("listed").flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name().to_string_lossy().starts_with("state.db")), "{left:?}");
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}
