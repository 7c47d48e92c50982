//! The configuration of a workspace: all its layers, what they come to, and which of them says what.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::layers::{self, Keys, Layer, Level, merge, schema};
use super::overrides::{Overrides, variable};
use super::rules::{check_plain, check_positive};
use super::source::Source;
use crate::error::{Diagnostic, Error, ErrorKind, Origin, Result};
use crate::name::{Kind, suggestion};
use crate::schema::{Field, FieldType};
use crate::value::{Node, NodeValue, Value};

/// The file that makes a folder a workspace.
pub const MANIFEST: &str = "provisioning.toml";

/// What stands in the place of a layer for the default of an input.
pub(super) const DECLARATION: &str = "declaration";

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

impl Setting {
    /// Whether it is of a key, or of one in a section.
    pub(super) fn is_at(&self, key: &str) -> bool {
        self.key == key || is_below(&self.key, key)
    }

    /// Whether the declarations say so, and no layer.
    pub(super) fn is_declared(&self) -> bool {
        self.layer == DECLARATION
    }
}

impl Configuration {
    /// Reads the layers of the workspace in a folder.
    ///
    /// # Errors
    /// `Invalid`, with a diagnostic for everything in a layer that is wrong, or for a chosen environment that has no file.
    pub(super) fn read(root: &Path, overrides: &Overrides) -> Result<Self> {
        let mut problems = Vec::new();
        let manifest = Layer::of_file(Level::Workspace, &Source::read(root, MANIFEST)?)?;
        let mut layers = vec![Layer::shipped()];
        layers.extend(user(overrides)?);
        let schema = schema();
        let keys = layers::keys(&schema);
        layers.extend([manifest, overrides.variables(&keys, &mut problems), overrides.flags(&keys, &mut problems)]);
        if let Some((chosen, origin)) = chosen(&layers) {
            layers.insert(1, Layer::shipped_environment());
            let stronger = layers.len() - 2;
            layers.insert(stronger, environment(root, &chosen, origin)?);
        }
        for layer in &layers {
            layer.check(&schema, &mut problems);
            check_positive(layer.values.field("settings").unwrap_or(&Node::default()), "settings", &mut problems);
            check_unresolved(&layer.values, &mut problems);
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
        at(&self.merged, &key.split('.').collect::<Vec<_>>())
    }

    /// Whether a variable or a flag gives an input.
    pub(super) fn has_inputs_for_once(&self) -> bool {
        let mut for_once = self.layers.iter().filter(|layer| layer.level >= Level::Variables);
        for_once.any(|layer| layer.values.field("inputs").is_some())
    }

    /// The strongest layer that sets a key, with its value.
    fn winner(&self, path: &[&str]) -> Option<(Level, &Node)> {
        self.layers.iter().rev().find_map(|layer| Some((layer.level, at(&layer.values, path)?)))
    }

    /// What each layer that says anything of a key says, the weakest first; of a section, of every key in it.
    ///
    /// # Errors
    /// `NotFound` for a key that no layer sets and none could set.
    pub fn explain(&self, key: &str) -> Result<Vec<Setting>> {
        let all = self.keys();
        let keys: Vec<_> =
            all.iter().map(|path| (shown(path), path)).filter(|(name, _)| name == key || is_below(name, key)).collect();
        let possible = layers::keys(&schema());
        if keys.is_empty() && !is_known(&possible, key) {
            let known: BTreeSet<_> = all.iter().map(|path| shown(path)).chain(possible.into_keys()).collect();
            let hint = suggestion(key, known.iter().map(String::as_str));
            let hint = hint.unwrap_or_else(|| "`config show` lists the keys".to_owned());
            return Err(Error::new(ErrorKind::NotFound, format!("there is no key `{key}`")).with_hint(hint));
        }
        let of_key = |(key, path): (String, &Vec<&str>)| {
            let said = self.layers.iter().filter_map(|layer| setting(layer.level, &key, at(&layer.values, path)?));
            said.collect::<Vec<_>>()
        };
        Ok(keys.into_iter().flat_map(of_key).collect())
    }

    /// What every key comes to, and the layer that says so.
    pub fn settings(&self) -> Vec<Setting> {
        let keys = self.keys().into_iter();
        keys.filter_map(|path| self.winner(&path).and_then(|(level, node)| setting(level, &shown(&path), node))).collect()
    }

    /// The keys that have a value, in the order of their names.
    fn keys(&self) -> Vec<Vec<&str>> {
        let mut found = Vec::new();
        leaves(&self.merged, &mut Vec::new(), &mut found);
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
    let value = match node.to_value() {
        // An argument of the command that gives a secret may be one itself.
        Value::List(words) if key.starts_with("secrets.") && words.len() > 1 => Value::list([words[0].clone(), "…".into()]),
        value => value,
    };
    whole.then(|| Setting { key: key.to_owned(), layer: level.as_str(), origin: node.origin.clone(), value })
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
fn chosen(layers: &[Layer]) -> Option<(String, Option<Origin>)> {
    let named = |layer: &Layer| {
        let origin = layer.values.field("environment")?.origin.clone();
        Some((text(&layer.values, "environment")?.to_owned(), origin))
    };
    layers.iter().rev().find_map(named)
}

fn environment(root: &Path, name: &str, origin: Option<Origin>) -> Result<Layer> {
    let known = environments(root);
    if Kind::parse(name).is_ok() && known.iter().any(|known| known == name) {
        return Layer::of_file(Level::Environment, &Source::read(root, &format!("{ENVIRONMENTS}/{name}.toml"))?);
    }
    let hint = suggestion(name, known.iter().map(String::as_str));
    let hint = hint.unwrap_or_else(|| format!("an environment is a file `{ENVIRONMENTS}/NAME.toml`, which may be empty"));
    let problem = Diagnostic::new(origin, "environment", format!("there is no environment `{name}`")).with_hint(hint);
    Err(Error::from_diagnostics(vec![problem]).expect("one problem is an error"))
}

/// The environments of the workspace in a folder, by name.
pub fn environments(root: &Path) -> Vec<String> {
    let files = std::fs::read_dir(root.join(ENVIRONMENTS)).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned));
    let names = names.filter(|name| Kind::parse(name).is_ok());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Reports references: nothing is known yet that they could stand for. What a `store` may name is known.
fn check_unresolved(node: &Node, problems: &mut Vec<Diagnostic>) {
    let NodeValue::Map(entries) = &node.value else { return };
    for (key, node) in entries.iter().filter(|(key, _)| key.as_ref() != "store") {
        check_plain(node, key, problems);
    }
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.field(key)?.value {
        NodeValue::Leaf(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, word| node.field(word))
}

/// A path as a key, as TOML writes it.
fn shown(path: &[&str]) -> String {
    let plain = |word: &str| word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    let words: Vec<_> = path.iter().map(|word| if plain(word) { (*word).to_owned() } else { format!("{word:?}") }).collect();
    words.join(".")
}

fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn leaves<'a>(node: &'a Node, above: &mut Vec<&'a str>, found: &mut Vec<Vec<&'a str>>) {
    match &node.value {
        NodeValue::Map(entries) if !entries.is_empty() => {
            for (key, node) in entries {
                above.push(key);
                leaves(node, above, found);
                above.pop();
            }
        }
        _ if above.is_empty() => {}
        _ => found.push(above.clone()),
    }
}

/// Whether a key may stand in a layer. Which inputs there are, only the declarations know.
fn is_known(keys: &Keys, key: &str) -> bool {
    let in_map = |(section, field): (&String, &Field)| {
        matches!(field.kind, FieldType::Map(_)) && section != "inputs" && is_below(key, section)
    };
    keys.contains_key(key) || keys.iter().any(in_map)
}
