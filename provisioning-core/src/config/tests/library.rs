//! The library with a contract for each field and the JSON Schema, held against the engine: what it takes they take, and
//! what it refuses they refuse, as far as one document alone tells.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::fixture::registry;
use super::{NICKEL, TOML, without_places};
use crate::config::Settings;
use crate::config::document::{Around, desired_of};
use crate::config::known::Known;
use crate::config::layers;
use crate::config::library::{self, Weight, json_schema, object_schema};
use crate::config::nickel::{Program, STEPS, evaluate};
use crate::config::source::Source;
use crate::error::Result;
use crate::registry::Registry;
use crate::resource::Desired;
use crate::value::Node;

fn evaluated(main: &str, root: &Path, weight: Weight) -> Result<Node> {
    run(main, root, &library::library(&registry(), weight))
}

fn run(main: &str, root: &Path, library: &str) -> Result<Node> {
    let (source, given) = (Source::new("main.ncl", main), BTreeMap::new());
    evaluate(Program { source: &source, root, library, given: &given, steps: STEPS }).map(|(document, _)| document)
}

fn declared(main: &str, weight: Weight) -> Result<Desired> {
    let document = evaluated(main, Path::new("/shop"), weight)?;
    let (settings, known, files) = (Settings::shipped(), Known::default(), |_: &str| Ok("".into()));
    let around = Around { settings: &settings, files: &files, known: &known };
    desired_of(document, &registry(), &around).map(without_places)
}

/// What the library with its contracts says of a document, and what the JSON Schema says.
fn elsewhere(document: &Json) -> [Result<(), String>; 2] {
    let main = format!("let p = import \"provisioning.ncl\" in {} | p.Infrastructure", program(document));
    let contracts = evaluated(&main, Path::new("/shop"), Weight::Contracts).map(drop).map_err(|error| error.to_string());
    let validator = jsonschema::draft202012::new(&json_schema(&registry())).expect("a schema");
    [contracts, validator.validate(document).map_err(|error| format!("{}: {error}", error.instance_path()))]
}

/// Data as Nickel writes it.
fn program(document: &Json) -> String {
    match document {
        Json::Object(map) => {
            let entries = map.iter().map(|(key, item)| format!("{} = {}", Json::from(key.as_str()), program(item)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(program).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn read(toml: &str) -> Json {
    toml::from_str(toml).expect("parses")
}

/// What only a look at other declarations, at the files or at the settings tells.
const THE_ENGINE_ALONE: [&str; 16] = [
    "has the kind `cart`",
    "there is no kind `cart`",
    "there is no provider `lap`",
    "sealing is not available",
    "the word is reserved",
    "`@` stands between",
    "the name is taken",
    "is out of range",
    "is not a resource name",
    "is not a path below the workspace",
    "there is no file",
    "syntax error",
    "have the kind `network`",
    "to run on",
    "the key `a` stands twice",
    "the number `99999999999999999999`",
];

/// Checks that a document which the engine refuses is refused elsewhere too, where that is possible.
pub(super) fn check_refused(toml: &str, problem: &str) {
    let alone = THE_ENGINE_ALONE.iter().any(|said| problem.contains(said));
    let Ok(document) = toml::from_str::<Json>(toml) else { return assert!(alone, "{toml}") };
    for verdict in elsewhere(&document) {
        assert_eq!(verdict.is_err(), !alone, "{toml}\n{verdict:?}\nbut the engine said: {problem}");
    }
}

#[test]
fn a_right_document_is_right_everywhere() {
    let cases = [
        TOML,
        "",
        "providers.lab.type = 'local'\nproviders.lab.root = '${a.path}'",
        "resources.a = { kind = 'file', path = '/a', content = { template = 'a.j2', vars = { x = [1] } } }",
        "resources.a = { kind = 'server', size_gb = '${b.size}', ratio = 1, on = '${b.on}', tags = '${b.tags}', disks = '${b.disks}' }",
        "resources.a = { kind = 'server', size_gb = 1, disks = ['${b.disk}', { size_gb = '${b.size}' }], tags = { x = '${b.x}' } }",
        "resources.a = { kind = 'file', path = '/a', mode = '${b.mode}' }",
        "resources.a = { kind = 'file', path = '/a', timeout_seconds = '${input.wait}', after = ['${input.first}'] }",
        "inputs = { size = 2, name = { type = 'string', default = 'x' }, plain = { a = 1 } }",
        "services.s = { service = 'nginx', on = ['a'] }\ncheckpoints.done = ['a']",
        "outputs = { a = [1, '${b.c}'], b = { value = 1, sensitive = true } }",
    ];
    for toml in cases {
        assert_eq!(elsewhere(&read(toml)), [Ok(()), Ok(())], "{toml}");
    }
    let nothing = json!({ "resources": { "a": { "kind": "file", "path": "/a", "content": null } }, "outputs": null });
    assert_eq!(elsewhere(&nothing), [Ok(()), Ok(())]);
}

#[test]
fn a_program_means_the_same_with_every_library() {
    let head = "let p = import \"provisioning.ncl\" in";
    let programs = [
        "{ providers.lab = p.local {}, resources.a | p.Resource.file = { path = \"/a\", mode = 'public } } | p.Infrastructure",
        "{ providers.lab | p.Provider.local = {}, resources = { a = p.file { path = \"/a\" } & { content = \"${a.x}\" } } }",
        "{ providers.lab = p.local {}, lookups = { i = p.lookups.image { name = \"x\" }, j | p.Lookup.image = {} } } | p.Infrastructure",
        "{ providers.lab = p.local {}, lookups = { i = p.lookup { kind = \"image\" } } } | p.Infrastructure",
        "{ providers.lab = p.local {}, resources.w = p.resource \"server\" { size_gb = 2 / 1 },
           services = { s = p.services.nginx { on = [\"w\"], config = { port = 1 } }, t | p.Service.nginx = { on = [\"w\"] } } }",
        "{ providers.c = p.cloud { zone = \"x\" }, resources.a = p.server { size_gb = 1 } & { tags.x = \"y\", retry.attempts = 2 } }",
        "{ providers.lab = p.local {}, resources.a = p.file { path = \"/a\", content = p.template \"a.j2\" { x = 1 } } }",
    ];
    for text in programs.into_iter().map(|program| format!("{head}\n{program}")).chain([NICKEL.to_owned()]) {
        let shape = declared(&text, Weight::Shape).expect(&text);
        assert_eq!(declared(&text, Weight::Contracts).expect(&text), shape, "{text}");
    }
}

#[test]
fn a_wrong_program_is_refused_with_every_library_and_told_the_field() {
    let cases = [
        ("{ resources.a = p.file { path = \"/a\", paht = 1 } }", "extra field `paht`"),
        ("{ resources.a | p.Resource.file = { path = 1 } }", "the value of `path`: expected a string"),
        ("{ resources.a = p.file {} }", "missing definition for `path`"),
        ("{ resources.a = p.file { path = \"/a\", id = \"x\" } }", "extra field `id`"),
        ("{ resources.a = p.file { path = \"/a\", mode = 'secret } }", "expected one of `private`, `public`"),
        ("{ resources.a = p.server { size_gb = 1.5 } }", "the value of `size_gb`: expected an integer"),
        ("{ resources.a = p.server { size_gb = 1, disks = [{ size = 1 }] } }", "extra field `size`"),
        ("{ resources.a = p.file { path = \"/a\", retry.attempt = 1 } }", "extra field `attempt`"),
        ("{ resources.a = p.file { path = \"/a\", after = [\"${b.id}\"] } }", "expected a string without a reference"),
        ("{ resources.a = p.resource \"fille\" {} }", "`kind` names no kind"),
        ("{ services.s = p.services.nginx { on = [\"a\"], config.prt = 1 } }", "extra field `prt`"),
        ("{ services.s = p.service { service = \"nginx\" } }", "missing definition for `on`"),
        ("{ provider = {} } | p.Infrastructure", "extra field `provider`"),
    ];
    for (program, expected) in cases {
        let text =
            format!("let p = import \"provisioning.ncl\" in\n{}", program.replacen('{', "{ providers.lab = p.local {},", 1));
        declared(&text, Weight::Shape).expect_err(&text);
        let error = evaluated(&text, Path::new("/shop"), Weight::Contracts).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn a_schema_of_ours_has_a_json_schema() {
    let validator = jsonschema::draft202012::new(&object_schema(&layers::schema())).expect("a schema");
    let right = "name = 'shop'\nstore = '${workspace.environment}.db'\n[settings]\non_failure = 'stop'\nlimits.run = 2\n[inputs]\na = [1]";
    assert!(validator.is_valid(&read(right)));
    for wrong in
        ["nam = 'x'", "settings.limits.run = '${a.b}'", "settings.on_failure = 'go'", "settings.limit.run = 1", "env = 'HOME'"]
    {
        assert!(!validator.is_valid(&read(wrong)), "{wrong}");
    }
}

#[test]
fn nothing_registered_is_a_library_too() {
    let empty = Registry::default();
    let schema = json_schema(&empty);
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    assert!(validator.is_valid(&json!({ "outputs": { "a": 1 } })));
    assert!(!validator.is_valid(&json!({ "resources": { "a": { "kind": "file" } } })));
    let text = "let p = import \"provisioning.ncl\" in { outputs.a = 1 } | p.Infrastructure";
    let library = library::library(&empty, Weight::Contracts);
    run(text, Path::new("/shop"), &library).expect("evaluates");
}
