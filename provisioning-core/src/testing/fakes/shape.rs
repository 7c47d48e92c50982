//! The parts of outputs that a document refers to, where the schema leaves open what parts there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::{Desired, Role};
use crate::value::{Reference, Segment, Value};

/// The longest list that is made because a document refers to one of its items.
const LONGEST: usize = 64;

/// The ways into outputs that a document goes, by the name of what has the outputs.
#[derive(Debug, Default)]
pub(super) struct Shapes(BTreeMap<String, BTreeSet<Vec<Segment>>>);

impl Shapes {
    pub(super) fn of(desired: &Desired) -> Self {
        let mut shapes = Self::default();
        let written = desired.resources.values().map(|declared| &declared.inputs);
        let settings = desired.providers.values().map(|provider| &provider.settings);
        for value in written.chain(settings).chain(desired.outputs.values().map(|output| &output.value)) {
            // What cannot be read as a reference is reported by whoever plans.
            drop(value.visit_references(&mut |reference| shapes.note(desired, reference)));
        }
        shapes
    }

    fn note(&mut self, desired: &Desired, reference: &Reference) {
        let named = |name: &str| name == reference.root.as_ref();
        let found = desired.resources.values().find(|declared| named(declared.name.as_str()) || named(declared.name.base()));
        let name = match found.map(|declared| (&declared.role, declared)) {
            Some((Role::Lookup { .. }, declared)) => lookup(declared.kind.as_str()),
            Some((_, declared)) => declared.name.base().to_owned(),
            None => return,
        };
        self.0.entry(name).or_default().insert(reference.path.clone());
    }

    /// An output with all the parts that are referred to; a part that was missing is a text.
    pub(super) fn complete(&self, name: &str, output: &str, value: Value, text: &str) -> Value {
        let ways = self.0.get(name).into_iter().flatten();
        let below = ways.filter(|way| matches!(way.first(), Some(Segment::Key(key)) if key.as_ref() == output));
        below.fold(value, |value, way| with(value, &way[1..], text))
    }
}

/// The name under which the answers of a kind of lookup are shaped: a call does not say for which lookup it is.
pub(super) fn lookup(kind: &str) -> String {
    format!("lookup {kind}")
}

fn with(value: Value, way: &[Segment], text: &str) -> Value {
    match way.split_first() {
        None if value == Value::Null => text.into(),
        Some((Segment::Key(key), rest)) => {
            let part = value.field(key).cloned().unwrap_or_default();
            value.with(key, with(part, rest, &format!("{text}.{key}")))
        }
        Some((Segment::Index(index), rest)) if *index < LONGEST => {
            let mut items = match &value {
                Value::List(items) => items.to_vec(),
                _ => Vec::new(),
            };
            for place in items.len()..=*index {
                items.push(format!("{text}[{place}]").into());
            }
            let part = if rest.is_empty() { items[*index].clone() } else { with(items[*index].clone(), rest, text) };
            items[*index] = part;
            Value::list(items)
        }
        None | Some((Segment::Index(_), _)) => value,
    }
}
