//! What changes: a walk over the declarations in order, each compared with its row and its object.
//!
//! The walk carries the outputs that the plan expects, so that a dependent sees what its dependencies will be, or that
//! it cannot know yet. What to do with one resource is decided in [`decide`].

mod decide;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::schemas::Schemas;
use super::select::Selection;
use super::{Input, Linked, Need, Refresh};
use crate::error::{Diagnostic, Error, Result};
use crate::name::ResourceName;
use crate::plan::{ChangeKind, Command};
use crate::record::Object;
use crate::resource::{Declared, FieldChange, Role, StateRow};
use crate::schema::{Existence, Presence, Schema};
use crate::value::Value;

/// What happens to one resource.
#[derive(Debug, Clone)]
pub(super) struct Decision<'a> {
    pub name: ResourceName,
    pub change: ChangeKind,
    pub reason: Option<String>,
    pub fields: Vec<FieldChange>,
    /// The schema that the new object is under; the old one's where there is none.
    pub schema: Arc<Schema>,
    pub declared: Option<&'a Declared>,
    pub row: Option<&'a StateRow>,
    /// The object as it is now.
    pub prior: Option<Object>,
    /// Its fields to be, as far as they are known.
    pub wanted: Value,
    /// The schema of the old object, where it is another.
    pub old_schema: Option<Arc<Schema>>,
}

/// What changes, and what was needed to know better.
#[derive(Debug)]
pub(super) struct Compared<'a> {
    pub decisions: Vec<Decision<'a>>,
    /// Old names and new ones.
    pub renames: Vec<(ResourceName, &'a Declared)>,
    pub needs: Vec<Need>,
    pub unchanged: usize,
}

pub(super) fn compare<'a>(input: &Input<'a>, linked: &Linked, selection: &'a Selection) -> Result<Compared<'a>> {
    let mut walk = Walk {
        input: *input,
        selection,
        schemas: Schemas::new(input.registry, input.desired),
        outputs: BTreeMap::new(),
        changed: BTreeMap::new(),
        result: Compared { decisions: Vec::new(), renames: Vec::new(), needs: Vec::new(), unchanged: 0 },
        problems: Vec::new(),
    };
    for name in &linked.order {
        let declared = &input.desired.resources[name];
        if selection.declared.contains(name) {
            walk.visit(declared, selection.replace.contains(name))?;
        } else {
            let kept = input.state.get(name).map(StateRow::outputs);
            walk.outputs.insert(name.clone(), kept.unwrap_or(Value::Unknown));
        }
    }
    for name in &selection.rows {
        if !walk.result.renames.iter().any(|(from, _)| from == name) {
            walk.undeclared(&input.state[name])?;
        }
    }
    match Error::from_diagnostics(walk.problems) {
        Some(error) => Err(error),
        None => Ok(walk.result),
    }
}

struct Walk<'a> {
    input: Input<'a>,
    selection: &'a Selection,
    schemas: Schemas<'a>,
    /// What references to each resource will see.
    outputs: BTreeMap<ResourceName, Value>,
    changed: BTreeMap<ResourceName, ChangeKind>,
    result: Compared<'a>,
    problems: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, declared: &'a Declared, replace: bool) -> Result<()> {
        let schema = self.schemas.of(&declared.role, &declared.kind)?;
        let Some(wanted) = self.resolve(declared, &schema) else {
            self.outputs.insert(declared.name.clone(), Value::Unknown);
            return Ok(());
        };
        if matches!(declared.role, Role::Lookup { .. }) {
            self.look_up(declared, schema, wanted);
            return Ok(());
        }
        let row = self.row(declared);
        let decision = self.decide(declared, row, &schema, (wanted, replace))?;
        let outputs = Self::expected(&decision, row);
        self.outputs.insert(declared.name.clone(), outputs);
        self.settle(decision.change, decision.decision);
        Ok(())
    }

    fn settle(&mut self, change: Option<ChangeKind>, decision: Decision<'a>) {
        match change {
            Some(change) => {
                self.changed.insert(decision.name.clone(), change);
                self.result.decisions.push(Decision { change, ..decision });
            }
            None => self.result.unchanged += 1,
        }
    }

    /// The row of a declaration, found under its old name where it was renamed.
    fn row(&mut self, declared: &'a Declared) -> Option<&'a StateRow> {
        let state = self.input.state;
        if let Some(row) = state.get(&declared.name) {
            return Some(row);
        }
        let from = declared.lifecycle.moved_from.as_ref()?;
        let row = state.get(from)?;
        if self.input.desired.resources.contains_key(from) {
            let message = format!("`{from}` was renamed to this and is still declared");
            let place = format!("resources.{}.lifecycle.moved_from", declared.name);
            self.problems.push(Diagnostic::new(declared.origin.clone(), place, message));
        }
        self.result.renames.push((from.clone(), declared));
        Some(row)
    }

    /// The inputs with every reference replaced by what is expected for it; `None` after a problem.
    fn resolve(&mut self, declared: &Declared, schema: &Schema) -> Option<Value> {
        if !declared.inputs.has_references() {
            return Some(declared.inputs.clone());
        }
        let before = self.problems.len();
        let mut fields = Vec::new();
        for (field, value) in declared.inputs.as_map()? {
            let mut digests = false;
            let resolved = value.resolve(&mut |reference| {
                let found = self.expected_output(reference)?;
                digests |= found.has_digest();
                Ok(found)
            });
            match resolved {
                Ok(found) if digests && found.has_unknown() => {
                    fields.push((field.clone(), self.as_it_was(declared, field, value).unwrap_or(found)));
                }
                Ok(value) => fields.push((field.clone(), value)),
                Err(error) => {
                    let origin = declared.origins.get(field.as_ref()).or(declared.origin.as_ref()).cloned();
                    let place = format!("resources.{}.{field}", declared.name);
                    let hint = error.hint().map(str::to_owned);
                    self.problems.push(Diagnostic { hint, ..Diagnostic::new(origin, place, error.to_string()) });
                    fields.push((field.clone(), Value::Unknown));
                }
            }
        }
        let resolved = Value::map(fields);
        for problem in schema.check_resolved(&resolved, "") {
            let field = problem.field.trim_start_matches('.').to_owned();
            let top = field.split(['.', '[']).next().unwrap_or_default();
            let origin = declared.origins.get(top).or(declared.origin.as_ref()).cloned();
            self.problems.push(Diagnostic { origin, field: format!("resources.{}.{field}", declared.name), ..problem });
        }
        (self.problems.len() == before).then_some(resolved)
    }

    /// A text with a secret in it cannot be made again to compare it. It is as it was when it is written as it was, and
    /// nothing that it refers to was written after it.
    fn as_it_was(&self, declared: &Declared, field: &str, written: &Value) -> Option<Value> {
        let row = self.input.state.get(&declared.name)?;
        let mut older = row.written.field(field) == Some(written);
        let visited = written.visit_references(&mut |reference| {
            let root = self.input.state.get(reference.root.as_ref());
            older &= !self.changed.contains_key(reference.root.as_ref()) && root.is_some_and(|root| root.version < row.version);
        });
        (visited.is_ok() && older).then(|| row.inputs.field(field).cloned()).flatten()
    }

    fn expected_output(&self, reference: &crate::value::Reference) -> Result<Value> {
        let name = self.outputs.get_key_value(reference.root.as_ref()).map(|(name, _)| name);
        let name = name.or_else(|| self.outputs.keys().find(|name| name.base() == reference.root.as_ref()));
        match name.and_then(|name| self.outputs.get(name)) {
            Some(outputs) => reference.follow(outputs),
            None => Err(Error::bug(format!("`${{{reference}}}` was not linked"))),
        }
    }

    fn look_up(&mut self, declared: &'a Declared, schema: Arc<Schema>, query: Value) {
        let name = declared.name.clone();
        let answer = self.input.seen.answers.get(&name).cloned();
        if answer.is_none() && query.has_unknown() {
            let decision = Decision::of(declared, None, schema, query);
            self.settle(Some(ChangeKind::Read), Decision { reason: Some("its query is known after apply".into()), ..decision });
        } else if answer.is_none() {
            self.result.needs.push(Need::Answer { name: name.clone(), query });
        }
        self.outputs.insert(name, answer.unwrap_or(Value::Unknown));
    }

    /// What references will see of a resource that a decision was made about.
    fn expected(made: &decide::Made<'_>, row: Option<&StateRow>) -> Value {
        let decision = &made.decision;
        let current = || {
            row.map(|row| row.inputs.overlaid(&decision.prior.as_ref().map(|object| object.outputs.clone()).unwrap_or_default()))
        };
        match made.change {
            None | Some(ChangeKind::Refresh | ChangeKind::Rename) => current().unwrap_or(Value::Unknown),
            Some(ChangeKind::Update) => {
                let changes = |name: &str| decision.fields.iter().any(|change| change.field == name);
                let moved = decision.schema.fields.iter().filter(|(_, field)| field.follows.iter().any(|name| changes(name)));
                let unknown = Value::map(moved.map(|(name, _)| (name.as_str(), Value::Unknown)));
                current().unwrap_or_default().overlaid(&decision.wanted).overlaid(&unknown)
            }
            _ => {
                let given = |name: &str| decision.wanted.field(name).is_some();
                let fields = decision.schema.fields.iter();
                let assigned = fields
                    .filter(|(name, field)| matches!(field.presence, Presence::Assigned | Presence::Computed) && !given(name));
                decision.wanted.overlaid(&Value::map(assigned.map(|(name, _)| (name.as_str(), Value::Unknown))))
            }
        }
    }

    fn schema_of(&mut self, row: &StateRow) -> Result<Arc<Schema>> {
        self.schemas.of(&row.role, &row.kind).map_err(|error| error.with_context("resource", row.name.as_str()))
    }

    /// A row without a declaration.
    fn undeclared(&mut self, row: &'a StateRow) -> Result<()> {
        let schema = match self.schema_of(row) {
            // What is forgotten is not called, so that a row can go after its provider.
            Err(_) if self.input.options.command == Command::Forget => Arc::new(Schema::bare(row.kind.clone(), "")),
            found => found?,
        };
        let seen = self.input.seen.objects.get(&row.name);
        let object = seen.cloned().unwrap_or_else(|| row.object.clone());
        let made = |change, reason: Option<String>| Decision {
            change,
            reason,
            prior: object.clone(),
            ..Decision::undeclared(row, schema.clone())
        };
        let host_goes = match &row.role {
            Role::Service { host } => self.goes(host)?,
            _ => false,
        };
        let decision = match self.input.options.command {
            Command::Forget => made(ChangeKind::Forget, None),
            Command::Refresh if object.is_none() && row.object.is_some() => made(ChangeKind::Refresh, Some("gone".into())),
            Command::Refresh if object == row.object => {
                self.result.unchanged += 1;
                return Ok(());
            }
            Command::Refresh => made(ChangeKind::Refresh, Some("changed outside".into())),
            _ if host_goes => made(ChangeKind::Forget, Some("goes with its host".into())),
            _ if row.object.is_some() && object.is_none() => made(ChangeKind::Forget, Some("gone already".into())),
            Command::Destroy => made(ChangeKind::Delete, None),
            Command::Apply => made(ChangeKind::Delete, Some("no longer declared".into())),
        };
        self.settle(Some(decision.change), decision);
        Ok(())
    }

    /// Whether a host goes in this plan, and with it everything on it.
    fn goes(&mut self, host: &ResourceName) -> Result<bool> {
        let Some(row) = self.input.state.get(host) else { return Ok(true) };
        let gone = matches!(self.input.seen.objects.get(host), Some(None));
        let stays = self.input.desired.resources.contains_key(host) || !self.selection.rows.contains(host);
        Ok(gone || (!stays && self.schemas.of(&row.role, &row.kind)?.existence != Existence::Existing))
    }

    fn reads(&self) -> bool {
        self.input.options.refresh == Refresh::Read
    }
}
