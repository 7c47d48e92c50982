//! Inputs: the values of the desired state that environments, variables and flags may set, each of a type.
//!
//! In TOML and JSON an input is its default, or a map of `type`, `default` and `summary`. In Nickel it is a field of the
//! record `inputs`; its type and default are found by the evaluator.

use std::collections::BTreeMap;

use super::configuration::{Configuration, ways};
use super::overrides::{INPUT, parse};
use crate::error::{Diagnostic, Origin};
use crate::name::{Kind, suggestion};
use crate::schema::FieldType;
use crate::value::{Node, NodeValue, Value};

/// What is written of an input that has its parts named.
const PARTS: [&str; 3] = ["type", "default", "summary"];

/// An input that a workspace declares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub(super) name: String,
    /// Its type, where one can be told.
    pub(super) kind: Option<FieldType>,
    pub(super) default: Option<Node>,
    pub(super) origin: Option<Origin>,
}

impl Input {
    /// Whether a name means it: the name of a variable is written in capitals, and has no `-` in it.
    fn is_called(&self, name: &str, origin: Option<&Origin>) -> bool {
        let is_variable = origin.is_some_and(|origin| origin.file.starts_with(INPUT));
        self.name == name || (is_variable && self.name.replace('-', "_").eq_ignore_ascii_case(name))
    }
}

/// The inputs in the section of a document that is data.
pub(super) fn declared(section: &Node, problems: &mut Vec<Diagnostic>) -> Vec<Input> {
    let NodeValue::Map(entries) = &section.value else {
        if section.value != NodeValue::default() {
            problems.push(Diagnostic::new(
                section.origin.clone(),
                "inputs",
                format!("expected a map by name, found {}", section.described()),
            ));
        }
        return Vec::new();
    };
    entries.iter().map(|(name, node)| input(name, node, problems)).collect()
}

fn input(name: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Input {
    let (path, origin) = (format!("inputs.{name}"), node.origin.clone());
    if Kind::parse(name).is_err() {
        let message = "is not a name: letters, digits, `_` and `-` after a first letter";
        problems.push(Diagnostic::new(origin.clone(), &path, message));
    }
    let NodeValue::Map(parts) = &node.value else {
        return Input { name: name.to_owned(), kind: kind_of(node), default: Some(node.clone()), origin };
    };
    if node.field("type").is_none() && node.field("default").is_none() {
        return Input { name: name.to_owned(), kind: kind_of(node), default: Some(node.clone()), origin };
    }
    for (key, part) in parts.iter().filter(|(key, _)| !PARTS.contains(&key.as_ref())) {
        let problem = Diagnostic::new(part.origin.clone(), format!("{path}.{key}"), "is not a part of an input");
        problems.push(Diagnostic { hint: suggestion(key, PARTS), ..problem });
    }
    let default = node.field("default").cloned();
    let given =
        node.field("type").map(|kind| (kind, FieldType::try_from(kind.to_value().as_str().unwrap_or_default().to_owned())));
    let kind = match given {
        None => default.as_ref().and_then(kind_of),
        Some((_, Ok(kind))) if kind != FieldType::Object => Some(kind),
        Some((node, _)) => {
            let problem = Diagnostic::new(node.origin.clone(), format!("{path}.type"), "is not the type of an input");
            problems.push(problem.with_hint(
                "a type is `string`, `integer`, `number`, `bool`, `list(string)`, `map(integer)` and so on, or `any`",
            ));
            None
        }
    };
    if let (Some(kind), Some(default)) = (&kind, &default) {
        check(kind, default, &format!("{path}.default"), problems);
    }
    Input { name: name.to_owned(), kind, default, origin }
}

/// The type that a default says an input has: the widest one that the value is of.
fn kind_of(node: &Node) -> Option<FieldType> {
    match &node.value {
        NodeValue::Leaf(Value::Bool(_)) => Some(FieldType::Bool),
        NodeValue::Leaf(Value::Integer(_) | Value::Float(_)) => Some(FieldType::Number),
        NodeValue::Leaf(Value::String(_)) => Some(FieldType::String),
        NodeValue::List(_) => Some(FieldType::List(Box::new(FieldType::Any))),
        NodeValue::Map(_) => Some(FieldType::Map(Box::new(FieldType::Any))),
        NodeValue::Leaf(_) => None,
    }
}

/// The values that the configuration gives to declared inputs, by name.
pub(super) fn given(inputs: &[Input], configuration: &Configuration, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Node> {
    let mut found = BTreeMap::new();
    let Some(NodeValue::Map(entries)) = configuration.get("inputs").map(|node| &node.value) else { return found };
    for (name, node) in entries {
        let path = format!("inputs.{name}");
        let Some(input) = inputs.iter().find(|input| input.is_called(name, node.origin.as_ref())) else {
            let hint = suggestion(name, inputs.iter().map(|input| input.name.as_str()));
            let hint = hint.unwrap_or_else(|| "the workspace declares no inputs".to_owned());
            problems.push(Diagnostic::new(node.origin.clone(), path, "is not an input of this workspace").with_hint(hint));
            continue;
        };
        let node = typed(node, input.kind.as_ref());
        if let Some(kind) = &input.kind {
            check(kind, &node, &path, problems);
        }
        found.insert(input.name.clone(), node);
    }
    found
}

/// The section as it comes out: what was given, else the default; a report for an input that has neither.
pub(super) fn settled(inputs: Vec<Input>, mut given: BTreeMap<String, Node>, problems: &mut Vec<Diagnostic>) -> Node {
    let mut entries = Vec::new();
    for Input { name, kind, default, origin } in inputs {
        match given.remove(&name).or(default) {
            Some(node) => entries.push((name.into(), node)),
            None => problems.push(missing(&name, kind.as_ref(), origin)),
        }
    }
    Node::new(NodeValue::Map(entries), None)
}

/// The report for an input that nobody gives a value to.
pub(super) fn missing(name: &str, kind: Option<&FieldType>, origin: Option<Origin>) -> Diagnostic {
    let (key, kind) = (format!("inputs.{name}"), kind.map_or_else(String::new, |kind| format!(" ({kind})")));
    let hint = format!("{}; `--input {name}=VALUE` gives it once", ways(&key));
    Diagnostic::new(origin, key, format!("is required{kind}, and has no value")).with_hint(hint)
}

/// A text that a variable or a flag gives, as a value of the input's type; anything else stays as it is.
fn typed(node: &Node, kind: Option<&FieldType>) -> Node {
    let (Some(text), Some(origin)) = (node.to_value().as_str().map(str::to_owned), &node.origin) else { return node.clone() };
    if origin.is_lined() {
        return node.clone();
    }
    let value = parse(kind.unwrap_or(&FieldType::String), &text);
    let mut node = Node::from(value.unwrap_or_else(|| text.into()));
    node.origin = Some(origin.clone());
    node
}

fn check(kind: &FieldType, node: &Node, path: &str, problems: &mut Vec<Diagnostic>) {
    if !fits(kind, node) {
        let found = match &node.value {
            NodeValue::Leaf(Value::String(text)) => format!("the string `{text}`"),
            NodeValue::Leaf(value @ (Value::Integer(_) | Value::Float(_) | Value::Bool(_))) => {
                format!("the {} `{}`", value.type_name(), serde_json::to_string(value).unwrap_or_default())
            }
            _ => node.described().to_owned(),
        };
        problems.push(Diagnostic::new(node.origin.clone(), path, format!("expected {kind}, found {found}")));
    }
}

fn fits(kind: &FieldType, node: &Node) -> bool {
    match (kind, &node.value) {
        (FieldType::Any, _)
        | (FieldType::String | FieldType::Text, NodeValue::Leaf(Value::String(_)))
        | (FieldType::Integer | FieldType::Number, NodeValue::Leaf(Value::Integer(_)))
        | (FieldType::Number, NodeValue::Leaf(Value::Float(_)))
        | (FieldType::Bool, NodeValue::Leaf(Value::Bool(_)))
        | (FieldType::Object, NodeValue::Map(_)) => true,
        (FieldType::List(item), NodeValue::List(items)) => items.iter().all(|node| fits(item, node)),
        (FieldType::Map(item), NodeValue::Map(entries)) => entries.iter().all(|(_, node)| fits(item, node)),
        _ => false,
    }
}
