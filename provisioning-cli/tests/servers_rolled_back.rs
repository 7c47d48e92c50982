//! An apply that fails and takes back what it did: files, values, servers and what runs on them are as before.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod machine;

use machine::{Person, Traces, Workspace, get};

/// A value, a file of it, a server with a web service that shows it; and more, where there is more.
fn declared(workspace: &Workspace, greeting: &str, memory: u32, more: &str) {
    let text = format!(
        r#"
providers.here.type = "local"

[resources.greeting]
kind = "value"
input = "{greeting}"

[resources.note]
kind = "file"
path = "note.txt"
content = "${{greeting.output}}"

[resources.ada]
kind = "server"
memory_mb = {memory}

[services.page]
service = "web"
on = ["ada"]
config = {{ address = "${{ada.address}}", port = 8080, files = {{ "index.html" = "${{greeting.output}}" }} }}

{more}
[outputs]
url = "${{page@ada.url}}"
greeting = "${{greeting.output}}"
"#
    );
    workspace.write("main.toml", &text);
}

const MORE: &str = r#"
[resources.grace]
kind = "server"

[resources.broken]
kind = "file"
path = "nowhere/broken.txt"
content = "${grace.address} ${page@ada.url} ${note.sha256}"
"#;

/// What somebody sees of the workspace from outside.
fn seen(workspace: &Workspace) -> [String; 4] {
    let (outputs, state) = (workspace.outputs(), workspace.json(&["show"]));
    let note = std::fs::read_to_string(workspace.path().join("note.txt")).expect("the note is there");
    let page = get(&outputs["url"]);
    let body = page.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    let servers = state.as_object().expect("rows").keys().cloned().collect::<Vec<_>>().join(" ");
    [note, body, outputs["greeting"].clone(), format!("{servers} {}", state["ada"]["inputs"]["memory_mb"])]
}

#[test]
fn a_failing_apply_leaves_files_values_and_servers_as_they_were() {
    for person in [Person::Own, Person::Forbidden] {
        let workspace = Workspace::of(person, &[]);
        declared(&workspace, "hello", 64, "");
        workspace.expect(&["apply", "--yes"], 0);
        let before = seen(&workspace);
        assert_eq!(before, ["hello", "hello", "hello", "ada greeting note page@ada 64"]);
        declared(&workspace, "goodbye", 96, MORE);
        let said = workspace.expect(&["apply", "--yes", "--on-failure", "rollback"], 80);
        assert!(said.contains("Rolled back: Everything it did was taken back."), "{person:?}: {said}");
        assert_eq!(seen(&workspace), before, "{person:?}");
        assert_eq!(Traces::of(&workspace).keepers().len(), 1, "{person:?}: one server runs");

        let runs = workspace.json(&["runs"]);
        let told: Vec<_> =
            runs.as_array().expect("runs").iter().map(|run| format!("{} {}", run["command"], run["outcome"])).collect();
        assert_eq!(told, ["\"apply\" \"completed\"", "\"apply\" \"superseded\"", "\"rollback\" \"completed\""]);
        declared(&workspace, "hello", 64, "");
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        workspace.expect(&["destroy", "--yes"], 0);
    }
}
