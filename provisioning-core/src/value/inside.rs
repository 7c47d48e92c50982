//! What sorts of values stand inside of a value, so that nobody has to walk through it to know.

use super::{Template, Value};
use crate::error::Origin;

/// What stands in a value, at any depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inside(u8);

impl Inside {
    /// A reference, or a text that is rendered.
    pub(super) const REFERENCE: Self = Self(1);
    /// What is unknown until apply.
    pub(super) const UNKNOWN: Self = Self(2);
    /// What is not at hand: a digest, or what is sealed.
    pub(super) const WITHHELD: Self = Self(4);
    /// A secret in the clear.
    pub(super) const SECRET: Self = Self(8);
    /// A secret, or what stands for one.
    pub(super) const SENSITIVE: Self = Self(16);

    /// What stands in either of two.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of some sorts stands in it.
    pub(super) fn has(self, sort: Self) -> bool {
        self.0 & sort.0 != 0
    }
}

/// What can stand in a map.
pub trait Noted {
    /// What stands in it, of what a map notes.
    fn inside(&self) -> Inside {
        Inside::default()
    }
}

impl Noted for Origin {}

impl Noted for Value {
    fn inside(&self) -> Inside {
        match self {
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Float(_) => Inside::default(),
            Self::String(text) => {
                if Template::is_in(text) {
                    Inside::REFERENCE
                } else {
                    Inside::default()
                }
            }
            Self::List(items) => items.iter().fold(Inside::default(), |inside, item| inside.and(item.inside())),
            Self::Map(map) => map.inside(),
            Self::Render(render) => Inside::REFERENCE.and(render.variables.inside()),
            Self::Secret(_) => Inside::SECRET.and(Inside::SENSITIVE),
            Self::Digest(digest) if !digest.is_keyed() => Inside::WITHHELD,
            Self::Sealed(_) | Self::Digest(_) => Inside::WITHHELD.and(Inside::SENSITIVE),
            Self::Unknown => Inside::UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Digest, DigestKey};
    use crate::value::{Map, Secret};

    fn samples() -> Vec<(Value, [bool; 5])> {
        let keyed = Digest::keyed(&DigestKey::new([1; 32]), b"a");
        vec![
            (Value::from("plain"), [false; 5]),
            (Value::from("a ${b.c}"), [true, false, false, false, false]),
            (Value::Unknown, [false, true, false, false, false]),
            (Value::Digest(Digest::of(b"a")), [false, false, true, false, false]),
            (Value::Digest(keyed), [false, false, true, false, true]),
            (Value::Secret(Secret::new("${x.y}".into())), [false, false, false, true, true]),
        ]
    }

    fn sorts(value: &Value) -> [bool; 5] {
        [value.has_references(), value.has_unknown(), value.is_withheld(), value.has_secret(), value.is_sensitive()]
    }

    #[test]
    fn what_stands_in_a_value_shows_at_every_depth() {
        for (value, expected) in samples() {
            let nested = Value::list([Value::from(1), Value::map([("a", Value::Null), ("b", Value::list([value.clone()]))])]);
            assert_eq!((sorts(&value), sorts(&nested)), (expected, expected), "{value:?}");
        }
    }

    #[test]
    fn a_map_that_changes_knows_what_stands_in_it_now() {
        for (value, expected) in samples() {
            let mut map = Map::new();
            map.insert("a".into(), Value::from(1));
            map.insert("b".into(), value.clone());
            assert_eq!(sorts(&Value::Map(map.clone().into())), expected, "put in: {value:?}");
            map.extend([("c".into(), Value::Null)]);
            assert_eq!(sorts(&Value::Map(map.clone().into())), expected, "with more: {value:?}");
            map.insert("b".into(), Value::Null);
            assert_eq!(sorts(&Value::Map(map.clone().into())), [false; 5], "put over: {value:?}");
            map.insert("b".into(), value.clone());
            map.remove("b");
            assert_eq!(sorts(&Value::Map(map.into())), [false; 5], "taken away: {value:?}");
        }
    }
}
