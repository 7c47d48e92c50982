//! The local provider on real directories, reached through the registry as the engine reaches it.
//!
//! Crashes are played by making by hand what a call leaves when it is cut short.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use provisioning_core::digest::{Digest, DigestKey};
use provisioning_core::error::{ErrorKind, Result};
use provisioning_core::name::{Kind, StepId, WorkspaceId};
use provisioning_core::provider::{AnyKind, Context, Found, Provider, Reply};
use provisioning_core::record::Object;
use provisioning_core::registry::{ProviderFactory, Registry};
use provisioning_core::schema::{Existence, Sealer};
use provisioning_core::testing::{RecordingReporter, context};
use provisioning_core::value::{Node, Secret, Value};
use provisioning_providers::registry;
use tempfile::TempDir;

struct World {
    directory: TempDir,
    registry: Registry,
    provider: Arc<dyn Provider>,
}

/// Settings as the engine hands them over: checked, with defaults.
fn settings(factory: &dyn ProviderFactory, given: &[(&str, &str)]) -> Value {
    let given = Value::map(given.iter().map(|(name, value)| (*name, Value::from(*value))));
    let mut problems = Vec::new();
    let settings = factory.settings().check(&Node::from(given), "providers.here", &mut problems);
    assert_eq!(problems, []);
    settings
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let registry = registry(directory.path());
        let factory = registry.provider(&word("local")).expect("ships").clone();
        let provider = factory.build(&settings(factory.as_ref(), &[])).expect("builds");
        Self { directory, registry, provider }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn kind(&self, name: &str) -> Arc<dyn AnyKind> {
        let name = word(name);
        self.provider.kinds().into_iter().find(|kind| kind.schema().kind == name).expect("the provider has it")
    }

    /// The fields as the engine hands them over: checked, with defaults.
    fn spec(&self, kind: &str, fields: &[(&str, &str)]) -> Value {
        let schema = self.registry.kind(&word("local"), &word(kind)).expect("the registry has it");
        let fields = Value::map(fields.iter().map(|(name, value)| (*name, Value::from(*value))));
        let mut problems = Vec::new();
        let spec = schema.check(&Node::from(fields), "resources.it", &mut problems);
        assert_eq!(problems, []);
        spec
    }

    fn file(&self, fields: &[(&str, &str)]) -> Value {
        self.spec("file", fields)
    }

    async fn create(&self, kind: &str, fields: &[(&str, &str)]) -> Result<Object> {
        self.kind(kind).create(&step("create"), &self.spec(kind, fields)).await.map(done)
    }

    async fn read(&self, kind: &str, object: &Object) -> Option<Object> {
        self.kind(kind).read(std::slice::from_ref(&object.id)).await.expect("reads").pop().flatten()
    }

    async fn find(&self, kind: &str, fields: &[(&str, &str)]) -> Found<Object> {
        self.kind(kind).find(&step("create"), &self.spec(kind, fields)).await.expect("finds")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("lists");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn word(name: &str) -> Kind {
    Kind::parse(name).expect("a kind")
}

fn step(verb: &str) -> Context {
    context(&StepId::parse(&format!("it/{verb}")).expect("a step"), 1, Arc::new(RecordingReporter::default()))
}

fn done<T>(reply: Reply<T>) -> T {
    match reply {
        Reply::Done(value) => value,
        Reply::Wait { phase, .. } => panic!("nothing local waits, least of all for {phase}"),
    }
}

fn output<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.outputs.field(name).and_then(Value::as_str)
}

fn mode(path: &PathBuf) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_created_file_is_there_with_content_mode_and_outputs() {
    let world = World::new();
    let made = world.create("file", &[("path", "index.html"), ("content", "hello\n"), ("mode", "0600")]).await.expect("creates");
    let path = world.path("index.html");
    assert_eq!((fs::read_to_string(&path).expect("reads").as_str(), mode(&path)), ("hello\n", 0o600));
    assert_eq!(made.id, path.display().to_string());
    assert_eq!(output(&made, "sha256"), Some(Digest::of(b"hello\n").as_str()));
    assert_eq!(made.outputs.field("size_bytes"), Some(&Value::Integer(6)));
    assert_eq!(world.names(), ["index.html"]);
}

#[tokio::test]
async fn a_file_of_somebody_else_is_refused_and_untouched() {
    let world = World::new();
    fs::write(world.path("motd"), "theirs").expect("writes");
    fs::create_dir(world.path("directory")).expect("makes");
    symlink("nowhere", world.path("link")).expect("links");
    for name in ["motd", "directory", "link"] {
        let error = world.create("file", &[("path", name), ("content", "ours")]).await.expect_err("refused");
        let message = format!("`{}` exists already and was not made by this resource", world.path(name).display());
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Conflict, message));
        assert_eq!(error.hint(), Some("remove it or choose another path"));
        let found = world.find("file", &[("path", name), ("content", "theirs")]).await;
        assert_eq!(found, Found::None, "{name} is not adopted");
    }
    assert_eq!(fs::read_to_string(world.path("motd")).expect("reads"), "theirs");
    assert_eq!(world.names(), ["directory", "link", "motd"], "no draft is left");
}

#[tokio::test]
async fn a_directory_of_somebody_else_is_refused() {
    let world = World::new();
    fs::create_dir(world.path("theirs")).expect("makes");
    let error = world.create("directory", &[("path", "theirs")]).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(world.names(), ["theirs"], "no draft is left");
}

#[tokio::test]
async fn a_path_through_a_file_is_a_conflict() {
    let world = World::new();
    fs::write(world.path("plain"), "").expect("writes");
    for kind in ["file", "directory"] {
        let fields = [("path", "plain/below"), ("content", "x")];
        let fields = if kind == "file" { &fields[..] } else { &fields[..1] };
        let error = world.create(kind, fields).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().ends_with("/plain/below` leads through something that is not a directory"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_parent_is_named_with_what_to_do() {
    let world = World::new();
    let error = world.create("file", &[("path", "www/index.html"), ("content", "")]).await.expect_err("refused");
    let (parent, path) = (world.path("www"), world.path("www/index.html"));
    assert_eq!(error.to_string(), format!("the directory `{}` for `{}` does not exist", parent.display(), path.display()));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().is_some_and(|hint| hint.contains("`parents = true`")));
}

#[tokio::test]
async fn an_owner_that_does_not_exist_is_refused_before_anything_is_made() {
    let world = World::new();
    let fields = [("path", "file"), ("content", ""), ("owner", "no-such-user")];
    let error = world.create("file", &fields).await.expect_err("refused");
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Invalid, "there is no user `no-such-user` on this machine")
    );
    assert_eq!(world.names(), Vec::<String>::new());
}

#[tokio::test]
async fn drift_of_content_and_mode_shows_in_what_read_gives() {
    let world = World::new();
    let made = world.create("file", &[("path", "file"), ("content", "as wanted")]).await.expect("creates");
    let schema = world.kind("file").schema();
    let sealer = Sealer::new(WorkspaceId::new(1), DigestKey::new([1; 32]), None);
    let seal = sealer.of_kind(&schema.kind);
    let kept = |object: &Object| schema.persistable(&object.outputs, &seal);
    let wanted = schema.persistable(&world.file(&[("path", "file"), ("content", "as wanted")]), &seal);
    assert_eq!(kept(&made).field("content"), wanted.field("content"));
    fs::write(world.path("file"), b"\xff changed").expect("writes");
    fs::set_permissions(world.path("file"), fs::Permissions::from_mode(0o4755)).expect("changes");
    let seen = world.read("file", &made).await.expect("is there");
    assert_ne!(kept(&seen).field("content"), wanted.field("content"));
    assert_eq!(output(&seen, "mode"), Some("4755"));
    assert_eq!(output(&seen, "sha256"), Some(Digest::of(b"\xff changed").as_str()));
}

#[tokio::test]
async fn a_file_that_became_something_else_is_gone_and_stays_untouched() {
    let world = World::new();
    let made = world.create("file", &[("path", "file"), ("content", "")]).await.expect("creates");
    fs::remove_file(world.path("file")).expect("removes");
    fs::create_dir(world.path("file")).expect("makes");
    assert_eq!(world.read("file", &made).await, None);
    done(world.kind("file").delete(&step("delete"), &made).await.expect("deletes"));
    assert!(world.path("file").is_dir());
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_not_read() {
    let world = World::new();
    let made = world.create("file", &[("path", "file"), ("content", "")]).await.expect("creates");
    fs::File::options().write(true).open(world.path("file")).and_then(|file| file.set_len((64 << 20) + 1)).expect("grows");
    let error = world.kind("file").read(std::slice::from_ref(&made.id)).await.expect_err("refused");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Limited, format!("`{}` is larger than 64 MiB", made.id)));
}

#[tokio::test]
async fn an_update_replaces_the_whole_file_and_keeps_its_owner() {
    let world = World::new();
    let made = world.create("file", &[("path", "file"), ("content", "a longer text")]).await.expect("creates");
    let before = fs::metadata(world.path("file")).expect("exists");
    let wanted = world.file(&[("path", "file"), ("content", "short"), ("mode", "0400")]);
    let updated = done(world.kind("file").update(&step("update"), &made, &wanted).await.expect("updates"));
    let after = fs::metadata(world.path("file")).expect("exists");
    assert_eq!(fs::read_to_string(world.path("file")).expect("reads"), "short");
    assert_eq!((after.uid(), after.gid(), mode(&world.path("file"))), (before.uid(), before.gid(), 0o400));
    assert_eq!(world.read("file", &made).await, Some(updated));
    assert_eq!(world.names(), ["file"]);
}

#[tokio::test]
async fn a_create_that_died_before_its_rename_leaves_nothing_once_it_is_searched_for() {
    let world = World::new();
    let draft = format!(".file.{}.tmp", step("create").token);
    fs::write(world.path(&draft), "half of the con").expect("writes");
    assert_eq!(world.find("file", &[("path", "file"), ("content", "half of the content")]).await, Found::None);
    assert_eq!(world.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_create_starts_over_where_its_own_draft_lies() {
    let world = World::new();
    fs::write(world.path(&format!(".file.{}.tmp", step("create").token)), "half of the con").expect("writes");
    fs::create_dir(world.path(&format!(".directory.{}.tmp", step("create").token))).expect("makes");
    world.create("file", &[("path", "file"), ("content", "whole")]).await.expect("creates");
    world.create("directory", &[("path", "directory")]).await.expect("creates");
    assert_eq!(fs::read_to_string(world.path("file")).expect("reads"), "whole");
    assert_eq!(world.names(), ["directory", "file"]);
}

#[tokio::test]
async fn a_create_that_died_after_its_rename_is_found_even_when_the_file_changed_since() {
    let world = World::new();
    let fields = [("path", "file"), ("content", "ours")];
    let made = world.create("file", &fields).await.expect("creates");
    assert_eq!(world.find("file", &fields).await, Found::One(made.clone()));
    fs::write(world.path("file"), "edited").expect("writes in place");
    let Found::One(found) = world.find("file", &fields).await else { panic!("it bears the token") };
    assert_eq!((found.id, output(&Object { id: String::new(), outputs: found.outputs }, "content")), (made.id, Some("edited")));
}

#[tokio::test]
async fn a_directory_is_deleted_only_when_it_is_empty() {
    let world = World::new();
    let made = world.create("directory", &[("path", "data")]).await.expect("creates");
    assert_eq!(mode(&world.path("data")), 0o755);
    for name in ["a", "b", "c", "d", "e"] {
        fs::write(world.path("data").join(name), "").expect("writes");
    }
    let kind = world.kind("directory");
    let error = kind.delete(&step("delete"), &made).await.expect_err("refused");
    assert_eq!(error.to_string(), format!("`{}` is not empty: it has `a`, `b`, `c` and 2 more", made.id));
    assert_eq!(error.kind(), ErrorKind::Conflict);
    fs::remove_dir_all(world.path("data")).and_then(|()| fs::create_dir(world.path("data"))).expect("empties");
    done(kind.delete(&step("delete"), &made).await.expect("deletes"));
    assert_eq!(world.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_value_gives_its_input_back_and_a_secret_stays_one() {
    let world = World::new();
    let secret = Value::Secret(Secret::new("hunter2".into()));
    let made =
        done(world.kind("value").create(&step("create"), &Value::map([("input", secret.clone())])).await.expect("creates"));
    assert_eq!(made.outputs.field("output"), Some(&secret));
    assert!(made.id.len() == 16 && made.id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{}", made.id);
    assert_eq!(world.kind("value").schema().existence, Existence::Stored);
}

#[tokio::test]
async fn the_host_is_this_machine_and_its_connection_runs_commands() {
    let world = World::new();
    let made = world.create("host", &[]).await.expect("creates");
    let connection = made.outputs.field("connection").expect("has one");
    let host = world.registry.host(connection).expect("leads to a host");
    let facts = host.facts().await.expect("answers");
    let name = host.run(&provisioning_core::host::Command::shell("uname -n")).await.expect("runs");
    assert_eq!(String::from_utf8_lossy(&name.stdout).trim(), facts.host_name);
    assert_eq!(output(&made, "host_name"), Some(facts.host_name.as_str()));
    assert_eq!(world.read("host", &made).await, Some(made));
}

#[tokio::test]
async fn the_lookup_reads_a_file_that_exists() {
    let world = World::new();
    fs::write(world.path("version"), "1.2\n").expect("writes");
    let lookups = world.provider.lookups();
    let answer = lookups[0].read(&Value::map([("path", "version".into())])).await.expect("reads");
    assert_eq!(answer.field("content").and_then(Value::as_str), Some("1.2\n"));
    assert_eq!(answer.field("size_bytes"), Some(&Value::Integer(4)));
    let error = lookups[0].read(&Value::map([("path", "none".into())])).await.expect_err("is not there");
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::NotFound, format!("`{}` does not exist", world.path("none").display()))
    );
}

#[tokio::test]
async fn a_root_that_is_no_directory_fails_the_check() {
    let world = World::new();
    let factory = world.registry.provider(&word("local")).expect("ships").clone();
    world.provider.check().await.expect("the base is a directory");
    let elsewhere = factory.build(&settings(factory.as_ref(), &[("root", "nowhere")])).expect("builds without a call");
    let error = elsewhere.check().await.expect_err("is not there");
    let root = world.path("nowhere");
    assert_eq!(error.to_string(), format!("the root `{}` of a `local` provider is not a directory", root.display()));
}
