//! What every pass looks at: the input, who refers to whom, and which row belongs to which declaration.
//!
//! A declaration is known by its place: the same in the graph and here.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::link::{Linked, link, link_present};
use super::rename::{Renames, renames};
use super::{Command, Input};
use crate::error::Result;
use crate::graph::{Dependency, Graph};
use crate::name::{ResourceName, SECRET};
use crate::resource::{Declared, Desired, Role, StateRow};
use crate::value::{Reference, Value};

/// What every pass looks at.
pub(super) struct Scope<'a> {
    /// The input; what is declared only as far as the command makes it.
    pub input: Input<'a>,
    /// Everything that is declared.
    pub declared: &'a Desired,
    /// Who refers to whom.
    pub linked: Linked<'a>,
    /// The rows that get another name.
    pub renames: Renames<'a>,
    /// The declarations and the rows of their names, by place.
    entries: Vec<Entry<'a>>,
    /// The rows under whose name nothing is declared.
    pub undeclared: Vec<&'a StateRow>,
    kept: OnceCell<Graph<ResourceName>>,
}

/// A declaration, and the row of its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub declared: &'a Declared,
    pub row: Option<&'a StateRow>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(input: &Input<'a>, present: &'a Desired) -> Result<Self> {
        let declared = input.desired;
        let input = Input { desired: present, ..*input };
        let linked = match input.options.command {
            Command::Apply => link(input.registry, present, input.secrets)?,
            _ => link_present(input.registry, present, input.secrets)?,
        };
        let (entries, undeclared) = joined(present, input.state);
        let renames = renames(&input, &entries)?;
        Ok(Self { input, declared, linked, renames, entries, undeclared, kept: OnceCell::new() })
    }

    /// What is declared at a place, and the row of its name.
    pub(super) fn entry(&self, place: usize) -> Entry<'a> {
        self.entries[place]
    }

    /// How many declarations have no row of their name.
    pub(super) fn without_row(&self) -> usize {
        self.entries.iter().filter(|entry| entry.row.is_none()).count()
    }

    /// What many threads may look at.
    pub(super) fn sight(&self) -> Sight<'_, 'a> {
        Sight { input: &self.input, linked: &self.linked, entries: &self.entries }
    }

    /// The row of the declaration at a place.
    pub(super) fn row_at(&self, place: usize) -> Option<&'a StateRow> {
        let Entry { declared, row } = self.entries[place];
        match self.renames.old_name(&declared.name) {
            Some(old) => self.input.state.get(old),
            None => row,
        }
    }

    /// The dependencies that the rows of the state were made with, by the names that the rows will have.
    pub(super) fn kept(&self) -> &Graph<ResourceName> {
        self.kept.get_or_init(|| kept(&self.input, &self.renames))
    }

    /// The row of a declaration.
    pub(super) fn row(&self, declared: &Declared) -> Option<&'a StateRow> {
        self.linked.graph.place(declared.name.as_str()).and_then(|place| self.row_at(*place))
    }

    /// The resources that a declaration needs.
    pub(super) fn needed(&self, name: &ResourceName) -> Vec<ResourceName> {
        let place = self.linked.graph.place(name.as_str());
        place.map_or_else(Vec::new, |place| self.needs(*place).cloned().collect())
    }

    /// The names of what the declaration at a place needs, in order.
    fn needs(&self, place: usize) -> impl Iterator<Item = &ResourceName> {
        self.linked.needs(place).map(|on| &self.entries[on].declared.name)
    }
}

/// The part of a scope that stays as it is whoever looks at it.
#[derive(Clone, Copy)]
pub(super) struct Sight<'s, 'a> {
    pub input: &'s Input<'a>,
    pub linked: &'s Linked<'a>,
    pub entries: &'s [Entry<'a>],
}

impl<'a> Sight<'_, 'a> {
    /// The row of what a reference begins with, by its name.
    pub(super) fn row_of(&self, root: &str) -> Option<&'a StateRow> {
        match self.linked.place(root) {
            Some(place) => self.entries[place].row,
            None => self.input.state.get(root),
        }
    }

    /// What a reference gives by the state.
    pub(super) fn by_state(&self, reference: &Reference) -> Result<Value> {
        if reference.root.as_ref() == SECRET {
            return reference.follow(&self.input.secrets.values);
        }
        self.row_of(&reference.root).map_or(Ok(Value::Unknown), |row| row.follow(reference, self.input.sealer))
    }
}

/// Every declaration with the row of its name, and the rows of other names; both are in the order of names.
fn joined<'a>(desired: &'a Desired, state: &'a BTreeMap<ResourceName, StateRow>) -> (Vec<Entry<'a>>, Vec<&'a StateRow>) {
    let (mut rows, mut undeclared) = (state.values().peekable(), Vec::new());
    let entries = desired.resources.values().map(|declared| {
        undeclared.extend(std::iter::from_fn(|| rows.next_if(|row| row.name < declared.name)));
        Entry { declared, row: rows.next_if(|row| row.name == declared.name) }
    });
    let entries = entries.collect();
    undeclared.extend(rows);
    (entries, undeclared)
}

/// What of the declarations a command makes: an apply all of it; any other only the lookups without which it would not
/// find its way to what the state has.
pub(super) fn present<'a>(input: &Input<'a>) -> Cow<'a, Desired> {
    let desired = input.desired;
    if input.options.command == Command::Apply {
        return Cow::Borrowed(desired);
    }
    let mut resources = BTreeMap::new();
    let aliases: BTreeSet<_> = input.state.values().filter_map(|row| row.role.provider()).collect();
    let hosts = input.state.values().filter_map(|row| match &row.role {
        Role::Service { host } => Some(host.to_string()),
        _ => None,
    });
    let mut open: Vec<String> = hosts.collect();
    for (alias, provider) in &desired.providers {
        if aliases.contains(alias) {
            open.extend(roots(&provider.settings));
        }
    }
    while let Some(name) = open.pop() {
        let Some(declared) = desired.resources.get(name.as_str()) else { continue };
        if let Role::Lookup { provider } = &declared.role
            && resources.insert(declared.name.clone(), declared.clone()).is_none()
        {
            open.extend(roots(&declared.inputs));
            open.extend(desired.providers.get(provider).map(|provider| roots(&provider.settings)).into_iter().flatten());
        }
    }
    Cow::Owned(Desired { providers: desired.providers.clone(), resources, ..Desired::default() })
}

/// The names that a value refers to; what does not parse is reported by an apply.
fn roots(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    value.visit_references(&mut |reference| names.push(reference.root.to_string())).ok();
    names
}

fn kept(input: &Input<'_>, renames: &Renames<'_>) -> Graph<ResourceName> {
    let graph = kept_without(input, renames, |_, _| false);
    if graph.order().is_ok() {
        return graph;
    }
    // A state that says such a thing is wrong somewhere, which must not keep anybody from removing what it has.
    let circles: BTreeMap<_, _> = graph.circles().into_iter().map(|(name, circle)| (name.clone(), circle)).collect();
    kept_without(input, renames, |a, b| circles.get(a).is_some_and(|circle| circles.get(b) == Some(circle)))
}

fn kept_without(
    input: &Input<'_>,
    renames: &Renames<'_>,
    left_out: impl Fn(&ResourceName, &ResourceName) -> bool,
) -> Graph<ResourceName> {
    let state = input.state;
    let former = state.values().filter_map(|row| Some((row.lifecycle.moved_from.as_ref()?, &row.name)));
    let former: BTreeMap<_, _> = former.filter(|(old, _)| !state.contains_key(*old)).collect();
    let mut graph = Graph::default();
    for row in state.values() {
        let name = renames.new_name(&row.name);
        graph.add(name);
        let rows = row.depends_on.iter().map(|on| former.get(on).copied().unwrap_or(on));
        for on in rows.filter(|on| state.contains_key(*on)).map(|on| renames.new_name(on)) {
            if !left_out(name, on) {
                graph.depend(name, on, Dependency::Hard);
            }
        }
    }
    graph
}
