//! A document into checked declarations: the sections, and what they have in common.
//!
//! The shape is the same for every format. Every problem is collected, so that one look at the answer is enough.
//! Names that are only referred to (`depends_on`, references in strings) are linked by the planner.

mod checkpoint;
mod options;
mod output;
mod provider;
mod resource;
mod service;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use self::options::Options;
pub(super) use self::options::declaration;
use super::known::Known;
use super::{Settings, inputs};
use crate::error::{Diagnostic, Error, Origin, Result};
use crate::name::{Kind, ProviderName, ResourceName, suggestion};
use crate::registry::Registry;
use crate::resource::{Declared, Desired, Role};
use crate::value::{Map, Node, NodeValue, Value};

/// The sections of a document.
pub(super) const SECTIONS: [&str; 7] = ["inputs", "providers", "resources", "lookups", "services", "checkpoints", "outputs"];

/// Reads a file that a document names by its path below the workspace.
pub(super) type ReadFile<'a> = dyn Fn(&str) -> Result<Arc<str>> + 'a;

/// What a document is read with.
pub(super) struct Around<'a> {
    /// The settings of the engine.
    pub(super) settings: &'a Settings,
    /// Reads the templates that it names.
    pub(super) files: &'a ReadFile<'a>,
    /// What may be referred to besides what it declares.
    pub(super) known: &'a Known,
}

/// The declarations in a document that a program made; templates in it are an error, there being no files.
///
/// # Errors
/// `Invalid`, with a diagnostic for every problem.
pub fn desired(document: Node, registry: &Registry, settings: &Settings) -> Result<Desired> {
    let files = |name: &str| {
        Err(Error::invalid(format!("the template `{name}` cannot be read: the document has no files"))
            .with_hint("give the text itself, or load the document from a workspace"))
    };
    let Some(section) = document.field("inputs") else {
        return read(document, registry, &Around { settings, files: &files, known: &Known::default() });
    };
    let mut problems = Vec::new();
    let inputs = inputs::settled(inputs::declared(section, &mut problems), BTreeMap::new(), &mut problems);
    if let Some(error) = Error::from_diagnostics(problems) {
        return Err(error);
    }
    let known = Known::of_program(inputs);
    desired_of(only(document, |key| key != "inputs"), registry, &Around { settings, files: &files, known: &known })
}

/// The declarations in a document without inputs, with what is known put in.
///
/// # Errors
/// `Invalid`, with a diagnostic for every problem, in the order of their places.
pub(super) fn desired_of(mut document: Node, registry: &Registry, around: &Around<'_>) -> Result<Desired> {
    let mut problems = Vec::new();
    around.known.put_into(&mut document, &mut problems);
    Error::from_diagnostics(problems).map_or_else(|| read(document, registry, around), Err)
}

fn read(document: Node, registry: &Registry, around: &Around<'_>) -> Result<Desired> {
    let names = names(&document);
    let mut reader = Reader {
        registry,
        around,
        options: Options::new(),
        providers: BTreeMap::new(),
        taken: FxHashMap::with_capacity_and_hasher(names.len(), FxBuildHasher),
        names,
        desired: Desired::default(),
        problems: Vec::new(),
    };
    reader.document(document);
    let mut problems = reader.problems;
    problems.sort_by(|a, b| (a.origin.is_none(), &a.origin).cmp(&(b.origin.is_none(), &b.origin)));
    Error::from_diagnostics(problems).map_or(Ok(reader.desired), Err)
}

/// The names of everything that has outputs.
fn names(document: &Node) -> FxHashSet<Arc<str>> {
    let sections = ["resources", "lookups", "services"].into_iter().filter_map(|section| document.field(section));
    let entries = sections.filter_map(|node| match &node.value {
        NodeValue::Map(entries) => Some(entries),
        _ => None,
    });
    let mut names = FxHashSet::default();
    for entries in entries {
        names.reserve(entries.len());
        names.extend(entries.iter().map(|(name, _)| name.clone()));
    }
    names
}

struct Reader<'a> {
    registry: &'a Registry,
    around: &'a Around<'a>,
    options: Options,
    /// The declared aliases and their types; `None` for one that is itself wrong.
    providers: BTreeMap<ProviderName, Option<Kind>>,
    /// The names of everything that has outputs.
    names: FxHashSet<Arc<str>>,
    /// The names of resources, lookups and services that were read: what each is, and where.
    taken: FxHashMap<ResourceName, (&'static str, Option<Origin>)>,
    desired: Desired,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn document(&mut self, document: Node) {
        let NodeValue::Map(mut entries) = document.value else {
            return self.expected("a map of sections", &document, "");
        };
        for (key, node) in entries.iter().filter(|(key, _)| !SECTIONS.contains(&key.as_ref())) {
            let problem = Diagnostic::new(node.origin.clone(), key.as_ref(), "is not a section");
            self.report(problem, suggestion(key, SECTIONS));
        }
        self.section(&mut entries, "providers", |reader, name, node| reader.provider(name, &node));
        self.section(&mut entries, "resources", Self::resource);
        self.section(&mut entries, "lookups", Self::lookup);
        self.section(&mut entries, "services", |reader, name, node| reader.service(name, &node));
        self.section(&mut entries, "checkpoints", |reader, name, node| reader.checkpoint(name, &node));
        self.section(&mut entries, "outputs", |reader, name, node| reader.output(name, &node));
        self.hosts();
    }

    fn section(&mut self, document: &mut Vec<(Arc<str>, Node)>, name: &str, mut read: impl FnMut(&mut Self, &str, Node)) {
        let Some(at) = document.iter().position(|(key, _)| key.as_ref() == name) else { return };
        let (_, section) = document.remove(at);
        match section {
            Node { value: NodeValue::Leaf(Value::Null), .. } => {}
            Node { value: NodeValue::Map(entries), .. } => {
                for (key, node) in entries {
                    read(self, &key, node);
                }
            }
            other => self.expected("a map by name", &other, name),
        }
    }

    /// The parsed name of a resource, lookup or service; `None`, with a problem, when it cannot be had.
    fn claim(&mut self, name: &str, what: &'static str, node: &Node, path: &str) -> Option<ResourceName> {
        let parsed = match ResourceName::parse(name) {
            Ok(_) if name.contains('@') => {
                Err(Error::invalid(format!("`{name}` is not a name: `@` stands between a service and its host")))
            }
            other => other,
        };
        let name = match parsed {
            Ok(name) => name,
            Err(error) => {
                self.problems.push(Diagnostic::new(node.origin.clone(), path, error.to_string()));
                return None;
            }
        };
        if let Some((other, place)) = self.taken.get(name.as_str()) {
            let place = place.as_ref().map_or_else(String::new, |place| format!(" at {place}"));
            let problem = Diagnostic::new(node.origin.clone(), path, format!("the name is taken by the {other}{place}"));
            self.report(
                problem,
                Some("resources, lookups and services share their names: `${name.output}` must mean one".into()),
            );
            return None;
        }
        self.taken.insert(name.clone(), (what, node.origin.clone()));
        Some(name)
    }

    /// The entry of a declaration that names a kind, a type or a service.
    fn word(&mut self, node: &Node, key: &str, path: &str) -> Option<(Kind, Option<Origin>)> {
        let path = || format!("{path}.{key}");
        match node.field(key) {
            None => self.problems.push(Diagnostic::new(node.origin.clone(), path(), "is required (string)")),
            Some(Node { value: NodeValue::Leaf(Value::String(text)), origin }) => match Kind::parse(text) {
                Ok(kind) => return Some((kind, origin.clone())),
                Err(error) => self.problems.push(Diagnostic::new(origin.clone(), path(), error.to_string())),
            },
            Some(other) => self.expected("a string", other, &path()),
        }
        None
    }

    /// Every service runs on a resource or a lookup that is declared.
    fn hosts(&mut self) {
        let mut unknown = Vec::new();
        for Declared { name, role, origin, .. } in self.desired.resources.values() {
            if let Role::Service { host } = role
                && self.taken.get(host).is_none_or(|(what, _)| *what == "service")
            {
                let others = self.taken.iter().filter(|(_, (what, _))| *what != "service");
                let others: BTreeSet<&str> = others.map(|(name, _)| name.as_str()).collect();
                let message = format!("there is no resource `{host}` to run on");
                let problem = Diagnostic::new(origin.clone(), format!("services.{}.on", name.base()), message);
                unknown.push((problem, suggestion(host.as_str(), others.iter().copied())));
            }
        }
        for (problem, hint) in unknown {
            self.report(problem, hint);
        }
    }

    fn expected(&mut self, what: &str, node: &Node, path: &str) {
        let found = node.described();
        let message = format!("expected {what}, found {found}");
        self.problems.push(Diagnostic::new(node.origin.clone(), path, message));
    }

    fn report(&mut self, problem: Diagnostic, hint: Option<String>) {
        self.problems.push(Diagnostic { hint, ..problem });
    }

    fn fail(&mut self, origin: Option<Origin>, path: &str, error: &Error) {
        self.problems.push(error.at(origin, path));
    }
}

/// A map with only those entries that pass a test.
fn only(mut node: Node, test: impl Fn(&str) -> bool) -> Node {
    if let NodeValue::Map(entries) = &mut node.value {
        entries.retain(|(key, _)| test(key));
    }
    node
}

/// The entries of a map that pass a test, as a map at the same place.
fn part(node: &Node, test: impl Fn(&str) -> bool) -> Node {
    let entries = match &node.value {
        NodeValue::Map(entries) => entries.iter().filter(|(key, _)| test(key)).cloned().collect(),
        _ => Vec::new(),
    };
    Node::new(NodeValue::Map(entries), node.origin.clone())
}

/// Where each entry of a map was written, and what is in it where that is in another line.
fn origins(node: &Node) -> Map<Origin> {
    let NodeValue::Map(entries) = &node.value else { return Map::new() };
    let mut found = Vec::with_capacity(entries.len());
    for (key, item) in entries {
        let Some(origin) = &item.origin else { continue };
        found.push((key.clone(), origin.clone()));
        parts(item, key, origin, &mut found);
    }
    found.into_iter().collect()
}

fn parts(node: &Node, path: &str, above: &Origin, found: &mut Vec<(Arc<str>, Origin)>) {
    let mut part = |node: &Node, path: &dyn Fn() -> String| {
        let origin = node.origin.as_ref().unwrap_or(above);
        let elsewhere = origin.line != above.line || origin.file != above.file;
        if matches!(node.value, NodeValue::Leaf(_)) && !elsewhere {
            return;
        }
        let path = path();
        if elsewhere {
            found.push((path.as_str().into(), origin.clone()));
        }
        parts(node, &path, origin, found);
    };
    match &node.value {
        NodeValue::Map(entries) => entries.iter().for_each(|(key, node)| part(node, &|| format!("{path}.{key}"))),
        NodeValue::List(items) => {
            items.iter().enumerate().for_each(|(index, node)| part(node, &|| format!("{path}[{index}]")));
        }
        NodeValue::Leaf(_) => {}
    }
}
