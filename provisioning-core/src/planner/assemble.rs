//! The plan out of the decisions: one change for people and one or two steps for the run from each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Input;
use super::compare::{Compared, Decision, Leftover};
use super::order::{Ordered, StepName, Steps, backward, forward};
use super::scope::Scope;
use crate::graph::{Dependency, Graph};
use crate::name::{ResourceName, StepId};
use crate::plan::{Action, ChangeKind, FORMAT, Plan, ResourceChange, Step};
use crate::record::Object;
use crate::resource::{Checkpoint, Declared, Lifecycle, Output, Role, StateRow};
use crate::schema::{Undo, UndoTable};
use crate::value::Value;

pub(super) fn assemble(scope: &Scope<'_>, compared: Compared<'_>, ordered: &Ordered<'_>) -> Plan {
    let (input, graph) = (&scope.input, &ordered.graph);
    let mut assembly = Assembly {
        scope,
        graph,
        ids: vec![None; graph.len()],
        ranks: vec![0; graph.len()],
        steps: (0..graph.len()).map(|_| None).collect(),
        changes: Vec::with_capacity(compared.decisions.len()),
        basis: Basis::new(scope),
    };
    ordered.order.iter().enumerate().for_each(|(rank, place)| assembly.ranks[*place] = rank);
    if !compared.renames.is_empty() {
        let changing: BTreeSet<_> = compared.decisions.iter().map(|decision| decision.name).collect();
        for (from, declared) in &compared.renames {
            assembly.rename(from, declared, changing.contains(&declared.name));
        }
    }
    for (decision, steps) in compared.decisions.into_iter().zip(&ordered.steps) {
        assembly.decision(decision, *steps);
    }
    for left in &compared.leftovers {
        assembly.leftover(left);
    }
    let Assembly { steps, changes, basis, .. } = assembly;
    let steps: Vec<_> = steps.into_iter().flatten().collect();
    Plan {
        secrets: BTreeMap::new(),
        format: FORMAT,
        workspace: input.sealer.workspace().clone(),
        created_at: input.now,
        command: input.options.command,
        undoes: None,
        unchanged: compared.unchanged,
        compared: compared.looked_at,
        providers: input
            .desired
            .providers
            .iter()
            .map(|(alias, provider)| (alias.clone(), provider.closed(input.sealer)))
            .collect(),
        lookups: input.seen.answers.clone(),
        outputs: outputs(input),
        changed_outputs: Vec::new(),
        checkpoints: checkpoints(scope, &steps),
        basis: basis.versions(),
        changes: Arc::new(changes),
        steps: Arc::new(steps),
    }
}

/// What the workspace gives back, in the form that may be kept.
fn outputs(input: &Input<'_>) -> BTreeMap<String, Output> {
    let outputs = input.desired.outputs.iter();
    outputs.map(|(name, output)| (name.clone(), output.closed(name, input.sealer))).collect()
}

/// The steps that lead to each checkpoint; one to which nothing leads is not reached again.
fn checkpoints(scope: &Scope<'_>, steps: &[Step]) -> BTreeMap<String, Vec<StepId>> {
    let steps_of = |checkpoint: &Checkpoint| {
        let named = |name: &ResourceName| checkpoint.after.iter().any(|after| name.as_str() == after || name.base() == after);
        steps.iter().filter(|step| named(&step.resource)).map(|step| step.id.clone()).collect::<Vec<_>>()
    };
    let checkpoints = scope.input.desired.checkpoints.iter();
    checkpoints.map(|(name, checkpoint)| (name.clone(), steps_of(checkpoint))).filter(|(_, steps)| !steps.is_empty()).collect()
}

/// The rows that the steps touch or read.
struct Basis<'a> {
    scope: &'a Scope<'a>,
    /// Which declarations have one of them, by place.
    declared: Vec<bool>,
    /// The names of the others.
    undeclared: BTreeSet<ResourceName>,
}

impl<'a> Basis<'a> {
    fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope, declared: vec![false; scope.linked.graph.len()], undeclared: BTreeSet::new() }
    }

    fn take(&mut self, name: &ResourceName) {
        match self.scope.linked.graph.place(name.as_str()) {
            Some(place) => self.declared[*place] = true,
            None => drop(self.undeclared.insert(name.clone())),
        }
    }

    /// The version of every row; 0 for one that is not there.
    fn versions(self) -> BTreeMap<ResourceName, u64> {
        let places = (0..self.declared.len()).filter(|place| self.declared[*place]);
        let declared = places.map(|place| self.scope.entry(place)).map(|entry| (entry.declared.name.clone(), entry.row));
        let undeclared = self.undeclared.into_iter().map(|name| {
            let row = self.scope.input.state.get(&name);
            (name, row)
        });
        declared.chain(undeclared).map(|(name, row)| (name, row.map_or(0, |row| row.version))).collect()
    }
}

struct Assembly<'a> {
    scope: &'a Scope<'a>,
    graph: &'a Graph<StepName<'a>>,
    /// What the steps that were met so far are called in the plan, by place.
    ids: Vec<Option<StepId>>,
    /// Where in the order each place of the graph comes.
    ranks: Vec<usize>,
    /// The steps, in order.
    steps: Vec<Option<Step>>,
    changes: Vec<ResourceChange>,
    basis: Basis<'a>,
}

/// What a step on something that exists is about.
struct Existing<'a> {
    name: &'a ResourceName,
    row: &'a StateRow,
    prior: Option<Object>,
    undo: &'a UndoTable,
}

impl Assembly<'_> {
    fn decision(&mut self, decision: Decision<'_>, steps: Steps) {
        let (forward, backward) = (forward(&decision), backward(&decision));
        let old_undo = &decision.old_schema.as_ref().unwrap_or(&decision.schema).undo;
        let undo = forward.iter().map(|action| undo_of(action, &decision.schema.undo));
        let undo = undo.chain(backward.iter().map(|action| undo_of(action, old_undo))).max_by_key(|undo| undo.class);
        let undo = undo.unwrap_or_default();
        let existing = |row, undo| {
            let prior = decision.prior.clone().or_else(|| decision.row.and_then(|row| row.object.clone()));
            Existing { name: decision.name, row, prior, undo }
        };
        if let (Some(action), Some(place)) = (forward, steps.forward) {
            let step = match (decision.declared, decision.row) {
                (Some(declared), _) => self.declared_step(place, (declared, &decision), action),
                (None, Some(row)) => self.existing_step(place, existing(row, &decision.schema.undo), action),
                (None, None) => unreachable!("a decision is about a declaration or a row"),
            };
            self.put(place, step);
        }
        if let (Some(action), Some(place), Some(row)) = (backward, steps.backward, decision.row) {
            let step = self.existing_step(place, existing(row, old_undo), action);
            self.put(place, step);
        }
        self.changes.push(change(decision, undo));
    }

    fn declared_step(&mut self, place: usize, (declared, decision): (&Declared, &Decision<'_>), action: Action) -> Step {
        let replaces_later = decision.change == ChangeKind::ReplaceBefore;
        let keeps = matches!(action, Action::Update | Action::Refresh | Action::ApplyService);
        let inputs = match action {
            Action::Refresh => Value::Null,
            _ => decision.written.clone().unwrap_or_else(|| declared.inputs.clone()),
        };
        let inputs = declared.role.seal(self.scope.input.sealer, &declared.kind).close(&inputs);
        Step {
            prior: if replaces_later || keeps { decision.prior.clone() } else { None },
            undo: undo_of(&action, &decision.schema.undo),
            inputs,
            ..self.bare_step(place, (declared, decision.place), action)
        }
    }

    /// The step at a place of the graph, about what is declared at one of theirs.
    fn bare_step(&mut self, place: usize, (declared, at): (&Declared, Option<usize>), action: Action) -> Step {
        let (requires, after) = self.waits(place);
        let needed: Vec<_> = at.into_iter().flat_map(|at| self.scope.linked.needs(at)).collect();
        at.iter().chain(&needed).for_each(|place| self.basis.declared[*place] = true);
        Step {
            resource: declared.name.clone(),
            kind: declared.kind.clone(),
            role: declared.role.clone(),
            inputs: Value::Null,
            prior: None,
            requires,
            after,
            depends_on: needed.iter().map(|on| self.scope.entry(*on).declared.name.clone()).collect(),
            lifecycle: declared.lifecycle.clone(),
            retry: declared.retry.clone(),
            timeout_seconds: declared.timeout.as_secs_f64(),
            undo: Undo::default(),
            id: self.id(place),
            action,
        }
    }

    fn existing_step(&mut self, place: usize, existing: Existing<'_>, action: Action) -> Step {
        let Existing { name, row, prior, undo } = existing;
        let (requires, after) = self.waits(place);
        let settings = self.scope.input.settings;
        let declared = self.scope.declared.resources.get(name);
        let timeout = declared.map_or(Duration::from_secs_f64(settings.timeout_seconds), |declared| declared.timeout);
        let stays = self.scope.input.desired.resources.contains_key(name);
        let depends_on = if stays { self.scope.needed(name) } else { row.depends_on.clone() };
        depends_on.iter().chain([name]).for_each(|name| self.basis.take(name));
        Step {
            resource: name.clone(),
            kind: row.kind.clone(),
            role: row.role.clone(),
            inputs: if action == Action::RemoveService { self.removed_inputs(row) } else { Value::Null },
            requires,
            after,
            depends_on,
            lifecycle: Lifecycle { moved_from: None, ..row.lifecycle.clone() },
            retry: declared.map_or_else(|| settings.retry.clone(), |declared| declared.retry.clone()),
            timeout_seconds: timeout.as_secs_f64(),
            undo: undo_of(&action, undo),
            id: self.id(place),
            action,
            prior,
        }
    }

    /// What a service was applied with; as it was written where that was not kept, or cannot be opened.
    fn removed_inputs(&self, row: &StateRow) -> Value {
        let opened = row.role.seal(self.scope.input.sealer, &row.kind).open(&row.inputs);
        let fields = row.written.as_map().into_iter().flatten().map(|(name, written)| {
            let applied = row.inputs.field(name).filter(|_| opened.field(name).is_some_and(|value| !value.is_withheld()));
            (name.clone(), applied.map_or_else(|| written.clone(), Value::to_literal))
        });
        Value::map(fields)
    }

    /// The steps that must have succeeded before a step, and those that must have ended, in the order of their names.
    fn waits(&mut self, place: usize) -> (Vec<StepId>, Vec<StepId>) {
        let dependencies = self.graph.dependencies_at(place);
        let (mut requires, mut after) = (Vec::with_capacity(dependencies.len()), Vec::new());
        for (on, dependency) in dependencies {
            let list = if dependency == Dependency::Hard { &mut requires } else { &mut after };
            list.push(self.id(on));
        }
        requires.sort_unstable();
        after.sort_unstable();
        (requires, after)
    }

    fn put(&mut self, place: usize, step: Step) {
        self.steps[self.ranks[place]] = Some(step);
    }

    /// What the step at a place is called.
    fn id(&mut self, place: usize) -> StepId {
        self.ids[place].get_or_insert_with(|| self.graph.name(place).id()).clone()
    }

    /// The place of a step that renames a row, or deletes what was left over.
    fn place(&self, name: StepName<'_>) -> usize {
        self.graph.place(&name).copied().expect("it was ordered under its name")
    }

    fn rename(&mut self, from: &ResourceName, declared: &Declared, changes: bool) {
        let row = &self.scope.input.state[from];
        let action = Action::Rename { from: from.clone() };
        let place = self.place(StepName::rename(&declared.name));
        let at = self.scope.linked.graph.place(declared.name.as_str()).copied();
        let step = self.bare_step(place, (declared, at), action);
        // The object is what it was until another step says otherwise.
        let role = if matches!(row.role, Role::Service { .. }) { step.role.clone() } else { row.role.clone() };
        let new_name = |name: &ResourceName| self.scope.renames.new_name(name).clone();
        let depends_on = if changes { row.depends_on.iter().map(new_name).collect() } else { step.depends_on.clone() };
        self.basis.take(from);
        depends_on.iter().for_each(|name| self.basis.take(name));
        self.put(place, Step { kind: row.kind.clone(), role, depends_on, ..step });
        self.changes.push(ResourceChange {
            name: declared.name.clone(),
            kind: row.kind.clone(),
            role: declared.role.clone(),
            change: ChangeKind::Rename,
            reason: Some(format!("it was `{from}`")),
            fields: Vec::new(),
            undo: Undo::default(),
            origin: declared.origin.clone(),
        });
    }

    fn leftover(&mut self, left: &Leftover<'_>) {
        let Leftover { name, row, schema } = left;
        for (index, object) in row.deposed.iter().enumerate() {
            let place = self.place(StepName::leftover(name, index));
            let existing = Existing { name, row, prior: Some(object.clone()), undo: &schema.undo };
            let step = self.existing_step(place, existing, Action::Delete);
            self.put(place, step);
        }
        self.changes.push(ResourceChange {
            name: (*name).clone(),
            kind: row.kind.clone(),
            role: row.role.clone(),
            change: ChangeKind::Delete,
            reason: Some("left over from a replacement".into()),
            fields: Vec::new(),
            undo: schema.undo.delete.clone(),
            origin: None,
        });
    }
}

fn change(decision: Decision<'_>, undo: Undo) -> ResourceChange {
    let role = decision.declared.map(|declared| &declared.role).or(decision.row.map(|row| &row.role));
    let kind = decision.declared.map(|declared| &declared.kind).or(decision.row.map(|row| &row.kind));
    ResourceChange {
        name: decision.name.clone(),
        kind: kind.cloned().expect("a decision is about a declaration or a row"),
        role: role.cloned().expect("a decision is about a declaration or a row"),
        change: decision.change,
        reason: decision.reason,
        fields: decision.fields,
        undo,
        origin: decision.declared.and_then(|declared| declared.origin.clone()),
    }
}

fn undo_of(action: &Action, table: &UndoTable) -> Undo {
    match action {
        Action::Create | Action::ApplyService => table.create.clone(),
        Action::Update => table.update.clone(),
        Action::Delete | Action::RemoveService => table.delete.clone(),
        Action::Read | Action::Refresh | Action::Forget | Action::Reinstate { .. } | Action::Rename { .. } => Undo::default(),
    }
}
