//! The entries of a map value, side by side in the order of their keys: most maps have a handful.

use std::borrow::Borrow;
use std::sync::Arc;

use super::Value;

/// Values by key, in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map(Vec<(Arc<str>, Value)>);

impl Map {
    /// A map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.place(key).ok().map(|place| &self.0[place].1)
    }

    /// Whether a key has a value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    /// Sets the value of a key, and gives the one it had.
    pub fn insert(&mut self, key: Arc<str>, value: Value) -> Option<Value> {
        match self.place(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes the value of a key away.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.place(key).ok().map(|place| self.0.remove(place).1)
    }

    /// The entries, in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Arc<str>> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_ref().cmp(key))
    }
}

/// The entries of a map, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a>(std::slice::Iter<'a, (Arc<str>, Value)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Arc<str>, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Arc<str>, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Map {
    type Item = (Arc<str>, Value);
    type IntoIter = std::vec::IntoIter<(Arc<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Of two values for one key the later one stays.
impl<K: Into<Arc<str>>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let mut entries: Vec<(Arc<str>, Value)> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(&mut later.1, &mut kept.1);
                }
                same
            });
        }
        Self(entries)
    }
}

impl Extend<(Arc<str>, Value)> for Map {
    fn extend<I: IntoIterator<Item = (Arc<str>, Value)>>(&mut self, entries: I) {
        let own = std::mem::take(&mut self.0);
        *self = own.into_iter().chain(entries).collect();
    }
}

impl<K: Borrow<str> + ?Sized> std::ops::Index<&K> for Map {
    type Output = Value;

    fn index(&self, key: &K) -> &Value {
        self.get(key.borrow()).expect("the key has a value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_in_order_and_the_later_of_two_stays() {
        let map: Map = [("b", 1), ("a", 2), ("b", 3), ("c", 4), ("b", 5)]
            .map(|(key, value)| (key, Value::Integer(value)))
            .into_iter()
            .collect();
        let entries: Vec<_> = map.iter().map(|(key, value)| (key.as_ref(), value.clone())).collect();
        assert_eq!(entries, [("a", Value::Integer(2)), ("b", Value::Integer(5)), ("c", Value::Integer(4))]);
    }

    #[test]
    fn an_entry_is_set_read_and_taken_away() {
        let mut map = Map::new();
        assert_eq!(map.insert("b".into(), Value::Null), None);
        assert_eq!(map.insert("a".into(), Value::Bool(true)), None);
        assert_eq!(map.insert("b".into(), Value::Bool(false)), Some(Value::Null));
        assert_eq!((map.get("a"), map.get("c"), map.len()), (Some(&Value::Bool(true)), None, 2));
        map.extend([("c".into(), Value::Null), ("a".into(), Value::Unknown)]);
        assert_eq!((map.remove("a"), map.remove("a"), map.keys().count()), (Some(Value::Unknown), None, 2));
    }
}
