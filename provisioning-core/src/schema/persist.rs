//! What is kept of a value when it goes to disk: the value, its digest, or the value sealed.
//!
//! The one place that says which fields are hidden and which are write-only; how a secret is sealed is in `sealer`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Field, FieldType, Keep, Presence, Schema, Seal};
use crate::digest::Digest;
use crate::value::{Map, Redaction, Secret, Template, Value};

impl Schema {
    /// The form of an object's fields that may be written to disk: secrets are sealed, or become keyed digests where there
    /// are no keys; of write-only fields a plain digest is left.
    pub fn persistable(&self, fields: &Value, seal: &Seal<'_>) -> Value {
        let Value::Map(map) = fields else { return seal.close(fields) };
        if !map.iter().any(|(name, value)| self.changes(name, value)) {
            return fields.clone();
        }
        let kept = map.iter().map(|(name, value)| (name.clone(), persist(self.fields.get(name.as_ref()), name, value, seal)));
        Value::Map(Arc::new(kept.collect::<Map>()))
    }

    /// Whether fields are in that form already, whatever else the schema said when they were written.
    pub fn is_persistable(&self, fields: &Value) -> bool {
        let all = fields.as_map().into_iter().flatten().all(|(name, value)| match value {
            Value::Null => true,
            Value::Digest(_) | Value::Sealed(_) => self.changes(name, value),
            _ => !self.changes(name, value),
        });
        all && self.hidden(fields) == *fields
    }

    /// The resolved fields with every sensitive one as a secret, nested ones included; what is not known stays unknown.
    #[must_use]
    pub fn hidden(&self, fields: &Value) -> Value {
        if self.fields.values().any(hides) { hide_fields(&self.fields, fields) } else { fields.clone() }
    }

    /// What is reported of an object, together with the secrets that it was given before and that are not reported any more:
    /// some are told once, when the object is made.
    #[must_use]
    pub fn remembered(&self, reported: &Value, before: &Value) -> Value {
        let told_once = |field: &Field| field.sensitive && matches!(field.presence, Presence::Computed | Presence::Assigned);
        let missing = self.fields.iter().filter(|(name, field)| told_once(field) && reported.field(name).is_none());
        let kept: Vec<_> = missing.filter_map(|(name, _)| Some((name.as_str(), before.field(name)?.clone()))).collect();
        if kept.is_empty() { reported.clone() } else { reported.overlaid(&Value::map(kept)) }
    }

    /// Whether any of the fields is kept in another form than it is reported in.
    pub fn hides_anything(&self) -> bool {
        self.fields.values().any(|field| hides(field) || field.keep == Keep::Digest)
    }

    fn changes(&self, name: &str, value: &Value) -> bool {
        value.has_secret() || self.fields.get(name).is_some_and(|field| field.sensitive || field.keep == Keep::Digest)
    }
}

impl Schema {
    /// The outputs of an object, with those parts secret that are secret in its inputs, since a provider reports what it was
    /// given; with what follows from a secret input, such as the size of a text; and with every text that a secret stands in.
    #[must_use]
    pub fn concealed(&self, outputs: &Value, inputs: &Value) -> Value {
        if !inputs.is_sensitive() {
            return outputs.clone();
        }
        let given = |field: &str| inputs.field(field).is_some_and(Value::is_sensitive);
        let follows = |name: &str| self.fields.get(name).is_some_and(|field| field.follows.iter().any(|field| given(field)));
        let redaction = Redaction::of([inputs]);
        match concealed(outputs, inputs) {
            Value::Map(outputs) => Value::map(outputs.iter().map(|(name, value)| {
                let value = if follows(name) { hide(value) } else { redaction.hidden(value) };
                (name.clone(), value)
            })),
            other => redaction.hidden(&other),
        }
    }
}

fn concealed(outputs: &Value, inputs: &Value) -> Value {
    match (outputs, inputs) {
        (Value::Null | Value::Unknown | Value::Digest(_) | Value::Sealed(_) | Value::Secret(_), _) => outputs.clone(),
        (_, input) if !input.is_sensitive() => outputs.clone(),
        (Value::Map(outputs), Value::Map(inputs)) => {
            let below = |(name, value): (&Arc<str>, &Value)| {
                (name.clone(), inputs.get(name).map_or_else(|| value.clone(), |input| concealed(value, input)))
            };
            Value::map(outputs.iter().map(below))
        }
        (Value::List(outputs), Value::List(inputs)) if outputs.len() == inputs.len() => {
            Value::list(outputs.iter().zip(inputs.iter()).map(|(value, input)| concealed(value, input)))
        }
        _ => Value::Secret(Secret::new(outputs.clone())),
    }
}

fn persist(field: Option<&Field>, name: &str, value: &Value, seal: &Seal<'_>) -> Value {
    let close = |value: Value| seal.close(&Value::map([(name, value)])).field(name).cloned().unwrap_or_default();
    match (field, value) {
        (_, Value::Null | Value::Unknown | Value::Digest(_) | Value::Sealed(_)) => value.clone(),
        (Some(field), _) if field.sensitive => close(hide(value)),
        (Some(field), _) if field.keep == Keep::Digest && !value.has_secret() && !value.has_unknown() => {
            Value::Digest(Digest::of(&bytes(value)))
        }
        _ => close(value.clone()),
    }
}

fn hides(field: &Field) -> bool {
    field.sensitive || field.fields.values().any(hides)
}

fn hide_fields(fields: &BTreeMap<String, Field>, value: &Value) -> Value {
    let hidden = |(name, value): (&Arc<str>, &Value)| {
        let field = fields.get(name.as_ref());
        (name.clone(), field.map_or_else(|| value.clone(), |field| hide_field(field, &field.kind, value)))
    };
    match value {
        Value::Map(map) => Value::map(map.iter().map(hidden)),
        other => other.clone(),
    }
}

fn hide_field(field: &Field, kind: &FieldType, value: &Value) -> Value {
    match (kind, value) {
        _ if field.sensitive => hide(value),
        _ if field.fields.is_empty() => value.clone(),
        (FieldType::Object, Value::Map(_)) => hide_fields(&field.fields, value),
        (FieldType::List(item), Value::List(items)) => Value::list(items.iter().map(|value| hide_field(field, item, value))),
        (FieldType::Map(item), Value::Map(map)) => {
            Value::map(map.iter().map(|(key, value)| (key.clone(), hide_field(field, item, value))))
        }
        _ => value.clone(),
    }
}

/// A sensitive value as a secret; part by part where not all of it is there.
fn hide(value: &Value) -> Value {
    match value {
        Value::Null | Value::Unknown | Value::Digest(_) | Value::Sealed(_) | Value::Secret(_) => value.clone(),
        Value::List(items) if !is_there(value) => Value::list(items.iter().map(hide)),
        Value::Map(map) if !is_there(value) => Value::map(map.iter().map(|(key, item)| (key.clone(), hide(item)))),
        whole => Value::Secret(Secret::new(whole.clone())),
    }
}

fn is_there(value: &Value) -> bool {
    !value.has_unknown() && !value.is_withheld()
}

/// A sensitive value as it was written: what is literal in it as secrets. A text with a reference in it says where its
/// secret comes from, and stays; one that only looks like that is itself the secret.
pub(crate) fn hide_written(value: &Value) -> Value {
    match value {
        Value::String(text) if Template::is_in(text) => {
            let refers = Template::parse(text).map_or(true, |template| template.references().next().is_some());
            let literal = value.resolve(&mut |_| Ok(Value::Unknown)).unwrap_or_else(|_| value.clone());
            if refers { value.clone() } else { hide(&literal) }
        }
        Value::Render(_) => value.clone(),
        Value::List(items) if value.has_references() => Value::list(items.iter().map(hide_written)),
        Value::Map(map) if value.has_references() => Value::map(map.iter().map(|(key, item)| (key.clone(), hide_written(item)))),
        other => hide(other),
    }
}

/// A text's own bytes, so that its digest is the one `sha256sum` prints; the JSON form of anything else.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Secret(secret) => bytes(secret.expose()),
        Value::String(text) => text.as_bytes().to_vec(),
        other => other.expose().map(|json| json.to_string().into_bytes()).unwrap_or_default(),
    }
}
