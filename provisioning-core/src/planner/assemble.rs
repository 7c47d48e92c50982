//! The plan out of the decisions: one change for people and one or two steps for the run from each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::compare::{Compared, Decision};
use super::order::{backward, forward};
use super::select::kept_graph;
use super::{Input, Linked};
use crate::error::{Error, Result};
use crate::graph::{Dependency, Graph};
use crate::name::{ResourceName, StepId};
use crate::plan::{Action, ChangeKind, FORMAT, Plan, ResourceChange, Step};
use crate::record::Object;
use crate::resource::{Declared, Lifecycle, StateRow};
use crate::schema::{Undo, UndoTable};

pub(super) fn assemble(input: &Input<'_>, linked: &Linked, compared: &Compared<'_>, graph: &Graph<StepId>) -> Result<Plan> {
    let mut assembly = Assembly { input, linked, graph, steps: BTreeMap::new(), changes: Vec::new() };
    for (from, declared) in &compared.renames {
        assembly.rename(from, declared);
    }
    for decision in &compared.decisions {
        assembly.decision(decision);
    }
    assembly.deposed(compared);
    let Assembly { mut steps, changes, .. } = assembly;
    let order = graph.order().map_err(|path| {
        let path: Vec<_> = path.into_iter().map(|step| format!("`{step}`")).collect();
        Error::bug(format!("the steps of the plan wait for one another: {}", path.join(" after ")))
    })?;
    let mut ordered: Vec<_> = order.into_iter().filter_map(|id| steps.remove(id)).collect();
    ordered.extend(steps.into_values());
    Ok(Plan {
        format: FORMAT,
        workspace: input.identity.workspace.clone(),
        created_at: input.now,
        command: input.options.command,
        unchanged: compared.unchanged,
        providers: input.desired.providers.clone(),
        lookups: input.seen.answers.clone(),
        outputs: input.desired.outputs.clone(),
        changed_outputs: Vec::new(),
        basis: basis(input, &ordered),
        changes,
        steps: ordered,
    })
}

/// The version of every row that a step touches or reads.
fn basis(input: &Input<'_>, steps: &[Step]) -> BTreeMap<ResourceName, u64> {
    let mut names: BTreeSet<&ResourceName> = BTreeSet::new();
    for step in steps {
        names.insert(&step.resource);
        names.extend(step.depends_on.iter());
        if let Action::Rename { from } = &step.action {
            names.insert(from);
        }
    }
    names.into_iter().map(|name| (name.clone(), input.state.get(name).map_or(0, |row| row.version))).collect()
}

struct Assembly<'a> {
    input: &'a Input<'a>,
    linked: &'a Linked,
    graph: &'a Graph<StepId>,
    steps: BTreeMap<StepId, Step>,
    changes: Vec<ResourceChange>,
}

impl Assembly<'_> {
    fn decision(&mut self, decision: &Decision<'_>) {
        let forward = forward(decision);
        let backward = backward(decision);
        let undo = worst(forward.iter().map(|action| undo_of(action, &decision.schema.undo)).chain(
            backward.iter().map(|action| undo_of(action, &decision.old_schema.as_ref().unwrap_or(&decision.schema).undo)),
        ));
        self.changes.push(ResourceChange {
            name: decision.name.clone(),
            kind: decision
                .declared
                .map_or_else(|| decision.row.map(|row| row.kind.clone()), |declared| Some(declared.kind.clone()))
                .unwrap_or_else(|| decision.schema.kind.clone()),
            role: decision
                .declared
                .map(|declared| &declared.role)
                .or(decision.row.map(|row| &row.role))
                .cloned()
                .expect("a decision is about a declaration or a row"),
            change: decision.change,
            reason: decision.reason.clone(),
            fields: decision.fields.clone(),
            undo,
            origin: decision.declared.and_then(|declared| declared.origin.clone()),
        });
        if let Some(action) = forward {
            let step = self.forward_step(decision, action);
            self.steps.insert(step.id.clone(), step);
        }
        if let (Some(action), Some(row)) = (backward, decision.row) {
            let schema = decision.old_schema.as_ref().unwrap_or(&decision.schema);
            let step = self.backward_step(row, action, decision.prior.clone().or_else(|| row.object.clone()), &schema.undo);
            self.steps.insert(step.id.clone(), step);
        }
    }

    fn forward_step(&self, decision: &Decision<'_>, action: Action) -> Step {
        let replaces_later = decision.change == ChangeKind::ReplaceBefore;
        let keeps = matches!(action, Action::Update | Action::Refresh | Action::ApplyService);
        let prior = if replaces_later || keeps { decision.prior.clone() } else { None };
        let undo = undo_of(&action, &decision.schema.undo);
        match (decision.declared, decision.row) {
            (Some(declared), _) => self.declared_step(declared, action, prior, undo),
            (None, Some(row)) => {
                Step { undo, ..self.backward_step(row, action, prior.or_else(|| row.object.clone()), &decision.schema.undo) }
            }
            (None, None) => unreachable!("a decision is about a declaration or a row"),
        }
    }

    fn declared_step(&self, declared: &Declared, action: Action, prior: Option<Object>, undo: Undo) -> Step {
        let id = StepId::of(&declared.name, action.verb());
        let hard =
            self.linked.graph.dependencies(&declared.name).into_iter().filter(|(_, dependency)| *dependency == Dependency::Hard);
        Step {
            resource: declared.name.clone(),
            kind: declared.kind.clone(),
            role: declared.role.clone(),
            inputs: declared.inputs.clone(),
            requires: self.edges(&id, Dependency::Hard),
            after: self.edges(&id, Dependency::Soft),
            depends_on: hard.map(|(on, _)| on.clone()).collect(),
            lifecycle: declared.lifecycle.clone(),
            retry: declared.retry.clone(),
            timeout_seconds: declared.timeout.as_secs_f64(),
            id,
            action,
            prior,
            undo,
        }
    }

    fn backward_step(&self, row: &StateRow, action: Action, prior: Option<Object>, undo: &UndoTable) -> Step {
        let declared = self.input.desired.resources.get(&row.name);
        let name = declared.map_or(&row.name, |declared| &declared.name);
        let id = StepId::of(name, action.verb());
        let settings = self.input.settings;
        let timeout = declared.map_or(Duration::from_secs_f64(settings.timeout_seconds), |declared| declared.timeout);
        Step {
            resource: name.clone(),
            kind: row.kind.clone(),
            role: row.role.clone(),
            inputs: if matches!(action, Action::RemoveService) { row.written.clone() } else { crate::value::Value::Null },
            requires: self.edges(&id, Dependency::Hard),
            after: self.edges(&id, Dependency::Soft),
            depends_on: row.depends_on.clone(),
            lifecycle: Lifecycle { moved_from: None, ..row.lifecycle.clone() },
            retry: declared.map_or_else(|| settings.retry.clone(), |declared| declared.retry.clone()),
            timeout_seconds: timeout.as_secs_f64(),
            undo: undo_of(&action, undo),
            id,
            action,
            prior,
        }
    }

    fn edges(&self, id: &StepId, wanted: Dependency) -> Vec<StepId> {
        let edges = self.graph.dependencies(id).into_iter().filter(|(_, dependency)| *dependency == wanted);
        edges.map(|(on, _)| on.clone()).collect()
    }

    fn rename(&mut self, from: &ResourceName, declared: &Declared) {
        let action = Action::Rename { from: from.clone() };
        let step = self.declared_step(declared, action, None, Undo::default());
        self.steps.insert(step.id.clone(), step);
        self.changes.push(ResourceChange {
            name: declared.name.clone(),
            kind: declared.kind.clone(),
            role: declared.role.clone(),
            change: ChangeKind::Rename,
            reason: Some(format!("it was `{from}`")),
            fields: Vec::new(),
            undo: Undo::default(),
            origin: declared.origin.clone(),
        });
    }

    /// Objects that an earlier run replaced and did not come to delete.
    fn deposed(&mut self, compared: &Compared<'_>) {
        if !matches!(self.input.options.command, crate::plan::Command::Apply | crate::plan::Command::Destroy) {
            return;
        }
        let kept = kept_graph(self.input);
        let renamed: BTreeSet<_> = compared.renames.iter().map(|(from, _)| from).collect();
        for row in self.input.state.values().filter(|row| !row.deposed.is_empty() && !renamed.contains(&row.name)) {
            let undo =
                compared.decisions.iter().find(|decision| decision.name == row.name).map(|decision| decision.schema.undo.clone());
            let users = self.users(&row.name, &kept, compared);
            for (index, object) in row.deposed.iter().enumerate() {
                let id = StepId::of(&row.name, &format!("delete-deposed-{}", index + 1));
                let step = self.backward_step(row, Action::Delete, Some(object.clone()), &undo.clone().unwrap_or_default());
                self.steps.insert(id.clone(), Step { id, requires: users.clone(), after: Vec::new(), ..step });
            }
            self.changes.push(ResourceChange {
                name: row.name.clone(),
                kind: row.kind.clone(),
                role: row.role.clone(),
                change: ChangeKind::Delete,
                reason: Some("left over from a replacement".into()),
                fields: Vec::new(),
                undo: undo.unwrap_or_default().delete,
                origin: None,
            });
        }
    }
}

impl Assembly<'_> {
    /// The steps after which nothing uses an old object of a resource: those that change or remove what depends on it.
    fn users(&self, name: &ResourceName, kept: &Graph<ResourceName>, compared: &Compared<'_>) -> Vec<StepId> {
        let dependents: BTreeSet<_> = kept.dependents(name).into_iter().map(|(dependent, _)| dependent.clone()).collect();
        let decisions = compared.decisions.iter().filter(|decision| dependents.contains(&decision.name));
        let steps = decisions.flat_map(|decision| {
            let actions = [forward(decision), backward(decision)];
            actions.into_iter().flatten().map(|action| StepId::of(&decision.name, action.verb()))
        });
        steps.filter(|step| self.steps.contains_key(step)).collect()
    }
}

fn undo_of(action: &Action, table: &UndoTable) -> Undo {
    match action {
        Action::Create | Action::ApplyService => table.create.clone(),
        Action::Update => table.update.clone(),
        Action::Delete | Action::RemoveService => table.delete.clone(),
        Action::Read | Action::Refresh | Action::Forget | Action::Rename { .. } => Undo::default(),
    }
}

fn worst(undos: impl Iterator<Item = Undo>) -> Undo {
    undos.max_by_key(|undo| undo.class).unwrap_or_default()
}
