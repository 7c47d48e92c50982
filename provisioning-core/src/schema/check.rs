//! Checking what a user wrote against a schema: unknown and missing fields, types, allowed values, defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::persist::hide_written;
use super::{Field, FieldType, Presence, Schema};
use crate::error::{Diagnostic, Origin};
use crate::name::suggestion;
use crate::value::{Map, Node, NodeValue, Redaction, Secret, Template, Value};

impl Schema {
    /// Checks the fields of one object and fills in defaults; every problem becomes a diagnostic.
    ///
    /// `path` is where the object stands, such as `resources.web`. Strings with references pass for every type: what
    /// they give is checked when it is known, by [`Schema::check_resolved`]. What is literal in a sensitive field comes
    /// back as a secret.
    pub fn check(&self, node: &Node, path: &str, problems: &mut Vec<Diagnostic>) -> Value {
        let mut checker = Checker { problems, references: References::Pass };
        checker.object(&self.fields, node, path)
    }

    /// Checks the same fields again once every reference has been replaced by its value.
    pub fn check_resolved(&self, inputs: &Value, path: &str) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut checker = Checker { problems: &mut problems, references: References::Fail };
        checker.object(&self.fields, &self.node(inputs), path);
        problems
    }

    /// Fields as nodes; what may be anything stays whole, since nobody looks into it.
    fn node(&self, inputs: &Value) -> Node {
        let Value::Map(fields) = inputs else { return Node::from(inputs.clone()) };
        let whole = |name: &str| self.fields.get(name).is_some_and(|field| field.kind == FieldType::Any);
        let node = |name: &str, value: &Value| match value.clone() {
            value if whole(name) => Node::new(NodeValue::Leaf(value), None),
            value => Node::from(value),
        };
        let entries = fields.iter().map(|(name, value)| (name.clone(), node(name, value)));
        Node::new(NodeValue::Map(entries.collect()), None)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum References {
    Pass,
    Fail,
}

struct Checker<'a> {
    problems: &'a mut Vec<Diagnostic>,
    references: References,
}

impl Checker<'_> {
    fn object(&mut self, fields: &BTreeMap<String, Field>, node: &Node, path: &str) -> Value {
        let NodeValue::Map(entries) = &node.value else {
            self.wrong_type("map", node, path, false);
            return Value::Null;
        };
        let mut map = Map::new();
        for (key, item) in entries {
            match fields.get(key.as_ref()) {
                Some(field) if field.presence != Presence::Computed => {
                    if !matches!(item.value, NodeValue::Leaf(Value::Null)) {
                        map.insert(key.clone(), self.field(field, item, &format!("{path}.{key}")));
                    }
                }
                Some(_) => self.report(
                    item.origin.clone(),
                    format!("{path}.{key}"),
                    "is set by the provider and cannot be given".into(),
                    None,
                ),
                None => {
                    let settable =
                        fields.iter().filter(|(_, field)| field.presence != Presence::Computed).map(|(name, _)| name.as_str());
                    self.report(
                        item.origin.clone(),
                        format!("{path}.{key}"),
                        "is not a field here".into(),
                        suggestion(key, settable),
                    );
                }
            }
        }
        for (name, field) in fields {
            if !map.contains_key(name.as_str()) {
                let value = self.absent(name, field, node, path);
                map.extend(value.map(|value| (name.as_str().into(), value)));
            }
        }
        Value::Map(Arc::new(map))
    }

    /// The default of a field that is not given; a report where it must be.
    fn absent(&mut self, name: &str, field: &Field, parent: &Node, path: &str) -> Option<Value> {
        if field.default.is_none() && field.presence == Presence::Required {
            let (place, message) = (format!("{path}.{name}"), format!("is required ({})", field.kind));
            self.report(parent.origin.clone(), place, message, Some(field.summary.clone()));
        }
        field.default.clone()
    }

    fn field(&mut self, field: &Field, node: &Node, path: &str) -> Value {
        let before = self.problems.len();
        let value = self.typed(&field.kind, field, node, path);
        if field.sensitive && self.problems.len() > before {
            // What is wrong with a secret must not show it.
            let redaction = Redaction::of([&Value::Secret(Secret::new(node.to_value()))]);
            self.problems[before..].iter_mut().for_each(|problem| problem.message = redaction.text(&problem.message));
        }
        let settled = value != Value::Null && !is_open(&value, self.references);
        if !field.one_of.is_empty() && settled && !field.one_of.contains(&value) {
            let allowed: Vec<_> = field.one_of.iter().map(|item| format!("`{}`", display(item))).collect();
            let found = if field.sensitive { "the value".to_owned() } else { format!("`{}`", display(&value)) };
            self.report(node.origin.clone(), path.to_owned(), format!("{found} is not one of {}", allowed.join(", ")), None);
        }
        if field.sensitive { hide_written(&value) } else { value }
    }

    fn typed(&mut self, kind: &FieldType, field: &Field, node: &Node, path: &str) -> Value {
        match (kind, &node.value) {
            (_, NodeValue::Leaf(value)) if is_open(value, self.references) => value.clone(),
            (FieldType::Any, _)
            | (FieldType::String | FieldType::Text, NodeValue::Leaf(Value::String(_)))
            | (FieldType::Text, NodeValue::Leaf(Value::Render(_)))
            | (FieldType::Integer | FieldType::Number, NodeValue::Leaf(Value::Integer(_)))
            | (FieldType::Number, NodeValue::Leaf(Value::Float(_)))
            | (FieldType::Bool, NodeValue::Leaf(Value::Bool(_))) => node.to_value(),
            (_, NodeValue::Leaf(Value::Secret(secret))) => {
                let before = self.problems.len();
                let value = self.typed(kind, field, &secret.expose().clone().into(), path);
                for problem in &mut self.problems[before..] {
                    // What is wrong with a secret must not show it.
                    (problem.message, problem.hint) = (format!("expected {kind}, found a secret of another type"), None);
                }
                Value::Secret(Secret::new(value))
            }
            (FieldType::Object, NodeValue::Map(_)) => self.object(&field.fields, node, path),
            (FieldType::List(item), NodeValue::List(items)) => {
                let items = items.iter().enumerate();
                Value::list(
                    items.map(|(index, node)| self.typed(item, field, node, &format!("{path}[{index}]"))).collect::<Vec<_>>(),
                )
            }
            (FieldType::Map(item), NodeValue::Map(entries)) => {
                let entries = entries.iter();
                Value::map(
                    entries
                        .map(|(key, node)| (key.clone(), self.typed(item, field, node, &format!("{path}.{key}"))))
                        .collect::<Vec<_>>(),
                )
            }
            _ => {
                self.wrong_type(&kind.to_string(), node, path, field.sensitive);
                Value::Null
            }
        }
    }

    fn wrong_type(&mut self, expected: &str, node: &Node, path: &str, sensitive: bool) {
        let found = match &node.value {
            NodeValue::Leaf(value @ (Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_))) if !sensitive => {
                format!("the {} `{}`", value.type_name(), display(value))
            }
            _ => format!("a {}", node.type_name()),
        };
        self.report(node.origin.clone(), path.to_owned(), format!("expected {expected}, found {found}"), None);
    }

    fn report(&mut self, origin: Option<Origin>, field: String, message: String, hint: Option<String>) {
        self.problems.push(Diagnostic { origin, field, message, hint });
    }
}

/// Whether the type of a value is settled only later.
fn is_open(value: &Value, references: References) -> bool {
    match value {
        Value::String(text) => references == References::Pass && Template::is_in(text),
        Value::Unknown | Value::Digest(_) | Value::Sealed(_) => true,
        _ => false,
    }
}

fn display(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() > 40 => format!("{}…", text.chars().take(40).collect::<String>()),
        Value::String(text) => text.to_string(),
        other => serde_json::to_string(other).unwrap_or_else(|_| "***".into()),
    }
}
