//! What configures a workspace from outside: the user's file, `PROVISIONING_*` variables, and flags.
//!
//! Nothing is read from the process here: whoever calls hands over what it has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layers::{Keys, Layer, Level};
use crate::error::{Diagnostic, Origin};
use crate::name::suggestion;
use crate::schema::{Field, FieldType};
use crate::value::{Node, NodeValue, Value};

/// What the names of variables begin with.
const PREFIX: &str = "PROVISIONING_";

/// What stands before the name of an input.
pub(super) const INPUT: &str = "PROVISIONING_INPUT_";

/// Variables with that beginning that are no settings: whose key a secret is read with, and in which machine one is.
const OTHERS: [&str; 2] = ["PROVISIONING_IDENTITY", "PROVISIONING_MACHINE"];

/// What configures a workspace besides its own files.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The user's file; it need not be there.
    pub user: Option<PathBuf>,
    /// The variables of the process.
    pub variables: BTreeMap<String, String>,
    /// What was said on the command line.
    pub flags: Vec<Flag>,
}

/// One key that a flag sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Flag {
    /// The flag, as it was written: `--parallelism`.
    pub name: String,
    /// The key: `settings.limits.run`.
    pub key: String,
    /// Its value, as text.
    pub value: String,
}

impl Overrides {
    /// The layer of the flags.
    pub(super) fn flags(&self, keys: &Keys, problems: &mut Vec<Diagnostic>) -> Layer {
        let mut values = empty();
        for Flag { name, key, value } in &self.flags {
            let leaf = typed(keys.get(key), value, &place(name), key, problems);
            set(&mut values, key, leaf);
        }
        Layer { level: Level::Flags, values }
    }

    /// The layer of the variables.
    pub(super) fn variables(&self, keys: &Keys, problems: &mut Vec<Diagnostic>) -> Layer {
        let plain = keys.iter().filter(|(_, field)| is_plain(field));
        let known: BTreeMap<String, String> = plain.map(|(key, _)| (variable(key), key.clone())).collect();
        let mut values = empty();
        let ours = self.variables.iter().filter(|(name, _)| name.starts_with(PREFIX) && !OTHERS.contains(&name.as_str()));
        for (name, value) in ours {
            let origin = place(name);
            let input = name.strip_prefix(INPUT).map(|input| format!("inputs.{}", input_name(input)));
            let Some(key) = input.or_else(|| known.get(name).cloned()) else {
                let problem = Diagnostic::new(Some(origin), "", "is not a variable that sets anything");
                let names = known.keys().map(String::as_str).chain(OTHERS).chain(["PROVISIONING_INPUT_NAME"]);
                problems.push(Diagnostic { hint: suggestion(name, names), ..problem });
                continue;
            };
            let leaf = typed(keys.get(&key), value, &origin, &key, problems);
            set(&mut values, &key, leaf);
        }
        Layer { level: Level::Variables, values }
    }
}

/// The variable that sets a key: `PROVISIONING_SETTINGS_LIMITS_RUN` sets `settings.limits.run`.
pub(super) fn variable(key: &str) -> String {
    match key.strip_prefix("inputs.") {
        Some(input) => format!("{INPUT}{}", input.to_uppercase().replace('-', "_")),
        None => format!("{PREFIX}{}", key.to_uppercase().replace('.', "_")),
    }
}

/// An input in a variable's name: one in capitals has its name in small letters, as variables are usually written.
fn input_name(text: &str) -> String {
    if text.chars().any(|letter| letter.is_ascii_lowercase()) { text.to_owned() } else { text.to_lowercase() }
}

fn place(name: &str) -> Origin {
    Origin::unlined(name)
}

fn empty() -> Node {
    Node::new(NodeValue::Map(Vec::new()), None)
}

/// Whether a key has one plain value.
fn is_plain(field: &Field) -> bool {
    !matches!(field.kind, FieldType::Object | FieldType::List(_) | FieldType::Map(_))
}

/// The text as a value of the field's type; a text where the type is known only later, as that of an input is.
fn typed(field: Option<&Field>, text: &str, origin: &Origin, key: &str, problems: &mut Vec<Diagnostic>) -> Node {
    let kind = field.map(|field| &field.kind);
    let value = kind.map_or_else(|| Some(text.into()), |kind| parse(kind, text));
    let value = value.unwrap_or_else(|| {
        let expected = kind.map(ToString::to_string).unwrap_or_default();
        problems.push(Diagnostic::new(Some(origin.clone()), key, format!("expected {expected}, found `{text}`")));
        Value::Null
    });
    Node::new(NodeValue::Leaf(value), Some(origin.clone()))
}

/// A text as a value of a type; `None` where it is none.
pub(super) fn parse(kind: &FieldType, text: &str) -> Option<Value> {
    match kind {
        FieldType::String | FieldType::Text => Some(text.into()),
        FieldType::Integer => text.parse().ok().map(Value::Integer),
        FieldType::Number => {
            let whole = text.parse().ok().map(Value::Integer);
            whole.or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float))
        }
        FieldType::Bool => text.parse().ok().map(Value::Bool),
        FieldType::Any | FieldType::Object | FieldType::List(_) | FieldType::Map(_) => {
            serde_json::from_str::<serde_json::Value>(text).ok().and_then(|json| Value::try_from(json).ok())
        }
    }
}

fn set(node: &mut Node, key: &str, leaf: Node) {
    let (word, rest) = key.split_once('.').map_or((key, None), |(word, rest)| (word, Some(rest)));
    let NodeValue::Map(entries) = &mut node.value else { return };
    let place = entries.iter().position(|(name, _)| name.as_ref() == word).unwrap_or_else(|| {
        entries.push((word.into(), empty()));
        entries.len() - 1
    });
    match rest {
        Some(rest) => set(&mut entries[place].1, rest, leaf),
        None => entries[place].1 = leaf,
    }
}
