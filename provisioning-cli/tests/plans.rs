//! A saved plan: applied to the letter, refused when a row that it touches has moved, and only then.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use serde_json::Value as Json;
use workspace::Workspace;

fn declaration(left: &str, right: &str) -> String {
    format!(
        "[providers.here]\ntype = \"local\"\n\
         [resources.left]\nkind = \"value\"\ninput = \"{left}\"\n\
         [resources.right]\nkind = \"value\"\ninput = \"{right}\"\n\
         [resources.reader]\nkind = \"value\"\ninput = \"${{left.output}}!\"\n"
    )
}

fn output(workspace: &Workspace, name: &str) -> Json {
    let state: Json = serde_json::from_str(&workspace.expect(&["show", name, "--json"], 0)).expect("JSON");
    state["object"]["outputs"]["output"].clone()
}

#[test]
fn a_saved_plan_does_what_it_says_whatever_is_declared_by_then() {
    let workspace = Workspace::of(&[("main.toml", &declaration("a", "b"))]);
    workspace.expect(&["plan", "--out", "saved"], 0);
    workspace.write("main.toml", &declaration("other", "other"));
    workspace.expect(&["apply", "saved"], 0);
    assert_eq!((output(&workspace, "left"), output(&workspace, "reader")), ("a".into(), "a!".into()));
}

#[test]
fn a_saved_plan_is_refused_when_a_row_it_touches_has_moved_and_only_then() {
    let workspace = Workspace::of(&[("main.toml", &declaration("a", "b"))]);
    workspace.expect(&["apply", "--yes"], 0);
    workspace.write("main.toml", &declaration("a2", "b"));
    workspace.expect(&["plan", "--out", "saved"], 0);

    workspace.write("main.toml", &declaration("a", "b2"));
    workspace.expect(&["apply", "--yes"], 0);
    workspace.expect(&["apply", "saved"], 0);
    assert_eq!((output(&workspace, "left"), output(&workspace, "right")), ("a2".into(), "b2".into()));

    workspace.write("main.toml", &declaration("a3", "b2"));
    workspace.expect(&["plan", "--out", "saved"], 0);
    workspace.write("main.toml", &declaration("a4", "b2"));
    workspace.expect(&["apply", "--yes"], 0);
    let refused = workspace.run(&["apply", "saved"]);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("the plan is out of date: `left` has changed since it was made"), "{message}");
    assert!(message.contains("hint: plan again"), "{message}");
    assert_ne!(refused.status.code(), Some(0));
}
