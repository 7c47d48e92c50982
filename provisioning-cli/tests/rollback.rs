//! Taking back what a run did: read beforehand, done on demand or by itself after a failure, and told by `runs`.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use workspace::{Workspace, tree};

/// A folder with two files, of which the second is named after the first.
fn site(greeting: &str, more: &str) -> String {
    format!(
        r#"
[providers.here]
type = "local"

[resources.site]
kind = "directory"
path = "site"

[resources.page]
kind = "file"
path = "${{site.path}}/page.txt"
content = "{greeting}"

[outputs]
page = "${{page.sha256}}"
{more}"#
    )
}

const SUMS: &str = r#"
[resources.sums]
kind = "file"
path = "${site.path}/sums.txt"
content = "${page.sha256}"
"#;

const BROKEN: &str = r#"
[resources.broken]
kind = "file"
path = "${site.path}/nowhere/broken.txt"
content = "${sums.sha256}"
"#;

#[test]
fn a_run_is_taken_back_as_the_preview_says() {
    let workspace = Workspace::of(&[("main.toml", &site("one", ""))]);
    workspace.expect(&["apply", "--yes"], 0);
    let (before, page) = (tree(&workspace.path().join("site")), workspace.expect(&["output", "page"], 0));
    workspace.write("main.toml", &site("two", SUMS));
    let planned = workspace.expect(&["plan", "--rollback"], 0);
    let back = "Taken back, it would be:\n\n  delete file sums  reversible\n  change back file page  lossy: content that was changed outside of the engine before is not kept\n";
    assert!(planned.ends_with(back), "{planned}");
    workspace.expect(&["apply", "--yes"], 0);

    let preview = workspace.expect(&["rollback", "--preview"], 0);
    assert!(preview.contains("~ update file page") && preview.contains("- delete file sums"), "{preview}");
    assert_ne!(tree(&workspace.path().join("site")), before, "a preview does nothing");
    let done = workspace.expect(&["rollback", "--yes"], 0);
    assert!(done.contains("Done: 1 updated, 1 deleted"), "{done}");
    assert_eq!(tree(&workspace.path().join("site")), before);
    assert_eq!(workspace.expect(&["output", "page"], 0), page);
    let runs = workspace.expect(&["runs"], 0);
    assert!(runs.contains("rolled back") && runs.contains("rollback"), "{runs}");
    workspace.expect(&["verify"], 0);
    workspace.write("main.toml", &site("one", ""));
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn a_run_that_fails_leaves_everything_as_before_where_it_is_told_to() {
    let workspace = Workspace::of(&[("main.toml", &site("one", ""))]);
    workspace.expect(&["apply", "--yes"], 0);
    let before = tree(&workspace.path().join("site"));
    workspace.write("main.toml", &site("two", &format!("{SUMS}{BROKEN}")));
    let said = workspace.expect(&["apply", "--yes", "--on-failure", "rollback"], 80);
    assert!(said.contains("Rolled back: Everything it did was taken back."), "{said}");
    assert_eq!(tree(&workspace.path().join("site")), before);
    let status = workspace.expect(&["status"], 0);
    assert!(status.contains("(rollback), completed"), "{status}");
}

#[test]
fn what_costs_more_than_allowed_is_refused() {
    let workspace = Workspace::of(&[("main.toml", &site("one", ""))]);
    workspace.expect(&["apply", "--yes", "--require", "reversible"], 0);
    workspace.write("main.toml", &site("two", ""));
    let output = workspace.run(&["apply", "--yes", "--require", "reversible"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(68), "{said}");
    assert!(said.contains("undoing `page/update` would cost more than `--require` allows"), "{said}");
    workspace.expect(&["apply", "--yes", "--require", "lossy"], 0);
}

#[test]
fn a_later_change_of_the_same_and_an_unknown_run_are_refused() {
    let workspace = Workspace::of(&[("main.toml", &site("one", ""))]);
    workspace.expect(&["rollback", "--yes"], 66);
    workspace.expect(&["apply", "--yes"], 0);
    let runs = workspace.expect(&["runs"], 0);
    let first = runs.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a run");
    workspace.write("main.toml", &site("two", ""));
    workspace.expect(&["apply", "--yes"], 0);
    workspace.expect(&["rollback", first, "--yes"], 67);
    workspace.expect(&["rollback", "20200101-000000-0000", "--yes"], 66);
}

/// A workspace whose rollback is stuck: somebody put a file of their own into the folder that is to go.
fn stuck() -> Workspace {
    let workspace = Workspace::of(&[("main.toml", &site("one", ""))]);
    workspace.expect(&["apply", "--yes"], 0);
    workspace.write("site/notes.txt", "mine");
    let output = workspace.run(&["rollback", "--yes"]);
    assert_eq!(output.status.code(), Some(80));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("site/delete: "), "{said}");
    let status = workspace.expect(&["status"], 0);
    let next = "Next: remove the cause, then `provisioning rollback --continue`; or go on without it: `provisioning rollback --skip site/delete --reason TEXT`.";
    assert!(status.contains(next), "{status}");
    workspace
}

#[test]
fn a_rollback_that_is_stuck_is_continued() {
    let workspace = stuck();
    workspace.expect(&["rollback", "--continue"], 80);
    std::fs::remove_file(workspace.path().join("site/notes.txt")).expect("removed");
    let done = workspace.expect(&["rollback", "--continue"], 0);
    assert!(done.starts_with("\nDone: all of 2 steps"), "{done}");
    assert!(!workspace.path().join("site").exists());
    workspace.expect(&["rollback", "--continue"], 66);
    workspace.expect(&["verify"], 0);
}

#[test]
fn a_step_that_is_left_out_stays_marked_until_it_is_repaired() {
    let workspace = stuck();
    workspace.expect(&["rollback", "--skip", "page/delete", "--reason", "no"], 67);
    let done = workspace.expect(&["rollback", "--skip", "site/delete", "--reason", "notes are kept"], 0);
    assert!(done.starts_with("\nDone: 1 of 2 steps, 1 left out"), "{done}");
    let shown = workspace.expect(&["show", "site"], 0);
    assert!(shown.contains("inconsistent") && shown.contains("it may not be what it should: notes are kept"), "{shown}");
    let events = workspace.expect(&["events"], 0);
    assert!(events.contains("waived: notes are kept"), "{events}");
    let plan = workspace.expect(&["plan"], 0);
    assert!(plan.contains("~ update directory site  # it may not be what it should: notes are kept"), "{plan}");
    workspace.expect(&["apply", "--yes"], 0);
    let shown = workspace.expect(&["show", "site"], 0);
    assert!(!shown.contains("inconsistent"), "{shown}");
    workspace.expect(&["verify"], 0);
}

#[test]
fn a_rollback_stops_where_it_is_told_to() {
    let checkpoint = "[checkpoints]\nground = [\"site\"]\n";
    let workspace = Workspace::of(&[("main.toml", &site("one", &format!("{SUMS}{checkpoint}")))]);
    workspace.expect(&["apply", "--yes"], 0);
    let events = workspace.expect(&["events"], 0);
    assert!(events.contains("reached the checkpoint ground"), "{events}");
    let output = workspace.run(&["rollback", "--to", "grund", "--preview"]);
    assert_eq!(output.status.code(), Some(66));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it reached `ground`"));
    let done = workspace.expect(&["rollback", "--to", "ground", "--yes"], 0);
    assert!(done.contains("Done: 2 deleted"), "{done}");
    assert_eq!(tree(&workspace.path().join("site")).len(), 1, "the folder alone is left");
    workspace.write("main.toml", &site("one", "[checkpoints]\nground = [\"sites\", 7]\n"));
    let output = workspace.run(&["validate"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("main.toml:") && said.contains("expected a list of the names of resources"), "{said}");
    workspace.write("main.toml", &site("one", "[checkpoints]\nground = [\"sites\"]\n"));
    let output = workspace.run(&["validate"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no resource `sites`") && said.contains("did you mean `site`"), "{said}");
}

#[test]
fn nobody_can_settle_what_is_not_open() {
    let workspace = Workspace::of(&[("main.toml", &site("one", ""))]);
    workspace.expect(&["apply", "--yes"], 0);
    workspace.expect(&["retry", "site/create"], 66);
    workspace.expect(&["adopt", "site/create", "/tmp"], 66);
    workspace.expect(&["unlock", "--yes"], 66);
    workspace.expect(&["rollback", "--skip", "site/create"], 64);
}

#[test]
fn what_a_provider_of_the_run_made_goes_with_what_the_provider_needs() {
    let text = "[providers.here]\ntype = \"local\"\n[providers.there]\ntype = \"local\"\nroot = \"${data.id}\"\n\
                [resources.data]\nkind = \"directory\"\nprovider = \"here\"\npath = \"data\"\n\
                [resources.note]\nkind = \"file\"\nprovider = \"there\"\npath = \"note.txt\"\ncontent = \"x\"\n";
    let workspace = Workspace::of(&[("main.toml", text)]);
    workspace.expect(&["apply", "--yes"], 0);
    assert!(workspace.path().join("data/note.txt").exists());
    let done = workspace.expect(&["rollback", "--yes"], 0);
    assert!(done.contains("Done: 2 deleted"), "{done}");
    assert!(!workspace.path().join("data").exists());
    // And back again: the provider is built when what it needs is there.
    workspace.expect(&["rollback", "--yes"], 0);
    assert!(workspace.path().join("data/note.txt").exists());
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn a_content_of_which_only_a_digest_is_kept_is_put_together_again_or_refused() {
    let text = |lookup: &str| {
        format!(
            "[providers.here]\ntype = \"local\"\n[lookups.read]\nkind = \"file\"\npath = \"{lookup}\"\n\
             [resources.copy]\nkind = \"file\"\npath = \"copy.txt\"\ncontent = \"sum ${{read.sha256}}\"\n"
        )
    };
    let workspace = Workspace::of(&[("main.toml", &text("main.toml"))]);
    workspace.expect(&["apply", "--yes"], 0);
    let before = std::fs::read_to_string(workspace.path().join("copy.txt")).expect("there");
    workspace.expect(&["destroy", "--yes"], 0);
    assert!(!workspace.path().join("copy.txt").exists());
    workspace.expect(&["rollback", "--yes"], 0);
    assert_eq!(std::fs::read_to_string(workspace.path().join("copy.txt")).expect("there"), before);
    workspace.expect(&["verify"], 0);
}

#[test]
fn a_run_that_failed_before_it_did_anything_has_nothing_to_take_back() {
    let workspace = Workspace::of(&[("main.toml", &site("one", ""))]);
    workspace.write("site", "in the way");
    let said = workspace.expect(&["apply", "--yes", "--on-failure", "rollback"], 80);
    assert!(said.contains("Nothing to roll back: It had changed nothing."), "{said}");
    assert_eq!(std::fs::read_to_string(workspace.path().join("site")).expect("there"), "in the way");
}
