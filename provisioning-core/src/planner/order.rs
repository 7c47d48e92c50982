//! In which order: every rule about what comes before what stands here.
//!
//! - A resource is made or changed after what it depends on, also across resources that do not change.
//! - An object is deleted after the old objects that depend on it, and after those that used it have stopped to.
//! - A replacement deletes first, unless it or something that depends on it creates first; then the old object goes last.
//! - What takes over a unique value waits until it is free.
//! - A row is renamed before anything else happens to it; a service is forgotten after its host went.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Compared, Decision};
use super::select::kept_graph;
use super::{Input, Linked};
use crate::graph::{Dependency, Graph};
use crate::name::{Kind, ProviderName, ResourceName, StepId};
use crate::plan::{Action, ChangeKind};
use crate::resource::Role;
use crate::value::Value;

/// The action that makes, changes or reads a resource.
pub(super) fn forward(decision: &Decision<'_>) -> Option<Action> {
    let service = matches!(decision.declared.map(|declared| &declared.role), Some(Role::Service { .. }));
    match decision.change {
        ChangeKind::Create | ChangeKind::Update if service => Some(Action::ApplyService),
        ChangeKind::Create | ChangeKind::Replace | ChangeKind::ReplaceBefore => Some(Action::Create),
        ChangeKind::Update => Some(Action::Update),
        ChangeKind::Read => Some(Action::Read),
        ChangeKind::Refresh => Some(Action::Refresh),
        ChangeKind::Delete | ChangeKind::Forget | ChangeKind::Rename => None,
    }
}

/// The action that removes a resource's old object or its row.
pub(super) fn backward(decision: &Decision<'_>) -> Option<Action> {
    let service = matches!(decision.row.map(|row| &row.role), Some(Role::Service { .. }));
    match decision.change {
        ChangeKind::Delete if service => Some(Action::RemoveService),
        ChangeKind::Delete => Some(Action::Delete),
        ChangeKind::Replace | ChangeKind::ReplaceBefore if decision.prior.is_some() => Some(Action::Delete),
        ChangeKind::Forget => Some(Action::Forget),
        _ => None,
    }
}

/// A replacement that creates first makes what it depends on create first too: the old dependency must outlive the old
/// dependent.
pub(super) fn spread_create_before_destroy(linked: &Linked, decisions: &mut [Decision<'_>]) {
    let mut first: BTreeSet<ResourceName> = BTreeSet::new();
    let mut index: BTreeMap<ResourceName, &mut Decision<'_>> =
        decisions.iter_mut().map(|decision| (decision.name.clone(), decision)).collect();
    for name in linked.order.iter().rev() {
        let Some(decision) = index.get_mut(name) else { continue };
        let tainted = decision.row.is_some_and(|row| row.tainted);
        if decision.change == ChangeKind::Replace && first.contains(name) && !tainted {
            decision.change = ChangeKind::ReplaceBefore;
        }
        if decision.change == ChangeKind::ReplaceBefore {
            let hard = linked.graph.dependencies(name).into_iter().filter(|(_, dependency)| *dependency == Dependency::Hard);
            first.extend(hard.map(|(on, _)| on.clone()));
        }
    }
}

/// The graph of the steps.
pub(super) fn order(input: &Input<'_>, linked: &Linked, compared: &Compared<'_>) -> Graph<StepId> {
    let decisions = compared.decisions.iter().map(|decision| (&decision.name, decision)).collect();
    let mut order = Order { decisions, graph: Graph::default() };
    for decision in &compared.decisions {
        order.add(decision);
    }
    order.forward_edges(linked);
    order.backward_edges(&kept_graph(input));
    order.unique_values();
    order.renames(&compared.renames);
    order.graph
}

struct Order<'a> {
    decisions: BTreeMap<&'a ResourceName, &'a Decision<'a>>,
    graph: Graph<StepId>,
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

impl<'a> Order<'a> {
    fn add(&mut self, decision: &Decision<'_>) {
        let (forward, backward) = (forward_step(decision), backward_step(decision));
        forward.iter().chain(&backward).for_each(|step| self.graph.add(step.clone()));
        if let (Some(forward), Some(backward)) = (&forward, &backward) {
            match decision.change {
                ChangeKind::ReplaceBefore => self.graph.depend(backward, forward, Dependency::Hard),
                _ => self.graph.depend(forward, backward, Dependency::Hard),
            }
        }
    }

    fn forward_edges(&mut self, linked: &Linked) {
        let mut reaches = BTreeSet::new();
        for name in &linked.order {
            let dependencies = linked.graph.dependencies(name);
            if dependencies.iter().any(|(on, _)| self.decisions.contains_key(on) || reaches.contains(*on)) {
                reaches.insert(name);
            }
            let Some(dependent) = self.decisions.get(name).and_then(|decision| forward_step(decision)) else { continue };
            for (on, dependency) in self.nearest_changed(linked, name, &reaches) {
                if let Some(on) = forward_step(on) {
                    self.graph.depend(&dependent, &on, dependency);
                }
            }
        }
    }

    /// The changing resources that one depends on, directly or across others that do not change.
    fn nearest_changed(
        &self,
        linked: &Linked,
        name: &ResourceName,
        reaches: &BTreeSet<&ResourceName>,
    ) -> Vec<(&'a Decision<'a>, Dependency)> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let mut open: Vec<_> = linked.graph.dependencies(name);
        while let Some((on, dependency)) = open.pop() {
            if let Some(decision) = self.decisions.get(on) {
                found.push((*decision, dependency));
            } else if reaches.contains(on) && seen.insert(on) {
                open.extend(linked.graph.dependencies(on).into_iter().map(|(far, inner)| (far, inner.min(dependency))));
            }
        }
        found
    }

    fn backward_edges(&mut self, kept: &Graph<ResourceName>) {
        for decision in self.decisions.values().copied().collect::<Vec<_>>() {
            let Some(gone) = backward_step(decision) else { continue };
            if decision.row.is_some_and(|row| row.tainted) {
                continue; // Nothing came to use an object that was never finished.
            }
            for (name, _) in kept.dependents(&decision.name) {
                let Some(dependent) = self.decisions.get(name) else { continue };
                if dependent.change == ChangeKind::Forget && decision.change != ChangeKind::Forget {
                    let forgotten = step(dependent, &Action::Forget);
                    self.graph.depend(&forgotten, &gone, Dependency::Hard);
                    continue;
                }
                if let Some(before) = backward_step(dependent) {
                    self.graph.depend(&gone, &before, Dependency::Hard);
                }
                let leaves = matches!(decision.change, ChangeKind::Delete | ChangeKind::ReplaceBefore);
                if let (true, Some(released)) = (leaves, forward_step(dependent)) {
                    self.graph.depend(&gone, &released, Dependency::Hard);
                }
            }
        }
    }

    fn unique_values(&mut self) {
        type Claim<'a> = (Option<&'a ProviderName>, &'a Kind, &'a str, String);
        let text = |value: &Value| serde_json::to_string(value).unwrap_or_default();
        let mut freed: BTreeMap<Claim<'_>, StepId> = BTreeMap::new();
        for decision in self.decisions.values().filter(|decision| decision.change == ChangeKind::Delete) {
            let (Some(row), Some(gone)) = (decision.row, backward_step(decision)) else { continue };
            for (field, _) in decision.schema.fields.iter().filter(|(_, field)| field.unique) {
                if let Some(value) = row.inputs.field(field) {
                    freed.insert((row.role.provider(), &row.kind, field, text(value)), gone.clone());
                }
            }
        }
        let mut waits = Vec::new();
        for decision in self.decisions.values() {
            let (Some(declared), Some(taker)) = (decision.declared, forward_step(decision)) else { continue };
            for (field, _) in decision.schema.fields.iter().filter(|(_, field)| field.unique) {
                let value = decision.wanted.field(field).map(text).unwrap_or_default();
                if let Some(gone) = freed.get(&(declared.role.provider(), &declared.kind, field.as_str(), value)) {
                    waits.push((taker.clone(), gone.clone()));
                }
            }
        }
        for (taker, gone) in &waits {
            self.graph.depend(taker, gone, Dependency::Hard);
        }
    }

    fn renames(&mut self, renames: &[(ResourceName, &crate::resource::Declared)]) {
        for (from, declared) in renames {
            let rename = StepId::of(&declared.name, Action::Rename { from: from.clone() }.verb());
            self.graph.add(rename.clone());
            if let Some(decision) = self.decisions.get(&declared.name) {
                for step in forward_step(decision).into_iter().chain(backward_step(decision)) {
                    self.graph.depend(&step, &rename, Dependency::Hard);
                }
            }
        }
    }
}
