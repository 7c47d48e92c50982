//! In which order: every rule about what comes before what stands here.
//!
//! - A resource is made or changed after what it depends on, also across resources that do not change.
//! - An object is deleted after the old objects that depend on it, and after those that used it have stopped to; so is
//!   what an earlier run left over.
//! - A replacement deletes first, unless it or something that depends on it creates first; then the old object goes last.
//! - What takes over a unique value waits until it is free.
//! - A row is renamed before anything else happens to it, and before what refers to it by the new name.
//! - A service is forgotten after its host went.
//!
//! Who stopped using an object before it goes is a wish: it gives way where it contradicts the other rules.

mod name;
mod unique;

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Compared, Decision};
use super::scope::Scope;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Dependency, Graph};
use crate::name::ResourceName;
use crate::plan::{Action, ChangeKind};
use crate::resource::Role;
pub(super) use name::StepName;

/// The action that makes, changes or reads a resource.
pub(super) fn forward(decision: &Decision<'_>) -> Option<Action> {
    let service = matches!(decision.declared.map(|declared| &declared.role), Some(Role::Service { .. }));
    match decision.change {
        ChangeKind::Create | ChangeKind::Update | ChangeKind::Replace if service => Some(Action::ApplyService),
        ChangeKind::Create | ChangeKind::Replace | ChangeKind::ReplaceBefore => Some(Action::Create),
        ChangeKind::Update => Some(Action::Update),
        ChangeKind::Read => Some(Action::Read),
        ChangeKind::Refresh => Some(Action::Refresh),
        ChangeKind::Delete | ChangeKind::Forget | ChangeKind::Reinstate | ChangeKind::Rename => None,
    }
}

/// The action that removes a resource's old object or its row.
pub(super) fn backward(decision: &Decision<'_>) -> Option<Action> {
    let service = matches!(decision.row.map(|row| &row.role), Some(Role::Service { .. }));
    match decision.change {
        ChangeKind::Delete | ChangeKind::Replace if service => Some(Action::RemoveService),
        ChangeKind::Delete | ChangeKind::Replace | ChangeKind::ReplaceBefore => Some(Action::Delete),
        ChangeKind::Forget => Some(Action::Forget),
        _ => None,
    }
}

/// A replacement that creates first makes what it depends on create first too: the old dependency must outlive the old
/// dependent.
pub(super) fn spread_create_before_destroy<'a>(scope: &'a Scope<'a>, compared: &mut Compared<'a>) {
    let first = |decision: &Decision<'_>| decision.change == ChangeKind::ReplaceBefore;
    if !compared.decisions.iter().any(first) {
        return;
    }
    spread_directly(scope, &mut compared.decisions);
    // What is left are ways around, across resources that go or do not change.
    loop {
        let order = Order::with_structure(scope, compared);
        let circles = if order.graph.order().is_ok() { BTreeMap::new() } else { order.graph.circles() };
        let bites_itself = |decision: &Decision<'_>| {
            let circle = |step: Option<StepName<'_>>| step.and_then(|step| circles.get(&step).copied());
            let (forward, backward) = (circle(forward_step(decision)), circle(backward_step(decision)));
            decision.change == ChangeKind::Replace && may_go_last(decision) && forward.is_some() && forward == backward
        };
        let names: BTreeSet<_> =
            compared.decisions.iter().filter(|decision| bites_itself(decision)).map(|decision| decision.name).collect();
        if names.is_empty() {
            return;
        }
        for decision in compared.decisions.iter_mut().filter(|decision| names.contains(decision.name)) {
            decision.change = ChangeKind::ReplaceBefore;
        }
    }
}

fn spread_directly(scope: &Scope<'_>, decisions: &mut [Decision<'_>]) {
    let mut first: BTreeSet<ResourceName> = BTreeSet::new();
    let mut index: BTreeMap<&ResourceName, &mut Decision<'_>> =
        decisions.iter_mut().map(|decision| (decision.name, decision)).collect();
    for place in scope.linked.order.iter().rev() {
        let name = &scope.entry(*place).declared.name;
        let Some(decision) = index.get_mut(name) else { continue };
        if decision.change == ChangeKind::Replace && first.contains(name) && may_go_last(decision) {
            decision.change = ChangeKind::ReplaceBefore;
        }
        if decision.change == ChangeKind::ReplaceBefore {
            let used: BTreeSet<_> = scope.kept().dependencies(name).into_iter().map(|(on, _)| on).collect();
            first.extend(scope.needed(name).into_iter().filter(|on| used.contains(on)));
        }
    }
}

/// Whether its old object may go last: one that was never finished goes first.
fn may_go_last(decision: &Decision<'_>) -> bool {
    !is_tainted(decision) && decision.declared.is_some_and(|declared| matches!(declared.role, Role::Managed { .. }))
}

fn is_tainted(decision: &Decision<'_>) -> bool {
    decision.row.is_some_and(|row| row.tainted)
}

/// The steps, who waits for whom, and an order that fits.
pub(super) struct Ordered<'a> {
    pub graph: Graph<StepName<'a>>,
    /// The places of the steps, each after those that it waits for.
    pub order: Vec<usize>,
    /// The steps of each decision.
    pub steps: Vec<Steps>,
}

/// The order of the steps.
///
/// # Errors
/// `Conflict` where the rules contradict one another.
pub(super) fn order<'a>(scope: &'a Scope<'a>, compared: &Compared<'a>) -> Result<Ordered<'a>> {
    let mut order = Order::with_structure(scope, compared);
    order.unique_values();
    order.leftovers();
    let Order { mut graph, wishes, steps, .. } = order;
    let plain = (!wishes.is_empty()).then(|| graph.clone());
    wish(&mut graph, &wishes, |_, _| true);
    if let Some(mut plain) = plain
        && graph.order_of_places().is_err()
    {
        let circles = graph.circles();
        wish(&mut plain, &wishes, |step, on| circles.get(step).is_none_or(|circle| circles.get(on) != Some(circle)));
        graph = plain;
    }
    let order = graph.order_of_places().map_err(|path| contradiction(&path))?;
    Ok(Ordered { graph, order, steps })
}

/// Adds those wishes that are granted.
fn wish<'a>(graph: &mut Graph<StepName<'a>>, wishes: &[(usize, usize)], granted: impl Fn(&StepName<'a>, &StepName<'a>) -> bool) {
    for (step, on) in wishes {
        if granted(graph.name(*step), graph.name(*on)) {
            graph.depend_at(*step, *on, Dependency::Hard);
        }
    }
}

fn contradiction(path: &[&StepName<'_>]) -> Error {
    let path: Vec<_> = path.iter().map(|step| format!("`{step}`")).collect();
    Error::new(ErrorKind::Conflict, format!("the steps of the plan wait for one another: {}", path.join(" after ")))
        .with_hint("make one of these changes alone first, with `--target`")
}

/// What is done to a resource, as places in the graph of the steps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steps {
    rename: Option<usize>,
    /// What makes, changes or reads it.
    pub forward: Option<usize>,
    /// What removes its old object or its row.
    pub backward: Option<usize>,
}

/// What is decided about a resource, and what is done to it.
#[derive(Clone, Copy, Default)]
struct Decided<'c, 'a> {
    decision: Option<&'c Decision<'a>>,
    steps: Steps,
}

impl Decided<'_, '_> {
    fn is_changed(self) -> bool {
        self.decision.is_some() || self.steps.rename.is_some()
    }
}

struct Order<'c, 'a> {
    scope: &'a Scope<'a>,
    compared: &'c Compared<'a>,
    /// What is decided about each declared resource, by its place.
    declared: Vec<Decided<'c, 'a>>,
    /// The same about the others.
    undeclared: BTreeMap<&'a ResourceName, Decided<'c, 'a>>,
    /// The steps of each decision.
    steps: Vec<Steps>,
    graph: Graph<StepName<'a>>,
    wishes: Vec<(usize, usize)>,
}

fn forward_step<'a>(decision: &Decision<'a>) -> Option<StepName<'a>> {
    forward(decision).map(|action| StepName::of(decision.name, &action))
}

fn backward_step<'a>(decision: &Decision<'a>) -> Option<StepName<'a>> {
    backward(decision).map(|action| StepName::of(decision.name, &action))
}

impl<'c, 'a> Order<'c, 'a> {
    /// The rules that hold among the steps of the decisions, and the wishes.
    fn with_structure(scope: &'a Scope<'a>, compared: &'c Compared<'a>) -> Self {
        let declared = vec![Decided::default(); scope.linked.graph.len()];
        let count = compared.decisions.len();
        let (undeclared, graph, steps) = (BTreeMap::new(), Graph::default(), Vec::with_capacity(count));
        let mut order = Self { scope, compared, declared, undeclared, steps, graph, wishes: Vec::new() };
        let mut renames: Vec<_> = compared.renames.iter().map(|(_, declared)| &declared.name).collect();
        renames.sort();
        for name in renames {
            let rename = order.graph.add(&StepName::rename(name));
            let place = scope.linked.graph.place(name.as_str()).copied();
            order.decided_mut(place, name).steps.rename = Some(rename);
        }
        for decision in &compared.decisions {
            order.own_steps(decision);
        }
        order.forward_edges();
        order.backward_edges();
        order
    }

    fn requires(&mut self, step: usize, on: usize) {
        self.graph.depend_at(step, on, Dependency::Hard);
    }

    fn decided_mut(&mut self, place: Option<usize>, name: &'a ResourceName) -> &mut Decided<'c, 'a> {
        match place {
            Some(place) => &mut self.declared[place],
            None => self.undeclared.entry(name).or_default(),
        }
    }

    /// What is decided about a resource; nothing where it is not known.
    fn decided(&self, name: &ResourceName) -> Decided<'c, 'a> {
        match self.scope.linked.graph.place(name.as_str()) {
            Some(place) => self.declared[*place],
            None => self.undeclared.get(name).copied().unwrap_or_default(),
        }
    }

    /// The decisions that pass a test, in the order of their names.
    fn decisions(&self, test: impl Fn(&Decision<'_>, Steps) -> bool) -> Vec<(&'c Decision<'a>, Steps)> {
        let all = self.declared.iter().chain(self.undeclared.values());
        let all = all.filter_map(|decided| Some((decided.decision?, decided.steps)));
        let mut found: Vec<_> = all.filter(|(decision, steps)| test(decision, *steps)).collect();
        found.sort_by_key(|(decision, _)| decision.name);
        found
    }

    fn own_steps(&mut self, decision: &'c Decision<'a>) {
        let place = decision.place.or_else(|| self.scope.linked.graph.place(decision.name.as_str()).copied());
        let rename = self.decided_mut(place, decision.name).steps.rename;
        let [forward, backward] = [forward_step(decision), backward_step(decision)].map(|step| {
            let step = self.graph.push(step?);
            if let Some(rename) = rename {
                self.requires(step, rename);
            }
            Some(step)
        });
        if let (Some(forward), Some(backward)) = (forward, backward) {
            match decision.change {
                ChangeKind::ReplaceBefore => self.requires(backward, forward),
                _ => self.requires(forward, backward),
            }
        }
        let steps = Steps { rename, forward, backward };
        *self.decided_mut(place, decision.name) = Decided { decision: Some(decision), steps };
        self.steps.push(steps);
    }

    fn forward_edges(&mut self) {
        if self.compared.decisions.is_empty() && self.compared.renames.is_empty() {
            return;
        }
        let linked = &self.scope.linked;
        let mut reaches = vec![false; linked.graph.len()];
        let (mut open, mut found) = (Vec::new(), Vec::new());
        for place in linked.order.iter().copied() {
            open.extend(linked.graph.edges_to(place));
            reaches[place] = open.iter().any(|(on, _)| self.declared[*on].is_changed() || reaches[*on]);
            match self.declared[place].steps.forward {
                Some(dependent) => {
                    self.nearest_changed(&mut open, &reaches, &mut found);
                    self.graph.depend_at_each(dependent, &mut found);
                }
                None => open.clear(),
            }
        }
    }

    /// Adds the steps that make what a resource depends on, directly or across others that do not change.
    fn nearest_changed(&self, open: &mut Vec<(usize, Dependency)>, reaches: &[bool], found: &mut Vec<(usize, Dependency)>) {
        let mut seen = BTreeSet::new();
        while let Some((on, dependency)) = open.pop() {
            let Steps { forward, rename, .. } = self.declared[on].steps;
            found.extend(forward.or(rename).map(|step| (step, dependency)));
            if forward.is_none() && reaches[on] && seen.insert((on, dependency)) {
                let further = self.scope.linked.graph.edges_to(on);
                open.extend(further.map(|(far, inner)| (far, inner.min(dependency))));
            }
        }
    }

    fn backward_edges(&mut self) {
        // Nothing came to use an object that was never finished.
        for (decision, steps) in self.decisions(|decision, steps| steps.backward.is_some() && !is_tainted(decision)) {
            for (name, _) in self.scope.kept().dependents(decision.name) {
                if let Decided { decision: Some(dependent), steps: others } = self.decided(name) {
                    self.gone_after((decision, steps), (dependent, others));
                }
            }
        }
    }

    fn gone_after(&mut self, (decision, steps): (&Decision<'_>, Steps), (dependent, others): (&Decision<'_>, Steps)) {
        let Some(gone) = steps.backward else { return };
        let host = dependent.row.and_then(|row| match &row.role {
            Role::Service { host } => Some(host),
            _ => None,
        });
        let removes = decision.change != ChangeKind::Forget;
        if let (Some(host), ChangeKind::Forget, true, Some(forgotten)) = (host, dependent.change, removes, others.backward) {
            if host == decision.name {
                self.requires(forgotten, gone);
            } else {
                self.wishes.push((gone, forgotten));
            }
            return;
        }
        if let Some(before) = others.backward {
            self.requires(gone, before);
            if let (Some(made), true) = (steps.forward, host == Some(decision.name)) {
                // By then the name of the host leads to the new one.
                self.wishes.push((made, before));
            }
        }
        let leaves = matches!(decision.change, ChangeKind::Delete | ChangeKind::ReplaceBefore);
        if let (true, Some(released)) = (leaves, others.forward) {
            self.wishes.push((gone, released));
        }
    }

    fn leftovers(&mut self) {
        let leftovers = &self.compared.leftovers;
        let count: BTreeMap<_, _> = leftovers.iter().map(|left| (left.name, left.row.deposed.len())).collect();
        for left in leftovers {
            for (used, _) in self.scope.kept().dependencies(left.name) {
                let Some(gone) = self.decided(used).steps.backward else { continue };
                for index in 0..left.row.deposed.len() {
                    let before = self.graph.add(&StepName::leftover(left.name, index));
                    self.requires(gone, before);
                }
            }
            let Decided { decision, steps } = self.decided(left.name);
            for index in 0..left.row.deposed.len() {
                let gone = self.graph.add(&StepName::leftover(left.name, index));
                if let Some(rename) = steps.rename {
                    self.requires(gone, rename);
                }
                // The row says of one kind and provider alone what its objects are.
                if let Some(made) = steps.forward.filter(|_| decision.is_some_and(|decision| decision.old_schema.is_some())) {
                    self.requires(made, gone);
                }
            }
        }
        for left in leftovers {
            for index in 0..left.row.deposed.len() {
                let gone = self.graph.add(&StepName::leftover(left.name, index));
                for (dependent, _) in self.scope.kept().dependents(left.name) {
                    for index in 0..count.get(dependent).copied().unwrap_or_default() {
                        let before = self.graph.add(&StepName::leftover(dependent, index));
                        self.wishes.push((gone, before));
                    }
                    let Steps { forward, backward, .. } = self.decided(dependent).steps;
                    self.wishes.extend(forward.into_iter().chain(backward).map(|before| (gone, before)));
                }
            }
        }
    }
}
