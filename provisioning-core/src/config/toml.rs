//! TOML into nodes, with the place of every value.
//!
//! A table counts as written where its name stands, so that a message about it points at the name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Lines, Source};
use crate::error::{Diagnostic, Error, Result};
use crate::value::{Node, NodeValue, Value};

/// How the parser calls a key that stands twice.
const REPEATED: &str = "duplicate key";

/// Reads a TOML document.
///
/// # Errors
/// `Invalid`, with a diagnostic for every mistake.
pub(super) fn parse(source: &Source) -> Result<Node> {
    let mut reader = Reader { lines: Lines::new(source), problems: Vec::new() };
    let (table, mut errors) = DeTable::parse_recoverable(&source.text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    // What stands under a repeated table repeats its keys: the table alone is the mistake.
    let mut repeated = false;
    for error in errors {
        let span = error.span().unwrap_or_default();
        let origin = reader.lines.origin(span.start);
        let message = match (error.message(), source.text.get(span)) {
            (REPEATED, _) if std::mem::replace(&mut repeated, true) => continue,
            (REPEATED, Some(key)) => format!("the key `{key}` stands twice"),
            (other, _) => other.replace('\n', ": "),
        };
        reader.problems.push(Diagnostic::new(Some(origin), "", message));
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
