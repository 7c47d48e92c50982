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
