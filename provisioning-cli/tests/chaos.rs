//! `test --chaos`: workspaces tried out on fakes, with every fault at every step; nothing of them is touched.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use serde_json::Value as Json;
use workspace::{Workspace, tree};

/// The answer for programs, with its exit code.
fn answer(workspace: &Workspace) -> (Json, Option<i32>) {
    let output = workspace.run(&["test", "--chaos", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (json, output.status.code())
}

/// The rows of a journey: the step, and the verdicts in their order.
fn rows(answer: &Json, journey: &str) -> Vec<String> {
    let rows = answer["rows"].as_array().expect("rows").iter().filter(|row| row["journey"] == journey);
    let words = |row: &Json| {
        let cells = row["cells"].as_array().expect("cells").iter();
        cells.map(|cell| cell["verdict"].as_str().expect("a word").to_owned()).collect::<Vec<_>>().join(" ")
    };
    rows.map(|row| format!("{}: {}", row["step"].as_str().expect("a step"), words(row))).collect()
}

fn findings(answer: &Json) -> Vec<&str> {
    answer["findings"].as_array().expect("findings").iter().map(|finding| finding.as_str().expect("a text")).collect()
}

#[test]
fn the_site_comes_to_its_end_or_back_and_nothing_of_it_is_touched() {
    let site = Workspace::example("site");
    let before = tree(site.path());
    let text = site.expect(&["test", "--chaos"], 0);
    assert_eq!(tree(site.path()), before);
    let row = |step: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(step)).unwrap_or_else(|| panic!("{step}\n{text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("STEP"), "STEP REFUSED BUSY NO ANSWER REPLY LOST CRASH BEFORE CRASH AFTER");
    assert_eq!(row("home/create"), "home/create resumed ok ok ok resumed resumed");
    assert_eq!(row("checksums@machine/remove"), "checksums@machine/remove resumed ok ok ok resumed resumed");
    let last = text.lines().last().expect("a last line");
    assert!(
        last.starts_with("As promised: ") && last.contains(" at 42 steps, on fakes; ") && last.ends_with(" 0 stuck."),
        "{last}"
    );
    let journeys = [
        "apply",
        "apply --on-failure rollback",
        "rollback of the apply",
        "destroy",
        "destroy --on-failure rollback",
        "rollback of the destroy",
    ];
    let heads: Vec<_> = text.lines().filter(|line| journeys.contains(line)).collect();
    assert_eq!(heads, journeys);
}

#[test]
fn the_quickstart_is_tried_out_without_a_server() {
    let quickstart = Workspace::example("quickstart");
    let before = tree(quickstart.path());
    let (answer, code) = answer(&quickstart);
    assert_eq!(tree(quickstart.path()), before);
    let applied = rows(&answer, "apply");
    assert_eq!(applied.len(), 8, "{applied:?}");
    assert!(
        applied.iter().all(|row| row.ends_with(": converged converged converged converged converged converged unreached")),
        "{applied:?}"
    );
    let undone = rows(&answer, "apply_or_undo");
    assert!(undone.iter().all(|row| row.contains(": rolled_back converged ")), "{undone:?}");
    assert!(answer["cases"].as_u64().is_some_and(|cases| cases > 150), "{}", answer["cases"]);
    assert_eq!(findings(&answer), [""; 0]);
    assert_eq!(code, Some(if findings(&answer).is_empty() { 0 } else { 83 }));
}

#[test]
fn a_document_with_a_mistake_is_told_as_by_every_other_command() {
    let mistake = "[providers.here]\ntype = \"local\"\n[resources.a]\nkind = \"file\"\npath = \"a\"\n";
    let workspace = Workspace::of(&[("main.toml", mistake)]);
    let told = |words: &[&str]| {
        let output = workspace.run(words);
        (output.status.code(), String::from_utf8(output.stderr).expect("text"), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, errors, shown) = told(&["test", "--chaos"]);
    assert_eq!((code, shown.as_str()), (Some(65), ""));
    assert!(errors.contains("resources.a.content: is required (text)"), "{errors}");
    assert_eq!(errors, told(&["plan"]).1);

    workspace.write("main.toml", &format!("{mistake}content = \"${{b.id}}\"\n"));
    let (code, errors, _) = told(&["test", "--chaos"]);
    assert_eq!(code, Some(65), "{errors}");
    assert!(errors.contains("`b`"), "{errors}");
}

#[test]
fn what_is_to_be_tried_has_to_be_said() {
    let workspace = Workspace::of(&[("main.toml", "")]);
    let output = workspace.run(&["test"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--chaos"));
}

#[test]
fn a_workspace_without_anything_in_it_has_nothing_to_try() {
    let workspace = Workspace::of(&[("main.toml", "[providers.here]\ntype = \"local\"\n")]);
    let text = workspace.expect(&["test", "--chaos"], 0);
    assert_eq!(text, "Nothing to try out: a plan of what is declared has no steps.\n");
}

#[test]
fn what_is_protected_is_said_not_to_be_tried() {
    let text = "[providers.here]\ntype = \"local\"\n[resources.a]\nkind = \"directory\"\npath = \"a\"\nlifecycle = { prevent_destroy = true }\n";
    let workspace = Workspace::of(&[("main.toml", text)]);
    let (answer, code) = answer(&workspace);
    assert_eq!((code, findings(&answer).len()), (Some(0), 0));
    let journeys: Vec<_> = answer["left_out"].as_array().expect("a list").iter().map(|left_out| &left_out["journey"]).collect();
    assert_eq!(journeys, ["undo_apply", "destroy", "destroy_or_undo", "undo_destroy"]);
    assert!(workspace.expect(&["test", "--chaos"], 0).contains("not tried in full: `a` is protected"));
}

/// Secrets that only the run knows, hosts in hosts, lookups and values: everything that ships, together.
#[test]
fn everything_that_ships_can_be_tried_out() {
    let text = r#"
        [providers.here]
        type = "local"
        [providers.there]
        type = "local"
        root = "there"
        [resources.data]
        kind = "directory"
        provider = "here"
        path = "data"
        [resources.kept]
        kind = "value"
        input = { port = 80, names = ["a", "b"], sum = "${read.sha256}" }
        provider = "here"
        [resources.note]
        kind = "file"
        path = "note"
        content = "${kept.output.port} ${kept.output.names[1]} ${kept.output.sum}"
        provider = "there"
        [resources.web]
        kind = "server"
        provider = "here"
        [resources.loop]
        kind = "process"
        command = ["/bin/sh", "-c", "sleep 1"]
        provider = "here"
        [lookups.read]
        kind = "file"
        path = "${data.id}/x"
        provider = "here"
        [services.app]
        service = "program"
        on = ["web"]
        config = { command = ["/bin/true"] }
        [services.said]
        service = "command"
        on = ["web"]
        config = { apply = "touch ${web.connection.directory}/x" }
        [outputs]
        address = "${web.address}"
    "#;
    let workspace = Workspace::of(&[("main.toml", text)]);
    let (answer, _) = answer(&workspace);
    assert_eq!(rows(&answer, "apply").len(), 8);
    let applied = rows(&answer, "apply");
    assert!(
        applied.iter().all(|row| row.ends_with(": converged converged converged converged converged converged unreached")),
        "{applied:?}"
    );
    assert_eq!(findings(&answer), [""; 0]);
}
