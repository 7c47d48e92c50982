//! Wrong documents, and the exact words for each.
//!
//! Mistakes that only Nickel can make are in [`nickel`](super::nickel).

use super::fixture::Folder;
use super::library::check_refused;

/// The problems of a document, each with its hint behind ` | `.
fn problems(file: &str, text: &str) -> Vec<String> {
    let error = Folder::new(&[(file, text), ("bad.j2", "a\n{% if %}"), ("good.j2", "")]).load().expect_err(text);
    assert!(!error.diagnostics().is_empty(), "{error}");
    let hint = |hint: &Option<String>| hint.as_ref().map_or(String::new(), |hint| format!(" | {hint}"));
    error.diagnostics().iter().map(|problem| format!("{problem}{}", hint(&problem.hint))).collect()
}

const HEAD: &str = "providers.lab.type = 'local'\n";

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_wrong_document_is_told_what_is_wrong_and_where() {
    let taken = "resources, lookups and services share their names: `${name.output}` must mean one";
    let below = "name a file by its path from the workspace, such as `templates/site.conf.j2`";
    let cases: &[(&str, &str)] = &[
        ("resource.a = 1", "main.toml:2:1: `resource`: is not a section | did you mean `resources`?"),
        ("resources = []", "main.toml:2:13: `resources`: expected a map by name, found a list"),
        ("resources.a = 1", "main.toml:2:15: `resources.a`: expected a map with a `kind`, found an integer"),
        ("[resources.a]\npath = '/a'", "main.toml:2:12: `resources.a.kind`: is required (string)"),
        (
            "[resources.a]\nkind = 'fille'",
            "main.toml:3:8: `resources.a.kind`: no declared provider has the kind `fille` | did you mean `file`?",
        ),
        (
            "[resources.a]\nkind = 'cart'",
            "main.toml:3:8: `resources.a.kind`: no declared provider has the kind `cart` | declare a provider of type `shop` under `providers`",
        ),
        (
            "[resources.a]\nkind = 'cart'\nprovider = 'lab'",
            "main.toml:3:8: `resources.a.kind`: there is no kind `cart` | known here: `file`, `network`, `server`",
        ),
        (
            "[resources.a]\nkind = 'file'\nprovider = 'lap'\npath = '/'",
            "main.toml:4:12: `resources.a.provider`: there is no provider `lap` | did you mean `lab`?",
        ),
        ("[resources.a]\nkind = 'file'", "main.toml:2:12: `resources.a.path`: is required (string) | Where it lies."),
        ("[resources.a]\nkind = 'file'\npath = 1", "main.toml:4:8: `resources.a.path`: expected string, found the integer `1`"),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\npaht = 1",
            "main.toml:5:8: `resources.a.paht`: is not a field here | did you mean `path`?",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\ndepend_on = []",
            "main.toml:5:13: `resources.a.depend_on`: is not a field here | did you mean `depends_on`?",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\nid = 'x'",
            "main.toml:5:6: `resources.a.id`: is set by the provider and cannot be given",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\nmode = 'x'",
            "main.toml:5:8: `resources.a.mode`: `x` is not one of `private`, `public`",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\npassword = 12345",
            "main.toml:5:12: `resources.a.password`: expected string, found a integer",
        ),
        (
            "[resources.run]\nkind = 'file'\npath = '/'",
            "main.toml:2:12: `resources.run`: `run` is not a resource name: the word is reserved for references",
        ),
        (
            "[resources.'a@b']\nkind = 'file'\npath = '/'",
            "main.toml:2:12: `resources.a@b`: `a@b` is not a name: `@` stands between a service and its host",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\n[lookups.a]\nkind = 'image'",
            &format!("main.toml:5:10: `lookups.a`: the name is taken by the resource at main.toml:2:12 | {taken}"),
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\ntimeout_seconds = -1",
            "main.toml:5:19: `resources.a.timeout_seconds`: `-1` is out of range: it must be above 0 and at most 1000000000",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\nretry.attempts = 0",
            "main.toml:5:18: `resources.a.retry.attempts`: `0` is out of range: it must be above 0 and at most 1000000000",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\nretry.attempt = 1",
            "main.toml:5:17: `resources.a.retry.attempt`: is not a field here | did you mean `attempts`?",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\ndepends_on = ['${b.id}']",
            "main.toml:5:15: `resources.a.depends_on[0]`: `${b.id}` is a reference, and none can stand here",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\nlifecycle.moved_from = 'a b'",
            "main.toml:5:24: `resources.a.lifecycle.moved_from`: `a b` is not a resource name: only letters, digits, `_` and `-` may stand in it",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\ncontent.template = '../x'",
            &format!("main.toml:5:20: `resources.a.content.template`: `../x` is not a path below the workspace | {below}"),
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\ncontent.template = 'x.j2'",
            "main.toml:5:20: `resources.a.content.template`: there is no file `x.j2`",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\ncontent.template = 'bad.j2'",
            "bad.j2:2:7: `resources.a.content.template`: syntax error: unexpected end of block",
        ),
        (
            "[resources.a]\nkind = 'file'\npath = '/'\n[resources.a.content]\ntemplate = 'good.j2'\nvar = {}",
            "main.toml:7:1: `resources.a.content.var`: is not a part of a template | did you mean `vars`?",
        ),
        (
            "[providers.b]\ntype = 'lcal'",
            "main.toml:3:8: `providers.b.type`: there is no provider type `lcal` | did you mean `local`?",
        ),
        ("[providers.b]\ntype = 'cloud'", "main.toml:2:12: `providers.b.zone`: is required (string) | Where."),
        (
            "providers.b.type = 'local'\n[resources.a]\nkind = 'network'\ncidr = ''",
            "main.toml:3:12: `resources.a.provider`: is required: `b` and `lab` have the kind `network`",
        ),
        (
            "[services.s]\nservice = 'nginx'\non = ['web']",
            "main.toml:2:11: `services.s.on`: there is no resource `web` to run on",
        ),
        (
            "[services.s]\nservice = 'ngnix'\non = []",
            "main.toml:3:11: `services.s.service`: there is no task service `ngnix` | did you mean `nginx`?",
        ),
        (
            "[services.s]\nservice = 'nginx'\non = []\nconfig.prt = 1",
            "main.toml:5:14: `services.s.config.prt`: is not a field here | did you mean `port`?",
        ),
        ("[services.s]\nservice = 'nginx'", "main.toml:2:11: `services.s.on`: is required (list(string))"),
        ("[outputs]\na = { value = 1, sensitive = 'x' }", "main.toml:3:1: `outputs.a.sensitive`: expected bool, found a string"),
        ("[a]\n[a]", "main.toml:3:2: the key `a` stands twice"),
        ("a = 99999999999999999999", "main.toml:2:5: the number `99999999999999999999` is out of range"),
    ];
    for (text, expected) in cases {
        let text = format!("{HEAD}{text}");
        assert_eq!(problems("main.toml", &text), [*expected], "{text}");
        check_refused(&text, expected);
    }
}

#[test]
fn wrong_json_is_told_its_line() {
    let cases = [
        ("{\n  \"a\": 1,\n  \"a\": 2\n}", "main.json:3:3: the key `a` stands twice, the first time in line 2"),
        ("{\n  \"a\": 1,\n}", "main.json:2:9: trailing commas are not allowed"),
        ("{ // no\n}", "main.json:1:3: comments are not allowed"),
        ("[1]", "main.json:1:1: expected a map of sections, found a list"),
        ("{ \"a\": 1e999 }", "main.json:1:8: the number `1e999` is out of range"),
        (
            "{\n\"é\": 1, \"ü\": 2 }",
            "main.json:2:6: `é`: is not a section | known here: `checkpoints`, `inputs`, `lookups`, `outputs`, `providers`, `resources`, `services`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems("main.json", text)[0], expected, "{text}");
    }
}

#[test]
fn all_problems_are_reported_in_the_order_of_their_lines() {
    let text =
        "[services.s]\nservice = 'x'\non = ['web']\n[resources.a]\nkind = 'file'\npath = 1\nmode = 2\n[providers.b]\ntype = 'x'";
    let found = problems("main.toml", text);
    let lines: Vec<_> = found.iter().map(|problem| problem.split(':').nth(1).expect("a line")).collect();
    assert_eq!(lines, ["2", "9"], "{found:#?}");
    let found = problems("main.toml", &format!("{HEAD}{}", text.replace("[providers.b]\ntype = 'x'", "")));
    let lines: Vec<_> = found.iter().map(|problem| problem.split(':').nth(1).expect("a line")).collect();
    assert_eq!(lines, ["3", "7", "8"], "{found:#?}");
}

#[test]
fn a_wrong_manifest_is_told_its_line() {
    let cases = [
        ("nam = 'x'", "provisioning.toml:1:7: `nam`: is not a field here"),
        ("\nname = ''", "provisioning.toml:2:8: `name`: is empty"),
        ("store = 1", "provisioning.toml:1:9: `store`: expected string, found the integer `1`"),
        (
            "[settings.limits]\nrun = 0",
            "provisioning.toml:2:7: `settings.limits.run`: `0` is out of range: it must be above 0 and at most 1000000000",
        ),
        ("name = ", "provisioning.toml:1:8: string values must be quoted, expected literal string"),
    ];
    for (text, expected) in cases {
        let error = Folder::new(&[("provisioning.toml", text)]).load().expect_err(text);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_document_that_nests_too_deep_is_refused() {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let cases = [
        ("main.json", lists(100_000), "main.json:1:513: maximum nesting depth exceeded"),
        ("main.toml", format!("a = {}", lists(100_000)), "main.toml:1:85: cannot recurse further; max recursion depth met"),
        ("main.toml", format!("a{} = 1", ".a".repeat(100_000)), "main.toml:1:1: recursion limit"),
        ("main.ncl", format!("{{ a = {} }}", lists(1000)), "main.ncl:1:136: the document nests deeper than 128 levels"),
        ("main.ncl", format!("{{ a = {} }}", lists(100_000)), "main.ncl:1:2006: the brackets nest deeper than 2000 levels"),
    ];
    for (file, text, expected) in cases {
        assert_eq!(problems(file, &text), [expected]);
    }
}
