//! A world of fakes as text, so that two of them can be compared, and what in it nobody knows of.

use std::collections::{BTreeMap, BTreeSet};

use super::table::Flaw;
use crate::engine::Engine;
use crate::error::Result;
use crate::name::{ResourceName, RunId};
use crate::record::Object;
use crate::resource::StateRow;
use crate::testing::Fakes;
use crate::testing::fakes::{plain, shown};

/// Something that is not as promised.
pub(super) type Problem = (Flaw, String);

/// The lines of a world: what exists, what the state says, what comes out.
pub(super) async fn lines(fakes: &Fakes, engine: &Engine) -> Result<Vec<String>> {
    let mut lines: Vec<_> = fakes.contents().into_iter().map(|line| format!("world: {line}")).collect();
    lines.extend(engine.state().await?.values().map(|row| fakes.unnumbered(&format!("state: {}", text(row)))));
    for (name, output) in engine.outputs().await? {
        lines.push(fakes.unnumbered(&format!("output {name}: {}", shown(&output.value))));
    }
    Ok(lines)
}

/// The lines that only one of two worlds has.
pub(super) fn difference(wanted: &[String], found: &[String]) -> Vec<Problem> {
    let (wanted, found): (BTreeSet<_>, BTreeSet<_>) = (wanted.iter().collect(), found.iter().collect());
    let missing = wanted.difference(&found).map(|line| format!("missing: {line}"));
    let instead = found.difference(&wanted).map(|line| format!("instead: {line}"));
    missing.chain(instead).map(|problem| (Flaw::Astray, problem)).collect()
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

/// A row without what differs from run to run.
fn text(row: &StateRow) -> String {
    let object = |object: &Object| Object { id: object.id.clone(), outputs: plain(&object.outputs) };
    let row = StateRow {
        inputs: plain(&row.inputs),
        object: row.object.as_ref().map(object),
        deposed: row.deposed.iter().map(object).collect(),
        run: RunId::parse("any").expect("a plain word is a run"),
        version: 0,
        ..row.clone()
    };
    serde_json::to_string(&row).unwrap_or_else(|error| error.to_string())
}
