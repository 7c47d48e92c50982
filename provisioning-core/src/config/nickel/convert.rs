//! Evaluated values into nodes.
//!
//! A value that the library or the evaluator made has the place of its key, or of what it stands in: a place is
//! always in a file that the user wrote.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use nickel_lang_core::eval::value::{EnumVariantData, NickelValue, ValueContentRef};
use nickel_lang_core::files::{FileId, Files};
use nickel_lang_core::identifier::LocIdent;
use nickel_lang_core::position::{PosTable, TermPos};

use super::inputs::value_in;
use super::{LIBRARY_FOLDER, Spine};
use crate::config::source::{Lines, Source};
use crate::error::{Diagnostic, Origin};
use crate::value::{Node, NodeValue, Value};

/// How deep a document may nest.
const MAX_DEPTH: usize = 128;

/// Turns values into nodes, and positions into places.
pub(super) struct Converter<'a> {
    root: &'a Path,
    pub(super) files: Files,
    positions: &'a PosTable,
    lines: HashMap<FileId, Option<Lines>>,
    given: Option<Given>,
    pub(super) problems: Vec<Diagnostic>,
}

/// The program that gives values to inputs, and where each of the values was written.
pub(super) struct Given {
    pub(super) file: FileId,
    pub(super) origins: Vec<Option<Origin>>,
}

impl<'a> Converter<'a> {
    pub(super) fn new(root: &'a Path, files: &Files, positions: &'a PosTable, given: Option<Given>) -> Self {
        Self { root, files: files.clone(), positions, lines: HashMap::new(), given, problems: Vec::new() }
    }

    /// The node of a whole document.
    pub(super) fn document(&mut self, document: &Spine) -> Node {
        self.spine(document, None)
    }

    /// The place of a byte, where it is in a file that the user wrote.
    pub(super) fn place(&mut self, file: FileId, offset: usize) -> Option<Origin> {
        if let Some(given) = self.given.as_ref().filter(|given| given.file == file) {
            let text = self.files.source(file).get(..offset)?;
            let line = u32::try_from(text.matches('\n').count()).ok()?.checked_add(1)?;
            return given.origins.get(value_in(line)?)?.clone();
        }
        let files = &self.files;
        let lines = self.lines.entry(file).or_insert_with(|| {
            let path = Path::new(files.name(file));
            let written = path.is_absolute() && !path.starts_with(LIBRARY_FOLDER);
            let name = path.strip_prefix(self.root).unwrap_or(path).to_string_lossy();
            written.then(|| Lines::new(&Source { name: name.into(), text: files.clone_source(file) }))
        });
        lines.as_ref().map(|lines| lines.origin(offset))
    }

    /// Whether a file is the library of this program or of the evaluator.
    pub(super) fn is_library(&self, file: FileId) -> bool {
        self.files.is_stdlib(file) || Path::new(self.files.name(file)).starts_with(LIBRARY_FOLDER)
    }

    /// The place of a position, where it is in a file that the user wrote.
    pub(super) fn origin(&mut self, position: TermPos) -> Option<Origin> {
        let span = position.into_opt()?;
        self.place(span.src_id, span.start.to_usize())
    }

    fn spine(&mut self, spine: &Spine, fallback: Option<&Origin>) -> Node {
        match spine {
            Spine::Value(value) => self.node(value, fallback, 0),
            Spine::Record(record, entries) => {
                let origin = fallback.cloned().or_else(|| self.origin(record.pos(self.positions)));
                let map = entries.iter().map(|(name, inner)| {
                    let key = self.origin(name.pos).or_else(|| self.first(inner)).or_else(|| origin.clone());
                    (name.label().into(), self.spine(inner, key.as_ref()))
                });
                Node::new(NodeValue::Map(map.collect()), origin.clone())
            }
        }
    }

    /// The first place that anything in a record has: for one whose key was worked out, and so has none.
    fn first(&mut self, spine: &Spine) -> Option<Origin> {
        let Spine::Value(value) = spine else { return None };
        let ValueContentRef::Record(record) = value.content_ref() else { return None };
        let fields = record.into_opt().into_iter().flat_map(|record| &record.fields);
        let places: Vec<_> = fields.filter_map(|(name, _)| self.origin(name.pos)).collect();
        places.into_iter().min()
    }

    /// `fallback` is the place of the key, or of the list it stands in.
    pub(super) fn node(&mut self, value: &NickelValue, fallback: Option<&Origin>, depth: usize) -> Node {
        let own = self.origin(value.pos(self.positions));
        let origin = own.or_else(|| fallback.cloned());
        if depth > MAX_DEPTH {
            return self.refuse(origin, format!("the document nests deeper than {MAX_DEPTH} levels"));
        }
        let leaf = match value.content_ref() {
            ValueContentRef::Record(record) => {
                let origin = fallback.cloned().or(origin);
                let fields = record.into_opt().map(|record| &record.fields);
                let written = fields.into_iter().flatten().filter(|(_, field)| !field.metadata.not_exported());
                let entries = written.filter_map(|(name, field)| Some((name, field.value.as_ref()?)));
                let map = entries.map(|(name, value)| self.entry(*name, value, origin.as_ref(), depth)).collect();
                return Node::new(NodeValue::Map(map), origin);
            }
            ValueContentRef::Array(items) => {
                let items = items.iter().map(|item| self.node(item, origin.as_ref(), depth + 1)).collect();
                return Node::new(NodeValue::List(items), origin);
            }
            ValueContentRef::Null => Value::Null,
            ValueContentRef::Bool(truth) => Value::Bool(truth),
            ValueContentRef::String(text) => Value::from(text.as_ref()),
            ValueContentRef::EnumVariant(EnumVariantData { tag, arg: None }) => Value::from(tag.label()),
            ValueContentRef::Number(_) => match number(value) {
                Some(number) => number,
                None => return self.refuse(origin, "the number is out of range".into()),
            },
            _ => {
                let found = match value.type_of() {
                    Some("Function") => "a function",
                    Some("EnumVariant") => "an enum variant with an argument",
                    _ => "a value that only the evaluator knows",
                };
                return self.refuse(origin, format!("expected data, found {found}"));
            }
        };
        Node::new(NodeValue::Leaf(leaf), origin)
    }

    fn entry(&mut self, name: LocIdent, value: &NickelValue, parent: Option<&Origin>, depth: usize) -> (Arc<str>, Node) {
        let key = self.origin(name.pos).or_else(|| parent.cloned());
        (name.label().into(), self.node(value, key.as_ref(), depth + 1))
    }

    fn refuse(&mut self, origin: Option<Origin>, message: String) -> Node {
        self.problems.push(Diagnostic::new(origin, "", message));
        Node::default()
    }
}

/// A number as the nearest thing the engine carries; a whole one is an integer, however it was written.
fn number(value: &NickelValue) -> Option<Value> {
    Value::try_from(serde_json::to_value(value).ok()?).ok()
}
