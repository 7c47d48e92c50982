//! A value that knows where each of its parts was written.

use std::sync::Arc;

use super::{Map, Value};
use crate::error::Origin;

/// A value and the place it was written at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Its place; `None` for what a program made.
    pub origin: Option<Origin>,
}

/// The parts of a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// Anything without parts, and whatever a program made whole.
    Leaf(Value),
    /// Nodes in order.
    List(Vec<Node>),
    /// Nodes by key, in the order they were written; a key may stand twice where the format lets it.
    Map(Vec<(Arc<str>, Node)>),
}

impl Default for NodeValue {
    fn default() -> Self {
        Self::Leaf(Value::Null)
    }
}

impl Node {
    /// A node at a place.
    pub fn new(value: NodeValue, origin: Option<Origin>) -> Self {
        Self { value, origin }
    }

    /// The plain value.
    pub fn to_value(&self) -> Value {
        match &self.value {
            NodeValue::Leaf(value) => value.clone(),
            NodeValue::List(items) => Value::list(items.iter().map(Self::to_value)),
            NodeValue::Map(entries) => {
                let map: Map = entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect();
                Value::Map(Arc::new(map))
            }
        }
    }

    /// The entry of a map.
    pub fn field(&self, key: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Map(entries) => entries.iter().find(|(name, _)| name.as_ref() == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What people call it where it is not what was expected: `a list`.
    pub fn described(&self) -> &'static str {
        match self.type_name() {
            "integer" => "an integer",
            "null" => "nothing",
            "map" => "a map",
            "list" => "a list",
            "bool" => "a bool",
            "string" => "a string",
            "number" => "a number",
            _ => "something else",
        }
    }

    /// What people call this type of value.
    pub fn type_name(&self) -> &'static str {
        match &self.value {
            NodeValue::Leaf(value) => value.type_name(),
            NodeValue::List(_) => "list",
            NodeValue::Map(_) => "map",
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        let value = match value {
            Value::List(items) => NodeValue::List(items.iter().cloned().map(Self::from).collect()),
            Value::Map(map) => NodeValue::Map(map.iter().map(|(key, item)| (key.clone(), item.clone().into())).collect()),
            leaf => NodeValue::Leaf(leaf),
        };
        Self { value, origin: None }
    }
}
