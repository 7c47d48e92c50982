//! The configuration of a workspace: all its layers, what they come to, and which of them says what.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::layers::{Layer, Level, merge, schema};
use super::overrides::{Overrides, variable};
use super::settings::check_positive;
use super::source::Source;
use crate::error::{Diagnostic, Error, ErrorKind, Origin, Result};
use crate::name::{Kind, suggestion};
use crate::schema::Field;
use crate::value::{Node, NodeValue, Value};

/// The file that makes a folder a workspace.
pub const MANIFEST: &str = "provisioning.toml";

/// Where the files of the environments lie.
const ENVIRONMENTS: &str = "environments";

/// The configuration of a workspace, layer by layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    layers: Vec<Layer>,
    merged: Node,
}

/// What one layer says of a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The key, in full.
    pub key: String,
    /// What the layer is called.
    pub layer: &'static str,
    /// Where it is written.
    pub origin: Option<Origin>,
    /// The value.
    pub value: Value,
}

impl Configuration {
    /// The shipped defaults alone.
    pub(super) fn shipped() -> Self {
        let layers = vec![Layer::shipped()];
        Self { merged: merge(&layers), layers }
    }

    /// Reads the layers of the workspace in a folder.
    ///
    /// # Errors
    /// `Invalid`, with a diagnostic for everything in a layer that is wrong; `NotFound` for a chosen environment that has
    /// no file.
    pub(super) fn read(root: &Path, overrides: &Overrides) -> Result<Self> {
        let mut problems = Vec::new();
        let manifest = Layer::of_file(Level::Workspace, &Source::read(root, MANIFEST)?)?;
        let mut layers = vec![Layer::shipped()];
        layers.extend(user(overrides)?);
        layers.extend([manifest, overrides.variables(&mut problems), overrides.flags(&mut problems)]);
        if let Some(chosen) = chosen(&layers) {
            layers.insert(1, Layer::shipped_environment());
            let stronger = layers.len() - 2;
            layers.insert(stronger, environment(root, &chosen)?);
        }
        for layer in &layers {
            layer.check(&mut problems);
            check_positive(layer.values.field("settings").unwrap_or(&Node::default()), "settings", &mut problems);
            check_plain(&layer.values, &mut problems);
        }
        let merged = merge(&layers);
        Error::from_diagnostics(problems).map_or(Ok(Self { layers, merged }), Err)
    }

    /// What the layers come to.
    pub fn merged(&self) -> &Node {
        &self.merged
    }

    /// The chosen environment.
    pub fn environment(&self) -> Option<&str> {
        text(&self.merged, "environment")
    }

    /// The value of a key, such as `settings.limits.run`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        find(&self.merged, key)
    }

    /// The strongest layer that sets a key, with its value.
    pub(super) fn winner(&self, key: &str) -> Option<(Level, &Node)> {
        self.layers.iter().rev().find_map(|layer| Some((layer.level, find(&layer.values, key)?)))
    }

    /// What each layer that says anything of a key says, the weakest first; of a section, of every key in it.
    ///
    /// # Errors
    /// `NotFound` for a key that no layer sets and none could set.
    pub fn explain(&self, key: &str) -> Result<Vec<Setting>> {
        let keys: Vec<_> = self.keys().into_iter().filter(|name| name == key || is_below(name, key)).collect();
        if keys.is_empty() && !is_known(key) {
            let known: BTreeSet<_> = self.keys().into_iter().chain(known()).collect();
            let error = Error::new(ErrorKind::NotFound, format!("there is no key `{key}`"));
            let hint = suggestion(key, known.iter().map(String::as_str));
            return Err(hint.map_or(error.with_hint("`config show` lists the keys"), |hint| {
                Error::new(ErrorKind::NotFound, format!("there is no key `{key}`")).with_hint(hint)
            }));
        }
        let of_key = |key: String| {
            let said = self.layers.iter().filter_map(move |layer| setting(layer.level, &key, find(&layer.values, &key)?));
            said.collect::<Vec<_>>()
        };
        Ok(keys.into_iter().flat_map(of_key).collect())
    }

    /// What every key comes to, and the layer that says so.
    pub fn settings(&self) -> Vec<Setting> {
        let keys = self.keys().into_iter();
        keys.filter_map(|key| self.winner(&key).and_then(|(level, node)| setting(level, &key, node))).collect()
    }

    /// The keys that have a value, in the order of their names.
    fn keys(&self) -> Vec<String> {
        let mut found = Vec::new();
        leaves(&self.merged, "", &mut found);
        found.sort();
        found
    }
}

/// How a key can be set that has no value anywhere: for people.
pub(super) fn ways(key: &str) -> String {
    format!("set it in `{MANIFEST}`, in `{ENVIRONMENTS}/NAME.toml`, or with the variable `{}`", variable(key))
}

fn setting(level: Level, key: &str, node: &Node) -> Option<Setting> {
    let whole = !matches!(&node.value, NodeValue::Map(entries) if !entries.is_empty());
    whole.then(|| Setting { key: key.to_owned(), layer: level.as_str(), origin: node.origin.clone(), value: node.to_value() })
}

fn user(overrides: &Overrides) -> Result<Option<Layer>> {
    let Some(path) = &overrides.user else { return Ok(None) };
    match Source::read_named(path) {
        Ok(source) => Layer::of_file(Level::User, &source).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The environment that the strongest layer names.
fn chosen(layers: &[Layer]) -> Option<String> {
    layers.iter().rev().find_map(|layer| text(&layer.values, "environment")).map(str::to_owned)
}

fn environment(root: &Path, name: &str) -> Result<Layer> {
    let known = environments(root);
    if Kind::parse(name).is_ok() && known.iter().any(|known| known == name) {
        return Layer::of_file(Level::Environment, &Source::read(root, &format!("{ENVIRONMENTS}/{name}.toml"))?);
    }
    let error = Error::new(ErrorKind::NotFound, format!("there is no environment `{name}`"));
    let hint = suggestion(name, known.iter().map(String::as_str));
    Err(error
        .with_hint(hint.unwrap_or_else(|| format!("an environment is a file `{ENVIRONMENTS}/NAME.toml`, which may be empty"))))
}

/// The environments of the workspace in a folder, by name.
pub fn environments(root: &Path) -> Vec<String> {
    let files = std::fs::read_dir(root.join(ENVIRONMENTS)).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned));
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Reports references: nothing is known yet that they could stand for. What a `store` may name is known.
fn check_plain(node: &Node, problems: &mut Vec<Diagnostic>) {
    let NodeValue::Map(entries) = &node.value else { return };
    for (key, node) in entries.iter().filter(|(key, _)| key.as_ref() != "store") {
        super::document::check_plain(node, key, problems);
    }
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.field(key)?.value {
        NodeValue::Leaf(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn find<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    key.split('.').try_fold(node, |node, word| node.field(word))
}

fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn leaves(node: &Node, above: &str, found: &mut Vec<String>) {
    match &node.value {
        NodeValue::Map(entries) if !entries.is_empty() => {
            let dot = if above.is_empty() { "" } else { "." };
            entries.iter().for_each(|(key, node)| leaves(node, &format!("{above}{dot}{key}"), found));
        }
        _ if above.is_empty() => {}
        _ => found.push(above.to_owned()),
    }
}

/// Whether a key may stand in a layer.
fn is_known(key: &str) -> bool {
    known().iter().any(|known| known == key || is_below(known, key))
}

fn known() -> Vec<String> {
    fn walk(fields: &std::collections::BTreeMap<String, Field>, above: &str, found: &mut Vec<String>) {
        for (name, field) in fields {
            let key = format!("{above}{name}");
            walk(&field.fields, &format!("{key}."), found);
            found.push(key);
        }
    }
    let mut found = Vec::new();
    walk(&schema().fields, "", &mut found);
    found
}
