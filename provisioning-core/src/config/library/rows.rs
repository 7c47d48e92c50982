//! What people are told of a field, in words; pages, the command and the contracts say it alike.

use std::collections::BTreeMap;

use crate::schema::{Change, Field, FieldType, Presence};
use crate::value::Value;

/// A field as a line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name; that of a field of an object has the name of the object before it.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Who gives it: `required`, `optional`, `optional, else chosen` or `output`.
    pub presence: &'static str,
    /// What it is when it is not given; empty where nothing is.
    pub default: String,
    /// What changing it does; empty for an output.
    pub on_change: &'static str,
    /// What it is, and what else there is to know of it.
    pub summary: String,
}

/// The fields of a schema as lines of a table: what the user gives, then the outputs.
pub fn rows(fields: &BTreeMap<String, Field>) -> Vec<Row> {
    let mut rows = Vec::new();
    collect(fields, "", &mut rows);
    rows.sort_by_key(|row| row.presence == OUTPUT);
    rows
}

const OUTPUT: &str = "output";

fn collect(fields: &BTreeMap<String, Field>, prefix: &str, rows: &mut Vec<Row>) {
    for (name, field) in fields {
        let name = format!("{prefix}{name}");
        let default = field.default.as_ref().map(written).unwrap_or_default();
        let summary = [std::slice::from_ref(&field.summary), &notes(field)].concat().join(" ");
        rows.push(Row {
            name: name.clone(),
            kind: field.kind.to_string(),
            presence: presence(field),
            default,
            on_change: on_change(field),
            summary,
        });
        collect(&field.fields, &format!("{name}{}.", steps(&field.kind)), rows);
    }
}

/// What stands between the name of a field and those of the fields in it.
fn steps(kind: &FieldType) -> String {
    match kind {
        FieldType::List(item) => format!("[]{}", steps(item)),
        FieldType::Map(item) => format!(".*{}", steps(item)),
        _ => String::new(),
    }
}

fn presence(field: &Field) -> &'static str {
    match field.presence {
        Presence::Required if field.default.is_none() => "required",
        Presence::Required | Presence::Optional => "optional",
        Presence::Assigned => "optional, else chosen",
        Presence::Computed => OUTPUT,
    }
}

fn on_change(field: &Field) -> &'static str {
    match (field.presence, field.on_change) {
        (Presence::Computed, _) => "",
        (_, Change::Update) => "update",
        (_, Change::Replace) => "replace",
    }
}

/// What is to be said of a field besides its summary, a sentence each.
pub(super) fn remarks(field: &Field) -> Vec<String> {
    let mut remarks = notes(field);
    if let Some(default) = &field.default {
        remarks.push(format!("Default: `{}`.", written(default)));
    }
    if field.on_change == Change::Replace {
        remarks.push("Changing it replaces the object.".into());
    }
    remarks
}

/// The same, without what a table has columns for.
fn notes(field: &Field) -> Vec<String> {
    let mut notes = Vec::new();
    if !field.one_of.is_empty() {
        let values: Vec<_> = field.one_of.iter().map(|value| format!("`{}`", written(value))).collect();
        notes.push(format!("One of {}.", values.join(", ")));
    }
    if field.sensitive {
        notes.push("Its value must not be seen.".into());
    }
    if field.unique {
        notes.push("No two of one provider may have the same.".into());
    }
    notes
}

/// A value as people read it: JSON.
pub(super) fn written(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "***".into())
}
