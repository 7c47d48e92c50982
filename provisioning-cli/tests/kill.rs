//! `kill -9` in the middle of an apply, at ten moments, then `resume`: nothing is made twice and nothing is lost.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value as Json;
use workspace::{Workspace, tree};

const FILES: usize = 200;

/// 200 files in a folder, every tenth referring to the one before it.
fn declaration() -> String {
    let mut text =
        String::from("[providers.here]\ntype = \"local\"\n\n[resources.site]\nkind = \"directory\"\npath = \"site\"\n");
    for index in 0..FILES {
        let content = if index % 10 == 1 { format!("after ${{f{}.sha256}}", index - 1) } else { format!("file {index}") };
        writeln!(
            text,
            "\n[resources.f{index}]\nkind = \"file\"\npath = \"${{site.path}}/f{index}.txt\"\ncontent = \"{content}\""
        )
        .expect("written");
    }
    text
}

/// The rows of the state, without what tells one run from another.
fn state(workspace: &Workspace) -> Json {
    let mut state: Json = serde_json::from_str(&workspace.expect(&["show", "--json"], 0)).expect("JSON");
    let root = workspace.path().to_str().expect("a path");
    forget_the_run(&mut state, root);
    state
}

fn forget_the_run(value: &mut Json, root: &str) {
    match value {
        Json::Object(map) => {
            map.retain(|key, _| key != "run" && key != "version");
            map.values_mut().for_each(|value| forget_the_run(value, root));
        }
        Json::Array(items) => items.iter_mut().for_each(|value| forget_the_run(value, root)),
        Json::String(text) => *text = text.replace(root, "ROOT"),
        _ => {}
    }
}

#[test]
fn a_killed_apply_resumes_to_the_undisturbed_end() {
    let undisturbed = Workspace::of(&[("main.toml", &declaration())]);
    undisturbed.expect(&["apply", "--yes"], 0);
    let (wanted_site, wanted_state) = (tree(&undisturbed.path().join("site")), state(&undisturbed));
    assert_eq!(wanted_site.len(), FILES + 1);

    let mut kills = 0;
    for moment in [1, 2, 7, 20, 45, 77, 101, 130, 155, 180] {
        let workspace = Workspace::of(&[("main.toml", &declaration())]);
        let mut apply = workspace.command(&["apply", "--yes"]);
        let mut child = apply.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
        let told = BufReader::new(child.stderr.take().expect("a pipe"));
        let line = told.lines().nth(moment - 1).expect("a line of progress").expect("text");
        assert!(line.contains(&format!("{moment}/{}]", FILES + 1)), "{line}");
        child.kill().expect("killed");
        // On a busy machine the kill may come too late for the last moments; then there is nothing to resume.
        let killed = child.wait().expect("gone").code().is_none();
        kills += usize::from(killed);
        workspace.expect(&["resume"], if killed { 0 } else { 66 });
        assert_eq!(tree(&workspace.path().join("site")), wanted_site, "killed at {moment}");
        assert_eq!(state(&workspace), wanted_state, "killed at {moment}");
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        workspace.expect(&["verify"], 0);
    }
    assert!(kills >= 7, "only {kills} of ten were killed in time");
}
