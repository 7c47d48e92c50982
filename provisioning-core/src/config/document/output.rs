//! Outputs: a value, or a value and whether it is masked.

use super::Reader;
use crate::error::Diagnostic;
use crate::name::Kind;
use crate::resource::Output;
use crate::schema::hide_written;
use crate::value::{Node, NodeValue, Value};

impl Reader<'_> {
    pub(super) fn output(&mut self, name: &str, node: &Node) {
        let path = format!("outputs.{name}");
        if Kind::parse(name).is_err() {
            let message = "is not a name: letters, digits, `_` and `-` after a first letter";
            return self.problems.push(Diagnostic::new(node.origin.clone(), path, message));
        }
        let origin = node.origin.clone();
        let output = match &node.value {
            NodeValue::Map(entries) if is_long_form(entries) => {
                let sensitive = match node.field("sensitive").map(Node::to_value) {
                    None | Some(Value::Null) => false,
                    Some(Value::Bool(truth)) => truth,
                    Some(other) => {
                        let message = format!("expected bool, found {}", Node::from(other).described());
                        return self.problems.push(Diagnostic::new(origin, format!("{path}.sensitive"), message));
                    }
                };
                let value = node.field("value").map(Node::to_value).unwrap_or_default();
                // What stands there as text is as secret as what a reference leads to.
                Output { value: if sensitive { hide_written(&value) } else { value }, sensitive, origin }
            }
            _ => Output { value: node.to_value(), sensitive: false, origin },
        };
        self.desired.outputs.insert(name.to_owned(), output);
    }
}

/// Whether a map is an output with its options, and not a value that happens to be a map.
fn is_long_form(entries: &[(std::sync::Arc<str>, Node)]) -> bool {
    let has_value = entries.iter().any(|(key, _)| key.as_ref() == "value");
    has_value && entries.iter().all(|(key, _)| matches!(key.as_ref(), "value" | "sensitive"))
}
