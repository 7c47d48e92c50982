//! Nodes as bytes, for the cache alone: smaller and faster to read than any form that people read.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Origin;
use crate::value::{Node, NodeValue, Value};

/// Nodes, with the files that they were written in by number.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<'a> {
    #[serde(borrow)]
    files: Vec<&'a str>,
    nodes: Vec<Item<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    value: Form<'a>,
    origin: Option<(u32, u32, u32)>,
}

#[derive(Serialize, Deserialize)]
enum Form<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    #[serde(borrow)]
    String(&'a str),
    List(Vec<Item<'a>>),
    Map(Vec<(&'a str, Item<'a>)>),
}

impl<'a> Stored<'a> {
    /// The bytes of nodes; `None` where one holds what no document can.
    pub(super) fn bytes_of(nodes: &'a [Node]) -> Option<Vec<u8>> {
        let mut files = HashMap::new();
        let items = nodes.iter().map(|node| item(node, &mut files)).collect::<Option<Vec<_>>>()?;
        let mut names: Vec<_> = files.into_iter().collect();
        names.sort_by_key(|(_, number)| *number);
        let stored = Stored { files: names.into_iter().map(|(name, _)| name).collect(), nodes: items };
        postcard::to_allocvec(&stored).ok()
    }

    /// The nodes in some bytes.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Vec<Node>> {
        let stored: Stored<'_> = postcard::from_bytes(bytes).ok()?;
        let mut reader = Reader { files: stored.files.iter().map(|name| Arc::from(*name)).collect(), keys: HashMap::new() };
        stored.nodes.into_iter().map(|item| reader.node(item)).collect()
    }
}

fn item<'a>(node: &'a Node, files: &mut HashMap<&'a str, u32>) -> Option<Item<'a>> {
    let value = match &node.value {
        NodeValue::Leaf(Value::Null) => Form::Null,
        NodeValue::Leaf(Value::Bool(truth)) => Form::Bool(*truth),
        NodeValue::Leaf(Value::Integer(number)) => Form::Integer(*number),
        NodeValue::Leaf(Value::Float(number)) => Form::Float(*number),
        NodeValue::Leaf(Value::String(text)) => Form::String(text),
        NodeValue::Leaf(_) => return None,
        NodeValue::List(items) => Form::List(items.iter().map(|node| item(node, files)).collect::<Option<_>>()?),
        NodeValue::Map(entries) => {
            Form::Map(entries.iter().map(|(key, node)| Some((key.as_ref(), item(node, files)?))).collect::<Option<_>>()?)
        }
    };
    let origin = node.origin.as_ref().map(|origin| {
        let next = u32::try_from(files.len()).unwrap_or(u32::MAX);
        (*files.entry(&origin.file).or_insert(next), origin.line, origin.column)
    });
    Some(Item { value, origin })
}

struct Reader<'a> {
    files: Vec<Arc<str>>,
    /// The same few keys stand in thousands of maps.
    keys: HashMap<&'a str, Arc<str>>,
}

impl<'a> Reader<'a> {
    fn node(&mut self, item: Item<'a>) -> Option<Node> {
        let value = match item.value {
            Form::Null => NodeValue::Leaf(Value::Null),
            Form::Bool(truth) => NodeValue::Leaf(Value::Bool(truth)),
            Form::Integer(number) => NodeValue::Leaf(Value::Integer(number)),
            Form::Float(number) => NodeValue::Leaf(Value::Float(number)),
            Form::String(text) => NodeValue::Leaf(text.into()),
            Form::List(items) => NodeValue::List(items.into_iter().map(|item| self.node(item)).collect::<Option<_>>()?),
            Form::Map(entries) => {
                let entries = entries.into_iter().map(|(key, item)| {
                    let key = self.keys.entry(key).or_insert_with(|| key.into()).clone();
                    Some((key, self.node(item)?))
                });
                NodeValue::Map(entries.collect::<Option<_>>()?)
            }
        };
        let origin = match item.origin {
            None => None,
            Some((file, line, column)) => {
                Some(Origin { file: self.files.get(usize::try_from(file).ok()?)?.clone(), line, column })
            }
        };
        Some(Node { value, origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_back_as_they_were_kept() {
        let text = "{\"a\": [1, 2.5, null, true, \"x\"],\n \"b\": {\"c\": {}}}";
        let node = crate::config::json::parse(&crate::config::source::Source::new("main.json", text)).expect("parses");
        let nodes = [node, Node::default()];
        let bytes = Stored::bytes_of(&nodes).expect("fits");
        assert_eq!(Stored::parse(&bytes).expect("reads"), nodes);
        for end in 0..bytes.len() {
            assert_ne!(Stored::parse(&bytes[..end]).as_deref(), Some(&nodes[..]), "cut at {end}");
        }
        assert!(Stored::bytes_of(&[Value::Unknown.into()]).is_none());
    }
}
