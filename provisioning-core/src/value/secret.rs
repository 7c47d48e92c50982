//! A value that must not be seen.

use std::fmt;

use serde::{Deserialize, Serialize, de, ser};

use super::Value;

/// A value that must not be seen: no display, no debug and no serialisation reveals it.
///
/// Serialising one is an error, so that a secret that reaches a file or a socket by mistake stops there.
#[derive(Clone, PartialEq)]
pub struct Secret(Box<Value>);

impl Secret {
    /// Hides a value; a secret in a secret is one secret.
    pub fn new(value: Value) -> Self {
        match value {
            Value::Secret(secret) => secret,
            value => Self(Box::new(value)),
        }
    }

    /// The hidden value, for the call that needs it and for nothing else.
    pub fn expose(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("a secret cannot be written in the clear"))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self::new(Value::try_from(value).map_err(de::Error::custom)?))
    }
}
