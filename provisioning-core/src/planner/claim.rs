//! A claim to a value that only one may have: what it is compared by. Who may claim what is for `guard` and `order`.

use crate::name::{Kind, ProviderName};
use crate::resource::Role;
use crate::schema::Schema;
use crate::value::Value;

/// A value that is unique among the objects of one kind of one provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim<'a> {
    provider: Option<&'a ProviderName>,
    kind: &'a Kind,
    field: &'a str,
    value: String,
}

impl<'a> Claim<'a> {
    pub(super) fn new(role: &'a Role, kind: &'a Kind, field: &'a str, value: &Value) -> Self {
        Self { provider: role.provider(), kind, field, value: text(value) }
    }
}

/// The fields of a kind whose values are unique.
pub(super) fn unique_fields(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.fields.iter().filter(|(_, field)| field.unique).map(|(name, _)| name.as_str())
}

/// The value as people write it, and as it is compared.
pub(super) fn text(value: &Value) -> String {
    let kept = match value {
        Value::Digest(digest) => Some(digest.as_str()),
        Value::Sealed(sealed) => Some(sealed.digest.as_str()),
        other => other.as_str(),
    };
    kept.map_or_else(|| serde_json::to_string(value).unwrap_or_default(), str::to_owned)
}
