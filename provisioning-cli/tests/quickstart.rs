//! The main command on the example that the README shows: made, unchanged, drifted, repaired, and gone without a trace.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use std::fs;

use workspace::{Workspace, tree};

#[test]
fn the_quickstart_is_made_kept_repaired_and_removed() {
    let quickstart = Workspace::example("quickstart");
    let before = tree(quickstart.path());

    let applied = quickstart.expect(&["apply", "--yes"], 0);
    assert!(applied.contains("Done: 7 created, 0 unchanged"), "{applied}");
    let home = fs::read_to_string(quickstart.path().join("site/index.html")).expect("the page");
    assert!(home.contains("<h1>Home</h1>") && home.contains("<a href=\"about.html\">"), "{home}");
    let sums = fs::read_to_string(quickstart.path().join("site/SHA256SUMS")).expect("the checksums");
    assert_eq!(sums.lines().count(), 3);

    let again = quickstart.expect(&["apply", "--yes"], 0);
    assert!(again.contains("No changes. The world is as declared (7 resources)."), "{again}");

    fs::write(quickstart.path().join("site/about.html"), "edited by hand").expect("written");
    let drift = quickstart.expect(&["plan", "--detailed-exitcode"], 2);
    assert!(drift.contains("~ update file about  # changed outside"), "{drift}");
    quickstart.expect(&["apply", "--yes"], 0);
    quickstart.expect(&["plan", "--detailed-exitcode"], 0);

    quickstart.expect(&["destroy", "--yes"], 0);
    fs::remove_dir_all(quickstart.path().join(".provisioning")).expect("the state alone is left");
    assert_eq!(tree(quickstart.path()), before);
}

#[test]
fn the_graph_of_the_quickstart_is_drawn_as_it_was() {
    let quickstart = Workspace::example("quickstart");
    let drawn = quickstart.expect(&["graph"], 0);
    workspace::golden("quickstart.dot", &drawn);
}
