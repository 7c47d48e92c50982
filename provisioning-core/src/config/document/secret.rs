//! Sensitive values in a document: found, and refused until a store can seal them.

use crate::error::Diagnostic;
use crate::value::{Node, NodeValue, Value};

/// Reports every sensitive value among checked fields, at its place in the document.
pub(super) fn refuse(checked: &Value, written: &Node, path: &str, problems: &mut Vec<Diagnostic>) {
    match (checked, &written.value) {
        (Value::Secret(_), _) => {
            let message = "a sensitive value would have to be stored, and sealing is not available in this version";
            let problem = Diagnostic::new(written.origin.clone(), path, message);
            let hint = "let the command read it at run time, for example from a file or from the environment of the host";
            problems.push(problem.with_hint(hint));
        }
        (Value::Map(map), NodeValue::Map(entries)) => {
            for (key, node) in entries {
                if let Some(value) = map.get(key) {
                    refuse(value, node, &format!("{path}.{key}"), problems);
                }
            }
        }
        (Value::List(items), NodeValue::List(nodes)) => {
            for (index, (value, node)) in items.iter().zip(nodes).enumerate() {
                refuse(value, node, &format!("{path}[{index}]"), problems);
            }
        }
        _ => {}
    }
}
