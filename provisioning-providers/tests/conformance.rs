//! Every kind of the local provider that makes something outside, under the conformance suite.
//!
//! What the rules are is said in `provisioning_core::testing`.

use std::sync::Arc;

use provisioning_core::name::Kind;
use provisioning_core::provider::{AnyKind, Provider as _};
use provisioning_core::testing::{Case, Finding, conformance};
use provisioning_core::value::Value;
use provisioning_providers::local::Local;
use tempfile::TempDir;

fn kind(directory: &TempDir, name: &str) -> Arc<dyn AnyKind> {
    let name = Kind::parse(name).expect("a kind");
    let kinds = Local::new(directory.path(), None).kinds();
    kinds.into_iter().find(|kind| kind.schema().kind == name).expect("the provider has it")
}

fn file(number: usize, content: &str, mode: &str) -> Value {
    let path = format!("file {number}");
    Value::map([("path", Value::from(path)), ("content", content.into()), ("mode", mode.into())])
}

fn directory(number: usize, mode: &str) -> Value {
    let path = format!("new/directory {number}");
    Value::map([("path", Value::from(path)), ("mode", mode.into()), ("parents", true.into())])
}

fn volume(mode: &str) -> Value {
    Value::map([("mode", Value::from(mode))])
}

fn value(number: i64) -> Value {
    Value::map([("input", Value::list([Value::Integer(number)]))])
}

#[tokio::test]
async fn files_keep_every_rule() {
    let root = TempDir::new().expect("a directory");
    let case = Case::new(|number| file(number, "one\n", "0640")).with_update(|number| file(number, "two\n", "0400"));
    assert_eq!(conformance(kind(&root, "file").as_ref(), &case).await, Vec::<Finding>::new());
    assert_eq!(root.path().read_dir().expect("lists").count(), 0, "the suite leaves nothing behind");
}

#[tokio::test]
async fn directories_keep_every_rule() {
    let root = TempDir::new().expect("a directory");
    let case = Case::new(|number| directory(number, "0750")).with_update(|number| directory(number, "0500"));
    assert_eq!(conformance(kind(&root, "directory").as_ref(), &case).await, Vec::<Finding>::new());
    assert_eq!(root.path().join("new").read_dir().expect("lists").count(), 0, "the suite leaves nothing behind");
}

#[tokio::test]
async fn volumes_keep_every_rule() {
    let root = TempDir::new().expect("a directory");
    let case = Case::new(|_| volume("0750")).with_update(|_| volume("0500"));
    assert_eq!(conformance(kind(&root, "volume").as_ref(), &case).await, Vec::<Finding>::new());
    let given = |number, mode: &str| volume(mode).overlaid(&Value::map([("path", format!("volume {number}").as_str().into())]));
    let case = Case::new(move |number| given(number, "0750")).with_update(move |number| given(number, "0500"));
    assert_eq!(conformance(kind(&root, "volume").as_ref(), &case).await, Vec::<Finding>::new());
    assert!(!root.path().join(".provisioning/local").exists(), "the suite leaves nothing behind");
}

#[tokio::test]
async fn values_keep_every_rule() {
    let root = TempDir::new().expect("a directory");
    let case = Case::new(|_| value(1)).with_update(|_| value(2));
    assert_eq!(conformance(kind(&root, "value").as_ref(), &case).await, Vec::<Finding>::new());
}

#[tokio::test]
async fn the_host_keeps_every_rule_of_what_exists_anyway() {
    let root = TempDir::new().expect("a directory");
    let case = Case::new(|_| Value::map::<&str>([]));
    assert_eq!(conformance(kind(&root, "host").as_ref(), &case).await, Vec::<Finding>::new());
}
