//! What `${config…}`, `${input…}`, `${env…}` and `${workspace…}` stand for: it is known before anything is planned, and
//! takes the place of the reference as soon as a document was read.
//!
//! `${secret…}` and the outputs of resources are resolved when they are needed, by the planner and the executor.

use std::collections::BTreeMap;
use std::fmt;

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
        let environment = configuration.environment().map(|environment| ("environment", environment));
        let workspace = environment.into_iter().chain([("name", name)]).collect();
        Self(
            [("config", configuration.merged().clone()), ("input", inputs), ("env", texts(env)), ("workspace", texts(workspace))]
                .into(),
        )
    }

    /// Whether a first word is one of these.
    pub(super) fn has(&self, root: &str) -> bool {
        self.0.contains_key(root)
    }

    /// The value at a path that begins with one of these.
    pub(super) fn value(&self, path: &str) -> Result<Value> {
        let reference = Reference::parse(path)?;
        let nothing = Node::default();
        let root = self.0.get(reference.root.as_ref()).unwrap_or(&nothing);
        follow(root, &reference).map(|node| node.to_value().to_literal())
    }

    /// Replaces the references in a document to what is known.
    pub(super) fn put_into(&self, document: &mut Node, problems: &mut Vec<Diagnostic>) {
        self.walk(document, &Place::Whole, problems);
    }

    fn walk(&self, node: &mut Node, place: &Place<'_>, problems: &mut Vec<Diagnostic>) {
        match &mut node.value {
            NodeValue::Map(entries) => {
                entries.iter_mut().for_each(|(key, item)| self.walk(item, &Place::Key(place, key), problems));
            }
            NodeValue::List(items) => {
                let each = |(index, item)| self.walk(item, &Place::Index(place, index), problems);
                items.iter_mut().enumerate().for_each(each);
            }
            NodeValue::Leaf(Value::String(text)) if Template::is_in(text) => {
                let text = text.clone();
                match self.replaced(&text) {
                    Ok(Some(found)) => *node = Node { origin: found.origin.or_else(|| node.origin.take()), value: found.value },
                    Ok(None) => {}
                    Err(error) => {
                        let hint = error.hint().map(str::to_owned);
                        let problem = Diagnostic::new(node.origin.clone(), place.to_string(), error.to_string());
                        problems.push(Diagnostic { hint, ..problem });
                    }
                }
            }
            NodeValue::Leaf(_) => {}
        }
    }

    /// What a text comes to; `None` where nothing in it is known here. What does not parse is reported by the planner.
    fn replaced(&self, text: &str) -> Result<Option<Node>> {
        if !self.0.keys().any(|root| text.contains(root)) {
            return Ok(None);
        }
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
        let whole = template.as_reference().is_some();
        Ok(Some(Node { origin: origin.filter(|_| whole), ..Node::from(value) }))
    }
}

/// Where a walk is in a document: written out only where something is wrong.
enum Place<'a> {
    Whole,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Key(Self::Whole, key) => f.write_str(key),
            Self::Key(above, key) => write!(f, "{above}.{key}"),
            Self::Index(above, index) => write!(f, "{above}[{index}]"),
        }
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
    let (message, hint) = match (root, part.as_str()) {
        ("env", _) => {
            let message = format!("the variable `{part}` is not set, or not listed");
            (message, Some(format!("`env = [\"{part}\"]` in `{MANIFEST}` lists it")))
        }
        ("workspace", "environment") => {
            let hint = format!("`--env NAME` chooses one, or `environment` in `{MANIFEST}`");
            ("no environment is chosen".to_owned(), Some(hint))
        }
        ("input", _) => (format!("there is no input `{part}`"), suggestion(&part, keys)),
        _ => (format!("`{root}` has no `{part}`"), suggestion(&part, keys)),
    };
    let error = Error::new(ErrorKind::NotFound, format!("`${{{reference}}}`: {message}"));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
