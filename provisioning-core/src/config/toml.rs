//! TOML into nodes, with the place of every value.
//!
//! A table counts as written where its name stands, so that a message about it points at the name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Lines, Source};
use crate::error::{Diagnostic, Error, Result};
use crate::value::{Node, NodeValue, Value};

/// Reads a TOML document.
///
/// # Errors
/// `Invalid`, with a diagnostic for every mistake.
pub(super) fn parse(source: &Source) -> Result<Node> {
    let mut reader = Reader { lines: Lines::new(source), problems: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        let origin = reader.lines.origin(error.span().map_or(0, |span| span.start));
        reader.problems.push(Diagnostic::new(Some(origin), "", error.message().replace('\n', ": ")));
    }
    let node = Node::new(reader.table(table.get_ref()), Some(reader.lines.origin(0)));
    Error::from_diagnostics(reader.problems).map_or(Ok(node), Err)
}

struct Reader {
    lines: Lines,
    problems: Vec<Diagnostic>,
}

impl Reader {
    fn table(&mut self, table: &DeTable<'_>) -> NodeValue {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut map = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let mut node = self.node(value);
            if matches!(node.value, NodeValue::Map(_)) {
                node.origin = Some(self.lines.origin(key.span().start));
            }
            map.push((key.get_ref().as_ref().into(), node));
        }
        NodeValue::Map(map)
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let origin = self.lines.origin(value.span().start);
        let leaf = match value.get_ref() {
            DeValue::Table(table) => return Node::new(self.table(table), Some(origin)),
            DeValue::Array(items) => {
                let items = items.iter().map(|item| self.node(item)).collect();
                return Node::new(NodeValue::List(items), Some(origin));
            }
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(time) => Value::from(time.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => self.out_of_range(number.as_str(), value),
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => self.out_of_range(number.as_str(), value),
            },
        };
        Node::new(NodeValue::Leaf(leaf), Some(origin))
    }

    fn out_of_range(&mut self, text: &str, value: &Spanned<DeValue<'_>>) -> Value {
        let origin = self.lines.origin(value.span().start);
        self.problems.push(Diagnostic::new(Some(origin), "", format!("the number `{text}` is out of range")));
        Value::Null
    }
}
