//! One field of a kind: its type, who sets it, and what becomes of its value.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// A field of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// One sentence for people, with the unit where there is one.
    pub summary: String,
    /// Who sets it.
    #[serde(default)]
    pub presence: Presence,
    /// The value when the user sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The values it may have; empty for any of its type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Value>,
    /// What changing it does to the object.
    #[serde(default)]
    pub on_change: Change,
    /// What is kept of its value after the call.
    #[serde(default)]
    pub keep: Keep,
    /// For an output: the fields whose change makes it unknown until apply; it stays as it is under any other change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
    /// Whether its value must not be seen.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether no two objects of one provider may have the same value.
    #[serde(default)]
    pub unique: bool,
    /// The fields of an `object`, or of the objects in a list or map.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Field>,
}

/// The type of a field, written as `string`, `list(integer)`, `map(object)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FieldType {
    /// Any text.
    String,
    /// Any text, or a template that renders to one.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A truth value.
    Bool,
    /// Anything.
    Any,
    /// A map with the field's own fields.
    Object,
    /// Values in order.
    List(Box<FieldType>),
    /// Values by key.
    Map(Box<FieldType>),
}

/// Who sets a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// The user must.
    Required,
    /// The user may.
    #[default]
    Optional,
    /// The user may; the provider does otherwise.
    Assigned,
    /// The provider alone: an output.
    Computed,
}

/// What changing a field does to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is updated in place.
    #[default]
    Update,
    /// It is replaced by another.
    Replace,
}

/// What is kept of a field's value after the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The value.
    #[default]
    Value,
    /// Its digest alone (write-only): enough to see a change.
    Digest,
}

impl Field {
    /// Whether a text, or the template of one, can stand anywhere in it.
    pub fn has_text(&self) -> bool {
        fn holds(kind: &FieldType, field: &Field) -> bool {
            match kind {
                FieldType::Text => true,
                FieldType::List(item) | FieldType::Map(item) => holds(item, field),
                FieldType::Object => field.fields.values().any(Field::has_text),
                _ => false,
            }
        }
        holds(&self.kind, self)
    }
}

impl TryFrom<String> for FieldType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let inner = |prefix: &str| {
            text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(')')).map(|item| Self::try_from(item.to_owned()))
        };
        Ok(match text.as_str() {
            "string" => Self::String,
            "text" => Self::Text,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "bool" => Self::Bool,
            "any" => Self::Any,
            "object" => Self::Object,
            _ => match (inner("list("), inner("map(")) {
                (Some(item), _) => Self::List(Box::new(item?)),
                (_, Some(item)) => Self::Map(Box::new(item?)),
                _ => return Err(format!("`{text}` is not a field type")),
            },
        })
    }
}

impl From<FieldType> for String {
    fn from(kind: FieldType) -> Self {
        kind.to_string()
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Number => f.write_str("number"),
            Self::Bool => f.write_str("bool"),
            Self::Any => f.write_str("any"),
            Self::Object => f.write_str("object"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(item) => write!(f, "map({item})"),
        }
    }
}
