//! A workspace on disk: `provisioning.toml`, and one file that says what is wanted.
//!
//! [`Location::open`] reads the former alone, for whoever needs no declarations; [`Workspace::load`] both.

use std::path::{Path, PathBuf};

use super::document::desired_with_files;
use super::layers::Layer;
use super::source::{Source, read_below};
use super::{Settings, contracts, json, nickel, toml};
use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::name::suggestion;
use crate::registry::Registry;
use crate::resource::Desired;
use crate::value::{Node, NodeValue, Value};

/// The file that makes a folder a workspace.
pub const MANIFEST: &str = "provisioning.toml";

/// The keys of that file.
const KEYS: [&str; 3] = ["name", "settings", "store"];

/// Where the store lies when the workspace does not say.
const STORE: &str = ".provisioning/state.db";

/// The files that can say what is wanted, each with its smallest form.
const ENTRIES: [(&str, &str); 3] = [
    ("main.ncl", r#"let p = import "provisioning.ncl" in { providers = { lab = p.local {} } } | p.Infrastructure"#),
    ("main.toml", r#"providers.lab.type = "local""#),
    ("main.json", r#"{ "providers": { "lab": { "type": "local" } } }"#),
];

/// A workspace without its declarations.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// Its name: that of the folder, where it gives itself none.
    pub name: String,
    /// Its settings, over the shipped ones.
    pub settings: Settings,
    /// The file of its store, absolute.
    pub store: PathBuf,
}

/// A workspace and what it declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// Its name: that of the folder, where it gives itself none.
    pub name: String,
    /// Its settings, over the shipped ones.
    pub settings: Settings,
    /// The file of its store, absolute.
    pub store: PathBuf,
    /// What it declares, checked.
    pub desired: Desired,
}

impl Location {
    /// Opens the workspace in a folder; what it declares is not read.
    ///
    /// # Errors
    /// `NotFound` when the folder is no workspace; `Invalid`, with diagnostics, when its `provisioning.toml` is wrong.
    pub fn open(root: &Path) -> Result<Self> {
        let root = root.canonicalize().map_err(|error| no_workspace(root).with_source(error))?;
        let manifest = match Source::read(&root, MANIFEST) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_workspace(&root)),
            other => toml::parse(&other?)?,
        };
        let mut problems = check_keys(&manifest);
        let folder = root.file_name().map_or_else(|| "workspace".into(), |name| name.to_string_lossy().into_owned());
        let name = text(&manifest, "name", &mut problems).unwrap_or(folder);
        let store = text(&manifest, "store", &mut problems).map_or_else(|| root.join(STORE), |path| root.join(path));
        let given = manifest.field("settings").cloned();
        let layers: Vec<_> =
            std::iter::once(Layer::shipped()).chain(given.map(|settings| Layer::new("workspace", settings))).collect();
        let settings = Settings::from_layers(&layers);
        if let Err(error) = &settings {
            problems.extend_from_slice(error.diagnostics());
        }
        match Error::from_diagnostics(problems) {
            Some(error) => Err(error),
            None => Ok(Self { root, name, store, settings: settings? }),
        }
    }
}

impl Workspace {
    /// Loads the workspace in a folder: its settings, and what its `main.ncl`, `main.toml` or `main.json` declares.
    ///
    /// # Errors
    /// Those of [`Location::open`]; `NotFound` when nothing says what is wanted, `Conflict` when two files do;
    /// `Limited` for a file that is too large; `Invalid`, with a diagnostic for every problem, otherwise.
    pub fn load(root: &Path, registry: &Registry) -> Result<Self> {
        let Location { root, name, settings, store } = Location::open(root)?;
        let (entry, smallest) = find_entry(&root)?;
        let source = Source::read(&root, entry)?;
        let nothing = || {
            Error::invalid(format!("`{entry}` declares nothing"))
                .with_hint(format!("the smallest file declares a provider: {smallest}"))
        };
        if source.text.trim().is_empty() {
            return Err(nothing());
        }
        let document = match entry {
            "main.ncl" => nickel::evaluate(&source, &root, contracts::library(registry))?,
            "main.toml" => toml::parse(&source)?,
            _ => json::parse(&source)?,
        };
        if matches!(&document.value, NodeValue::Map(entries) if entries.is_empty()) {
            return Err(nothing());
        }
        let desired = desired_with_files(&document, registry, &settings, &|file| read_below(&root, file))?;
        Ok(Self { root, name, settings, store, desired })
    }
}

fn no_workspace(root: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("`{}` is not a workspace: it has no `{MANIFEST}`", root.display()))
        .with_hint("`provisioning init` makes one")
}

fn find_entry(root: &Path) -> Result<(&'static str, &'static str)> {
    let found: Vec<_> = ENTRIES.into_iter().filter(|(name, _)| root.join(name).is_file()).collect();
    match found.as_slice() {
        [entry] => Ok(*entry),
        [] => {
            let message = format!("`{}` has no `main.ncl`, `main.toml` or `main.json`", root.display());
            let error = Error::new(ErrorKind::NotFound, message);
            Err(error.with_hint("one of them says what is wanted; `provisioning init` in an empty folder writes one"))
        }
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("more than one file says what is wanted: {}", names.join(", "));
            Err(Error::new(ErrorKind::Conflict, message).with_hint("keep one of them"))
        }
    }
}

fn check_keys(manifest: &Node) -> Vec<Diagnostic> {
    let NodeValue::Map(entries) = &manifest.value else { return Vec::new() };
    let unknown = entries.iter().filter(|(key, _)| !KEYS.contains(&key.as_ref()));
    unknown
        .map(|(key, node)| Diagnostic {
            hint: suggestion(key, KEYS),
            ..Diagnostic::new(node.origin.clone(), key.as_ref(), "is not a key of a workspace")
        })
        .collect()
}

fn text(manifest: &Node, key: &str, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let node = manifest.field(key)?;
    let message = match &node.value {
        NodeValue::Leaf(Value::String(text)) if text.trim().is_empty() => "is empty".to_owned(),
        NodeValue::Leaf(Value::String(text)) if text.chars().any(char::is_control) => "has a control character in it".to_owned(),
        NodeValue::Leaf(Value::String(text)) => return Some(text.to_string()),
        _ => format!("expected string, found {}", node.type_name()),
    };
    problems.push(Diagnostic::new(node.origin.clone(), key, message));
    None
}
