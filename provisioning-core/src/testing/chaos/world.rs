//! A world of fakes as text, so that two of them can be compared, and what in it nobody knows of.

use std::collections::{BTreeMap, BTreeSet};

use super::table::Flaw;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::name::{ResourceName, RunId};
use crate::record::Object;
use crate::resource::StateRow;
use crate::testing::Fakes;
use crate::testing::fakes::{plain, shown};
use crate::value::Value;

/// How the row of a resource is called.
const ROW: &str = "the state's row";
/// How much is told of a value that is not as it should be.
const LONGEST_VALUE: usize = 80;

/// Something that is not as promised.
pub(super) type Problem = (Flaw, String);

/// What there is of a world, in words, and its fields.
pub(super) type Line = (String, Value);

/// A world: what exists, what the state says, what comes out.
pub(super) async fn lines(fakes: &Fakes, engine: &Engine) -> Result<Vec<Line>> {
    let mut lines = fakes.contents();
    let rows = engine.state().await?;
    for row in rows.values() {
        lines.push((format!("{ROW} `{}`", row.name), fakes.unnumbered(&fields(row, &rows)?)));
    }
    // An output that nobody knows yet is none.
    for (name, output) in engine.outputs().await?.into_iter().filter(|(_, output)| !output.value.has_unknown()) {
        lines.push((format!("the output `{name}`"), fakes.unnumbered(&plain(&output.value))));
    }
    Ok(lines)
}

/// A world without how things were written: a way back writes what a lookup answered where the lookup stood.
pub(super) fn resolved(lines: &[Line]) -> Vec<Line> {
    let without = |value: &Value| match value {
        Value::Map(map) => {
            Value::map(map.iter().filter(|(key, _)| key.as_ref() != "written").map(|(key, value)| (key.clone(), value.clone())))
        }
        other => other.clone(),
    };
    let row = |what: &str| what.starts_with(ROW);
    lines.iter().map(|(what, value)| (what.clone(), if row(what) { without(value) } else { value.clone() })).collect()
}

/// What is not the same in two worlds.
pub(super) fn difference(wanted: &[Line], found: &[Line]) -> Vec<String> {
    let mut left: Vec<&Line> = found.iter().collect();
    let mut problems = Vec::new();
    for (what, value) in wanted {
        let same = left.iter().position(|line| line.0 == *what && line.1 == *value);
        match same.or_else(|| left.iter().position(|line| line.0 == *what)) {
            None => problems.push(format!("{what} is missing")),
            Some(place) => problems.extend(changes(what, value, &left.remove(place).1)),
        }
    }
    problems.extend(left.iter().map(|(what, _)| format!("{what} is there and should not be")));
    problems
}

/// The fields in which one thing is not as wanted.
fn changes(what: &str, wanted: &Value, found: &Value) -> Vec<String> {
    let said = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), |value| short(&shown(value)));
    let (Value::Map(before), Value::Map(after)) = (wanted, found) else {
        let differs = format!("{what} is {} and should be {}", said(Some(found)), said(Some(wanted)));
        return if wanted == found { Vec::new() } else { vec![differs] };
    };
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(name) != after.get(name));
    let differing = differing.map(|name| (name, said(after.get(name)), said(before.get(name))));
    differing.map(|(name, found, wanted)| format!("{what} has {found} as `{name}` and should have {wanted}")).collect()
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST_VALUE {
        text.to_owned()
    } else {
        text.chars().take(LONGEST_VALUE).chain(['…']).collect()
    }
}

/// Every object is in the state once, or bears the token of an open step; every service is in the state, or its step is
/// open; and no resource has two objects that the state does not tell apart.
pub(super) fn orphans(fakes: &Fakes, rows: &BTreeMap<ResourceName, StateRow>, open: &[String]) -> Vec<Problem> {
    let known = |id: &str| {
        let objects = rows.values().flat_map(|row| row.object.iter().chain(&row.deposed));
        objects.filter(|object| object.id == id).count()
    };
    let mut problems = Vec::new();
    let mut bearing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, token) in fakes.tokens() {
        match known(&id) {
            0 if !open.contains(&token) => problems.push((Flaw::Orphan, format!("`{id}` exists and nobody knows of it"))),
            0 | 1 => {}
            more => problems.push((Flaw::Damaged, format!("`{id}` is in the state {more} times"))),
        }
        bearing.entry(token).or_default().push(id);
    }
    for ids in bearing.into_values().filter(|ids| ids.len() > 1) {
        problems.push((Flaw::Duplicate, format!("one step made `{}`", ids.join("` and `"))));
    }
    for (host, service) in fakes.services() {
        let kept = rows.get(service.as_str()).is_some_and(|row| row.object.is_some());
        if !kept && !open.contains(&service) {
            problems.push((Flaw::Orphan, format!("the service `{service}` is on `{host}` and nobody knows of it")));
        }
    }
    problems
}

/// The fields of a row, without what differs from run to run. What it depends on and has no row orders nothing.
fn fields(row: &StateRow, rows: &BTreeMap<ResourceName, StateRow>) -> Result<Value> {
    let object = |object: &Object| Object { id: object.id.clone(), outputs: plain(&object.outputs) };
    let row = StateRow {
        inputs: plain(&row.inputs),
        object: row.object.as_ref().map(object),
        deposed: row.deposed.iter().map(object).collect(),
        depends_on: row.depends_on.iter().filter(|on| rows.contains_key(*on)).cloned().collect(),
        run: RunId::parse("any")?,
        version: 0,
        ..row.clone()
    };
    let json = serde_json::to_value(&row).map_err(|error| Error::bug(format!("a row cannot be written: {error}")))?;
    Value::try_from(json)
}
