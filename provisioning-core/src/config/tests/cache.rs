//! The cache of evaluations: it spares work, and never serves what is no longer true.

use std::fs;
use std::path::PathBuf;

use super::fixture::Folder;
use crate::config::{Flag, Overrides, Workspace};
use crate::value::Value;

const MAIN: &str = r#"let p = import "provisioning.ncl" in {
  inputs = { size | default = 1 },
  providers.lab = p.local {},
  outputs = { a = import "a.ncl", size = inputs.size },
} | p.Infrastructure"#;

fn folder() -> Folder {
    let folder = Folder::new(&[
        ("main.ncl", MAIN),
        ("a.ncl", "1"),
        ("environments/prod.toml", "inputs.size = 2"),
        ("environments/dev.toml", ""),
    ]);
    fs::create_dir(folder.path().join(".provisioning")).expect("made");
    folder
}

fn load(folder: &Folder, environment: &str) -> Workspace {
    let flag = Flag { name: "--env".into(), key: "environment".into(), value: environment.into() };
    folder.load_with(&Overrides { flags: vec![flag], ..Overrides::default() }).expect("loads")
}

fn output(workspace: &Workspace, name: &str) -> Value {
    workspace.desired.outputs[name].value.clone()
}

fn entries(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join(".provisioning/cache")).expect("there is a cache");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("listed").path()).collect();
    entries.sort();
    entries
}

/// Changes a text in every entry.
fn damage(folder: &Folder, from: &str, to: &str) {
    for path in entries(folder) {
        let bytes = fs::read(&path).expect("read");
        let start = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("it holds the text");
        let mut damaged = bytes;
        damaged[start..start + from.len()].copy_from_slice(to.as_bytes());
        fs::write(&path, damaged).expect("written");
    }
}

#[test]
fn an_evaluation_is_kept_and_served_again_with_every_place() {
    let folder = folder();
    let first = load(&folder, "prod");
    let [entry] = entries(&folder).try_into().expect("one entry");
    let modified = |path: &PathBuf| fs::metadata(path).expect("there").modified().expect("known");
    let written = modified(&entry);
    assert_eq!(load(&folder, "prod"), first);
    assert_eq!(modified(&entry), written, "it was evaluated again");
}

#[test]
fn what_an_evaluation_depends_on_makes_it_new() {
    let folder = folder();
    assert_eq!(output(&load(&folder, "dev"), "size"), Value::Integer(1));
    assert_eq!(output(&load(&folder, "prod"), "size"), Value::Integer(2), "another environment");
    fs::write(folder.path().join("environments/prod.toml"), "inputs.size = 3").expect("written");
    assert_eq!(output(&load(&folder, "prod"), "size"), Value::Integer(3), "a changed layer");
    fs::write(folder.path().join("a.ncl"), "5").expect("written");
    assert_eq!(output(&load(&folder, "prod"), "a"), Value::Integer(5), "a changed import");
    fs::write(folder.path().join("provisioning.ncl"), "{ local = fun _ => { type = \"local\" }, Infrastructure = Dyn }")
        .expect("written");
    let imported = fs::read_to_string(folder.path().join("main.ncl")).expect("read");
    assert_eq!(output(&load(&folder, "prod"), "a"), Value::Integer(5), "a library of the workspace's own");
    fs::write(
        folder.path().join("provisioning.ncl"),
        "{ local = fun _ => { type = \"cloud\", zone = \"z\" }, Infrastructure = Dyn }",
    )
    .expect("written");
    let provider = load(&folder, "prod").desired.providers.into_values().next().expect("declared");
    assert_eq!(provider.kind.as_str(), "cloud");
    fs::write(folder.path().join("main.ncl"), imported.replace("inputs.size", "inputs.size + 1")).expect("written");
    assert_eq!(output(&load(&folder, "prod"), "size"), Value::Integer(4), "a changed entry file");
}

#[test]
fn a_damaged_or_missing_cache_is_as_good_as_none() {
    let folder = folder();
    let first = load(&folder, "prod");
    damage(&folder, "size", "sizf");
    assert_eq!(load(&folder, "prod"), first, "a changed byte was served");
    let [entry] = entries(&folder).try_into().expect("one entry");
    fs::write(&entry, "").expect("cut");
    assert_eq!(load(&folder, "prod"), first);
    fs::remove_dir_all(folder.path().join(".provisioning/cache")).expect("deleted");
    assert_eq!(load(&folder, "prod"), first);
    fs::remove_dir_all(folder.path().join(".provisioning/cache")).expect("deleted");
    fs::write(folder.path().join(".provisioning/cache"), "in the way").expect("written");
    assert_eq!(load(&folder, "prod"), first, "a cache that cannot be written");
}

#[test]
fn entries_do_not_pile_up() {
    let folder = folder();
    for size in 0..40 {
        fs::write(folder.path().join("environments/prod.toml"), format!("inputs.size = {size}")).expect("written");
        assert_eq!(output(&load(&folder, "prod"), "size"), Value::Integer(size));
    }
    assert_eq!(entries(&folder).len(), 16);
}

#[test]
fn a_document_with_a_secret_in_it_is_not_kept() {
    let main = r#"let p = import "provisioning.ncl" in { providers.lab = p.local { token = "hunter2" } } | p.Infrastructure"#;
    let folder = Folder::new(&[("main.ncl", main), (".provisioning/kept", "")]);
    folder.load().expect("loads");
    assert!(!folder.path().join(".provisioning/cache").exists());
}

#[test]
fn what_is_given_for_once_is_not_kept() {
    let folder = folder();
    let flag = Flag { name: "--input size".into(), key: "inputs.size".into(), value: "7".into() };
    let workspace = folder.load_with(&Overrides { flags: vec![flag], ..Overrides::default() }).expect("loads");
    assert_eq!(output(&workspace, "size"), Value::Integer(7));
    assert!(!folder.path().join(".provisioning/cache").exists(), "it may be a password");
}

#[test]
fn before_the_first_apply_nothing_is_written() {
    let folder = Folder::new(&[("main.ncl", MAIN), ("a.ncl", "1")]);
    folder.load().expect("loads");
    assert!(!folder.path().join(".provisioning").exists());
}
