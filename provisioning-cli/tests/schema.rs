//! What can be declared, as the command tells it; what stands in the files is tested in `tests/schema_export.rs` of the
//! root package.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use workspace::{Workspace, tree};

#[test]
fn an_export_needs_no_workspace_and_leaves_the_files_of_others_alone() {
    let workspace = Workspace::of(&[]);
    std::fs::remove_file(workspace.path().join("provisioning.toml")).expect("removed");
    let said = workspace.expect(&["schema", "export", ".schema"], 0);
    assert!(said.starts_with("Wrote 8 files to "), "{said}");
    workspace.expect(&["schema", "export", ".schema"], 0);
    workspace.write(".schema/document.schema.json", "{}");
    let before = tree(workspace.path());
    workspace.expect(&["schema", "export", ".schema"], 67);
    assert!(tree(workspace.path()) == before, "something was written");
}

#[test]
fn a_kind_is_shown_to_people_and_to_programs() {
    let workspace = Workspace::of(&[]);
    let text = workspace.expect(&["schema", "show", "file"], 0);
    for line in [
        "kind `file` of provider type `local`: A text file on this machine.",
        "  path  string, required, changing it replaces",
        "  mode  string, optional, default \"0644\"",
        "lookup `file` of provider type `local`: A text file that exists already on this machine.",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&workspace.expect(&["schema", "show", "web", "--json"], 0)).expect("JSON");
    assert_eq!((&json[0]["sort"], &json[0]["schema"]["kind"]), (&"service".into(), &"web".into()));
    let all = workspace.expect(&["schema", "show"], 0);
    assert!(
        all.lines().any(|line| line == "file       lookup         A text file that exists already on this machine."),
        "{all}"
    );
    workspace.expect(&["schema", "show", "fil"], 66);
}
