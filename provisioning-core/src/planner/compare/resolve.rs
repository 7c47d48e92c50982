//! The fields of a declaration with every reference replaced by what is expected for it.

use super::Walk;
use super::decide::Made;
use crate::error::{Diagnostic, Error};
use crate::plan::ChangeKind;
use crate::resource::Declared;
use crate::schema::Schema;
use crate::value::{Reference, Value, withheld};

impl<'a> Walk<'a> {
    /// The fields as they are to be; `None` after a problem.
    pub(super) fn resolve(&mut self, declared: &'a Declared, schema: &Schema) -> Option<Value> {
        if !declared.inputs.has_references() {
            return Some(declared.inputs.clone());
        }
        let before = self.problems.len();
        let mut fields = Vec::new();
        for (field, value) in declared.inputs.as_map()? {
            let mut withheld = false;
            let resolved = value.resolve(&mut |reference| {
                let found = self.expected.get(reference)?;
                withheld |= found.is_withheld();
                Ok(found)
            });
            let found = match resolved {
                Ok(found) if withheld && found.has_unknown() => self.as_it_was(declared, field, value).unwrap_or(found),
                Ok(found) => found,
                Err(error) => {
                    self.problem(declared, field, &error);
                    Value::Unknown
                }
            };
            fields.push((field.clone(), found));
        }
        let resolved = schema.hidden(&Value::map(fields));
        for (name, _) in schema.fields.iter().filter(|(_, field)| field.unique) {
            if resolved.field(name).is_some_and(Value::is_sensitive) {
                let error = Error::invalid("a secret cannot stand here: this is what the object is known by, and it is shown");
                self.problem(declared, name, &error);
            }
        }
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
        let row = self.scope.row(declared)?;
        let closed = declared.role.seal(self.scope.input.sealer, &declared.kind).close(&declared.inputs);
        let mut older = row.written.field(field) == closed.field(field);
        let visited = written.visit_references(&mut |reference| {
            let root = self.scope.sight().row_of(&reference.root);
            older &= self.changes.of_root(&reference.root).is_none() && root.is_some_and(|root| root.version < row.version);
        });
        (visited.is_ok() && older).then(|| row.inputs.field(field).cloned()).flatten()
    }

    /// Reports fields that a step could not be called with: what they refer to is not at hand, and nothing in this plan
    /// brings the value back.
    pub(super) fn check_secrets(&mut self, declared: &'a Declared, made: &Made<'a>) {
        let makes = [ChangeKind::Create, ChangeKind::Update, ChangeKind::Replace, ChangeKind::ReplaceBefore];
        if !made.change.is_some_and(|change| makes.contains(&change)) || !declared.inputs.has_references() {
            return;
        }
        let written = made.decision.written.as_ref().unwrap_or(&declared.inputs);
        for (field, value) in written.as_map().into_iter().flatten() {
            for reference in self.lost(value) {
                let found = self.expected.get(&reference).unwrap_or_default();
                self.problem(declared, field, &withheld(&reference, &found));
            }
        }
    }

    /// The references in a value that lead to what is not at hand and to nothing more in this plan.
    fn lost(&self, value: &Value) -> Vec<Reference> {
        let mut lost = Vec::new();
        let unchanged = |reference: &Reference| self.changes.of_root(&reference.root).is_none();
        let visited = value.visit_references(&mut |reference| {
            if unchanged(reference) && self.expected.get(reference).is_ok_and(|found| found.is_withheld()) {
                lost.push(reference.clone());
            }
        });
        debug_assert!(visited.is_ok(), "the references were resolved before");
        lost
    }

    fn problem(&mut self, declared: &Declared, field: &str, error: &Error) {
        let origin = declared.origins.get(field).or(declared.origin.as_ref()).cloned();
        let place = format!("resources.{}.{field}", declared.name);
        self.problems.push(error.at(origin, place));
    }
}
