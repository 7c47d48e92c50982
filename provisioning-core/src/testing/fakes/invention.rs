//! What a provider reports of an object beyond what the user set, made up from the schema.
//!
//! The same object has the same outputs every time. Nothing but texts that name the object depends on its number, so that
//! two worlds in which it was made more or less often can still be compared.

use super::TRANSPORT;
use super::shape::Shapes;
use crate::digest::Digest;
use crate::schema::{Field, FieldType, Presence, Schema};
use crate::value::{Secret, Value};

/// What outputs are made up from.
pub(super) struct Source<'a> {
    /// The schema.
    pub(super) schema: &'a Schema,
    /// The identity.
    pub(super) id: &'a str,
    /// The name under which a document refers to it.
    pub(super) name: &'a str,
    /// What the user set, resolved.
    pub(super) inputs: &'a Value,
    /// What was reported before an update.
    pub(super) before: Option<&'a Value>,
}

impl Source<'_> {
    /// Everything that is reported: what was set, and what was made up.
    pub(super) fn outputs(&self, shapes: &Shapes) -> Value {
        let set = self.inputs.as_map().into_iter().flatten().filter(|(_, value)| **value != Value::Null);
        let mut outputs = Value::map(set.map(|(name, value)| (name.clone(), value.clone())));
        for (name, field) in &self.schema.fields {
            let reported = matches!(field.presence, Presence::Assigned | Presence::Computed);
            if reported && outputs.field(name).is_none() {
                let value = shapes.complete(self.name, name, self.output(name, field), &format!("{}.{name}", self.id));
                let value = if field.sensitive { Value::Secret(Secret::new(value)) } else { value };
                outputs = outputs.with(name, value);
            }
        }
        outputs.with("id", self.id.into())
    }

    fn output(&self, name: &str, field: &Field) -> Value {
        let followed: Vec<_> = field.follows.iter().map(|name| self.inputs.field(name).cloned().unwrap_or_default()).collect();
        match (name, &field.kind, &followed[..], self.before.and_then(|before| before.field(name))) {
            ("connection", ..) => Value::map([("transport", TRANSPORT.into()), ("host", self.id.into())]),
            // What has any type and follows one thing has nothing else to be than that thing.
            (_, FieldType::Any, [one], _) => one.clone(),
            (_, _, [], Some(before)) => unhidden(before),
            _ => {
                let version = if followed.is_empty() { String::new() } else { version(&followed) };
                invent(field, &field.kind, &Place { source: self, path: name.to_owned(), version: &version })
            }
        }
    }
}

/// Where a value is made up, and from which version of what it follows.
struct Place<'a> {
    source: &'a Source<'a>,
    path: String,
    version: &'a str,
}

impl Place<'_> {
    fn below(&self, key: &str) -> Self {
        Self { path: format!("{}{key}", self.path), ..*self }
    }

    fn text(&self) -> String {
        let version = if self.version.is_empty() { String::new() } else { format!("-{}", self.version) };
        format!("{}.{}{version}", self.source.id, self.path)
    }

    /// A number from the name, which is the same for every object of that name.
    fn number(&self) -> i64 {
        let name = self.source.id.split('#').next().unwrap_or_default();
        let digest = Digest::of(format!("{name} {} {}", self.path, self.version).as_bytes());
        i64::from_str_radix(&digest.as_str()[..6], 16).unwrap_or_default()
    }

    /// Some words of a name say what the text looks like.
    fn looks_like(&self, word: &str) -> bool {
        self.path.rsplit('.').next().unwrap_or_default().split('_').any(|part| part == word)
    }
}

fn invent(field: &Field, kind: &FieldType, place: &Place<'_>) -> Value {
    if let Some(value) = field.default.as_ref().or(field.one_of.first()) {
        return value.clone();
    }
    let number = place.number();
    let address = |last: i64| format!("10.{}.{}.{last}", number >> 16, number >> 8 & 255);
    match kind {
        FieldType::Integer => (number % 60_000 + 1).into(),
        FieldType::Number => Value::Float(f64::from(i32::try_from(number % 1000).unwrap_or_default()) + 0.5),
        FieldType::Bool => true.into(),
        FieldType::Object => Value::map(
            field
                .fields
                .iter()
                .map(|(name, field)| (name.as_str(), invent(field, &field.kind, &place.below(&format!(".{name}"))))),
        ),
        FieldType::List(item) => Value::list([invent(field, item, &place.below("[0]"))]),
        FieldType::Map(_) => Value::map([("", Value::Null); 0]),
        FieldType::String | FieldType::Text | FieldType::Any => match () {
            () if place.looks_like("cidr") => format!("{}/24", address(0)).into(),
            () if place.looks_like("address") || place.looks_like("ip") || place.looks_like("gateway") => {
                address(number % 254 + 1).into()
            }
            () => place.text().into(),
        },
    }
}

/// Eight digits that change when values change; the numbers in identities do not count.
pub(super) fn version(values: &[Value]) -> String {
    let text = super::shown(&Value::list(values.iter().cloned()));
    let mut plain = String::new();
    for (index, part) in text.split('#').enumerate() {
        plain.push_str(if index == 0 { part } else { part.trim_start_matches(|letter: char| letter.is_ascii_digit()) });
    }
    Digest::of(plain.as_bytes()).as_str()[..8].to_owned()
}

fn unhidden(value: &Value) -> Value {
    match value {
        Value::Secret(secret) => secret.expose().clone(),
        other => other.clone(),
    }
}
