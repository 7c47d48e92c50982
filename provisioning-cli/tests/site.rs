//! The example `site`: made, unchanged, drifted, repaired, and gone without a trace.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use std::fs;

use workspace::{Workspace, tree};

#[test]
fn the_site_is_made_kept_repaired_and_removed() {
    let site = Workspace::example("site");
    let before = tree(site.path());

    let applied = site.expect(&["apply", "--yes"], 0);
    assert!(applied.contains("Done: 7 created, 0 unchanged"), "{applied}");
    let home = fs::read_to_string(site.path().join("site/index.html")).expect("the page");
    assert!(home.contains("<h1>Home</h1>") && home.contains("<a href=\"about.html\">"), "{home}");
    let sums = fs::read_to_string(site.path().join("site/SHA256SUMS")).expect("the checksums");
    assert_eq!(sums.lines().count(), 3);

    let again = site.expect(&["apply", "--yes"], 0);
    assert!(again.contains("No changes. The world is as declared (7 resources)."), "{again}");

    fs::write(site.path().join("site/about.html"), "edited by hand").expect("written");
    let drift = site.expect(&["plan", "--detailed-exitcode"], 2);
    assert!(drift.contains("~ update file about  # changed outside"), "{drift}");
    site.expect(&["apply", "--yes"], 0);
    site.expect(&["plan", "--detailed-exitcode"], 0);

    site.expect(&["destroy", "--yes"], 0);
    fs::remove_dir_all(site.path().join(".provisioning")).expect("the state alone is left");
    assert_eq!(tree(site.path()), before);
}

#[test]
fn the_graph_of_the_site_is_drawn_as_it_was() {
    let site = Workspace::example("site");
    let drawn = site.expect(&["graph"], 0);
    workspace::golden("site.dot", &drawn);
}
