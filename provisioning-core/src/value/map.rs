//! Entries side by side in the order of their keys: most maps have a handful. A map knows what sorts of values stand in it.

use std::borrow::Borrow;
use std::sync::Arc;

use super::Value;
use super::inside::{Inside, Noted};

/// Values by key, in the order of their keys; whatever else it holds, it notes only what stands in values.
#[derive(Debug, Clone)]
pub struct Map<T = Value> {
    entries: Vec<(Arc<str>, T)>,
    inside: Inside,
}

impl<T: PartialEq> PartialEq for Map<T> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), inside: Inside::default() }
    }
}

impl<T> Map<T> {
    /// A map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.place(key).ok().map(|place| &self.entries[place].1)
    }

    /// Whether a key has a value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    /// The entries, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self.entries.iter())
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Arc<str>> + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// What stands in it, at any depth.
    pub(super) fn inside(&self) -> Inside {
        self.inside
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(known, _)| known.as_ref().cmp(key))
    }
}

impl<T: Noted> Map<T> {
    /// Sets the value of a key, and gives the one it had.
    pub fn insert(&mut self, key: Arc<str>, value: T) -> Option<T> {
        match self.place(&key) {
            Ok(place) => {
                let before = std::mem::replace(&mut self.entries[place].1, value);
                self.look();
                Some(before)
            }
            Err(place) => {
                self.inside = self.inside.and(value.inside());
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes the value of a key away.
    pub fn remove(&mut self, key: &str) -> Option<T> {
        let removed = self.place(key).ok().map(|place| self.entries.remove(place).1);
        self.look();
        removed
    }

    fn look(&mut self) {
        self.inside = self.values().fold(Inside::default(), |inside, value| inside.and(value.inside()));
    }
}

/// The entries of a map, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a, T = Value>(std::slice::Iter<'a, (Arc<str>, T)>);

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = (&'a Arc<str>, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<'a, T> IntoIterator for &'a Map<T> {
    type Item = (&'a Arc<str>, &'a T);
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Map<T> {
    type Item = (Arc<str>, T);
    type IntoIter = std::vec::IntoIter<(Arc<str>, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Of two values for one key the later one stays.
impl<K: Into<Arc<str>>, T: Noted> FromIterator<(K, T)> for Map<T> {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(entries: I) -> Self {
        let mut entries: Vec<(Arc<str>, T)> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
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
        let mut map = Self { entries, inside: Inside::default() };
        map.look();
        map
    }
}

impl<T: Noted> Extend<(Arc<str>, T)> for Map<T> {
    fn extend<I: IntoIterator<Item = (Arc<str>, T)>>(&mut self, entries: I) {
        let own = std::mem::take(&mut self.entries);
        *self = own.into_iter().chain(entries).collect();
    }
}

impl<K: Borrow<str> + ?Sized, T> std::ops::Index<&K> for Map<T> {
    type Output = T;

    fn index(&self, key: &K) -> &T {
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
