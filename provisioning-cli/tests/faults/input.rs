//! Wrong files: every mistake is told with its file, its line, what was expected and what to do.
//!
//! The words of the single rules are tested in core; here stands the whole of what is printed.

use std::fs::{self, File};

use super::workspace::Workspace;
use super::{fails, said};

struct Case {
    what: &'static str,
    files: &'static [(&'static str, &'static str)],
    code: i32,
    says: &'static str,
}

#[test]
fn a_wrong_file_is_told_with_its_line_and_the_way_out() {
    for Case { what, files, code, says } in CASES {
        let workspace = Workspace::of(files);
        let output = workspace.run(&["validate"]);
        assert_eq!((said(&workspace, &output).as_str(), output.status.code()), (*says, Some(*code)), "{what}");
        assert!(!workspace.path().join(".provisioning").exists(), "{what}: a store was made");
    }
}

#[test]
fn what_is_no_text_is_told_with_its_first_wrong_byte() {
    for file in ["main.ncl", "main.toml", "main.json", "provisioning.toml"] {
        let workspace = Workspace::of(&[]);
        fs::write(workspace.path().join(file), b"a\nb = \"\xc3\xa9\xff\"").expect("written");
        let says = format!(
            "error: 1 problem in the input\n  {file}:2:7: the byte 0xff is not UTF-8 text\n    \
             hint: save the file as UTF-8; a file of another program cannot be used here\n"
        );
        fails(&workspace, "validate", 65, &says);
    }
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read_whole() {
    let workspace = Workspace::of(&[]);
    File::create(workspace.path().join("main.json")).and_then(|file| file.set_len(65 << 20)).expect("made");
    let says = "error: `main.json` is larger than 64 MiB\nhint: divide it, or keep large content in files of its own\n";
    fails(&workspace, "validate", 72, says);
}

#[test]
fn what_nests_too_deep_is_refused() {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let cases = [
        ("main.json", lists(100_000), "main.json:1:513: maximum nesting depth exceeded"),
        ("main.toml", format!("a = {}", lists(100_000)), "main.toml:1:85: cannot recurse further; max recursion depth met"),
        ("main.ncl", format!("{{ a = {} }}", lists(1_000)), "main.ncl:1:136: the document nests deeper than 128 levels"),
        ("main.ncl", format!("{{ a = {} }}", lists(100_000)), "main.ncl:1:2006: the brackets nest deeper than 2000 levels"),
    ];
    for (file, text, says) in cases {
        let workspace = Workspace::of(&[(file, &text)]);
        let output = workspace.run(&["validate"]);
        let said = said(&workspace, &output);
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(said.starts_with(&format!("error: 1 problem in the input\n  {says}\n")), "{said}");
        assert!(said.len() < 1_000, "the whole line was quoted");
    }
}

#[test]
fn many_mistakes_are_counted_and_the_first_are_shown() {
    use std::fmt::Write as _;
    let mut text = "providers.lab.type = \"local\"\n".to_owned();
    (0..2_000).for_each(|index| write!(text, "[resources.r{index}]\nkind = \"valeu\"\n").expect("written"));
    let workspace = Workspace::of(&[("main.toml", &text)]);
    let output = workspace.run(&["validate"]);
    let said = said(&workspace, &output);
    assert!(said.starts_with("error: 2000 problems in the input\n"), "{said}");
    assert!(said.ends_with("\n  … and 1980 more; `--json` gives all\n"), "{said}");
    assert_eq!(said.matches("did you mean `value`?").count(), 20);
    let all = workspace.run(&["validate", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&all.stderr).expect("JSON");
    assert_eq!(all["error"]["diagnostics"].as_array().map(Vec::len), Some(2_000));
}

#[test]
fn a_circle_of_thousands_is_told_in_short() {
    use std::fmt::Write as _;
    let mut text = "providers.lab.type = \"local\"\n".to_owned();
    for index in 0..3_000 {
        let on = (index + 1) % 3_000;
        write!(text, "[resources.r{index}]\nkind = \"value\"\ninput = \"${{r{on}.id}}\"\n").expect("written");
    }
    let workspace = Workspace::of(&[("main.toml", &text)]);
    let output = workspace.run(&["validate"]);
    let said = said(&workspace, &output);
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("depend on one another in a circle: `r") && said.contains("(and so on through "), "{said}");
    assert!(said.len() < 600, "{said}");
}

const CASES: &[Case] = &[
    Case {
        what: "a cycle",
        files: &[("main.json", "{\n  \"providers\": { \"lab\": { \"type\": \"local\" } },\n  \"resources\": {\n    \"a\": { \"kind\": \"value\", \"input\": \"${b.id}\" },\n    \"b\": { \"kind\": \"value\", \"input\": \"${c.id}\" },\n    \"c\": { \"kind\": \"value\", \"input\": \"${a.id}\" }\n  }\n}\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.json:4:5: these resources depend on one another in a circle: `a` needs `b` needs `c` needs `a`
    4 |     "a": { "kind": "value", "input": "${b.id}" },
      |     ^
    hint: take one of the references or `depends_on` away
"#,
    },
    Case {
        what: "unknown references",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.alpha]\nkind = \"value\"\ninput = \"${alhpa.id}\"\n[resources.beta]\nkind = \"value\"\ninput = \"${alpha.idd}\"\ndepends_on = [\"gamma\"]\n")],
        code: 65,
        says: r#"error: 3 problems in the input
  main.toml:4:9: resources.alpha.input: `${alhpa.id}`: there is no resource `alhpa`
    4 | input = "${alhpa.id}"
      |         ^
    hint: did you mean `alpha`?
  main.toml:7:9: resources.beta.input: `${alpha.idd}`: a `value` has no output `idd`
    7 | input = "${alpha.idd}"
      |         ^
    hint: did you mean `id`?
  main.toml:8:14: resources.beta.depends_on: there is no resource `gamma`
    8 | depends_on = ["gamma"]
      |              ^
    hint: known here: `alpha`, `beta`
"#,
    },
    Case {
        what: "an unknown kind",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"valeu\"\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:3:8: resources.a.kind: no declared provider has the kind `valeu`
    3 | kind = "valeu"
      |        ^
    hint: did you mean `value`?
"#,
    },
    Case {
        what: "an unknown provider",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"value\"\nprovider = \"labb\"\ninput = 1\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:4:12: resources.a.provider: there is no provider `labb`
    4 | provider = "labb"
      |            ^
    hint: did you mean `lab`?
"#,
    },
    Case {
        what: "an unknown provider type",
        files: &[("main.toml", "providers.lab.type = \"loacl\"\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:1:22: providers.lab.type: there is no provider type `loacl`
    1 | providers.lab.type = "loacl"
      |                      ^
    hint: did you mean `local`?
"#,
    },
    Case {
        what: "a provider that is not declared",
        files: &[("main.toml", "[resources.a]\nkind = \"value\"\ninput = 1\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:2:8: resources.a.kind: no declared provider has the kind `value`
    2 | kind = "value"
      |        ^
    hint: declare a provider of type `local` under `providers`
"#,
    },
    Case {
        what: "two providers that could be meant",
        files: &[("main.toml", "providers.lab.type = \"local\"\nproviders.other.type = \"local\"\n[resources.a]\nkind = \"value\"\ninput = 1\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.toml:3:12: resources.a.provider: is required: `lab` and `other` have the kind `value`
    3 | [resources.a]
      |            ^
",
    },
    Case {
        what: "a name twice in JSON",
        files: &[("main.json", "{\n  \"providers\": { \"lab\": { \"type\": \"local\" } },\n  \"resources\": {\n    \"a\": { \"kind\": \"value\", \"input\": 1 },\n    \"a\": { \"kind\": \"value\", \"input\": 2 }\n  }\n}\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.json:5:5: the key `a` stands twice, the first time in line 4
    5 |     "a": { "kind": "value", "input": 2 }
      |     ^
"#,
    },
    Case {
        what: "a name twice in TOML",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"value\"\ninput = 1\n[resources.a]\nkind = \"value\"\ninput = 2\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.toml:5:12: the key `a` stands twice
    5 | [resources.a]
      |            ^
",
    },
    Case {
        what: "a name twice in Nickel",
        files: &[("main.ncl", "let p = import \"provisioning.ncl\" in\n{ providers = { lab = p.local {} }, resources = { a = p.value { input = 1 }, a = p.value { input = 2 } } } | p.Infrastructure\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.ncl:2:73: two values for one field do not agree (cannot merge this expression: `1`, with this expression: `2`, when combining the definitions of this field: `a`)
    2 | …ab = p.local {} }, resources = { a = p.value { input = 1 }, a = p.value { input = 2 } } } | p.Infrastructure
      |                                                         ^
    hint: merge operands have the same merge priority but they can't be combined; both values are of type Number but they aren't equal; number values can only be merged if they are equal
",
    },
    Case {
        what: "a resource and a service of one name",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"host\"\n[services.a]\nservice = \"command\"\non = [\"a\"]\nconfig.apply = \"true\"\nconfig.creates = \"x\"\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.toml:4:11: services.a: the name is taken by the resource at main.toml:2:12
    4 | [services.a]
      |           ^
    hint: resources, lookups and services share their names: `${name.output}` must mean one
",
    },
    Case {
        what: "wrong types",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"file\"\npath = 5\ncontent = [1]\ndepends_on = \"b\"\nlifecycle.prevent_destroy = \"yes\"\nretry.attempts = -1\n")],
        code: 65,
        says: r#"error: 5 problems in the input
  main.toml:4:8: resources.a.path: expected string, found the integer `5`
    4 | path = 5
      |        ^
  main.toml:5:11: resources.a.content: expected text, found a list
    5 | content = [1]
      |           ^
  main.toml:6:14: resources.a.depends_on: expected list(string), found the string `b`
    6 | depends_on = "b"
      |              ^
  main.toml:7:29: resources.a.lifecycle.prevent_destroy: expected bool, found the string `yes`
    7 | lifecycle.prevent_destroy = "yes"
      |                             ^
  main.toml:8:18: resources.a.retry.attempts: `-1` is out of range: it must be above 0 and at most 1000000000
    8 | retry.attempts = -1
      |                  ^
"#,
    },
    Case {
        what: "a wrong type in Nickel",
        files: &[("main.ncl", "let p = import \"provisioning.ncl\" in\n{ providers = { lab = p.local {} }, resources = { a = p.directory { path = 5 } } } | p.Infrastructure\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.ncl:2:76: resources.a.path: expected string, found the integer `5`
    2 | { providers = { lab = p.local {} }, resources = { a = p.directory { path = 5 } } } | p.Infrastructure
      |                                                                            ^
",
    },
    Case {
        what: "a reserved name",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.run]\nkind = \"value\"\ninput = 1\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.toml:2:12: resources.run: `run` is not a resource name: the word is reserved for references
    2 | [resources.run]
      |            ^
",
    },
    Case {
        what: "a reference that is not closed",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"value\"\ninput = \"${b.id\"\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:4:9: resources.a.input: `${b.id` opens a reference and does not close it
    4 | input = "${b.id"
      |         ^
    hint: close it with `}`, or write `$${` for a literal `${`
"#,
    },
    Case {
        what: "no file that says what is wanted",
        files: &[],
        code: 66,
        says: "error: `ROOT` has no `main.ncl`, `main.toml` or `main.json`
hint: one of them says what is wanted; `provisioning init` in an empty folder writes one
",
    },
    Case {
        what: "two files that say what is wanted",
        files: &[("main.ncl", "let p = import \"provisioning.ncl\" in\n{ providers = { lab = p.local {} }, resources = {  } } | p.Infrastructure\n"), ("main.toml", "providers.lab.type = \"local\"\n")],
        code: 67,
        says: "error: more than one file says what is wanted: `main.ncl`, `main.toml`
hint: keep one of them
",
    },
    Case {
        what: "an empty file",
        files: &[("main.ncl", " \n")],
        code: 65,
        says: r#"error: `main.ncl` declares nothing
hint: the smallest file declares a provider: let p = import "provisioning.ncl" in { providers = { lab = p.local {} } } | p.Infrastructure
"#,
    },
    Case {
        what: "JSON with a comment",
        files: &[("main.json", "{\n  // mine\n}\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.json:2:3: comments are not allowed
    2 |   // mine
      |   ^
",
    },
    Case {
        what: "JSON that breaks off",
        files: &[("main.json", "{ \"providers\": {\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.json:1:16: unterminated object
    1 | { "providers": {
      |                ^
"#,
    },
    Case {
        what: "TOML that breaks off",
        files: &[("main.toml", "providers.lab.type = \n")],
        code: 65,
        says: "error: 1 problem in the input
  main.toml:1:22: string values must be quoted, expected literal string
    1 | providers.lab.type = 
      |                      ^
",
    },
    Case {
        what: "Nickel that breaks off",
        files: &[("main.ncl", "{ providers = {\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.ncl:2:1: unexpected end of file
",
    },
    Case {
        what: "Nickel without an end",
        files: &[("main.ncl", "{ a = a }\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.ncl:1:7: infinite recursion (recursive reference: `a`)
    1 | { a = a }
      |       ^
    hint: the fields of a record see one another, so `x = x` is made of itself: write `include x` for a variable from outside, or give one of the two another name
",
    },
    Case {
        what: "a list where sections are due",
        files: &[("main.json", "[1]\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.json:1:1: expected a map of sections, found a list
    1 | [1]
      | ^
",
    },
    Case {
        what: "Windows line ends",
        files: &[("main.toml", "providers.lab.type = \"local\"\r\n[resources.a]\r\nkind = \"value\"\r\nfoo = 1\r\n")],
        code: 65,
        says: "error: 1 problem in the input
  main.toml:4:7: resources.a.foo: is not a field here
    4 | foo = 1
      |       ^
    hint: known here: `input`, `triggers_replace`
",
    },
    Case {
        what: "a byte-order mark",
        files: &[("main.json", "\u{feff}{ \"provders\": {} }\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.json:1:3: provders: is not a section
    1 | { "provders": {} }
      |   ^
    hint: did you mean `providers`?
"#,
    },
    Case {
        what: "a long line",
        files: &[("main.json", "{ \"providers\": { \"lab\": { \"type\": \"local\" } }, \"resources\": { \"a\": { \"kind\": \"value\", \"input\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" }, \"b\": { \"kind\": \"valu\" } } }\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.json:1:417: resources.b.kind: no declared provider has the kind `valu`
    1 | …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" }, "b": { "kind": "valu" } } }
      |                                                         ^
    hint: did you mean `value`?
"#,
    },
    Case {
        what: "letters that a terminal would obey",
        files: &[("main.toml", "a = \"\u{9b}31m\" b\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:1:12: unexpected key or value, expected newline, `#`
    1 | a = "·31m" b
      |            ^
"#,
    },
    Case {
        what: "a missing template",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"file\"\npath = \"x\"\n[resources.a.content]\ntemplate = \"templates/none.j2\"\nvars.n = 1\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:6:12: resources.a.content.template: there is no file `templates/none.j2`
    6 | template = "templates/none.j2"
      |            ^
"#,
    },
    Case {
        what: "a template outside",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"file\"\npath = \"x\"\n[resources.a.content]\ntemplate = \"../x.j2\"\nvars.n = 1\n")],
        code: 65,
        says: r#"error: 1 problem in the input
  main.toml:6:12: resources.a.content.template: `../x.j2` is not a path below the workspace
    6 | template = "../x.j2"
      |            ^
    hint: name a file by its path from the workspace, such as `templates/site.conf.j2`
"#,
    },
    Case {
        what: "a template with wrong syntax",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"file\"\npath = \"x\"\n[resources.a.content]\ntemplate = \"wrong.j2\"\nvars.n = 1\n"), ("wrong.j2", "one\n{% if n %}\n")],
        code: 65,
        says: r"error: 1 problem in the input
  wrong.j2:2:11: resources.a.content.template: syntax error: unexpected end of input, expected end of block
    2 | {% if n %}
      |           ^
",
    },
    Case {
        what: "a template with an unknown variable",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.a]\nkind = \"file\"\npath = \"x\"\n[resources.a.content]\ntemplate = \"unknown.j2\"\nvars.n = 1\n"), ("unknown.j2", "one\n  {{ nn }}\n")],
        code: 65,
        says: r"error: 1 problem in the input
  unknown.j2:2:6: resources.a.content.template: `nn` is undefined
    2 |   {{ nn }}
      |      ^
    hint: a template sees its `vars`, and whatever `${…}` may name; did you mean `n`?
",
    },
    Case {
        what: "a template with an unknown variable beside one that is known after apply",
        files: &[("main.toml", "providers.lab.type = \"local\"\n[resources.v]\nkind = \"value\"\ninput = 1\n[resources.a]\nkind = \"file\"\npath = \"x\"\ncontent.template = \"later.j2\"\ncontent.vars.v = \"${v.id}\"\n"), ("later.j2", "{{ v | upper }}\n{{ nn }}\n")],
        code: 65,
        says: r"error: 1 problem in the input
  later.j2:2:4: resources.a.content.template: `nn` is undefined
    2 | {{ nn }}
      |    ^
    hint: a template sees its `vars`, and whatever `${…}` may name; known here: `v`
",
    },
    Case {
        what: "a workspace with wrong settings",
        files: &[("provisioning.toml", "nam = \"x\"\n[settings]\non_failure = \"maybe\"\n"), ("main.toml", "providers.lab.type = \"local\"\n")],
        code: 65,
        says: r#"error: 2 problems in the input
  provisioning.toml:1:7: nam: is not a field here
    1 | nam = "x"
      |       ^
    hint: did you mean `name`?
  provisioning.toml:3:14: settings.on_failure: `maybe` is not one of `stop`, `continue`, `rollback`
    3 | on_failure = "maybe"
      |              ^
"#,
    },
];
