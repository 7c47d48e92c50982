//! A world as text, so that two of them can be compared: what exists, what the state says, what comes out.
//!
//! Identities and other texts that a provider makes up differ from run to run; they stand as the resource and the
//! field that they belong to.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Engine;
use crate::error::Result;
use crate::name::RunId;
use crate::record::Object;
use crate::resource::StateRow;
use crate::testing::FakeCloud;
use crate::value::{Sealed, Value};

/// The lines of a world.
pub(super) async fn world(cloud: &FakeCloud, engine: &Engine) -> Result<Vec<String>> {
    let rows = engine.state().await?;
    let names = Names::of(rows.values());
    let mut lines: Vec<_> = cloud.contents().into_iter().map(|line| format!("cloud: {line}")).collect();
    lines.extend(rows.values().map(|row| format!("state: {}", names.row(row))));
    for (name, output) in engine.outputs().await? {
        lines.push(format!("output {name}: {}", text(&names.value(&output.value))));
    }
    Ok(lines)
}

/// The lines that only one of two worlds has.
pub(super) fn difference(wanted: &[String], found: &[String]) -> Vec<String> {
    let (wanted, found): (BTreeSet<_>, BTreeSet<_>) = (wanted.iter().collect(), found.iter().collect());
    let missing = wanted.difference(&found).map(|line| format!("missing: {line}"));
    missing.chain(found.difference(&wanted).map(|line| format!("instead: {line}"))).collect()
}

/// The lines of a world that say what the cloud holds.
pub(super) fn contents(world: &[String]) -> Vec<String> {
    world.iter().filter(|line| line.starts_with("cloud: ")).cloned().collect()
}

/// Every object is in the state once, or, while a run is open, bears the token of an open step.
pub(super) fn orphans(cloud: &FakeCloud, rows: &BTreeMap<crate::name::ResourceName, StateRow>, open: &[String]) -> Vec<String> {
    let objects = || rows.values().flat_map(|row| row.object.iter().chain(&row.deposed));
    let mut problems = Vec::new();
    for (id, token) in cloud.tokens() {
        match objects().filter(|object| object.id == id).count() {
            0 if !open.contains(&token) => problems.push(format!("`{id}` exists and nobody knows of it")),
            0 | 1 => {}
            more => problems.push(format!("`{id}` is in the state {more} times")),
        }
    }
    problems
}

/// What stands for each text that a provider made up.
struct Names(BTreeMap<String, String>);

impl Names {
    fn of<'a>(rows: impl Iterator<Item = &'a StateRow>) -> Self {
        let mut names = BTreeMap::new();
        for row in rows {
            let mut note = |object: &Object, owner: &str| {
                for (field, value) in object.outputs.as_map().into_iter().flatten() {
                    let made_up = match value {
                        Value::String(text) if row.inputs.field(field).is_none() => text.to_string(),
                        Value::Digest(digest) | Value::Sealed(Sealed { digest, .. }) => digest.as_str().to_owned(),
                        _ => continue,
                    };
                    names.entry(made_up).or_insert_with(|| format!("<{owner}.{field}>"));
                }
            };
            row.object.iter().for_each(|object| note(object, row.name.as_str()));
            row.deposed.iter().for_each(|object| note(object, &format!("{} before", row.name)));
        }
        Self(names)
    }

    fn row(&self, row: &StateRow) -> String {
        let object = |object: &Object| Object { id: self.text(&object.id), outputs: self.value(&object.outputs) };
        let plain = StateRow {
            inputs: self.value(&row.inputs),
            object: row.object.as_ref().map(object),
            deposed: row.deposed.iter().map(object).collect(),
            run: RunId::parse("any").expect("a plain word is a run"),
            version: 0,
            ..row.clone()
        };
        serde_json::to_string(&plain).unwrap_or_else(|error| error.to_string())
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Digest(digest) | Value::Sealed(Sealed { digest, .. }) => {
                self.0.get(digest.as_str()).map_or_else(|| value.clone(), |name| name.as_str().into())
            }
            Value::List(items) => Value::list(items.iter().map(|item| self.value(item))),
            Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), self.value(item)))),
            other => other.clone(),
        }
    }

    /// Word by word, so that `t-1` is not found in `net-1`.
    fn text(&self, text: &str) -> String {
        let parts = text.split_inclusive(|letter: char| !(letter.is_alphanumeric() || "._-".contains(letter)));
        let named = parts.map(|part| {
            let word = part.trim_end_matches(|letter: char| !(letter.is_alphanumeric() || "._-".contains(letter)));
            match self.0.get(word) {
                Some(name) => part.replacen(word, name, 1),
                None => part.to_owned(),
            }
        });
        named.collect()
    }
}

fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}
