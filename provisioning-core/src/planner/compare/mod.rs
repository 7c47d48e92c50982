//! What changes: a walk over the declarations in order, each compared with its row and its object.
//!
//! The walk carries the outputs that the plan expects, so that a dependent sees what its dependencies will be, or that
//! it cannot know yet. What to do with one resource is decided in [`decide`], what becomes of a lookup in [`lookup`],
//! what becomes of a row without a declaration in [`orphan`], what a person sees of texts in [`texts`]; what needs no such
//! work is told by [`settled`].

mod changes;
mod decide;
mod expect;
mod lookup;
mod orphan;
mod resolve;
mod settled;
mod texts;

use std::sync::Arc;

use super::Need;
use super::schemas::Schemas;
use super::scope::Scope;
use super::select::Selection;
use crate::error::{Diagnostic, Error, Result};
use crate::name::ResourceName;
use crate::plan::{ChangeKind, Command};
use crate::record::Object;
use crate::resource::{Declared, FieldChange, Role, StateRow};
use crate::schema::Schema;
use crate::value::Value;
use changes::Changes;
use decide::Made;
use expect::{Expected, Given};
pub(super) use orphan::NO_LONGER_DECLARED;
#[cfg(test)]
pub(super) use settled::thoroughly;

/// What happens to one resource.
#[derive(Debug, Clone)]
pub(super) struct Decision<'a> {
    pub name: &'a ResourceName,
    pub change: ChangeKind,
    pub reason: Option<String>,
    pub fields: Vec<FieldChange>,
    /// The schema that the new object is under; the old one's where there is none.
    pub schema: Arc<Schema>,
    pub declared: Option<&'a Declared>,
    /// Its place among the declarations.
    pub place: Option<usize>,
    pub row: Option<&'a StateRow>,
    /// The object as it is now.
    pub prior: Option<Object>,
    /// Its fields to be, as far as they are known.
    pub wanted: Value,
    /// Its fields as written, where they are not as declared because some are ignored.
    pub written: Option<Value>,
    /// The schema of the old object, where it is another.
    pub old_schema: Option<Arc<Schema>>,
}

/// Objects that an earlier run replaced and did not come to delete.
#[derive(Debug, Clone)]
pub(super) struct Leftover<'a> {
    /// The resource.
    pub name: &'a ResourceName,
    /// Its row.
    pub row: &'a StateRow,
    /// The schema that the objects are under.
    pub schema: Arc<Schema>,
}

/// What changes, and what was needed to know better.
#[derive(Debug, Default)]
pub(super) struct Compared<'a> {
    pub decisions: Vec<Decision<'a>>,
    /// Old names and new ones.
    pub renames: Vec<(&'a ResourceName, &'a Declared)>,
    pub leftovers: Vec<Leftover<'a>>,
    pub needs: Vec<Need>,
    pub unchanged: usize,
    /// How many resources had to be compared field by field.
    pub looked_at: usize,
}

pub(super) fn compare<'a>(scope: &'a Scope<'a>, selection: &'a Selection) -> Result<Compared<'a>> {
    let mut walk = Walk {
        scope,
        selection,
        schemas: Schemas::new(scope.input.registry, &scope.input.desired.providers),
        expected: Expected::new(scope),
        changes: Changes::new(scope),
        settled_by_state: settled::by_state(scope, selection),
        result: Compared::default(),
        problems: Vec::new(),
    };
    walk.result.decisions.reserve(scope.without_row());
    for place in scope.linked.order.iter().copied() {
        let name = &scope.entry(place).declared.name;
        if selection.declared.contains(name) {
            walk.visit(place)?;
        } else {
            walk.expected.set(place, scope.row_at(place).map_or(Given::Known(Value::Unknown), Given::Row));
        }
    }
    for name in &selection.rows {
        walk.undeclared(&scope.input.state[name])?;
    }
    match Error::from_diagnostics(walk.problems) {
        Some(error) => Err(error),
        None => Ok(walk.result),
    }
}

struct Walk<'a> {
    scope: &'a Scope<'a>,
    selection: &'a Selection,
    schemas: Schemas<'a>,
    expected: Expected<'a>,
    changes: Changes<'a>,
    /// Which declarations are settled where the state tells what they refer to.
    settled_by_state: Option<Vec<bool>>,
    result: Compared<'a>,
    problems: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, place: usize) -> Result<()> {
        let declared = self.scope.entry(place).declared;
        let schema = self.schemas.of(&declared.role, &declared.kind)?;
        if self.is_settled(place, &schema) {
            self.result.unchanged += 1;
            return Ok(());
        }
        self.result.looked_at += 1;
        let Some(wanted) = self.resolve(declared, &schema) else {
            self.expected.set(place, Given::Known(Value::Unknown));
            return Ok(());
        };
        if matches!(declared.role, Role::Lookup { .. }) {
            self.look_up(place, schema, wanted);
            return Ok(());
        }
        let row = self.scope.row_at(place);
        let mut made = self.decide(declared, row, &schema, wanted.clone())?;
        made.decision.place = Some(place);
        if made.change.is_some() {
            self.show_texts(&mut made.decision, &wanted);
        }
        self.check_secrets(declared, &made);
        let seal = declared.role.seal(self.scope.input.sealer, &declared.kind);
        self.expected.set(place, expect::given(&made, row, |kept| seal.open(kept)));
        if let Some(from) = self.scope.renames.old_name(&declared.name) {
            self.result.renames.push((from, declared));
        }
        if let Some(row) = row {
            self.leave_over(&declared.name, row)?;
        }
        self.settle(made);
        Ok(())
    }

    fn settle(&mut self, made: Made<'a>) {
        match made.change {
            Some(change) => {
                self.changes.note(made.decision.place, made.decision.name, change);
                self.result.decisions.push(Decision { change, ..made.decision });
            }
            None => self.result.unchanged += 1,
        }
    }

    fn schema_of(&mut self, row: &StateRow) -> Result<Arc<Schema>> {
        self.schemas.of(&row.role, &row.kind).map_err(|error| error.with_context("resource", row.name.as_str()))
    }

    /// An object that was left over goes when everything that may still use it takes part.
    fn leave_over(&mut self, name: &'a ResourceName, row: &'a StateRow) -> Result<()> {
        let removes = matches!(self.scope.input.options.command, Command::Apply | Command::Destroy);
        if row.deposed.is_empty() || !removes {
            return Ok(());
        }
        let declared =
            |name: &ResourceName| self.scope.linked.graph.contains(name.as_str()) && self.selection.declared.contains(name);
        let selected = |name: &ResourceName| declared(name) || self.selection.rows.contains(name);
        if self.scope.kept().dependents(name).into_iter().all(|(dependent, _)| selected(dependent)) {
            let schema = self.schema_of(row)?;
            self.result.leftovers.push(Leftover { name, row, schema });
        }
        Ok(())
    }
}
