//! What `${config…}`, `${input…}`, `${env…}` and `${workspace…}` stand for: it is known before anything is planned, and
//! takes the place of the reference as soon as a document was read.
//!
//! `${secret…}` and the outputs of resources are resolved when they are needed, by the planner and the executor.

use std::collections::BTreeMap;

use super::configuration::{Configuration, MANIFEST};
use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::name::suggestion;
use crate::value::{Node, NodeValue, Reference, Segment, Template, Value};

/// The values by their first word.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(BTreeMap<&'static str, Node>);

impl Known {
    /// What a document of a program may refer to: its inputs.
    pub(super) fn of_program(inputs: Node) -> Self {
        Self([("input", inputs)].into())
    }

    /// What the document of a workspace may refer to.
    pub(super) fn of_workspace(
        inputs: Node,
        configuration: &Configuration,
        name: &str,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let texts = |entries: Vec<(&str, &str)>| {
            let entries = entries.into_iter().map(|(key, text)| (key.into(), Node::from(Value::from(text))));
            Node::new(NodeValue::Map(entries.collect()), None)
        };
        let env = variables.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let environment = configuration.environment().unwrap_or_default();
        Self(
            [
                ("config", configuration.merged().clone()),
                ("input", inputs),
                ("env", texts(env)),
                ("workspace", texts(vec![("environment", environment), ("name", name)])),
            ]
            .into(),
        )
    }

    /// Replaces the references in a document to what is known.
    pub(super) fn put_into(&self, document: &mut Node, problems: &mut Vec<Diagnostic>) {
        self.walk(document, "", problems);
    }

    fn walk(&self, node: &mut Node, path: &str, problems: &mut Vec<Diagnostic>) {
        match &mut node.value {
            NodeValue::Map(entries) => {
                for (key, item) in entries {
                    let dot = if path.is_empty() { "" } else { "." };
                    self.walk(item, &format!("{path}{dot}{key}"), problems);
                }
            }
            NodeValue::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(item, &format!("{path}[{index}]"), problems);
                }
            }
            NodeValue::Leaf(Value::String(text)) if text.contains("${") => {
                let text = text.clone();
                match self.replaced(&text) {
                    Ok(Some(found)) => *node = Node { origin: found.origin.or_else(|| node.origin.take()), value: found.value },
                    Ok(None) => {}
                    Err(error) => {
                        let hint = error.hint().map(str::to_owned);
                        problems.push(Diagnostic { hint, ..Diagnostic::new(node.origin.clone(), path, error.to_string()) });
                    }
                }
            }
            NodeValue::Leaf(_) => {}
        }
    }

    /// What a text comes to; `None` where nothing in it is known here. What does not parse is reported by the planner.
    fn replaced(&self, text: &str) -> Result<Option<Node>> {
        let Ok(template) = Template::parse(text) else { return Ok(None) };
        if !template.references().any(|reference| self.0.contains_key(reference.root.as_ref())) {
            return Ok(None);
        }
        let mut origin = None;
        let value = template.substitute(&mut |reference| {
            let Some(root) = self.0.get(reference.root.as_ref()) else { return Ok(None) };
            let found = follow(root, reference)?;
            origin.clone_from(&found.origin);
            Ok(Some(found.to_value()))
        })?;
        let whole = template.is_one_reference();
        Ok(Some(Node { origin: origin.filter(|_| whole), ..Node::from(value) }))
    }
}

fn follow<'a>(root: &'a Node, reference: &Reference) -> Result<&'a Node> {
    let mut node = root;
    for segment in &reference.path {
        let found = match (segment, &node.value) {
            (Segment::Key(key), _) => node.field(key),
            (Segment::Index(index), NodeValue::List(items)) => items.get(*index),
            (Segment::Index(index), _) => node.field(&index.to_string()),
        };
        node = found.ok_or_else(|| missing(node, segment, reference))?;
    }
    Ok(node)
}

fn missing(node: &Node, segment: &Segment, reference: &Reference) -> Error {
    let part = match segment {
        Segment::Key(key) => key.to_string(),
        Segment::Index(index) => format!("[{index}]"),
    };
    let keys: Vec<_> = match &node.value {
        NodeValue::Map(entries) => entries.iter().map(|(key, _)| key.as_ref()).collect(),
        _ => Vec::new(),
    };
    let root = reference.root.as_ref();
    let error = Error::new(
        ErrorKind::NotFound,
        match root {
            "env" => format!("`${{{reference}}}`: the variable `{part}` is not set, or not listed"),
            "input" => format!("`${{{reference}}}`: there is no input `{part}`"),
            _ => format!("`${{{reference}}}`: `{root}` has no `{part}`"),
        },
    );
    match (root, suggestion(&part, keys)) {
        ("env", _) => error.with_hint(format!("`env = [\"{part}\"]` in `{MANIFEST}` lists it")),
        (_, Some(hint)) => error.with_hint(hint),
        _ => error,
    }
}
