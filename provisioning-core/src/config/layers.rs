//! Layers of the configuration: where each comes from, what may stand in it, and how a stronger one overrides a weaker one.
//!
//! A merged value keeps the place it was written at. What the keys mean is in `configuration.schema.toml`.

use std::collections::BTreeMap;

use super::source::Source;
use crate::error::{Diagnostic, Result};
use crate::schema::{Field, FieldType, Schema};
use crate::value::{Node, NodeValue};

/// Where a layer comes from; a later one overrides an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What ships with the program.
    Defaults,
    /// The user's own file.
    User,
    /// `provisioning.toml`.
    Workspace,
    /// The file of the environment.
    Environment,
    /// `PROVISIONING_*` variables of the process.
    Variables,
    /// What was said on the command line.
    Flags,
}

impl Level {
    /// What people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Defaults => "defaults",
            Self::User => "user",
            Self::Workspace => "workspace",
            Self::Environment => "environment",
            Self::Variables => "variable",
            Self::Flags => "flag",
        }
    }

    /// Why a key cannot stand in the layer; `None` where it can.
    fn refuses(self, key: &str) -> Option<&'static str> {
        match (self, key) {
            (Self::User, "name" | "store" | "inputs" | "environment") => {
                Some("belongs to one workspace: write it into its `provisioning.toml`")
            }
            (Self::Environment, "environment") => {
                Some("is chosen outside of an environment: in `provisioning.toml` or by `--env`")
            }
            (Self::Environment, "name") => Some("is the same in every environment: write it into `provisioning.toml`"),
            _ => None,
        }
    }
}

/// One layer: where its values come from, and the values.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Where they come from.
    pub level: Level,
    /// A map by key, any of which may be missing.
    pub values: Node,
}

impl Layer {
    /// The shipped defaults, the weakest layer.
    pub(super) fn shipped() -> Self {
        Self::of_program("defaults.toml", include_str!("defaults.toml"))
    }

    /// The shipped defaults of environments.
    pub(super) fn shipped_environment() -> Self {
        Self::of_program("environment.toml", include_str!("environment.toml"))
    }

    fn of_program(name: &str, text: &str) -> Self {
        let values = super::toml::parse(&Source::new(name, text)).expect("the shipped defaults are TOML");
        Self { level: Level::Defaults, values }
    }

    /// A layer out of a file.
    ///
    /// # Errors
    /// `Invalid` where the file is not TOML.
    pub(super) fn of_file(level: Level, source: &Source) -> Result<Self> {
        Ok(Self { level, values: super::toml::parse(source)? })
    }

    /// Reports every key that is unknown, of a wrong type, or not of this layer.
    pub(super) fn check(&self, schema: &Schema, problems: &mut Vec<Diagnostic>) {
        schema.check(&self.values, "", problems);
        for problem in problems.iter_mut() {
            problem.field = problem.field.trim_start_matches('.').to_owned();
            if problem.field.starts_with("secrets.") {
                problem.hint =
                    Some("write `NAME = { env = \"VARIABLE\" }`, or `file`, `age` or `command = [\"PROGRAM\", …]`".to_owned());
            }
        }
        let NodeValue::Map(entries) = &self.values.value else { return };
        for (key, node) in entries {
            if let Some(why) = self.level.refuses(key) {
                problems.push(Diagnostic::new(node.origin.clone(), key.as_ref(), why));
            }
        }
    }
}

/// What is known of every key that may stand in a layer, sections among them.
pub(super) type Keys = BTreeMap<String, Field>;

/// The keys that a schema has.
pub(super) fn keys(schema: &Schema) -> Keys {
    fn walk(fields: &BTreeMap<String, Field>, above: &str, found: &mut Keys) {
        for (name, field) in fields {
            let key = format!("{above}{name}");
            if field.kind == FieldType::Object {
                walk(&field.fields, &format!("{key}."), found);
            }
            found.insert(key, field.clone());
        }
    }
    let mut found = Keys::new();
    walk(&schema.fields, "", &mut found);
    found
}

/// What may stand in a layer.
pub(super) fn schema() -> Schema {
    let parse = |text| Schema::parse(text).expect("the schema of the configuration is one");
    let mut schema = parse(include_str!("configuration.schema.toml"));
    let settings = parse(include_str!("settings.schema.toml"));
    let field = schema.fields.get("name").expect("it has one").clone();
    let section = Field { kind: FieldType::Object, summary: settings.summary, fields: settings.fields, ..field };
    schema.fields.insert("settings".to_owned(), section);
    schema
}

/// The sections whose entries are each one thing: a secret comes from one place.
const WHOLE: &str = "secrets";

/// One map out of layers, weakest first: maps are merged key by key, anything else is overridden.
pub(super) fn merge<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Node {
    let nothing = Node::new(NodeValue::Map(Vec::new()), None);
    layers.into_iter().fold(nothing, |merged, layer| over(merged, &layer.values, usize::MAX))
}

/// Merges so many levels of maps.
fn over(mut weaker: Node, stronger: &Node, levels: usize) -> Node {
    let (NodeValue::Map(entries), NodeValue::Map(overrides)) = (&mut weaker.value, &stronger.value) else {
        return stronger.clone();
    };
    if levels == 0 {
        return stronger.clone();
    }
    for (key, value) in overrides {
        let below = if key.as_ref() == WHOLE && levels == usize::MAX { 1 } else { levels - 1 };
        match entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, entry)) => *entry = over(std::mem::take(entry), value, below),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    weaker.origin.clone_from(&stronger.origin);
    weaker
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn layer(name: &str, text: &str) -> Layer {
        Layer::of_file(Level::Workspace, &Source::new(name, text)).expect("parses")
    }

    #[test]
    fn a_stronger_layer_overrides_key_by_key_and_keeps_its_place() {
        let weak = layer("weak", "a = 1\n[t]\nb = 2\nc = [1, 2]");
        let strong = layer("strong", "\n[t]\nc = [3]\nd = 4");
        let merged = merge([&weak, &strong]);
        let table = merged.field("t").expect("kept");
        assert_eq!(table.field("b").map(Node::to_value), Some(Value::Integer(2)));
        assert_eq!(table.field("c").map(Node::to_value), Some(Value::list([Value::Integer(3)])));
        let place = |key: &str| table.field(key).and_then(|node| node.origin.clone()).map(|origin| origin.to_string());
        assert_eq!((place("b").as_deref(), place("c").as_deref()), (Some("weak:3:5"), Some("strong:3:5")));
    }

    #[test]
    fn the_shipped_layers_are_right() {
        for layer in [Layer::shipped(), Layer::shipped_environment()] {
            let mut problems = Vec::new();
            layer.check(&schema(), &mut problems);
            assert_eq!(problems, []);
        }
    }
}
