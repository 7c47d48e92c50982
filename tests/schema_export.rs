//! What `schema export` writes, read by others: by the evaluator's own checker, and by a validator of JSON Schema.

use std::path::{Path, PathBuf};

use nickel_lang_core::error::{IntoDiagnostics, NullReporter};
use nickel_lang_core::eval::cache::CacheImpl;
use nickel_lang_core::program::ProgramBuilder;
use nickel_lang_core::typecheck::TypecheckMode;
use provisioning_core::config::library::{self, Sort};
use provisioning_core::error::{Error, ErrorKind};
use provisioning_core::provider::{Context, Found, Reply, ResourceKind, erase};
use provisioning_core::registry::Registry;
use provisioning_core::schema::Schema;
use serde_json::{Value, json};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> Registry {
    provisioning_providers::registry(root())
}

/// A folder with everything that is exported for a registry.
fn exported(registry: &Registry) -> TempDir {
    let folder = tempfile::tempdir().expect("made");
    library::export(registry, folder.path()).expect("exported");
    folder
}

/// Checks and evaluates a file as `nickel export` does, with the exported folder to import from.
fn nickel(main: &Path, exported: &Path) -> Result<Value, String> {
    let (main, exported) = (main.to_owned(), exported.to_owned());
    // The evaluator recurses deeper than the stack of a test allows for.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
        let builder = ProgramBuilder::new().add_path(&main).add_import_paths([exported]).with_reporter(NullReporter {});
        let mut program = builder.build::<CacheImpl>().map_err(|_| "it cannot be read".to_owned())?;
        let evaluated = program.typecheck(TypecheckMode::Walk).and_then(|()| program.eval_full_for_export());
        evaluated.map(|value| serde_json::to_value(&value).expect("data")).map_err(|error| {
            let reports = error.into_diagnostics(&mut program.files());
            let lines = reports.into_iter().flat_map(|report| {
                let labels = report.labels.into_iter().map(|label| label.message);
                [report.message].into_iter().chain(labels).chain(report.notes).collect::<Vec<_>>()
            });
            lines.collect::<Vec<_>>().join("; ")
        })
    });
    thread.expect("started").join().expect("it does not panic")
}

fn evaluated(text: &str, exported: &Path) -> Result<Value, String> {
    let folder = tempfile::tempdir().expect("made");
    let main = folder.path().join("main.ncl");
    std::fs::write(&main, text).expect("written");
    nickel(&main, exported)
}

/// The workspaces that ship: the examples, and what `init` writes.
fn workspaces() -> Vec<PathBuf> {
    let examples = [
        "examples/quickstart/main.ncl",
        "examples/environments/main.ncl",
        "examples/site/main.ncl",
        "provisioning-cli/src/commands/init/main.ncl",
    ];
    examples.map(|name| root().join(name)).to_vec()
}

#[test]
fn the_example_workspaces_pass_the_checker_and_the_schema() {
    let folder = exported(&shipped());
    let schema = std::fs::read_to_string(folder.path().join("document.schema.json")).expect("written");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    for main in workspaces() {
        let document = nickel(&main, folder.path()).unwrap_or_else(|error| panic!("{}: {error}", main.display()));
        let problems: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{}", main.display());
    }
}

#[test]
fn a_wrong_document_fails_in_the_exported_folder_and_names_the_field() {
    let folder = exported(&shipped());
    let text = std::fs::read_to_string(folder.path().join("document.schema.json")).expect("written");
    let validator = jsonschema::draft202012::new(&serde_json::from_str(&text).expect("JSON")).expect("a schema");
    let cases = [
        (
            "paht",
            r#"resources.a = p.file { path = "/a", content = "", paht = 1 }"#,
            json!({ "path": "/a", "content": "", "paht": 1 }),
        ),
        ("content", r#"resources.a = p.file { path = "/a" }"#, json!({ "path": "/a" })),
        ("path", r#"resources.a | p.Resource.file = { path = 1, content = "" }"#, json!({ "path": 1, "content": "" })),
        (
            "sha256",
            r#"resources.a = p.file { path = "/", content = "", sha256 = "x" }"#,
            json!({ "path": "/", "content": "", "sha256": "x" }),
        ),
        (
            "depend_on",
            r#"resources.a = p.file { path = "/", content = "", depend_on = [] }"#,
            json!({ "path": "/", "content": "", "depend_on": [] }),
        ),
    ];
    for (field, program, resource) in cases {
        let program = format!("let p = import \"provisioning.ncl\" in {{ {program} }} | p.Infrastructure");
        let error = evaluated(&program, folder.path()).expect_err(&program);
        assert!(error.contains(&format!("`{field}`")), "{program}: {error}");
        let mut document = json!({ "resources": { "a": resource } });
        document["resources"]["a"]["kind"] = "file".into();
        let problem = validator.validate(&document).expect_err(field);
        let told = format!("{}: {problem}", problem.instance_path());
        assert!(told.contains(field), "{document}: {told}");
    }
}

/// A kind of a program's own, as in `examples/embed.rs`: nothing of it is known but its schema.
struct Note;

#[async_trait::async_trait]
impl ResourceKind for Note {
    type Spec = Value;
    type State = Value;

    fn schema(&self) -> Schema {
        let text = "kind = 'note'\nsummary = 'A note on the board.'\n[fields]\n\
            text = { type = 'string', presence = 'required', summary = 'What it says.' }\n\
            colour = { type = 'string', one_of = ['red', 'blue'], on_change = 'replace', summary = 'Its colour.' }\n\
            id = { type = 'string', presence = 'computed', summary = 'Who it is.' }";
        Schema::parse(text).expect("a schema")
    }

    async fn read(&self, _: &[String]) -> Result<Vec<Option<Value>>, Error> {
        Err(Error::bug("called"))
    }

    async fn find(&self, _: &Context, _: &Value) -> Result<Found<Value>, Error> {
        Err(Error::bug("called"))
    }

    async fn create(&self, _: &Context, _: Value) -> Result<Reply<Value>, Error> {
        Err(Error::bug("called"))
    }

    async fn update(&self, _: &Context, _: Value, _: Value) -> Result<Reply<Value>, Error> {
        Err(Error::bug("called"))
    }

    async fn delete(&self, _: &Context, _: Value) -> Result<Reply<()>, Error> {
        Err(Error::bug("called"))
    }
}

#[test]
fn a_program_gets_all_of_it_for_a_kind_of_its_own() {
    let registry = Registry::default().with_kinds("board", vec![erase(Note)]).expect("a registry");
    let folder = exported(&registry);
    let program = |fields: &str| {
        format!(
            "let p = import \"provisioning.ncl\" in {{ providers.kitchen = p.board {{}}, resources.list = p.note {{ {fields} }} }}"
        )
    };
    let right = evaluated(&program("text = \"buy tea\", colour = 'red, after = [\"copy\"]"), folder.path()).expect("right");
    assert_eq!(right["resources"]["list"], json!({ "kind": "note", "text": "buy tea", "colour": "red", "after": ["copy"] }));
    let wrong = evaluated(&program("text = \"buy tea\", colour = \"green\""), folder.path()).expect_err("wrong");
    assert!(wrong.contains("`colour`") && wrong.contains("expected one of `red`, `blue`"), "{wrong}");
    let validator = jsonschema::draft202012::new(&library::json_schema(&registry)).expect("a schema");
    assert!(validator.is_valid(&right));
    assert!(!validator.is_valid(&json!({ "resources": { "list": { "kind": "note", "colour": "red" } } })));
    let page = std::fs::read_to_string(folder.path().join("reference/provider-board.md")).expect("a page");
    for line in [
        "## Kind `note`",
        "| `colour` | string | optional |  | replace | Its colour. One of `\"red\"`, `\"blue\"`. |",
        "| `id` | string | output |  |  | Who it is. |",
        "| create | reversible |  |",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[test]
fn every_name_that_is_offered_has_its_place_in_every_file() {
    let folder = exported(&shipped());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect(name);
    let (library, schema, index) = (read("provisioning.ncl"), read("document.schema.json"), read("reference/index.md"));
    assert!(jsonschema::meta::is_valid(&serde_json::from_str(&schema).expect("JSON")));
    for entry in library::entries(&shipped()) {
        let name = &entry.schema.kind;
        assert!(library.contains(&format!("\"{name}\"\n    | doc")), "{name}");
        assert!(schema.contains(&format!(".{name}\"")), "{name}");
        assert!(index.contains(&format!("[`{name}`]")), "{name}");
        let page = read(&match &entry.provider {
            Some(provider) => format!("reference/provider-{provider}.md"),
            None if entry.sort == Sort::Service => format!("reference/service-{name}.md"),
            None => format!("reference/provider-{name}.md"),
        });
        for field in entry.schema.fields.keys() {
            assert!(page.contains(&format!("| `{field}` |")), "{name}.{field}");
        }
    }
}

#[test]
fn an_export_overwrites_its_own_files_and_no_others() {
    let folder = exported(&shipped());
    let path = folder.path().join("provisioning.ncl");
    let library = std::fs::read_to_string(&path).expect("written");
    std::fs::write(&path, library.replace("# The library", "# An older library")).expect("changed");
    library::export(&shipped(), folder.path()).expect("its own files");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), library);
    std::fs::write(&path, "old").expect("changed");
    std::fs::write(folder.path().join("reference/index.md"), "# Mine\n").expect("changed");
    let error = library::export(&shipped(), folder.path()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "old", "a part was written");
}
