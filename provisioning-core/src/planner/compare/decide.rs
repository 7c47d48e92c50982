//! What to do with one resource, given its row, its object and its wanted fields.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Decision, Walk};
use crate::error::Result;
use crate::name::ResourceName;
use crate::plan::ChangeKind;
use crate::planner::{Need, Refresh};
use crate::record::Object;
use crate::resource::{Cause, Declared, FieldChange, Role, StateRow, diff};
use crate::schema::{Existence, Schema, Sealer};
use crate::task::Condition;
use crate::value::{Map, Value};

/// A decision, or that there is nothing to do.
pub(super) struct Made<'a> {
    pub change: Option<ChangeKind>,
    pub decision: Decision<'a>,
}

impl<'a> Decision<'a> {
    pub(super) fn of(declared: &'a Declared, row: Option<&'a StateRow>, schema: Arc<Schema>, wanted: Value) -> Self {
        Self {
            name: &declared.name,
            change: ChangeKind::Read,
            reason: None,
            fields: Vec::new(),
            schema,
            declared: Some(declared),
            place: None,
            row,
            prior: None,
            wanted,
            written: None,
            old_schema: None,
        }
    }

    pub(super) fn undeclared(row: &'a StateRow, schema: Arc<Schema>) -> Self {
        Self {
            name: &row.name,
            change: ChangeKind::Delete,
            reason: None,
            fields: Vec::new(),
            schema,
            declared: None,
            place: None,
            row: Some(row),
            prior: row.object.clone(),
            wanted: Value::Null,
            written: None,
            old_schema: None,
        }
    }

    fn made(mut self, change: ChangeKind, reason: Option<String>) -> Made<'a> {
        self.reason = reason;
        Made { change: Some(change), decision: self }
    }

    fn unchanged(self) -> Made<'a> {
        Made { change: None, decision: self }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn decide(
        &mut self,
        declared: &'a Declared,
        row: Option<&'a StateRow>,
        schema: &Arc<Schema>,
        wanted: Value,
    ) -> Result<Made<'a>> {
        let kept = schema.persistable(&wanted, &declared.role.seal(self.scope.input.sealer, &declared.kind));
        let mut decision = Decision::of(declared, row, schema.clone(), kept);
        if let Some(row) = row.filter(|row| !row.deposed.is_empty() && is_another(declared, row)) {
            decision.old_schema = Some(self.schema_of(row)?);
        }
        let Some(row) = row.filter(|row| row.object.is_some()) else {
            decision.fields = all_fields(declared, &decision.wanted);
            if let Some(row) = row.filter(|row| row.is_begun_service() && is_another(declared, row)) {
                decision.old_schema = Some(self.schema_of(row)?);
                return Ok(decision.made(ChangeKind::Replace, Some(format!("it was a `{}`{}", row.kind, by(row)))));
            }
            let begun = || row.is_some_and(StateRow::is_begun_service).then(|| "it was begun and never finished".into());
            let reason = row.and_then(inconsistent).or_else(begun);
            return Ok(decision.made(ChangeKind::Create, reason));
        };
        if let Role::Service { host } = &declared.role
            && let Some(ChangeKind::Create | ChangeKind::Replace | ChangeKind::ReplaceBefore) = self.changes.of(host)
        {
            decision.fields = all_fields(declared, &decision.wanted);
            return Ok(decision.made(ChangeKind::Create, Some(format!("its host `{host}` is new"))));
        }
        decision.prior = self.object(row);
        let Some(object) = decision.prior.clone() else {
            decision.fields = all_fields(declared, &decision.wanted);
            return Ok(decision.made(ChangeKind::Create, Some("gone: it was removed outside".into())));
        };
        if is_another(declared, row) {
            decision.old_schema = Some(self.schema_of(row)?);
            decision.fields = all_fields(declared, &decision.wanted);
            return Ok(decision.made(replacement(declared, row), Some(format!("it was a `{}`{}", row.kind, by(row)))));
        }
        let full = decision.clone();
        ignore(&mut decision, declared, row, &object, self.scope.input.sealer);
        decision.fields = diff(schema, declared, &decision.wanted, row, &object);
        let made = match &declared.role {
            Role::Service { host } => self.decide_service(decision, row, host, wanted),
            _ => decide_object(decision, row, &object, self.selection.replace.contains(&declared.name)),
        };
        Ok(match made.change {
            // A new object begins with everything as declared.
            Some(change @ (ChangeKind::Replace | ChangeKind::ReplaceBefore)) => {
                Decision { fields: made.decision.fields, ..full }.made(change, made.decision.reason)
            }
            Some(_) => made,
            None => self.kept_otherwise(made.decision, row),
        })
    }

    /// What the state keeps for later (for its removal, above all) has to follow the declaration, too.
    fn kept_otherwise(&self, decision: Decision<'a>, row: &StateRow) -> Made<'a> {
        let renamed = self.scope.renames.old_name(decision.name).is_some();
        let Some(declared) = decision.declared.filter(|_| !renamed) else { return decision.unchanged() };
        if row.lifecycle.prevent_destroy != declared.lifecycle.prevent_destroy {
            let reason =
                if declared.lifecycle.prevent_destroy { "it is protected from now on" } else { "it is protected no more" };
            return decision.made(ChangeKind::Refresh, Some(reason.into()));
        }
        if row.deposed.is_empty() && row.depends_on != self.scope.needed(&declared.name) {
            return decision.made(ChangeKind::Refresh, Some("what it depends on changes".into()));
        }
        decision.unchanged()
    }

    /// The object as it was seen; as the state has it where it was not read.
    pub(super) fn object(&self, row: &StateRow) -> Option<Object> {
        match self.scope.input.seen.objects.get(&row.name) {
            Some(seen) => seen.clone(),
            None => row.object.clone(),
        }
    }

    fn decide_service(&mut self, decision: Decision<'a>, row: &StateRow, host: &ResourceName, inputs: Value) -> Made<'a> {
        if !decision.fields.is_empty() {
            return decision.made(ChangeKind::Update, None);
        }
        if let Some(reason) = inconsistent(row) {
            return decision.made(ChangeKind::Update, Some(reason));
        }
        match self.scope.input.seen.conditions.get(decision.name) {
            None => {
                self.ask_condition(&decision, host, inputs);
                decision.unchanged()
            }
            Some(Condition::InSync(outputs)) => {
                let object = Object {
                    id: row.object.as_ref().map(|object| object.id.clone()).unwrap_or_default(),
                    outputs: outputs.clone(),
                };
                if Some(&object) == row.object.as_ref() {
                    return decision.unchanged();
                }
                Decision { prior: Some(object), ..decision }.made(ChangeKind::Refresh, Some("its outputs changed outside".into()))
            }
            Some(Condition::Differs(what)) => decision.made(ChangeKind::Update, Some(format!("changed outside: {what}"))),
            Some(Condition::Absent) => {
                let fields = decision.declared.map(|declared| all_fields(declared, &decision.wanted)).unwrap_or_default();
                Decision { fields, ..decision }.made(ChangeKind::Create, Some("gone: it was removed outside".into()))
            }
        }
    }

    fn ask_condition(&mut self, decision: &Decision<'a>, host: &ResourceName, inputs: Value) {
        let connection = self.expected.output(host, "connection").unwrap_or(Value::Unknown);
        // Ignored fields are checked for what they are; what is kept as a digest alone cannot be checked at all.
        let inputs = match (&decision.written, decision.declared) {
            (Some(_), Some(declared)) => declared.role.seal(self.scope.input.sealer, &declared.kind).open(&decision.wanted),
            _ => inputs,
        };
        let reads = self.scope.input.options.refresh == Refresh::Read;
        if reads && !connection.has_unknown() && !connection.is_withheld() && !inputs.has_unknown() && !inputs.is_withheld() {
            let host_changes = self.changes.of(host).is_some();
            self.result.needs.push(Need::Condition { name: decision.name.clone(), connection, inputs, host_changes });
        }
    }
}

fn decide_object<'a>(decision: Decision<'a>, row: &StateRow, object: &Object, replace: bool) -> Made<'a> {
    let Some(declared) = decision.declared else { return decision.unchanged() };
    let forced = decision.fields.iter().any(|field| field.forces_replacement);
    let drifted = || decision.fields.iter().all(|field| field.cause == Cause::Drifted);
    if row.tainted || replace || forced {
        let reason = match (row.tainted, replace) {
            (true, _) => Some("it was identified and never finished".into()),
            (_, true) => Some("asked for".into()),
            _ => drifted().then(|| "changed outside".into()),
        };
        return decision.made(replacement(declared, row), reason);
    }
    if !decision.fields.is_empty() {
        let reason = drifted().then(|| "changed outside".into());
        return decision.made(ChangeKind::Update, reason);
    }
    if let Some(reason) = inconsistent(row) {
        return decision.made(ChangeKind::Update, Some(reason));
    }
    let stored = decision.schema.existence == Existence::Stored;
    if !stored && row.object.as_ref() != Some(object) {
        return decision.made(ChangeKind::Refresh, Some("its outputs changed outside".into()));
    }
    decision.unchanged()
}

/// Why an object is repaired of which nothing can be seen to be wrong.
fn inconsistent(row: &StateRow) -> Option<String> {
    row.inconsistent.as_ref().map(|reason| format!("it may not be what it should: {reason}"))
}

/// Puts what is there in the place of what is declared, for the fields whose changes are not acted on.
fn ignore(decision: &mut Decision<'_>, declared: &Declared, row: &StateRow, object: &Object, sealer: &Sealer) {
    let ignored = &declared.lifecycle.ignore_changes;
    if ignored.is_empty() {
        return;
    }
    let seal = declared.role.seal(sealer, &declared.kind);
    let can_be_had = |name: &Arc<str>, value: &Value| !seal.open(&Value::map([(name.clone(), value.clone())])).is_withheld();
    let maps = [&declared.inputs, &row.inputs];
    let names: BTreeSet<_> = maps.iter().filter_map(|value| value.as_map()).flat_map(Map::keys).collect();
    let mut wanted = decision.wanted.as_map().cloned().unwrap_or_default();
    let mut written = declared.inputs.as_map().cloned().unwrap_or_default();
    for name in names.into_iter().filter(|name| ignored.iter().any(|field| field == name.as_ref() || field == "*")) {
        let present = object.outputs.field(name).or_else(|| row.inputs.field(name));
        let source = match present {
            Some(value) if !can_be_had(name, value) => row.written.field(name).cloned(),
            other => other.map(Value::to_literal),
        };
        match (present, source) {
            (Some(present), Some(source)) => {
                wanted.insert(name.clone(), present.clone());
                written.insert(name.clone(), source);
            }
            (None, _) => {
                wanted.remove(name);
                written.remove(name);
            }
            (Some(_), None) => {}
        }
    }
    decision.wanted = Value::Map(Arc::new(wanted));
    decision.written = Some(Value::Map(Arc::new(written)));
}

/// Whether the object of a row can never become what is declared, whatever its fields are.
fn is_another(declared: &Declared, row: &StateRow) -> bool {
    match (&declared.role, &row.role) {
        // Where it runs is in the name; it may be a host that was renamed.
        (Role::Service { .. }, Role::Service { .. }) => declared.kind != row.kind,
        (new, old) => declared.kind != row.kind || new != old,
    }
}

/// An object that was never finished goes first: nothing came to use it, and it may have the name that the new one gets.
fn replacement(declared: &Declared, row: &StateRow) -> ChangeKind {
    let object = matches!(declared.role, Role::Managed { .. });
    if object && !row.tainted && declared.lifecycle.create_before_destroy {
        ChangeKind::ReplaceBefore
    } else {
        ChangeKind::Replace
    }
}

fn by(row: &StateRow) -> String {
    row.role.provider().map(|provider| format!(" by `{provider}`")).unwrap_or_default()
}

/// Every field of something new.
fn all_fields(declared: &Declared, wanted: &Value) -> Vec<FieldChange> {
    let fields = wanted.as_map().into_iter().flatten();
    fields
        .map(|(field, after)| FieldChange {
            field: field.clone(),
            before: Value::Null,
            after: after.clone(),
            cause: Cause::Edited,
            forces_replacement: false,
            origin: declared.origins.get(field.as_ref()).cloned(),
            texts: Vec::new(),
        })
        .collect()
}
