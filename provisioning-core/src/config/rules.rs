//! What no option and no setting may be, whatever its type: a reference, or a number out of range.

use crate::error::Diagnostic;
use crate::value::{Node, NodeValue, Template, Value};

/// The largest number a setting may have: 31 years in seconds, and no overflow anywhere.
const LARGEST: f64 = 1e9;

/// Reports every number that is not above zero and of a sensible size: no limit, count or duration is.
pub(super) fn check_positive(node: &Node, path: &str, problems: &mut Vec<Diagnostic>) {
    let number = match &node.value {
        NodeValue::Map(entries) => {
            for (key, item) in entries {
                check_positive(item, &format!("{path}.{key}"), problems);
            }
            return;
        }
        NodeValue::Leaf(Value::Float(number)) => *number,
        #[expect(clippy::cast_precision_loss, reason = "only the order of magnitude counts")]
        NodeValue::Leaf(Value::Integer(number)) => *number as f64,
        _ => return,
    };
    if number <= 0.0 || number > LARGEST {
        let message = format!("`{number}` is out of range: it must be above 0 and at most {LARGEST}");
        problems.push(Diagnostic::new(node.origin.clone(), path, message));
    }
}

/// Reports every reference: what these fields say must be known before anything is.
pub(super) fn check_plain(node: &Node, path: &str, problems: &mut Vec<Diagnostic>) {
    match &node.value {
        NodeValue::Map(entries) => {
            for (key, item) in entries {
                check_plain(item, &format!("{path}.{key}"), problems);
            }
        }
        NodeValue::List(items) => {
            for (index, item) in items.iter().enumerate() {
                check_plain(item, &format!("{path}[{index}]"), problems);
            }
        }
        NodeValue::Leaf(Value::String(text)) if Template::is_in(text) => {
            problems.push(Diagnostic::new(
                node.origin.clone(),
                path,
                format!("`{text}` is a reference, and none can stand here"),
            ));
        }
        NodeValue::Leaf(_) => {}
    }
}
