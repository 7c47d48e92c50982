//! What takes part in a plan: targets with what they need, less what is excluded.

use std::collections::BTreeSet;

use super::link::named;
use super::{Input, Linked};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Dependency, Direction, Graph};
use crate::name::{ResourceName, suggestion};
use crate::plan::Command;

/// What takes part: declared resources, and rows of the state that may go.
#[derive(Debug)]
pub(super) struct Selection {
    /// Declared resources that are compared.
    pub declared: BTreeSet<ResourceName>,
    /// Rows without a declaration that are removed.
    pub rows: BTreeSet<ResourceName>,
    /// Resources that are replaced in any case.
    pub replace: BTreeSet<ResourceName>,
}

pub(super) fn select(input: &Input<'_>, linked: &Linked) -> Result<Selection> {
    let options = input.options;
    let kept = kept_graph(input);
    let targets = find(input, &options.targets)?;
    let excludes = find(input, &options.excludes)?;
    let replace = find(input, &options.replace)?;

    let mut declared: BTreeSet<_> = linked.graph.closure(targets.iter(), Direction::Incoming).into_iter().cloned().collect();
    let mut rows: BTreeSet<_> = if options.command == Command::Forget {
        targets.clone()
    } else {
        kept.closure(targets.iter(), Direction::Outgoing).into_iter().cloned().collect()
    };
    if targets.is_empty() {
        declared = input.desired.resources.keys().cloned().collect();
        rows = input.state.keys().cloned().collect();
    }
    for name in linked.graph.closure(excludes.iter(), Direction::Outgoing) {
        declared.remove(name);
    }
    for name in kept.closure(excludes.iter(), Direction::Incoming) {
        rows.remove(name);
    }
    rows.retain(|name| !input.desired.resources.contains_key(name));
    Ok(Selection { declared, rows, replace })
}

/// The dependencies that the rows of the state were made with.
pub(super) fn kept_graph(input: &Input<'_>) -> Graph<ResourceName> {
    let mut graph = Graph::default();
    for row in input.state.values() {
        graph.add(row.name.clone());
        for on in row.depends_on.iter().filter(|on| input.state.contains_key(*on)) {
            graph.depend(&row.name, on, Dependency::Hard);
        }
    }
    graph
}

fn find(input: &Input<'_>, names: &[String]) -> Result<BTreeSet<ResourceName>> {
    let mut found = BTreeSet::new();
    for name in names {
        let declared = named(&input.desired.resources, name);
        let kept = named(input.state, name);
        if declared.is_empty() && kept.is_empty() {
            let known = input.desired.resources.keys().chain(input.state.keys()).map(ResourceName::as_str);
            let error = Error::new(ErrorKind::NotFound, format!("there is no resource `{name}`"));
            let hint = suggestion(name, known).unwrap_or_else(|| "`provisioning show` lists what the state has".to_owned());
            return Err(error.with_hint(hint));
        }
        found.extend(declared.into_iter().chain(kept).cloned());
    }
    Ok(found)
}
