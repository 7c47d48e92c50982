//! What to do with one resource, given its row, its object and its wanted fields.

use std::sync::Arc;

use super::{Decision, Walk};
use crate::error::Result;
use crate::name::ResourceName;
use crate::plan::ChangeKind;
use crate::planner::Need;
use crate::record::Object;
use crate::resource::{Cause, Declared, FieldChange, Role, StateRow, diff};
use crate::schema::{Existence, Schema};
use crate::task::Condition;
use crate::value::Value;

/// A decision, or that there is nothing to do.
pub(super) struct Made<'a> {
    pub change: Option<ChangeKind>,
    pub decision: Decision<'a>,
}

impl<'a> Decision<'a> {
    pub(super) fn of(declared: &'a Declared, row: Option<&'a StateRow>, schema: Arc<Schema>, wanted: Value) -> Self {
        Self {
            name: declared.name.clone(),
            change: ChangeKind::Read,
            reason: None,
            fields: Vec::new(),
            schema,
            declared: Some(declared),
            row,
            prior: None,
            wanted,
            old_schema: None,
        }
    }

    pub(super) fn undeclared(row: &'a StateRow, schema: Arc<Schema>) -> Self {
        Self {
            name: row.name.clone(),
            change: ChangeKind::Delete,
            reason: None,
            fields: Vec::new(),
            schema,
            declared: None,
            row: Some(row),
            prior: row.object.clone(),
            wanted: Value::Null,
            old_schema: None,
        }
    }

    fn made(mut self, change: ChangeKind, reason: Option<String>) -> Made<'a> {
        self.reason = reason;
        Made { change: Some(change), decision: self }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn decide(
        &mut self,
        declared: &'a Declared,
        row: Option<&'a StateRow>,
        schema: &Arc<Schema>,
        (wanted, replace): (Value, bool),
    ) -> Result<Made<'a>> {
        let kept = schema.persistable(&wanted, &self.input.identity.digest_key);
        let mut decision = Decision::of(declared, row, schema.clone(), kept.clone());
        let old_host_left = matches!(&declared.role, Role::Service { host } if self.is_new(host));
        let (Some(row), false) = (row.filter(|row| row.object.is_some()), old_host_left) else {
            decision.fields = all_fields(declared, &kept);
            return Ok(decision.made(ChangeKind::Create, None));
        };
        decision.prior = self.object(row);
        let Some(object) = decision.prior.clone() else {
            decision.fields = all_fields(declared, &kept);
            return Ok(decision.made(ChangeKind::Create, Some("gone: it was removed outside".into())));
        };
        if row.kind != declared.kind || row.role != declared.role {
            decision.old_schema = Some(self.schema_of(row)?);
            decision.fields = all_fields(declared, &kept);
            return Ok(decision.made(replacement(declared), Some(format!("it was a `{}`{}", row.kind, by(row)))));
        }
        decision.fields = diff(schema, declared, &kept, row, &object);
        if let Role::Service { host } = &declared.role {
            return Ok(self.decide_service(decision, row, host, wanted));
        }
        Ok(decide_object(decision, row, &object, replace))
    }

    /// The object as it was seen; as the state has it where it was not read.
    fn object(&self, row: &StateRow) -> Option<Object> {
        match self.input.seen.objects.get(&row.name) {
            Some(seen) => seen.clone(),
            None => row.object.clone(),
        }
    }

    fn is_new(&self, host: &ResourceName) -> bool {
        let change = self.changed.get(host);
        let existing = |host: &ResourceName| {
            self.input.state.get(host).is_some_and(|row| row.object.is_some()) && self.input.desired.resources.contains_key(host)
        };
        match change {
            Some(ChangeKind::Replace | ChangeKind::ReplaceBefore) => true,
            Some(ChangeKind::Create) => !existing(host) || self.input.seen.objects.get(host) == Some(&None),
            _ => false,
        }
    }

    fn decide_service(&mut self, decision: Decision<'a>, row: &StateRow, host: &ResourceName, inputs: Value) -> Made<'a> {
        if !decision.fields.is_empty() {
            return decision.made(ChangeKind::Update, None);
        }
        let connection =
            self.outputs.get(host).and_then(|outputs| outputs.field("connection")).cloned().unwrap_or(Value::Unknown);
        match self.input.seen.conditions.get(&decision.name) {
            None => {
                // A check with a secret that is known no more would find a difference.
                if self.reads() && !connection.has_unknown() && !inputs.has_unknown() && !inputs.has_digest() {
                    self.result.needs.push(Need::Condition { name: decision.name.clone(), connection, inputs });
                }
                Made { change: None, decision }
            }
            Some(Condition::InSync(outputs)) => {
                let object = Object {
                    id: row.object.as_ref().map(|object| object.id.clone()).unwrap_or_default(),
                    outputs: outputs.clone(),
                };
                if Some(&object) == row.object.as_ref() {
                    return Made { change: None, decision };
                }
                Decision { prior: Some(object), ..decision }.made(ChangeKind::Refresh, Some("its outputs changed outside".into()))
            }
            Some(Condition::Differs(what)) => decision.made(ChangeKind::Update, Some(format!("changed outside: {what}"))),
            Some(Condition::Absent) => decision.made(ChangeKind::Create, Some("gone: it was removed outside".into())),
        }
    }
}

fn decide_object<'a>(decision: Decision<'a>, row: &StateRow, object: &Object, replace: bool) -> Made<'a> {
    let Some(declared) = decision.declared else { return Made { change: None, decision } };
    let forced = decision.fields.iter().any(|field| field.forces_replacement);
    if row.tainted || replace || forced {
        let reason = match (row.tainted, replace) {
            (true, _) => Some("it was identified and never finished".into()),
            (_, true) => Some("asked for".into()),
            _ => None,
        };
        // Nothing was finished on an object that was not: it can go first, and has to where its name is taken by it.
        let change = if row.tainted { ChangeKind::Replace } else { replacement(declared) };
        return decision.made(change, reason);
    }
    if !decision.fields.is_empty() {
        let drifted = decision.fields.iter().all(|field| field.cause == Cause::Drifted);
        return decision.made(ChangeKind::Update, drifted.then(|| "changed outside".into()));
    }
    let stored = decision.schema.existence == Existence::Stored;
    if !stored && row.object.as_ref() != Some(object) {
        return decision.made(ChangeKind::Refresh, Some("its outputs changed outside".into()));
    }
    Made { change: None, decision }
}

fn replacement(declared: &Declared) -> ChangeKind {
    if declared.lifecycle.create_before_destroy { ChangeKind::ReplaceBefore } else { ChangeKind::Replace }
}

fn by(row: &StateRow) -> String {
    row.role.provider().map(|provider| format!(" by `{provider}`")).unwrap_or_default()
}

/// Every field of something new.
fn all_fields(declared: &Declared, wanted: &Value) -> Vec<FieldChange> {
    let fields = wanted.as_map().into_iter().flatten();
    fields
        .map(|(field, after)| FieldChange {
            field: field.to_string(),
            before: Value::Null,
            after: after.clone(),
            cause: Cause::Edited,
            forces_replacement: false,
            origin: declared.origins.get(field.as_ref()).cloned(),
        })
        .collect()
}
