//! What a plan shows of texts that change, and what it says of templates that are wrong.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use workspace::Workspace;

const HEAD: &str = "providers.lab.type = \"local\"\n[resources.v]\nkind = \"value\"\ninput = \"80\"\n";

fn main(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

fn templated(more: &str) -> String {
    main(&format!(
        "[resources.a]\nkind = \"file\"\npath = \"a.conf\"\ncontent.template = \"site.j2\"\n[resources.a.content.vars]\n{more}"
    ))
}

/// The lines of a plan about texts, without what stands before them.
fn diff(plan: &str) -> Vec<&str> {
    plan.lines().filter(|line| line.starts_with("          ")).map(str::trim_start).collect()
}

#[test]
fn a_plan_shows_what_changes_in_a_rendered_file() {
    let workspace = Workspace::of(&[
        ("main.toml", &templated("port = \"${v.output}\"\nhost = \"a\"\n")),
        ("site.j2", "host {{ host }}\nport {{ port }}\n"),
    ]);
    assert_eq!(diff(&workspace.expect(&["plan"], 0)), [""; 0], "what is new is not shown unless asked for");
    workspace.expect(&["apply", "--yes"], 0);
    workspace.write("main.toml", &templated("port = \"${v.output}\"\nhost = \"b\"\n"));
    for options in [&["plan"][..], &["plan", "--no-refresh"]] {
        let plan = workspace.expect(options, 0);
        assert_eq!(diff(&plan), ["@@ -1,2 +1,2 @@", "-host a", "+host b", "port 80"], "{plan}");
    }
    let json: serde_json::Value = serde_json::from_str(&workspace.expect(&["plan", "--json"], 0)).expect("JSON");
    let texts = &json["changes"][0]["fields"][0]["texts"];
    assert_eq!(texts[0]["path"], "content");
    assert_eq!(texts[0]["diff"], "@@ -1,2 +1,2 @@\n-host a\n+host b\n port 80\n");
}

#[test]
fn a_change_from_outside_is_shown_and_kept_nowhere() {
    let workspace =
        Workspace::of(&[("main.toml", &main("[resources.a]\nkind = \"file\"\npath = \"a.txt\"\ncontent = \"ours\\n\"\n"))]);
    workspace.expect(&["apply", "--yes"], 0);
    workspace.write("a.txt", "somebody's\n");
    assert_eq!(diff(&workspace.expect(&["plan", "--out", "saved.plan"], 0)), ["@@ -1 +1 @@", "-somebody's", "+ours"]);
    workspace.expect(&["apply", "saved.plan"], 0);
    let text = workspace.path().join("a.txt");
    assert_eq!(std::fs::read_to_string(text).expect("there"), "ours\n");
    for (path, content) in workspace::tree(workspace.path()) {
        let content = content.unwrap_or_default();
        let found = content.windows(8).any(|part| part == b"somebody");
        assert!(!found, "{} has the text", path.display());
    }
}

#[test]
fn a_long_text_is_cut_and_shown_on_demand() {
    let content = |word: &str| format!("{word}\\n").repeat(50);
    let document =
        |word: &str| main(&format!("[resources.a]\nkind = \"file\"\npath = \"a.txt\"\ncontent = \"{}\"\n", content(word)));
    let workspace = Workspace::of(&[("main.toml", &document("old"))]);
    assert_eq!(diff(&workspace.expect(&["plan", "--diff"], 0)).len(), 51, "what is new is shown when asked for");
    workspace.expect(&["apply", "--yes"], 0);
    workspace.write("main.toml", &document("new"));
    assert_eq!(diff(&workspace.expect(&["plan"], 0)).last(), Some(&"… 41 lines more; `plan --diff` shows all"));
    assert_eq!(diff(&workspace.expect(&["plan", "--diff"], 0)).len(), 101);
}

#[test]
fn a_template_that_waits_says_for_what_and_makes_an_edge() {
    let document = |input: &str| templated("port = \"${v.id}\"\nhost = \"a\"\n").replace("\"80\"", input);
    let workspace = Workspace::of(&[("main.toml", &document("1")), ("site.j2", "{{ host }} {{ port }}\n")]);
    assert!(workspace.expect(&["graph"], 0).contains("\"v\" -> \"a\""), "{}", workspace.expect(&["graph"], 0));
    let json: serde_json::Value = serde_json::from_str(&workspace.expect(&["plan", "--json"], 0)).expect("JSON");
    let steps = json["steps"].as_array().expect("steps");
    let file = steps.iter().find(|step| step["id"] == "a/create").expect("a step");
    assert_eq!(file["requires"], serde_json::json!(["v/create"]));
    workspace.expect(&["apply", "--yes"], 0);
    workspace.write("site.j2", "host {{ host }} {{ port }}\n");
    let plan = workspace.expect(&["plan", "--replace", "v"], 0);
    assert!(plan.contains("(known after apply)"), "{plan}");
    let expect = ["its template awaits port", "@@ -1 +1 @@", "-{{ host }} {{ port }}", "+host {{ host }} {{ port }}"];
    assert_eq!(diff(&plan), expect, "{plan}");
}

#[test]
fn the_text_of_a_service_is_a_template_with_a_difference_too() {
    let document = |title: &str| {
        format!(
            "providers.lab.type = \"local\"\n[resources.here]\nkind = \"server\"\nisolation = \"confined\"\n[resources.v]\nkind = \"value\"\ninput = 1\n\
             [services.note]\nservice = \"web\"\non = [\"here\"]\n[services.note.config]\naddress = \"127.0.0.1\"\nport = 18734\n\
             [services.note.config.files.\"index.html\"]\ntemplate = \"page.j2\"\nvars = {{ title = \"{title}\", from = \"${{v.output}}\" }}\n"
        )
    };
    let workspace = Workspace::of(&[("page.j2", "<h1>{{ title }}</h1>\n{{ from }}\n")]);
    let write = |title: &str| workspace.write("main.toml", &document(title));
    write("one");
    assert!(workspace.expect(&["graph"], 0).contains("\"v\" -> \"note@here\""), "{}", workspace.expect(&["graph"], 0));
    workspace.expect(&["apply", "--yes"], 0);
    write("two");
    let expect = ["@@ -1,2 +1,2 @@", "-<h1>one</h1>", "+<h1>two</h1>", "1"];
    let plan = workspace.expect(&["plan"], 0);
    assert_eq!(diff(&plan), expect, "{plan}");
    assert!(plan.contains("files.index.html"), "{plan}");
    workspace.write("page.j2", "{{ titel }}\n");
    let errors = String::from_utf8(workspace.run(&["plan"]).stderr).expect("text");
    assert!(errors.contains("page.j2:1:4: services.note.config.files.index.html.template: `titel` is undefined"), "{errors}");
    workspace.write("page.j2", "{{ title }}\n");
    workspace.expect(&["destroy", "--yes"], 0);
}

#[test]
fn what_only_the_apply_finds_wrong_names_the_line_of_the_template() {
    let workspace =
        Workspace::of(&[("main.toml", &templated("id = \"${v.id}\"\n")), ("site.j2", "fine\n{{ id.missing.part }}\n")]);
    workspace.expect(&["plan"], 0);
    let output = workspace.run(&["apply", "--yes"]);
    assert_eq!(output.status.code(), Some(80));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(errors.contains("site.j2:2:6: "), "{errors}");
}
