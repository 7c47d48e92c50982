//! What takes part in a plan: targets with what they need, less what is excluded.

use std::collections::BTreeSet;

use super::Scope;
use super::link::named;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Direction;
use crate::name::{ResourceName, suggestion};
use crate::plan::Command;
use crate::resource::Role;

/// What takes part: declared resources, and rows of the state that may go.
#[derive(Debug)]
pub(super) struct Selection {
    /// Declared resources that are compared.
    pub declared: Part,
    /// Rows without a declaration that are removed.
    pub rows: BTreeSet<ResourceName>,
    /// Resources that are replaced in any case.
    pub replace: BTreeSet<ResourceName>,
}

/// Some of the declared resources.
#[derive(Debug)]
pub(super) enum Part {
    All,
    Some(BTreeSet<ResourceName>),
}

impl Part {
    /// Whether a resource that is declared is among them.
    pub(super) fn contains(&self, name: &ResourceName) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(name),
        }
    }
}

pub(super) fn select(scope: &Scope<'_>) -> Result<Selection> {
    let options = scope.input.options;
    let targets = find(scope, &options.targets)?;
    let excludes = find(scope, &options.excludes)?;
    if options.command == Command::Forget && targets.is_empty() {
        return Err(Error::invalid("nothing is named that the state shall drop").with_hint("name one resource or more"));
    }
    let (mut declared, mut rows) = if targets.is_empty() { everything(scope) } else { targeted(scope, &targets) };
    if !excludes.is_empty() {
        let out = scope.linked.graph.closure(excludes.iter().map(ResourceName::as_str), Direction::Outgoing);
        let left = scope.input.desired.resources.keys().filter(|name| declared.contains(name) && !out.contains(&name.as_str()));
        declared = Part::Some(left.cloned().collect());
        for name in scope.kept().closure(excludes.iter(), Direction::Incoming) {
            rows.remove(name);
        }
    }
    rows.retain(|name| is_orphan(scope, name));
    let replace = find(scope, &options.replace)?;
    replace.iter().try_for_each(|name| check_replaceable(scope, &declared, name))?;
    Ok(Selection { declared, rows, replace })
}

fn everything(scope: &Scope<'_>) -> (Part, BTreeSet<ResourceName>) {
    (Part::All, scope.undeclared.iter().map(|row| row.name.clone()).collect())
}

/// What is made needs what it depends on; what is removed needs what depends on it to be removed or changed first.
fn targeted(scope: &Scope<'_>, targets: &BTreeSet<ResourceName>) -> (Part, BTreeSet<ResourceName>) {
    let kept = |direction| scope.kept().closure(targets.iter(), direction).into_iter().cloned().collect();
    match scope.input.options.command {
        Command::Forget => (Part::Some(BTreeSet::new()), targets.clone()),
        Command::Refresh => (Part::All, kept(Direction::Incoming)),
        Command::Destroy => (Part::All, kept(Direction::Outgoing)),
        // A rollback is planned as an apply of what was.
        Command::Apply | Command::Rollback => {
            let orphans = targets.iter().filter(|name| is_orphan(scope, name));
            let rows: BTreeSet<_> = scope.kept().closure(orphans, Direction::Outgoing).into_iter().cloned().collect();
            let wanted = targets.iter().chain(&rows).map(ResourceName::as_str);
            let needed = scope.linked.graph.closure(wanted, Direction::Incoming);
            let declared = scope.input.desired.resources.keys().filter(|name| needed.contains(&name.as_str()));
            (Part::Some(declared.cloned().collect()), rows)
        }
    }
}

/// Whether a row belongs to no declaration, neither under its name nor under a new one.
fn is_orphan(scope: &Scope<'_>, name: &ResourceName) -> bool {
    scope.input.state.contains_key(name)
        && !scope.input.desired.resources.contains_key(name)
        && scope.renames.declared(name).is_none()
}

fn check_replaceable(scope: &Scope<'_>, taking_part: &Part, name: &ResourceName) -> Result<()> {
    let Some(declared) = scope.input.desired.resources.get(name) else {
        return Err(Error::invalid(format!("`{name}` cannot be replaced: it is not declared")));
    };
    match &declared.role {
        Role::Lookup { .. } => Err(Error::invalid(format!("`{name}` cannot be replaced: a lookup only reads"))),
        Role::Service { host } => {
            let error = Error::invalid(format!("`{name}` cannot be replaced: a service is brought into its condition"));
            Err(error.with_hint(format!("replace its host `{host}`")))
        }
        Role::Managed { .. } if !taking_part.contains(name) => {
            let error = Error::invalid(format!("`{name}` cannot be replaced: it does not take part"));
            Err(error.with_hint("target it too, or do not exclude it"))
        }
        Role::Managed { .. } => Ok(()),
    }
}

/// The resources of the given names; rows that get another name go by the new one.
fn find(scope: &Scope<'_>, names: &[String]) -> Result<BTreeSet<ResourceName>> {
    let (desired, state) = (&scope.input.desired.resources, scope.input.state);
    let mut found = BTreeSet::new();
    for name in names {
        let (declared, kept) = (named(desired, name), named(state, name));
        if declared.is_empty() && kept.is_empty() {
            let known = desired.keys().chain(state.keys()).map(ResourceName::as_str);
            let error = Error::new(ErrorKind::NotFound, format!("there is no resource `{name}`"));
            let hint = suggestion(name, known).unwrap_or_else(|| "`provisioning show` lists what the state has".to_owned());
            return Err(error.with_hint(hint));
        }
        found.extend(declared.into_iter().chain(kept.into_iter().map(|name| scope.renames.new_name(name))).cloned());
    }
    Ok(found)
}
