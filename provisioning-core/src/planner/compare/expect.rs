//! What references will see of each resource when the plan has been carried out, as far as that is known.

use std::sync::Arc;

use super::decide::Made;
use crate::error::Result;
use crate::name::ResourceName;
use crate::plan::ChangeKind;
use crate::planner::scope::Scope;
use crate::resource::{Kept, Role, StateRow};
use crate::schema::{Presence, Schema, Sealer};
use crate::value::{Reference, Value};

/// The outputs that are expected of the resources so far, secrets in the clear where they are at hand.
pub(super) struct Expected<'a> {
    scope: &'a Scope<'a>,
    sealer: &'a Sealer,
    /// What is expected of each declaration, by its place; of which nothing was said, that stays as its row says.
    given: Vec<Option<Given<'a>>>,
}

/// What a resource will give.
pub(super) enum Given<'a> {
    /// All that it gives, in the clear.
    Known(Value),
    /// What a row says, which may be that of another name.
    Row(&'a StateRow),
    /// What something new was given, in the form that is kept; what it gives itself nobody knows yet.
    New(Value, Arc<Schema>),
}

impl<'a> Expected<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        let given = std::iter::repeat_with(|| None).take(scope.linked.graph.len()).collect();
        Self { scope, sealer: scope.input.sealer, given }
    }

    /// Sets what is expected of the declaration at a place.
    pub(super) fn set(&mut self, place: usize, given: Given<'a>) {
        self.given[place] = Some(given);
    }

    /// Whether what the state says of the declaration at a place is what is expected of it.
    pub(super) fn is_by_state(&self, place: usize) -> bool {
        self.given[place].is_none()
    }

    /// What a reference will give; by the state where what it refers to does not take part, or does not change at all.
    pub(super) fn get(&self, reference: &Reference) -> Result<Value> {
        let place = self.scope.linked.place(&reference.root);
        let Some((place, given)) = place.and_then(|place| Some((place, self.given[place].as_ref()?))) else {
            return self.scope.sight().by_state(reference);
        };
        match given {
            Given::Known(outputs) => reference.follow(outputs),
            Given::Row(row) => row.follow(reference, self.sealer),
            Given::New(wanted, schema) => match reference.output() {
                Some(output) if let Some(value) = self.new_output(place, (wanted, schema), output) => {
                    reference.follow_within(&value)
                }
                _ => reference.follow(&self.kept(place, &outputs_of_new(wanted, schema)).opened(self.sealer)),
            },
        }
    }

    /// One output of a resource; by the state where nothing else is known of it.
    pub(super) fn output(&self, name: &ResourceName, output: &str) -> Option<Value> {
        let by_state = |row: &StateRow| row.output(output, self.sealer);
        let Some(place) = self.scope.linked.graph.place(name.as_str()).copied() else {
            return self.scope.input.state.get(name).and_then(by_state);
        };
        let expected = match &self.given[place] {
            Some(Given::Known(outputs)) => outputs.field(output).cloned(),
            Some(Given::Row(row)) => by_state(row),
            Some(Given::New(wanted, schema)) => self.new_output(place, (wanted, schema), output),
            None => None,
        };
        expected.or_else(|| self.scope.entry(place).row.and_then(by_state))
    }

    fn new_output(&self, place: usize, (wanted, schema): (&Value, &Schema), output: &str) -> Option<Value> {
        let given = self.kept(place, wanted).field(output, self.sealer);
        given.or_else(|| is_assigned(schema, output).then_some(Value::Unknown))
    }

    /// Fields of the declaration at a place, in the form that is kept.
    fn kept<'v>(&'v self, place: usize, fields: &'v Value) -> Kept<'v> {
        let declared = self.scope.entry(place).declared;
        Kept::given(&declared.role, &declared.kind, fields)
    }
}

/// What the resource of a decision will give.
pub(super) fn given<'a>(made: &Made<'_>, row: Option<&StateRow>, open: impl Fn(&Value) -> Value) -> Given<'a> {
    let decision = &made.decision;
    let current = || {
        let observed = decision.prior.as_ref().map(|object| object.outputs.clone()).unwrap_or_default();
        row.map(|row| row.inputs.overlaid(&observed))
    };
    match made.change {
        None | Some(ChangeKind::Refresh) => Given::Known(open(&current().unwrap_or(Value::Unknown))),
        Some(ChangeKind::Update) => {
            let unknown = updated(made).into_iter().map(|name| (name, Value::Unknown));
            let outputs = current().unwrap_or_default().overlaid(&decision.wanted).overlaid(&Value::map(unknown));
            Given::Known(open(&outputs))
        }
        _ => Given::New(decision.wanted.clone(), decision.schema.clone()),
    }
}

/// What something new gives: what it was given, and what it gives itself.
fn outputs_of_new(wanted: &Value, schema: &Schema) -> Value {
    let assigned = schema.fields.keys().filter(|name| wanted.field(name).is_none() && is_assigned(schema, name));
    wanted.overlaid(&Value::map(assigned.map(|name| (name.as_str(), Value::Unknown))))
}

/// Whether a field is one that the provider sets.
fn is_assigned(schema: &Schema, field: &str) -> bool {
    let field = schema.fields.get(field);
    field.is_some_and(|field| matches!(field.presence, Presence::Assigned | Presence::Computed))
}

/// The outputs that an update may give another value that nobody knows yet.
fn updated<'a>(made: &'a Made<'_>) -> Vec<&'a str> {
    let decision = &made.decision;
    let changes = |name: &str| decision.fields.iter().any(|change| *change.field == *name);
    let service = decision.declared.is_some_and(|declared| matches!(declared.role, Role::Service { .. }));
    // A service that differs for a reason of its own is applied again: nobody knows what that gives.
    let again = service && decision.fields.is_empty();
    let repaired = decision.fields.is_empty();
    let schema = decision.schema.fields.iter();
    let follow = schema.filter(|(_, field)| {
        let moves = field.follows.iter().any(|name| changes(name)) || repaired && !field.follows.is_empty();
        field.presence == Presence::Computed && again || moves
    });
    let taken_away = decision.fields.iter().filter(|change| change.after == Value::Null).map(|change| change.field.as_ref());
    follow.map(|(name, _)| name.as_str()).chain(taken_away).collect()
}
