//! The value type and plain access to it.

use std::sync::Arc;

use super::inside::{Inside, Noted};
use super::{Map, Render, Sealed, Secret};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A value as the engine carries it: a JSON document, plus what only an engine knows.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    String(Arc<str>),
    /// Values in order.
    List(Arc<[Value]>),
    /// Values by key.
    Map(Arc<Map>),
    /// A text that is rendered when its variables are known.
    Render(Arc<Render>),
    /// A value that must not be seen.
    Secret(Secret),
    /// A secret as it is kept where there are keys.
    Sealed(Sealed),
    /// What is kept in place of a value that is not kept.
    Digest(Digest),
    /// A value that only the apply will know.
    Unknown,
}

impl Value {
    /// A map of the given entries.
    pub fn map<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().collect()))
    }

    /// A list of the given values.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// The text, where this is a text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, where this is a map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The entry of a map, where this is a map that has it.
    pub fn field(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// The same map with one entry set; anything but a map becomes a map of that entry.
    #[must_use]
    pub fn with(&self, key: &str, value: Value) -> Self {
        let mut map = self.as_map().cloned().unwrap_or_default();
        map.insert(key.into(), value);
        Self::Map(Arc::new(map))
    }

    /// What people call this type of value.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Integer(_) => "integer",
            Self::Float(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Render(_) => "template",
            Self::Secret(_) => "secret",
            Self::Sealed(_) => "sealed secret",
            Self::Digest(_) => "digest",
            Self::Unknown => "unknown",
        }
    }

    /// Whether any part of the value passes a test.
    pub fn any(&self, test: &impl Fn(&Value) -> bool) -> bool {
        test(self)
            || match self {
                Self::List(items) => items.iter().any(|item| item.any(test)),
                Self::Map(map) => map.values().any(|item| item.any(test)),
                Self::Render(render) => render.variables.any(test),
                _ => false,
            }
    }

    /// The same map with another's entries put over its own; the other where either is not a map.
    #[must_use]
    pub fn overlaid(&self, other: &Value) -> Self {
        match (self, other) {
            (Self::Map(below), Self::Map(above)) => {
                let mut map = below.as_ref().clone();
                map.extend(above.iter().map(|(key, value)| (key.clone(), value.clone())));
                Self::Map(Arc::new(map))
            }
            (below, Self::Null) => below.clone(),
            (_, above) => above.clone(),
        }
    }

    /// Whether any part of it has a reference or is rendered.
    pub fn has_references(&self) -> bool {
        self.inside().has(Inside::REFERENCE)
    }

    /// Whether any part of it is unknown until apply.
    pub fn has_unknown(&self) -> bool {
        self.inside().has(Inside::UNKNOWN)
    }

    /// Whether any part of it is not at hand: only a digest of it was kept, or it is sealed and was not opened.
    pub fn is_withheld(&self) -> bool {
        self.inside().has(Inside::WITHHELD)
    }

    /// Whether any part of it is secret, or stands for something secret.
    pub fn is_sensitive(&self) -> bool {
        self.inside().has(Inside::SENSITIVE)
    }

    /// Whether any part of it is secret.
    pub fn has_secret(&self) -> bool {
        self.inside().has(Inside::SECRET)
    }

    /// The plain document, secrets in the clear: for handing to a provider, never for keeping or showing.
    ///
    /// # Errors
    /// `Bug` when a part is unknown, sealed, or only a digest of it was kept.
    pub fn expose(&self) -> Result<serde_json::Value> {
        Ok(match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::String(text) => text.as_ref().into(),
            Self::List(items) => items.iter().map(Self::expose).collect::<Result<_>>()?,
            Self::Map(map) => {
                let entries = map.iter().map(|(key, item)| Ok((key.to_string(), item.expose()?)));
                entries.collect::<Result<_>>().map(serde_json::Value::Object)?
            }
            Self::Secret(secret) => secret.expose().expose()?,
            Self::Render(_) => return Err(Error::bug("a template was handed out that is not rendered")),
            Self::Sealed(_) => return Err(Error::bug("a value was needed that is sealed")),
            Self::Digest(_) => return Err(Error::bug("a value was needed of which only the digest is kept")),
            Self::Unknown => return Err(Error::bug("a value was needed that is not known yet")),
        })
    }
}

/// A whole number is the same with and without a fraction of zero: formats and providers write it either way. What is
/// kept of a secret is the same, sealed or not, when its digest is.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Unknown, Self::Unknown) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Integer(whole), Self::Float(number)) | (Self::Float(number), Self::Integer(whole)) => {
                i32::try_from(*whole).is_ok_and(|whole| f64::from(whole) == *number)
            }
            (Self::String(a), Self::String(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Render(a), Self::Render(b)) => a == b,
            (Self::Secret(a), Self::Secret(b)) => a == b,
            (Self::Sealed(a), Self::Sealed(b)) => a == b,
            (Self::Digest(a), Self::Digest(b)) => a == b,
            (Self::Sealed(sealed), Self::Digest(digest)) | (Self::Digest(digest), Self::Sealed(sealed)) => {
                sealed.digest == *digest
            }
            _ => false,
        }
    }
}

impl TryFrom<serde_json::Value> for Value {
    type Error = Error;

    fn try_from(json: serde_json::Value) -> Result<Self> {
        Ok(match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(truth),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Integer(number),
                None => Self::Float(number.as_f64().ok_or_else(|| Error::invalid(format!("`{number}` is out of range")))?),
            },
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::try_from).collect::<Result<_>>()?),
            serde_json::Value::Object(map) => {
                let entries = map.into_iter().map(|(key, item)| Ok((key, Self::try_from(item)?)));
                Self::Map(Arc::new(entries.collect::<Result<Map>>()?))
            }
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}
