//! The inputs that a program declares, and the program that sets some of them.
//!
//! An input is a field of the record `inputs`, with a type and a default (`size | Number | default = 2`). What is given is
//! merged over the program, so that everything that is worked out from an input follows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use nickel_lang_core::eval::Closure;
use nickel_lang_core::eval::value::{Container, NickelValue, ValueContentRef};
use nickel_lang_core::identifier::LocIdent;
use nickel_lang_core::term::record::Field;
use nickel_lang_core::typ::{Type, TypeF};

use super::Walk;
use super::convert::Converter;
use crate::config::inputs::{Input, missing};
use crate::error::Diagnostic;
use crate::schema::FieldType;
use crate::value::{Node, NodeValue, Value};

/// The section of a document.
pub(super) const SECTION: &str = "inputs";

/// The lines of the program that stand before the first value.
const HEAD: u32 = 1;

/// A declared input, before its place is known.
pub(super) struct Found {
    name: LocIdent,
    kind: Option<FieldType>,
    default: Option<NickelValue>,
}

impl Found {
    /// An input that has no value.
    pub(super) fn missing(name: LocIdent, field: &Field) -> Self {
        Self { name, kind: annotated(field), default: None }
    }

    /// The report that it has none.
    pub(super) fn report(&self, converter: &mut Converter<'_>) -> Diagnostic {
        missing(self.name.label(), self.kind.as_ref(), converter.origin(self.name.pos))
    }
}

impl Walk<'_> {
    /// The inputs that a program declares; none where it cannot be evaluated, which the evaluation itself reports.
    pub(super) fn inputs(&mut self, program: NickelValue) -> Vec<Found> {
        let fields = self.record(program.into()).and_then(|(fields, environment)| {
            let (_, field) = fields.into_iter().find(|(name, _)| name.label() == SECTION)?;
            self.record(Closure { value: field.value_with_pending_contracts()?, env: environment })
        });
        let Some((fields, environment)) = fields else { return Vec::new() };
        let mut found = Vec::new();
        for (name, field) in fields {
            let annotated = annotated(&field);
            let default = field.value.map(|value| Closure { value, env: environment.clone() });
            let default = default.and_then(|default| self.machine.eval_full_for_export_closure(default).ok());
            let kind = annotated.or_else(|| default.as_ref().and_then(kind_of_value));
            found.push(Found { name, kind, default });
        }
        found
    }

    fn record(&mut self, closure: Closure) -> Option<(Vec<(LocIdent, Field)>, nickel_lang_core::eval::Environment)> {
        let evaluated = self.machine.eval_closure(closure).ok()?;
        match evaluated.value.content_ref() {
            ValueContentRef::Record(Container::Alloc(data)) => {
                let fields = data.fields.iter().map(|(name, field)| (*name, field.clone())).collect();
                Some((fields, evaluated.env.clone()))
            }
            _ => None,
        }
    }
}

/// The inputs with their places.
pub(super) fn placed(found: Vec<Found>, converter: &mut Converter<'_>) -> Vec<Input> {
    let place = |Found { name, kind, default }| {
        let origin = converter.origin(name.pos);
        let default = default.map(|default| converter.node(&default, origin.as_ref(), 0));
        Input { name: name.label().to_owned(), kind, default, origin }
    };
    found.into_iter().map(place).collect()
}

/// The program that merges values over another program, each value in a line of its own.
pub(super) fn program(main: &Path, given: &BTreeMap<String, Node>) -> String {
    let mut text = format!("(import {}) & {{ {SECTION} = {{\n", quoted(&main.to_string_lossy()));
    for (name, node) in given {
        writeln!(text, "{} = {},", quoted(name), literal(node)).expect("writing to a string cannot fail");
    }
    text + "} }\n"
}

/// Which of the values a line of the program has.
pub(super) fn value_in(line: u32) -> Option<usize> {
    usize::try_from(line.checked_sub(HEAD + 1)?).ok()
}

fn literal(node: &Node) -> String {
    match &node.value {
        NodeValue::List(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        NodeValue::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, node)| format!("{} = {}", quoted(key), literal(node))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        NodeValue::Leaf(Value::String(text)) => quoted(text),
        NodeValue::Leaf(value) => serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()),
    }
}

/// A text as a string of Nickel.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("%{", "\\%{");
    format!("\"{}\"", escaped.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"))
}

fn annotated(field: &Field) -> Option<FieldType> {
    field.metadata.iter_annots().find_map(|annotation| kind_of(&annotation.typ))
}

fn kind_of(kind: &Type) -> Option<FieldType> {
    Some(match &kind.typ {
        TypeF::Number => FieldType::Number,
        TypeF::Bool => FieldType::Bool,
        TypeF::String | TypeF::Enum(_) => FieldType::String,
        TypeF::Array(item) => FieldType::List(Box::new(kind_of(item).unwrap_or(FieldType::Any))),
        TypeF::Dict { type_fields, .. } => FieldType::Map(Box::new(kind_of(type_fields).unwrap_or(FieldType::Any))),
        _ => return None,
    })
}

fn kind_of_value(value: &NickelValue) -> Option<FieldType> {
    Some(match value.content_ref() {
        ValueContentRef::Number(_) => FieldType::Number,
        ValueContentRef::Bool(_) => FieldType::Bool,
        ValueContentRef::String(_) | ValueContentRef::EnumVariant(_) => FieldType::String,
        ValueContentRef::Array(_) => FieldType::List(Box::new(FieldType::Any)),
        ValueContentRef::Record(_) => FieldType::Map(Box::new(FieldType::Any)),
        _ => return None,
    })
}
