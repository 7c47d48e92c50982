//! The pure difference between what is wanted and what is there, field by field.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Declared, StateRow, TextChange};
use crate::error::Origin;
use crate::name::shared;
use crate::record::Object;
use crate::schema::{Change, Presence, Schema};
use crate::value::Value;

/// One field that is to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field.
    pub field: Arc<str>,
    /// Its value now, in the form that may be kept.
    pub before: Value,
    /// Its value to be, in the form that may be kept.
    pub after: Value,
    /// Why it changes.
    pub cause: Cause,
    /// Whether the change needs another object.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forces_replacement: bool,
    /// Where the new value was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What becomes of the texts in it, where that is known and may be seen; not a part of the written plan.
    #[serde(skip)]
    pub texts: Vec<TextChange>,
}

/// Why a field changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The declaration changed, or what it refers to.
    Edited,
    /// The object changed outside of any run.
    Drifted,
}

/// The fields of a resource that are to change, given its inputs to be in the form that may be kept.
///
/// Only what the user set is compared: a field that is left out counts when it was set before. What the provider
/// reports of a field goes before what the state says.
pub fn diff(schema: &Schema, declared: &Declared, wanted: &Value, row: &StateRow, observed: &Object) -> Vec<FieldChange> {
    let names: BTreeSet<&str> =
        [wanted, &row.inputs].iter().filter_map(|value| value.as_map()).flat_map(|map| map.keys().map(AsRef::as_ref)).collect();
    let ignored = |name: &str| declared.lifecycle.ignore_changes.iter().any(|field| field == name || field == "*");
    names
        .into_iter()
        .filter(|name| !ignored(name))
        .filter_map(|name| change(schema, declared, name, (wanted, row, observed)))
        .collect()
}

fn change(
    schema: &Schema,
    declared: &Declared,
    name: &str,
    (wanted, row, observed): (&Value, &StateRow, &Object),
) -> Option<FieldChange> {
    let field = schema.fields.get(name);
    let after = wanted.field(name).cloned();
    if after.is_none() && field.is_some_and(|field| field.presence == Presence::Assigned) {
        return None;
    }
    let after = after.unwrap_or_default();
    let recorded = row.inputs.field(name).cloned().unwrap_or_default();
    let before = observed.outputs.field(name).cloned().unwrap_or_else(|| recorded.clone());
    if before == after && !after.has_unknown() {
        return None;
    }
    Some(FieldChange {
        field: shared(name),
        cause: if after == recorded { Cause::Drifted } else { Cause::Edited },
        forces_replacement: field.is_some_and(|field| field.on_change == Change::Replace),
        origin: declared.origins.get(name).cloned(),
        texts: Vec::new(),
        before,
        after,
    })
}
