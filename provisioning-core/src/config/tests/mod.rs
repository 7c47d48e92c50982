//! Whole workspaces, from files to declarations, over a small registry of made-up kinds.
//!
//! What one file of the module does by itself is tested in that file.

mod cache;
mod fixture;
mod inputs;
mod layers;
mod library;
mod mistakes;
mod nickel;

use std::time::Duration;

use self::fixture::{Folder, registry};
use super::{Location, OnFailure, Overrides, Settings, desired};
use crate::error::ErrorKind;
use crate::name::ResourceName;
use crate::resource::{Declared, Desired, Role};
use crate::value::{Map, Node, Value};

const NICKEL: &str = r#"
let p = import "provisioning.ncl" in
let site = fun index => p.file { path = "/srv/%{std.to_string index}", content = "${net.id}", mode = 'private } in
{
  providers = { lab = p.local { root = "/tmp/lab" }, far = p.cloud { zone = "x" } },
  resources = {
    net = p.network { cidr = "10.0.0.0/24" },
    a = site 1 & { depends_on = ["net"], retry = { attempts = 7 } },
    web = p.resource "server" {
      provider = "far", size_gb = 2 * 10, ratio = 0.5, disks = [{ size_gb = 1 }], tags = { team = "x" },
      after = ["a"], timeout_seconds = 2.5,
      lifecycle = { prevent_destroy = true, ignore_changes = ["tags"], moved_from = "old" },
    },
  },
  lookups = { image = p.lookup { kind = "image", name = "debian" } },
  services = { nginx = p.service { service = "nginx", on = ["web", "net"], config = { port = 80 } } },
  outputs = { address = "${web.address}", key = { value = "${web.id}", sensitive = true } },
} | p.Infrastructure
"#;

const TOML: &str = r#"
[providers]
lab = { type = "local", root = "/tmp/lab" }
far = { type = "cloud", zone = "x" }

[resources.net]
kind = "network"
cidr = "10.0.0.0/24"

[resources.a]
kind = "file"
path = "/srv/1"
content = "${net.id}"
mode = "private"
depends_on = ["net"]
retry.attempts = 7

[resources.web]
kind = "server"
provider = "far"
size_gb = 20
ratio = 0.5
disks = [{ size_gb = 1 }]
tags.team = "x"
after = ["a"]
timeout_seconds = 2.5
lifecycle = { prevent_destroy = true, ignore_changes = ["tags"], moved_from = "old" }

[lookups.image]
kind = "image"
name = "debian"

[services.nginx]
service = "nginx"
on = ["web", "net"]
config.port = 80

[outputs]
address = "${web.address}"
key = { value = "${web.id}", sensitive = true }
"#;

fn json() -> String {
    let value: serde_json::Value = toml::from_str(TOML).expect("parses");
    serde_json::to_string_pretty(&value).expect("serialises")
}

fn without_places(mut desired: Desired) -> Desired {
    for provider in desired.providers.values_mut() {
        provider.origin = None;
        provider.origins = Map::new();
    }
    desired.outputs.values_mut().for_each(|output| output.origin = None);
    desired.checkpoints.values_mut().for_each(|checkpoint| checkpoint.origin = None);
    for declared in desired.resources.values_mut() {
        declared.origin = None;
        declared.origins = Map::new();
    }
    desired
}

fn named<'a>(desired: &'a Desired, name: &str) -> &'a Declared {
    &desired.resources[&ResourceName::parse(name).expect("a name")]
}

#[test]
fn every_format_declares_the_same() {
    let load = |file: &str, text: &str| Folder::new(&[(file, text)]).load().expect(file).desired;
    let nickel = without_places(load("main.ncl", NICKEL));
    assert_eq!(nickel.resources.len(), 6);
    assert_eq!(nickel, without_places(load("main.toml", TOML)));
    assert_eq!(nickel, without_places(load("main.json", &json())));
    let value = Value::try_from(serde_json::from_str::<serde_json::Value>(&json()).expect("parses")).expect("fits");
    assert_eq!(nickel, desired(Node::from(value), &registry(), &Settings::shipped()).expect("a program's document"));
}

#[test]
fn a_declaration_has_its_options_its_defaults_and_its_provider() {
    let desired = Folder::new(&[("main.toml", TOML)]).load().expect("loads").desired;
    let web = named(&desired, "web");
    assert_eq!(web.role.provider().map(AsRef::as_ref), Some("far"));
    assert_eq!(web.timeout, Duration::from_millis(2500));
    assert_eq!(web.after, ["a"]);
    assert!(web.lifecycle.prevent_destroy && !web.lifecycle.create_before_destroy);
    assert_eq!(web.lifecycle.moved_from.as_ref().map(AsRef::as_ref), Some("old"));
    let a = named(&desired, "a");
    assert_eq!((a.retry.attempts, a.retry.max_seconds), (7, 30.0));
    assert_eq!(a.role.provider().map(AsRef::as_ref), Some("lab"));
    assert_eq!(a.inputs.field("owner"), Some(&Value::from("root")));
    assert!(matches!(named(&desired, "image").role, Role::Lookup { .. }));
    assert!(desired.outputs["key"].sensitive && !desired.outputs["address"].sensitive);
}

#[test]
fn a_service_is_declared_once_per_host() {
    let desired = Folder::new(&[("main.toml", TOML)]).load().expect("loads").desired;
    for host in ["web", "net"] {
        let service = named(&desired, &format!("nginx@{host}"));
        assert_eq!(service.role, Role::Service { host: ResourceName::parse(host).expect("a name") });
        assert_eq!(service.inputs, Value::map([("port", Value::Integer(80))]));
        assert_eq!(service.origins["port"].to_string(), "main.toml:36:15");
    }
}

#[test]
fn every_field_knows_where_it_was_written() {
    let places = |file: &str, text: &str| {
        let desired = Folder::new(&[(file, text)]).load().expect(file).desired;
        let web = named(&desired, "web");
        let own = web.origin.as_ref().expect("placed").to_string();
        (own, web.origins["size_gb"].to_string(), named(&desired, "a").origins["path"].to_string())
    };
    let (own, size, path) = places("main.toml", TOML);
    assert_eq!((own.as_str(), size.as_str(), path.as_str()), ("main.toml:18:12", "main.toml:21:11", "main.toml:12:8"));
    let (own, size, path) = places("main.ncl", NICKEL);
    assert_eq!((own.as_str(), size.as_str(), path.as_str()), ("main.ncl:9:5", "main.ncl:10:35", "main.ncl:3:41"));
}

#[test]
fn a_template_travels_with_its_field() {
    let text = "providers.lab.type = 'local'\n[resources.a]\nkind = 'file'\npath = '/a'\n\
        content = { template = 'templates/a.j2', vars = { port = '${b.id}' } }";
    let folder = Folder::new(&[("main.toml", text), ("templates/a.j2", "listen {{ port }}\n")]);
    let desired = folder.load().expect("loads").desired;
    let Some(Value::Render(render)) = named(&desired, "a").inputs.field("content") else { panic!("not a template") };
    assert_eq!((&*render.name, &*render.source), ("templates/a.j2", "listen {{ port }}\n"));
    assert_eq!(render.variables, Value::map([("port", Value::from("${b.id}"))]));
}

#[test]
fn a_template_names_what_a_reference_could() {
    let manifest = "name = 'shop'\nenv = ['HOST']";
    let text = "providers.lab.type = 'local'\ninputs.size = 3\n[resources.net]\nkind = 'network'\ncidr = '10.0.0.0/8'\n\
        [resources.a]\nkind = 'file'\npath = '/a'\ncontent = { template = 'a.j2', vars = { net = 'mine' } }\n\
        [resources.b]\nkind = 'file'\npath = '/b'\ncontent.template = 'b.j2'";
    let b = "{{ net.cidr }} {{ input.size }} {{ workspace.name }} {{ secret.key }} {{ env.HOST }}\n{% for x in net.ids %}{{ x }}{% endfor %}";
    let folder = Folder::new(&[("provisioning.toml", manifest), ("main.toml", text), ("a.j2", "{{ net }}"), ("b.j2", b)]);
    let variables = [("HOST".to_owned(), "here".to_owned())].into();
    let desired = folder.load_with(&Overrides { variables, ..Overrides::default() }).expect("loads").desired;
    let variables = |name: &str| match named(&desired, name).inputs.field("content") {
        Some(Value::Render(render)) => render.variables.expose().expect("plain").to_string(),
        _ => panic!("not a template"),
    };
    assert_eq!(variables("a"), r#"{"net":"mine"}"#, "what is given goes before");
    let expected = r#"{"env":{"HOST":"here"},"input":{"size":3},"net":{"cidr":"${net.cidr}","ids":"${net.ids}"},"secret":{"key":"${secret.key}"},"workspace":{"name":"shop"}}"#;
    assert_eq!(variables("b"), expected);
}

#[test]
fn a_location_needs_no_declarations() {
    let manifest = "name = 'shop'\nstore = 'state/shop.db'\n[settings]\non_failure = 'continue'";
    let folder = Folder::new(&[("provisioning.toml", manifest), ("main.toml", "this is not TOML")]);
    let location = Location::open(folder.path(), &Overrides::default()).expect("opens");
    assert_eq!((location.name.as_str(), location.settings.on_failure), ("shop", OnFailure::Continue));
    assert_eq!(location.store, folder.path().canonicalize().expect("there").join("state/shop.db"));
    let plain = Folder::new(&[]);
    let location = Location::open(plain.path(), &Overrides::default()).expect("opens");
    assert_eq!(Some(location.name.as_str()), plain.path().file_name().and_then(|name| name.to_str()));
    assert!(location.store.ends_with(".provisioning/state.db"));
}

#[test]
fn what_is_not_a_workspace_says_how_to_make_one() {
    let empty = tempfile::tempdir().expect("made");
    for path in [empty.path().to_owned(), empty.path().join("none")] {
        let error = Location::open(&path, &Overrides::default()).expect_err("refused");
        assert_eq!((error.kind(), error.hint()), (ErrorKind::NotFound, Some("`provisioning init` makes one")));
    }
    let error = Folder::new(&[]).load().expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().ends_with("has no `main.ncl`, `main.toml` or `main.json`"), "{error}");
    let error = Folder::new(&[("main.ncl", "{}"), ("main.json", "{}")]).load().expect_err("refused");
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Conflict, "more than one file says what is wanted: `main.ncl`, `main.json`")
    );
}

#[test]
fn an_empty_document_shows_the_smallest_one_which_loads() {
    for (file, empty) in
        [("main.toml", "# nothing\n"), ("main.json", "{}"), ("main.json", " \n"), ("main.ncl", ""), ("main.ncl", "{}")]
    {
        let error = Folder::new(&[(file, empty)]).load().expect_err(file);
        assert_eq!(error.to_string(), format!("`{file}` declares nothing"));
        let smallest = error.hint().and_then(|hint| hint.strip_prefix("the smallest file declares a provider: "));
        let desired = Folder::new(&[(file, smallest.expect("shown"))]).load().expect(file).desired;
        assert_eq!(desired.providers.len(), 1);
    }
}
