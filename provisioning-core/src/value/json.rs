//! How a value is written to disk and read back: the one place for that format.
//!
//! A document is written as itself. What JSON has no word for is a map of one key that begins with `$`
//! (`{"$unknown": true}`, `{"$digest": "…"}`); a user's own key that begins with `$` gets a second one in front.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Value;
use crate::digest::Digest;
use crate::name::shared;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items.iter()),
            Self::Map(map) => {
                let mut writer = serializer.serialize_map(Some(map.len()))?;
                for (key, item) in map.iter() {
                    if key.starts_with('$') {
                        writer.serialize_entry(&format!("${key}"), item)?;
                    } else {
                        writer.serialize_entry(key, item)?;
                    }
                }
                writer.end()
            }
            Self::Render(render) => tagged(serializer, "$render", render),
            Self::Secret(secret) => secret.serialize(serializer),
            Self::Sealed(sealed) => tagged(serializer, "$sealed", sealed),
            Self::Digest(digest) => tagged(serializer, "$digest", digest),
            Self::Unknown => tagged(serializer, "$unknown", &true),
        }
    }
}

fn tagged<S: Serializer>(serializer: S, tag: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut writer = serializer.serialize_map(Some(1))?;
    writer.serialize_entry(tag, value)?;
    writer.end()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::Integer).map_err(|_| E::custom(format!("`{number}` is out of range")))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or(0).min(1024));
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::with_capacity(entries.size_hint().unwrap_or(0).min(1024));
        while let Some(Key(key)) = entries.next_key()? {
            match key.as_ref() {
                "$unknown" => {
                    entries.next_value::<bool>()?;
                    return Ok(Value::Unknown);
                }
                "$render" => return entries.next_value().map(|render| Value::Render(Arc::new(render))),
                "$sealed" => return entries.next_value().map(Value::Sealed),
                "$digest" => return entries.next_value::<Digest>().map(Value::Digest),
                _ => {
                    let plain = if key.starts_with("$$") { key[1..].into() } else { key };
                    map.push((plain, entries.next_value()?));
                }
            }
        }
        Ok(Value::Map(Arc::new(map.into_iter().collect())))
    }
}

/// A key as it is written.
struct Key(Arc<str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyReader)
    }
}

struct KeyReader;

impl Visitor<'_> for KeyReader {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Key, E> {
        Ok(Key(shared(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Sealed, Secret};

    #[test]
    fn a_value_reads_what_it_writes() {
        let value = Value::map([
            ("$digest", Value::from("a user's own key")),
            ("later", Value::Unknown),
            ("kept", Value::Digest(Digest::of(b"x"))),
            ("sealed", Value::Sealed(Sealed { digest: Digest::of(b"y"), text: "12:34".into() })),
            ("$sealed", Value::map([("digest", Value::from("a user's own"))])),
            ("list", Value::list([Value::Null, Value::Integer(-1), Value::Float(0.5), Value::Bool(true)])),
        ]);
        let text = serde_json::to_string(&value).expect("serialises");
        assert!(text.contains("12:34"), "{text}");
        let read: Value = serde_json::from_str(&text).expect("parses");
        assert_eq!((&read, serde_json::to_string(&read).expect("serialises")), (&value, text));
    }

    #[test]
    fn a_secret_is_never_written() {
        let value = Value::map([("password", Value::Secret(Secret::new("hunter2".into())))]);
        let error = serde_json::to_string(&value).expect_err("refused");
        assert_eq!(error.to_string(), "a secret cannot be written in the clear");
        assert!(!format!("{value:?}").contains("hunter2"));
    }
}
