//! What is kept of a value when it goes to disk: the value, or its digest.
//!
//! The one place that turns secrets and write-only fields into digests.

use std::sync::Arc;

use super::{Field, Keep, Schema};
use crate::digest::{Digest, DigestKey};
use crate::value::{Map, Secret, Value};

impl Schema {
    /// The form of an object's fields that may be written to disk: secrets become keyed digests, write-only fields
    /// plain ones.
    pub fn persistable(&self, fields: &Value, key: &DigestKey) -> Value {
        let Value::Map(map) = fields else { return without_secrets(fields, key) };
        if !map.iter().any(|(name, value)| self.changes(name, value)) {
            return fields.clone();
        }
        let kept = map.iter().map(|(name, value)| (name.clone(), persist(self.fields.get(name.as_ref()), value, key)));
        Value::Map(Arc::new(kept.collect::<Map>()))
    }

    fn changes(&self, name: &str, value: &Value) -> bool {
        value.has_secret() || self.fields.get(name).is_some_and(|field| field.sensitive || field.keep == Keep::Digest)
    }
}

/// The outputs of an object, with those parts secret that are secret in its inputs: a provider reports what it was given.
#[must_use]
pub fn concealed(outputs: &Value, inputs: &Value) -> Value {
    let hidden = |value: &Value| match value {
        Value::Secret(_) => true,
        Value::Digest(digest) => digest.is_keyed(),
        _ => false,
    };
    match (outputs, inputs) {
        (Value::Null | Value::Unknown | Value::Digest(_) | Value::Secret(_), _) => outputs.clone(),
        (_, input) if !input.any(&hidden) => outputs.clone(),
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

fn persist(field: Option<&Field>, value: &Value, key: &DigestKey) -> Value {
    match (field, value) {
        (_, Value::Null | Value::Unknown | Value::Digest(_)) => value.clone(),
        (Some(field), _) if field.sensitive => Value::Digest(Digest::keyed(key, &bytes(value))),
        (_, Value::Secret(secret)) => Value::Digest(Digest::keyed(key, &bytes(secret.expose()))),
        (Some(field), _) if field.keep == Keep::Digest && !value.has_secret() && !value.has_unknown() => {
            Value::Digest(Digest::of(&bytes(value)))
        }
        _ => without_secrets(value, key),
    }
}

fn without_secrets(value: &Value, key: &DigestKey) -> Value {
    match value {
        Value::Secret(secret) => Value::Digest(Digest::keyed(key, &bytes(secret.expose()))),
        Value::List(items) => Value::list(items.iter().map(|item| without_secrets(item, key))),
        Value::Map(map) => Value::map(map.iter().map(|(name, item)| (name.clone(), without_secrets(item, key)))),
        other => other.clone(),
    }
}

/// A text's own bytes, so that its digest is the one `sha256sum` prints; the JSON form of anything else.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Secret(secret) => bytes(secret.expose()),
        Value::String(text) => text.as_bytes().to_vec(),
        other => other.expose().map(|json| json.to_string().into_bytes()).unwrap_or_default(),
    }
}
