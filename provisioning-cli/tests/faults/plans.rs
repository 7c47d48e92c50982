//! Plan files that are broken, foreign, too new, out of date or used up.

use std::fs;

use super::workspace::Workspace;
use super::{SMALL, fails};

const MAKE: &str = "hint: make one with `provisioning plan --out FILE`\n";

#[test]
fn a_file_that_is_no_plan_is_told_with_its_name() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    let cases = [
        ("words", "expected value at line 1 column 1"),
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{ \"format\": 1, \"work", "EOF while parsing a string at line 1 column 20"),
        ("{}", "missing field `format` at line 1 column 2"),
    ];
    for (text, why) in cases {
        workspace.write("saved.plan", text);
        let says = format!("error: this is not a plan: {why}\n  file: saved.plan\n{MAKE}");
        fails(&workspace, "apply saved.plan", 74, &says);
    }
    fs::write(workspace.path().join("saved.plan"), [0xff; 64]).expect("written");
    let says = format!("error: this is not a plan: expected value at line 1 column 1\n  file: saved.plan\n{MAKE}");
    fails(&workspace, "apply saved.plan", 74, &says);
    fails(&workspace, "apply none", 66, "error: cannot read `none`: No such file or directory (os error 2)\n");
    fails(&workspace, "apply .", 65, "error: cannot read `.`: Is a directory (os error 21)\n");
    assert!(!workspace.path().join(".provisioning").exists(), "a store was made");
}

#[test]
fn a_plan_of_a_newer_version_is_refused() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    workspace.expect(&["plan", "--out", "saved.plan"], 0);
    let plan = fs::read_to_string(workspace.path().join("saved.plan")).expect("a plan");
    workspace.write("saved.plan", &plan.replacen("\"format\":1", "\"format\":2", 1));
    let says = "error: the plan has format 2, this version reads up to 1\n  file: saved.plan\n\
                hint: use the version that made it, or plan again\n";
    fails(&workspace, "apply saved.plan", 71, says);
}

#[test]
fn a_plan_of_another_workspace_is_refused_with_and_without_a_store() {
    let (mine, other) = (Workspace::of(&[("main.toml", SMALL)]), Workspace::of(&[("main.toml", SMALL)]));
    other.expect(&["plan", "--out", "saved.plan"], 0);
    let plan = fs::read_to_string(other.path().join("saved.plan")).expect("a plan");
    mine.write("saved.plan", &plan);
    let says = "error: the plan was made for another workspace\nhint: plan again in this one\n";
    fails(&mine, "apply saved.plan", 67, says);
    mine.expect(&["apply", "--yes"], 0);
    fails(&mine, "apply saved.plan", 67, says);
}

#[test]
fn a_plan_is_carried_out_once() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    workspace.expect(&["plan", "--out", "saved.plan"], 0);
    workspace.expect(&["apply", "saved.plan"], 0);
    let runs: serde_json::Value = serde_json::from_str(&workspace.expect(&["runs", "--json"], 0)).expect("JSON");
    let run = runs[0]["id"].as_str().expect("a run");
    let says =
        format!("error: the plan was carried out already, by the run `{run}`\nhint: plan again, and look at what it says now\n");
    fails(&workspace, "apply saved.plan", 67, &says);
}

#[test]
fn a_plan_that_cannot_be_written_leaves_nothing_behind() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    fs::create_dir(workspace.path().join("folder")).expect("made");
    let cases = [
        ("plan --out none/saved.plan", 66, "error: cannot write `none/saved.plan`: No such file or directory (os error 2)\n"),
        ("plan --out main.toml/saved.plan", 65, "error: cannot write `main.toml/saved.plan`: Not a directory (os error 20)\n"),
        ("plan --out folder", 65, "error: cannot write `folder`: Is a directory (os error 21)\n"),
    ];
    for (words, code, says) in cases {
        fails(&workspace, words, code, says);
    }
    let left: Vec<_> =
        fs::read_dir(workspace.path()).expect("listed").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}
