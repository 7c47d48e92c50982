//! Which resources change, as far as that is decided.

use std::collections::BTreeMap;

use crate::name::ResourceName;
use crate::plan::ChangeKind;
use crate::planner::scope::Scope;

/// What happens to the resources that change.
pub(super) struct Changes<'a> {
    scope: &'a Scope<'a>,
    /// To the declared ones, by place.
    declared: Vec<Option<ChangeKind>>,
    /// To the others.
    undeclared: BTreeMap<&'a str, ChangeKind>,
}

impl<'a> Changes<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope, declared: vec![None; scope.linked.graph.len()], undeclared: BTreeMap::new() }
    }

    /// Notes what happens to a resource.
    pub(super) fn note(&mut self, place: Option<usize>, name: &'a ResourceName, change: ChangeKind) {
        match place {
            Some(place) => self.declared[place] = Some(change),
            None => drop(self.undeclared.insert(name.as_str(), change)),
        }
    }

    /// What happens to the declaration at a place.
    pub(super) fn at(&self, place: usize) -> Option<ChangeKind> {
        self.declared[place]
    }

    /// What happens to a resource.
    pub(super) fn of(&self, name: &ResourceName) -> Option<ChangeKind> {
        self.found(self.scope.linked.graph.place(name.as_str()).copied(), name.as_str())
    }

    /// What happens to what a reference begins with.
    pub(super) fn of_root(&self, root: &str) -> Option<ChangeKind> {
        self.found(self.scope.linked.place(root), root)
    }

    fn found(&self, place: Option<usize>, name: &str) -> Option<ChangeKind> {
        match place {
            Some(place) => self.declared[place],
            None => self.undeclared.get(name).copied(),
        }
    }
}
