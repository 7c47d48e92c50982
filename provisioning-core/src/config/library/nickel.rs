//! The Nickel library `provisioning.ncl`: constructors and contracts of everything that is registered.
//!
//! It is written in two weights. [`Weight::Shape`] is what the engine evaluates with: it inserts the kind and asks for
//! records, and leaves every other check to [`Schema::check`](crate::schema::Schema::check), which is faster and reports
//! all problems at once. [`Weight::Contracts`] has a contract and a documentation for each field, for editors. A document
//! that is right is right under both.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::catalog::{Sort, catalog};
use super::rows::remarks;
use super::shape::{Frame, Holds, Member, References, Shape, is_required, shape_of};
use crate::name::Kind;
use crate::registry::Registry;
use crate::schema::{Field, FieldType, Presence, Schema};
use crate::value::Value;

/// How much the library checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The shape of declarations alone.
    Shape,
    /// Every field.
    Contracts,
}

/// The words of the library that no kind can take.
const WORDS: [&str; 11] = [
    "Infrastructure",
    "Provider",
    "Resource",
    "Lookup",
    "Service",
    "resource",
    "lookup",
    "service",
    "template",
    "lookups",
    "services",
];

/// The text of the library.
///
/// A constructor is called like its provider type or kind; where a kind is called like a provider type, the provider
/// type has the word, and the kind is written as `p.resource "kind" { .. }`.
pub(crate) fn library(registry: &Registry, weight: Weight) -> String {
    let (frame, catalog) = (Frame::new(), catalog(registry));
    let mut text = match weight {
        Weight::Shape => include_str!("shape.ncl").to_owned(),
        Weight::Contracts => include_str!("contracts.ncl").to_owned(),
    };
    for (sort, schemas) in &catalog {
        let contracts = schemas.iter().map(|(name, schema)| (name, contract_of(*sort, schema, &frame, weight), &schema.summary));
        let contracts: String = contracts.map(|(name, contract, doc)| entry(name, doc, &contract, weight)).collect();
        writeln!(text, "let {}' = {{\n{contracts}}} in\n", word(*sort)).expect(INFALLIBLE);
    }
    if weight == Weight::Contracts {
        text.push_str(&whole(&frame));
    }
    text.push_str(include_str!("library.ncl"));
    text.push_str(&constructors(&catalog, weight));
    text.push_str("}\n");
    text
}

const INFALLIBLE: &str = "writing to a string cannot fail";

fn word(sort: Sort) -> &'static str {
    match sort {
        Sort::Provider => "Provider",
        Sort::Resource => "Resource",
        Sort::Lookup => "Lookup",
        Sort::Service => "Service",
    }
}

fn entry(name: &Kind, doc: &str, value: &str, weight: Weight) -> String {
    match weight {
        Weight::Shape => format!("  \"{name}\" = {value},\n"),
        Weight::Contracts => format!("  \"{name}\"\n    | doc {}\n    = {value},\n", quoted(doc)),
    }
}

/// The contract of a declaration: a record that inserts what it is of.
fn contract_of(sort: Sort, schema: &Schema, frame: &Frame, weight: Weight) -> String {
    match weight {
        Weight::Shape => format!("{{ \"{}\" = \"{}\", .. }}", sort.key(), schema.kind),
        Weight::Contracts => record(&frame.shape(sort, schema), Some((sort.key(), &schema.kind)), 3),
    }
}

/// A record contract; `given` is the field that it has a value for.
fn record(shape: &Shape, given: Option<(&str, &Kind)>, depth: usize) -> String {
    let (indent, outer) = ("  ".repeat(depth), "  ".repeat(depth - 1));
    let mut text = String::from("{\n");
    for (name, Member { field, references }) in shape {
        let doc = quoted(&[std::slice::from_ref(&field.summary), &remarks(field)].concat().join(" "));
        write!(text, "{indent}{}\n{indent}  | doc {doc}", quoted(name)).expect(INFALLIBLE);
        let contract = match given {
            Some((key, kind)) if key == name => format!("\n{indent}  = \"{kind}\""),
            _ => annotation(field, *references, depth),
        };
        writeln!(text, "{contract},").expect(INFALLIBLE);
    }
    write!(text, "{outer}}}").expect(INFALLIBLE);
    text
}

/// What stands behind a field's name.
fn annotation(field: &Field, references: References, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let contract = contract(&field.kind, field, references, depth + 1);
    if is_required(field) {
        format!("\n{indent}  | {contract}")
    } else {
        format!("\n{indent}  | Maybe' {}\n{indent}  | optional", argument(&contract))
    }
}

fn contract(kind: &FieldType, field: &Field, references: References, depth: usize) -> String {
    let inside = |item: &FieldType| contract(item, &Field { one_of: Vec::new(), ..field.clone() }, references.inside(), depth);
    let own = match kind {
        _ if !field.one_of.is_empty() && *kind == field.kind => {
            let values: Vec<_> = field.one_of.iter().map(literal).collect();
            format!("OneOf' [{}]", values.join(", "))
        }
        FieldType::Any => return "Dyn".into(),
        FieldType::String if references == References::Known => return "Words'".into(),
        FieldType::String => return "Text'".into(),
        FieldType::Text => return "Template'".into(),
        FieldType::Integer => "Integer'".into(),
        FieldType::Number => "Number'".into(),
        FieldType::Bool => "Bool'".into(),
        FieldType::Object => record(&shape_of(&field.fields, references.inside()), None, depth + 1),
        FieldType::List(item) => format!("Array {}", argument(&inside(item))),
        FieldType::Map(item) => format!("{{ _ | {} }}", inside(item)),
    };
    match references {
        References::Any => format!("Given' {}", argument(&own)),
        References::Within | References::Known => format!("Known' {}", argument(&own)),
        References::None => own,
    }
}

/// A contract as the argument of another one.
fn argument(contract: &str) -> String {
    let single = contract.starts_with('{') || !contract.contains(' ');
    if single { contract.to_owned() } else { format!("({contract})") }
}

/// The contract of a whole document, and those of declarations of any sort.
fn whole(frame: &Frame) -> String {
    let mut text = String::new();
    for sort in Sort::ALL {
        let name = word(sort);
        writeln!(text, "let Any{name}' = By' \"{sort}\" \"{}\" {name}' in", sort.key()).expect(INFALLIBLE);
    }
    text.push_str("let Fields' = { _ | Dyn } in\nlet Infrastructure' = {\n");
    for (name, section) in frame.sections() {
        let holds = match (section.holds, section.holds.sort()) {
            (_, Some(sort)) => format!("Any{}'", word(sort)),
            (Holds::Checkpoint, _) => "Names'".to_owned(),
            (Holds::Output, _) => "Output'".to_owned(),
            (_, None) => "Dyn".to_owned(),
        };
        let doc = quoted(&section.summary);
        writeln!(text, "  {name}\n    | doc {doc}\n    | Maybe' {{ _ | {holds} }}\n    | optional,").expect(INFALLIBLE);
    }
    text.push_str("} in\n\n");
    text
}

fn constructors(catalog: &BTreeMap<Sort, BTreeMap<Kind, Schema>>, weight: Weight) -> String {
    let of = |sort: Sort, name: &Kind, schema: &Schema| {
        let value = match weight {
            Weight::Shape => format!("fun fields => {{ \"{}\" = \"{name}\" }} & (fields | Fields')", sort.key()),
            Weight::Contracts => format!("fun fields => fields | {}'.\"{name}\"", word(sort)),
        };
        entry(name, &documentation(schema), &value, weight)
    };
    let mut text = String::new();
    for (sort, group) in [(Sort::Lookup, "lookups"), (Sort::Service, "services")] {
        let entries: String = catalog[&sort].iter().map(|(name, schema)| of(sort, name, schema)).collect();
        writeln!(text, "  {group} = {{\n{entries}  }},").expect(INFALLIBLE);
    }
    let (types, kinds) = (&catalog[&Sort::Provider], &catalog[&Sort::Resource]);
    let types_first = types.iter().map(|entry| (Sort::Provider, entry));
    let all = types_first.chain(kinds.iter().filter(|(name, _)| !types.contains_key(*name)).map(|entry| (Sort::Resource, entry)));
    let free = all.filter(|(_, (name, _))| !WORDS.contains(&name.as_str()));
    text.extend(free.map(|(sort, (name, schema))| of(sort, name, schema)));
    text
}

/// What a constructor says of itself: its fields and its outputs.
fn documentation(schema: &Schema) -> String {
    let fields = schema.fields.iter().map(|(name, field)| {
        let presence = match field.presence {
            Presence::Required => ", required",
            Presence::Computed => ", an output",
            Presence::Optional | Presence::Assigned => "",
        };
        format!("\n- `{name}` ({}{presence}): {}", field.kind, field.summary)
    });
    format!("{}\n{}", schema.summary, fields.collect::<String>())
}

/// A value as it is written in Nickel; what can stand in a schema is JSON, which Nickel reads as it is but for strings.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, item)| format!("{} = {}", quoted(key), literal(item)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => serde_json::to_string(other).unwrap_or_else(|_| "null".into()),
    }
}

/// A text as a Nickel string.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace("%{", "\\%{").replace('\n', "\\n");
    format!("\"{text}\"")
}
