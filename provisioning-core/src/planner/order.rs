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

use std::collections::{BTreeMap, BTreeSet};

use super::claim::{Claim, unique_fields};
use super::compare::{Compared, Decision, Leftover};
use super::scope::Scope;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Dependency, Graph};
use crate::name::{ResourceName, StepId};
use crate::plan::{Action, ChangeKind};
use crate::resource::Role;

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

/// The step that deletes one of the objects that were left over of a resource.
pub(super) fn leftover_step(name: &ResourceName, index: usize) -> StepId {
    StepId::of(name, &format!("delete-deposed-{}", index + 1))
}

/// A replacement that creates first makes what it depends on create first too: the old dependency must outlive the old
/// dependent.
pub(super) fn spread_create_before_destroy(scope: &Scope<'_>, compared: &mut Compared<'_>) {
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
            let circle = |step: Option<StepId>| step.and_then(|step| circles.get(&step).copied());
            let (forward, backward) = (circle(forward_step(decision)), circle(backward_step(decision)));
            decision.change == ChangeKind::Replace && may_go_last(decision) && forward.is_some() && forward == backward
        };
        let names: BTreeSet<_> =
            compared.decisions.iter().filter(|decision| bites_itself(decision)).map(|decision| decision.name.clone()).collect();
        if names.is_empty() {
            return;
        }
        for decision in compared.decisions.iter_mut().filter(|decision| names.contains(&decision.name)) {
            decision.change = ChangeKind::ReplaceBefore;
        }
    }
}

fn spread_directly(scope: &Scope<'_>, decisions: &mut [Decision<'_>]) {
    let mut first: BTreeSet<ResourceName> = BTreeSet::new();
    let mut index: BTreeMap<ResourceName, &mut Decision<'_>> =
        decisions.iter_mut().map(|decision| (decision.name.clone(), decision)).collect();
    for name in scope.linked.order.iter().rev() {
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

/// The graph of the steps.
///
/// # Errors
/// `Conflict` where the rules contradict one another.
pub(super) fn order(scope: &Scope<'_>, compared: &Compared<'_>) -> Result<Graph<StepId>> {
    let mut order = Order::with_structure(scope, compared);
    order.unique_values(&compared.leftovers);
    order.leftovers(&compared.leftovers);
    let graph = order.graph_with(|_, _| true);
    if graph.order().is_ok() {
        return Ok(graph);
    }
    let circles = graph.circles();
    let graph = order.graph_with(|step, on| circles.get(step).is_none_or(|circle| circles.get(on) != Some(circle)));
    graph.order().map(|_| ()).map_err(|path| contradiction(&path))?;
    Ok(graph)
}

fn contradiction(path: &[&StepId]) -> Error {
    let path: Vec<_> = path.iter().map(|step| format!("`{step}`")).collect();
    Error::new(ErrorKind::Conflict, format!("the steps of the plan wait for one another: {}", path.join(" after ")))
        .with_hint("make one of these changes alone first, with `--target`")
}

struct Order<'a> {
    scope: &'a Scope<'a>,
    decisions: BTreeMap<&'a ResourceName, &'a Decision<'a>>,
    renamed: BTreeSet<&'a ResourceName>,
    graph: Graph<StepId>,
    wishes: Vec<(StepId, StepId)>,
}

fn step(decision: &Decision<'_>, action: &Action) -> StepId {
    StepId::of(&decision.name, action.verb())
}

fn forward_step(decision: &Decision<'_>) -> Option<StepId> {
    forward(decision).map(|action| step(decision, &action))
}

fn backward_step(decision: &Decision<'_>) -> Option<StepId> {
    backward(decision).map(|action| step(decision, &action))
}

fn rename_step(name: &ResourceName) -> StepId {
    StepId::of(name, Action::Rename { from: name.clone() }.verb())
}

impl<'a> Order<'a> {
    /// The rules that hold among the steps of the decisions, and the wishes.
    fn with_structure(scope: &'a Scope<'a>, compared: &'a Compared<'a>) -> Self {
        let decisions = compared.decisions.iter().map(|decision| (&decision.name, decision)).collect();
        let renamed = compared.renames.iter().map(|(_, declared)| &declared.name).collect();
        let mut order = Self { scope, decisions, renamed, graph: Graph::default(), wishes: Vec::new() };
        order.renamed.iter().for_each(|name| order.graph.add(&rename_step(name)));
        for decision in &compared.decisions {
            order.own_steps(decision);
        }
        order.forward_edges();
        order.backward_edges();
        order
    }

    fn graph_with(&self, granted: impl Fn(&StepId, &StepId) -> bool) -> Graph<StepId> {
        let mut graph = self.graph.clone();
        for (step, on) in self.wishes.iter().filter(|(step, on)| granted(step, on)) {
            graph.depend(step, on, Dependency::Hard);
        }
        graph
    }

    fn requires(&mut self, step: &StepId, on: &StepId) {
        self.graph.depend(step, on, Dependency::Hard);
    }

    fn own_steps(&mut self, decision: &Decision<'_>) {
        let (forward, backward) = (forward_step(decision), backward_step(decision));
        for step in forward.iter().chain(&backward) {
            self.graph.add(step);
            if self.renamed.contains(&decision.name) {
                self.requires(step, &rename_step(&decision.name));
            }
        }
        if let (Some(forward), Some(backward)) = (&forward, &backward) {
            match decision.change {
                ChangeKind::ReplaceBefore => self.requires(backward, forward),
                _ => self.requires(forward, backward),
            }
        }
    }

    fn forward_edges(&mut self) {
        if self.decisions.is_empty() && self.renamed.is_empty() {
            return;
        }
        let linked = &self.scope.linked;
        let mut reaches = BTreeSet::new();
        for name in &linked.order {
            let dependencies = linked.graph.dependencies(name);
            if dependencies.iter().any(|(on, _)| self.is_changed(on) || reaches.contains(*on)) {
                reaches.insert(name);
            }
            let Some(dependent) = self.decisions.get(name).and_then(|decision| forward_step(decision)) else { continue };
            for (on, dependency) in self.nearest_changed(name, &reaches) {
                self.graph.depend(&dependent, &on, dependency);
            }
        }
    }

    fn is_changed(&self, name: &ResourceName) -> bool {
        self.decisions.contains_key(name) || self.renamed.contains(name)
    }

    /// The steps that make what a resource depends on, directly or across others that do not change.
    fn nearest_changed(&self, name: &ResourceName, reaches: &BTreeSet<&ResourceName>) -> Vec<(StepId, Dependency)> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let mut open: Vec<_> = self.scope.linked.graph.dependencies(name);
        while let Some((on, dependency)) = open.pop() {
            let made = self.decisions.get(on).and_then(|decision| forward_step(decision));
            let renamed = self.renamed.contains(on).then(|| rename_step(on));
            let changed = made.is_some();
            found.extend(made.or(renamed).map(|step| (step, dependency)));
            if !changed && reaches.contains(on) && seen.insert((on, dependency)) {
                let further = self.scope.linked.graph.dependencies(on);
                open.extend(further.into_iter().map(|(far, inner)| (far, inner.min(dependency))));
            }
        }
        found
    }

    fn backward_edges(&mut self) {
        for decision in self.decisions.values().copied().collect::<Vec<_>>() {
            let Some(gone) = backward_step(decision) else { continue };
            if is_tainted(decision) {
                continue; // Nothing came to use an object that was never finished.
            }
            for (name, _) in self.scope.kept().dependents(&decision.name) {
                let Some(dependent) = self.decisions.get(name).copied() else { continue };
                self.gone_after(decision, &gone, dependent);
            }
        }
    }

    fn gone_after(&mut self, decision: &Decision<'_>, gone: &StepId, dependent: &Decision<'_>) {
        let host = dependent.row.and_then(|row| match &row.role {
            Role::Service { host } => Some(host),
            _ => None,
        });
        let removes = decision.change != ChangeKind::Forget;
        if let (Some(host), ChangeKind::Forget, true) = (host, dependent.change, removes) {
            let forgotten = step(dependent, &Action::Forget);
            if *host == decision.name {
                self.requires(&forgotten, gone);
            } else {
                self.wishes.push((gone.clone(), forgotten));
            }
            return;
        }
        if let Some(before) = backward_step(dependent) {
            self.requires(gone, &before);
            if let (Some(made), true) = (forward_step(decision), host == Some(&decision.name)) {
                // By then the name of the host leads to the new one.
                self.wishes.push((made, before));
            }
        }
        let leaves = matches!(decision.change, ChangeKind::Delete | ChangeKind::ReplaceBefore);
        if let (true, Some(released)) = (leaves, forward_step(dependent)) {
            self.wishes.push((gone.clone(), released));
        }
    }

    fn leftovers(&mut self, leftovers: &[Leftover<'_>]) {
        let count: BTreeMap<_, _> = leftovers.iter().map(|left| (&left.name, left.row.deposed.len())).collect();
        for left in leftovers {
            for (used, _) in self.scope.kept().dependencies(&left.name) {
                let Some(gone) = self.decisions.get(used).and_then(|decision| backward_step(decision)) else { continue };
                (0..left.row.deposed.len()).for_each(|index| self.requires(&gone, &leftover_step(&left.name, index)));
            }
            let decision = self.decisions.get(&left.name).copied();
            for index in 0..left.row.deposed.len() {
                let gone = leftover_step(&left.name, index);
                self.graph.add(&gone);
                if self.renamed.contains(&left.name) {
                    self.requires(&gone, &rename_step(&left.name));
                }
                // The row says of one kind and provider alone what its objects are.
                if let Some(made) = decision.filter(|decision| decision.old_schema.is_some()).and_then(forward_step) {
                    self.requires(&made, &gone);
                }
                for (dependent, _) in self.scope.kept().dependents(&left.name) {
                    let others =
                        (0..count.get(dependent).copied().unwrap_or_default()).map(|index| leftover_step(dependent, index));
                    let own = self.decisions.get(dependent).into_iter();
                    let own = own.flat_map(|decision| forward_step(decision).into_iter().chain(backward_step(decision)));
                    self.wishes.extend(others.chain(own).map(|before| (gone.clone(), before)));
                }
            }
        }
    }

    fn unique_values(&mut self, leftovers: &[Leftover<'_>]) {
        let freed = freed(self.decisions.values().copied(), leftovers);
        let mut waits = Vec::new();
        for decision in self.decisions.values() {
            let (Some(declared), Some(taker)) = (decision.declared, forward_step(decision)) else { continue };
            for field in unique_fields(&decision.schema) {
                let Some(value) = decision.wanted.field(field).filter(|value| !value.has_unknown()) else { continue };
                let claim = Claim::new(&declared.role, &declared.kind, field, value);
                if let Some(gone) = freed.get(&claim).filter(|gone| **gone != taker) {
                    waits.push((taker.clone(), gone.clone()));
                }
            }
        }
        for (taker, gone) in &waits {
            self.requires(taker, gone);
        }
    }
}

/// The unique values that somebody has and gives up, and the step after which they are free.
fn freed<'a>(decisions: impl Iterator<Item = &'a Decision<'a>>, leftovers: &'a [Leftover<'a>]) -> BTreeMap<Claim<'a>, StepId> {
    let mut freed = BTreeMap::new();
    for decision in decisions {
        let Some(row) = decision.row else { continue };
        let schema = decision.old_schema.as_ref().unwrap_or(&decision.schema);
        for field in unique_fields(schema) {
            let Some(value) = row.inputs.field(field) else { continue };
            let stays = decision.old_schema.is_none() && decision.wanted.field(field) == Some(value);
            let step = match decision.change {
                ChangeKind::Update => forward_step(decision),
                _ => backward_step(decision),
            };
            if let (false, Some(step)) = (stays, step) {
                freed.insert(Claim::new(&row.role, &row.kind, field, value), step);
            }
        }
    }
    for left in leftovers {
        for field in unique_fields(&left.schema) {
            for (index, object) in left.row.deposed.iter().enumerate() {
                if let Some(value) = object.outputs.field(field) {
                    freed.insert(Claim::new(&left.row.role, &left.row.kind, field, value), leftover_step(&left.name, index));
                }
            }
        }
    }
    freed
}
