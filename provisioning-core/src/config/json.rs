//! JSON (RFC 8259, nothing looser) into nodes, with the place of every value.
//!
//! A key that stands twice in one object is an error: nobody means both.

use std::collections::HashMap;
use std::sync::Arc;

use jsonc_parser::ast::{Object, Value as Json};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::source::{Lines, Source};
use crate::error::{Diagnostic, Error, Result};
use crate::name::shared;
use crate::value::{Node, NodeValue, Value};

/// How many fields something has at most whose fields have names that stand elsewhere, too.
const FIELDS: usize = 64;

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
};

/// Reads a JSON document; an empty text is an empty document.
///
/// # Errors
/// `Invalid`, with a diagnostic for a syntax error or for every repeated key.
pub(super) fn parse(source: &Source) -> Result<Node> {
    let mut reader = Reader { lines: Lines::new(source), problems: Vec::new() };
    let node = match parse_to_ast(&source.text, &CollectOptions::default(), &STRICT) {
        Ok(parsed) => parsed.value.map(|value| reader.node(&value)),
        Err(error) => {
            let origin = reader.lines.origin(error.range().start);
            let message = error.kind().to_string().to_lowercase();
            let hint = "JSON takes double quotes around every key and text, and a comma between items";
            let hint = message.starts_with("unexpected").then(|| hint.to_owned());
            reader.problems.push(Diagnostic { hint, ..Diagnostic::new(Some(origin), "", message) });
            None
        }
    };
    let node = node.unwrap_or_else(|| Node::new(NodeValue::Map(Vec::new()), Some(reader.lines.origin(0))));
    Error::from_diagnostics(reader.problems).map_or(Ok(node), Err)
}

struct Reader {
    lines: Lines,
    problems: Vec<Diagnostic>,
}

impl Reader {
    fn node(&mut self, value: &Json<'_>) -> Node {
        let origin = self.lines.origin(value.start());
        let value = match value {
            Json::Object(object) => self.object(object),
            Json::Array(array) => NodeValue::List(array.elements.iter().map(|item| self.node(item)).collect()),
            Json::StringLit(text) => NodeValue::Leaf(text.value.as_ref().into()),
            Json::BooleanLit(truth) => NodeValue::Leaf(Value::Bool(truth.value)),
            Json::NullKeyword(_) => NodeValue::Leaf(Value::Null),
            Json::NumberLit(number) => {
                let parsed = serde_json::from_str::<serde_json::Number>(number.value).ok();
                let value = parsed.and_then(|number| Value::try_from(serde_json::Value::Number(number)).ok());
                NodeValue::Leaf(value.unwrap_or_else(|| {
                    let message = format!("the number `{}` is out of range", number.value);
                    self.problems.push(Diagnostic::new(Some(origin.clone()), "", message));
                    Value::Null
                }))
            }
        };
        Node::new(value, Some(origin))
    }

    fn object(&mut self, object: &Object<'_>) -> NodeValue {
        let (mut seen, mut map) = (HashMap::new(), Vec::with_capacity(object.properties.len()));
        // The keys of a long object are names of its own.
        let keep = if object.properties.len() > FIELDS { Arc::from } else { shared };
        for property in &object.properties {
            let name = property.name.as_str();
            let origin = self.lines.origin(property.name.start());
            if let Some(first) = seen.insert(name, property.name.start()) {
                let message = format!("the key `{name}` stands twice, the first time in line {}", self.lines.origin(first).line);
                self.problems.push(Diagnostic::new(Some(origin.clone()), "", message));
            }
            let mut node = self.node(&property.value);
            if matches!(node.value, NodeValue::Map(_)) {
                node.origin = Some(origin);
            }
            map.push((keep(name), node));
        }
        NodeValue::Map(map)
    }
}
