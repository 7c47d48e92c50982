//! What goes wrong, as a stranger meets it: the exact words, the exit code, and what is left afterwards.
//!
//! Real processes in folders that vanish; whatever has to happen at one moment waits on a pipe, never on the clock.

mod disk;
mod face;
mod hosts;
mod input;
mod plans;
mod runs;
mod store;
#[expect(dead_code, reason = "every test file uses a part of it")]
#[path = "../workspace/mod.rs"]
mod workspace;

use std::process::Output;

use workspace::Workspace;

/// A workspace with one value and one output.
const SMALL: &str = "providers.lab.type = \"local\"\n[resources.a]\nkind = \"value\"\ninput = 1\n[outputs]\nid = \"${a.id}\"\n";

/// What a command said to a person, with the workspace's folder as `ROOT`.
fn said(workspace: &Workspace, output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    text.replace(workspace.path().to_str().expect("a path"), "ROOT")
}

/// Runs a command that fails, and compares its exit code and every word that it says.
fn fails(workspace: &Workspace, words: &str, code: i32, says: &str) {
    let words: Vec<_> = words.split(' ').collect();
    let output = workspace.run(&words);
    assert_eq!((said(workspace, &output).as_str(), output.status.code()), (says, Some(code)), "{words:?}");
}
