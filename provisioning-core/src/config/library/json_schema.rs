//! The JSON Schema (2020-12) of documents that are written as TOML or JSON.
//!
//! An editor shows with it what may stand where. It says what the library says; names that do not exist, values out of
//! range and the like are left to the engine.

use serde_json::{Map, Value, json};

use super::MARKER;
use super::catalog::{Sort, catalog};
use super::rows::remarks;
use super::shape::{Frame, Holds, Member, References, Shape, is_required, shape_of};
use crate::name::Kind;
use crate::registry::Registry;
use crate::schema::{Field, FieldType, Schema};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a whole document.
pub fn json_schema(registry: &Registry) -> Value {
    let (frame, catalog) = (Frame::new(), catalog(registry));
    let mut definitions = words();
    for (sort, schemas) in &catalog {
        let names: Vec<_> = schemas.keys().map(Kind::as_str).collect();
        let key = sort.key();
        let cases = names.iter().map(|name| {
            json!({
                "if": { "properties": { (key): { "const": name } }, "required": [key] },
                "then": { "$ref": format!("#/$defs/{}.{name}", word(*sort)) },
            })
        });
        let any = json!({
            "type": "object",
            "properties": { (key): { "description": format!("The {sort}."), "enum": names } },
            "required": [key],
            "allOf": cases.collect::<Vec<_>>(),
        });
        definitions.insert(word(*sort).into(), without_empty(any));
        for (name, schema) in schemas {
            let mut object = members(&frame.shape(*sort, schema));
            object["description"] = schema.summary.clone().into();
            definitions.insert(format!("{}.{name}", word(*sort)), object);
        }
    }
    let sections = frame.sections().map(|(name, section)| {
        let each = match (section.holds, section.holds.sort()) {
            (_, Some(sort)) => json!({ "$ref": format!("#/$defs/{}", word(sort)) }),
            (Holds::Checkpoint, _) => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
            (Holds::Input, _) => input(),
            (_, None) => output(),
        };
        let section = json!({ "description": section.summary, "type": ["object", "null"], "additionalProperties": each });
        (name.to_owned(), section)
    });
    json!({
        "$comment": MARKER,
        "$schema": DIALECT,
        "title": "What a workspace declares",
        "type": "object",
        "properties": sections.collect::<Map<_, _>>(),
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// An enumeration must have a value, and a list of schemas an item: where nothing is registered, nothing fits.
fn without_empty(mut any: Value) -> Value {
    let empty = any["allOf"].as_array().is_some_and(Vec::is_empty);
    if empty { Value::Bool(false) } else { any.take() }
}

fn word(sort: Sort) -> &'static str {
    match sort {
        Sort::Provider => "provider",
        Sort::Resource => "resource",
        Sort::Lookup => "lookup",
        Sort::Service => "service",
    }
}

/// An input: its default, or a map of its parts.
fn input() -> Value {
    let parts = json!({ "type": { "type": "string" }, "default": true, "summary": { "type": "string" } });
    json!({
        "if": { "type": "object", "anyOf": [{ "required": ["type"] }, { "required": ["default"] }] },
        "then": { "properties": parts, "additionalProperties": false },
    })
}

/// An output: a value, or a map of a value and whether it is masked.
fn output() -> Value {
    let parts = json!({ "value": true, "sensitive": true });
    json!({
        "if": { "type": "object", "required": ["value"], "properties": parts, "additionalProperties": false },
        "then": { "properties": { "sensitive": { "type": ["boolean", "null"] } } },
    })
}

/// What the rest refers to.
fn words() -> Map<String, Value> {
    let template = json!({
        "description": "A text that is rendered from a file of the workspace.",
        "type": "object",
        "properties": { "template": { "type": "string" }, "vars": { "type": "object" } },
        "required": ["template"],
        "additionalProperties": false,
    });
    let reference = json!({
        "description": "A string with a reference, such as `${web.address}`.",
        "type": "string",
        "pattern": "\\$\\{",
    });
    let known = json!({
        "description": "A string with a reference to what is known beforehand, such as `${input.size}`.",
        "type": "string",
        "pattern": "\\$\\{ *(config|env|input|workspace)[.]",
    });
    let words = [("reference", reference), ("known", known), ("template", template)];
    words.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect()
}

/// The schema of an object that a schema of ours describes, in which references are no more than strings: a file of the
/// configuration.
pub fn object_schema(schema: &Schema) -> Value {
    let mut object = members(&shape_of(&schema.fields, References::None));
    object["$comment"] = MARKER.into();
    object["$schema"] = DIALECT.into();
    object["description"] = schema.summary.clone().into();
    object
}

fn members(shape: &Shape) -> Value {
    let required: Vec<_> = shape.iter().filter(|(_, member)| is_required(&member.field)).map(|(name, _)| name).collect();
    let properties = shape.iter().map(|(name, member)| (name.clone(), described(member)));
    let mut object = json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn described(Member { field, references }: &Member) -> Value {
    let mut admitted = admitted(&field.kind, field, *references);
    if !is_required(field) {
        admitted.push(json!({ "type": "null" }));
    }
    let mut schema = match admitted.pop() {
        Some(only) if admitted.is_empty() => only,
        last => json!({ "anyOf": admitted.into_iter().chain(last).collect::<Vec<_>>() }),
    };
    if schema == Value::Bool(true) {
        schema = json!({});
    }
    schema["description"] = [std::slice::from_ref(&field.summary), &remarks(field)].concat().join(" ").into();
    if let Some(default) = field.default.as_ref().and_then(|default| serde_json::to_value(default).ok()) {
        schema["default"] = default;
    }
    schema
}

/// The schemas of which a value fits one.
fn admitted(kind: &FieldType, field: &Field, references: References) -> Vec<Value> {
    let inside = |item: &FieldType| {
        let field = Field { one_of: Vec::new(), ..field.clone() };
        let mut admitted = admitted(item, &field, references.inside());
        if admitted.len() == 1 { admitted.remove(0) } else { json!({ "anyOf": admitted }) }
    };
    let own = match kind {
        _ if !field.one_of.is_empty() => json!({ "enum": field.one_of }),
        FieldType::Any => return vec![Value::Bool(true)],
        FieldType::String if references == References::Known => {
            let words = json!({ "type": "string", "not": { "$ref": "#/$defs/reference" } });
            return vec![words, json!({ "$ref": "#/$defs/known" })];
        }
        FieldType::String => return vec![json!({ "type": "string" })],
        FieldType::Text => return vec![json!({ "type": "string" }), json!({ "$ref": "#/$defs/template" })],
        FieldType::Integer => json!({ "type": "integer" }),
        FieldType::Number => json!({ "type": "number" }),
        FieldType::Bool => json!({ "type": "boolean" }),
        FieldType::Object => members(&shape_of(&field.fields, references.inside())),
        FieldType::List(item) => json!({ "type": "array", "items": inside(item) }),
        FieldType::Map(item) => json!({ "type": "object", "additionalProperties": inside(item) }),
    };
    match references {
        References::Any => vec![own, json!({ "$ref": "#/$defs/reference" })],
        References::Within | References::Known => vec![own, json!({ "$ref": "#/$defs/known" })],
        References::None => vec![own],
    }
}
