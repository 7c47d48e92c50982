//! What references will see of each resource when the plan has been carried out, as far as that is known.

use super::decide::Made;
use crate::error::Result;
use crate::name::ResourceName;
use crate::plan::ChangeKind;
use crate::planner::scope::Scope;
use crate::resource::{Outputs, Role, StateRow};
use crate::schema::{Presence, Sealer};
use crate::value::{Reference, Value};

/// The outputs that are expected of the resources so far, secrets in the clear where they are at hand.
pub(super) struct Expected<'a> {
    scope: &'a Scope<'a>,
    sealer: &'a Sealer,
    outputs: Outputs<'a>,
}

impl<'a> Expected<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        let outputs = Outputs::with_secrets(scope.input.secrets.values.clone());
        Self { scope, sealer: scope.input.sealer, outputs }
    }

    /// Makes room for what so many more resources give.
    pub(super) fn reserve(&mut self, resources: usize) {
        self.outputs.reserve(resources);
    }

    pub(super) fn set(&mut self, name: &ResourceName, outputs: Value) {
        self.outputs.set(name, outputs);
    }

    /// Sets what a row says as what is expected of a resource, which may have another name there.
    pub(super) fn set_row(&mut self, name: &ResourceName, row: &StateRow) {
        self.outputs.set_row(name, row);
    }

    /// The resource that the first word of a reference stands for.
    pub(super) fn name<'n>(&'n self, root: &'n str) -> &'n str {
        self.outputs.name(root)
    }

    /// What a reference will give; by the state where what it refers to does not take part, or does not change at all.
    pub(super) fn get(&self, reference: &Reference) -> Result<Value> {
        let by_state = || Some(self.scope.row_of(self.name(&reference.root))?.follow(reference, self.sealer));
        self.outputs.follow(reference, self.sealer).or_else(by_state).unwrap_or(Ok(Value::Unknown))
    }

    /// One output of a resource.
    pub(super) fn output(&self, name: &ResourceName, output: &str) -> Option<Value> {
        let by_state = || self.scope.row_of(name.as_str())?.output(output, self.sealer);
        self.outputs.output(name.as_str(), output, self.sealer).or_else(by_state)
    }
}

/// The outputs of a resource that a decision was made about, in the form that may be kept.
pub(super) fn outputs(made: &Made<'_>, row: Option<&StateRow>) -> Value {
    let decision = &made.decision;
    let current = || {
        let observed = decision.prior.as_ref().map(|object| object.outputs.clone()).unwrap_or_default();
        row.map(|row| row.inputs.overlaid(&observed))
    };
    match made.change {
        None | Some(ChangeKind::Refresh) => current().unwrap_or(Value::Unknown),
        Some(ChangeKind::Update) => {
            let unknown = updated(made).into_iter().map(|name| (name, Value::Unknown));
            current().unwrap_or_default().overlaid(&decision.wanted).overlaid(&Value::map(unknown))
        }
        _ => {
            let given = |name: &str| decision.wanted.field(name).is_some();
            let fields = decision.schema.fields.iter();
            let assigned =
                fields.filter(|(name, field)| matches!(field.presence, Presence::Assigned | Presence::Computed) && !given(name));
            decision.wanted.overlaid(&Value::map(assigned.map(|(name, _)| (name.as_str(), Value::Unknown))))
        }
    }
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
