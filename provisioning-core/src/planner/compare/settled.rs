//! Which resources are as they are declared at first sight, so that nothing has to be worked out for them.
//!
//! A plan of many resources of which one was edited then costs that one and what depends on it.

use super::Walk;
use crate::error::Result;
use crate::parallel;
use crate::planner::schemas::Schemas;
use crate::planner::scope::{Entry, Scope, Sight};
use crate::planner::select::{Part, Selection};
use crate::resource::{Declared, Role, StateRow};
use crate::schema::Schema;
use crate::value::{Reference, Template, Value};

/// What a reference gives.
type Get<'g> = &'g dyn Fn(&Reference) -> Result<Value>;

/// Which declarations are settled as far as the state tells what they refer to, by place; nothing where only some take part.
pub(super) fn by_state(scope: &Scope<'_>, selection: &Selection) -> Option<Vec<bool>> {
    let Part::All = selection.declared else { return None };
    let sight = scope.sight();
    let parts = parallel::parts(sight.entries, |first, entries| {
        let mut schemas = Schemas::new(sight.input.registry, &sight.input.desired.providers);
        let mut is_settled = |(place, entry): (usize, &Entry<'_>)| {
            let Entry { declared, row: Some(_) } = entry else { return false };
            let schema = schemas.of(&declared.role, &declared.kind);
            schema.is_ok_and(|schema| sight.is_settled(place, &schema, &|reference| sight.by_state(reference)))
        };
        (first..).zip(entries).map(&mut is_settled).collect::<Vec<_>>()
    });
    Some(parts.concat())
}

impl Walk<'_> {
    /// Whether a resource cannot differ from its declaration: it is declared as it was, its object is whole and as it was left,
    /// and nothing that it refers to changes now, or is another value than when it was made.
    pub(super) fn is_settled(&self, place: usize, schema: &Schema) -> bool {
        #[cfg(test)]
        if THOROUGH.get() {
            return false;
        }
        let Entry { declared, row: Some(_) } = self.scope.entry(place) else { return false };
        if self.selection.replace.contains(&declared.name) {
            return false;
        }
        let (mut unchanged, mut by_state) = (true, true);
        for on in self.scope.linked.needs(place) {
            unchanged &= self.changes.at(on).is_none();
            by_state &= self.expected.is_by_state(on);
        }
        match &self.settled_by_state {
            Some(settled) if by_state => unchanged && settled[place],
            _ => unchanged && self.scope.sight().is_settled(place, schema, &|reference| self.expected.get(reference)),
        }
    }
}

impl Sight<'_, '_> {
    /// Whether a resource is settled as long as nothing that it needs changes.
    fn is_settled(&self, place: usize, schema: &Schema, get: Get<'_>) -> bool {
        let Entry { declared, row: Some(row) } = self.entries[place] else { return false };
        is_whole(row)
            && is_declared_alike(declared, row)
            && schema.is_persistable(&row.inputs)
            && self.is_as_it_was_left(row)
            && row.depends_on.iter().eq(self.linked.needs(place).map(|on| &self.entries[on].declared.name))
            && self.refers_to_the_same(declared, schema, row, get)
    }

    /// Whether the object is as the state has it, and that is what was asked for.
    fn is_as_it_was_left(&self, row: &StateRow) -> bool {
        let Some(object) = &row.object else { return false };
        let seen = self.input.seen.objects.get(&row.name);
        let mut asked = row.inputs.as_map().into_iter().flatten();
        seen.is_none_or(|seen| seen.as_ref() == Some(object))
            && asked.all(|(field, asked)| object.outputs.field(field).is_none_or(|given| given == asked))
    }

    /// Whether the references in a declaration give what they gave. When a row was written says nothing of that: a refresh
    /// writes it, and leaves the inputs as they were resolved long before.
    fn refers_to_the_same(&self, declared: &Declared, schema: &Schema, row: &StateRow, get: Get<'_>) -> bool {
        if !declared.inputs.has_references() {
            return true;
        }
        if !schema.hides_anything() && gives(&declared.inputs, &row.inputs, get) {
            return true;
        }
        let resolved = declared.inputs.resolve(&mut |reference| get(reference));
        let seal = declared.role.seal(self.input.sealer, &declared.kind);
        resolved.is_ok_and(|resolved| {
            let known = !resolved.has_unknown() && !resolved.is_withheld();
            known && schema.persistable(&schema.hidden(&resolved), &seal) == row.inputs
        })
    }
}

/// Whether a value gives another one when it is resolved, seen without putting it together. Says no where that is not
/// plain to see.
fn gives(written: &Value, kept: &Value, get: Get<'_>) -> bool {
    match (written, kept) {
        (Value::String(text), kept) if Template::is_in(text) => {
            let template = Template::parse(text).ok();
            let found = template.as_ref().and_then(Template::as_reference).and_then(|reference| get(reference).ok());
            found.is_some_and(|found| found == *kept && !found.has_unknown() && !found.is_withheld() && !found.has_secret())
        }
        (Value::Render(_) | Value::Secret(_), _) => false,
        (Value::List(written), Value::List(kept)) => {
            written.len() == kept.len() && written.iter().zip(kept.iter()).all(|(written, kept)| gives(written, kept, get))
        }
        (Value::Map(written), Value::Map(kept)) => {
            written.keys().eq(kept.keys()) && written.values().zip(kept.values()).all(|(written, kept)| gives(written, kept, get))
        }
        (written, kept) => written == kept,
    }
}

/// Whether a row has one object and nothing to repair.
fn is_whole(row: &StateRow) -> bool {
    row.object.is_some() && row.deposed.is_empty() && !row.tainted && row.inconsistent.is_none()
}

fn is_declared_alike(declared: &Declared, row: &StateRow) -> bool {
    let Declared { role, kind, inputs, lifecycle, .. } = declared;
    matches!(role, Role::Managed { .. })
        && (role, kind, inputs) == (&row.role, &row.kind, &row.written)
        && lifecycle.ignore_changes.is_empty()
        && lifecycle.prevent_destroy == row.lifecycle.prevent_destroy
}

#[cfg(test)]
thread_local! {
    /// Whether everything is looked at closely, to hold what comes of it against what a glance gives.
    static THOROUGH: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Plans with a close look at everything.
#[cfg(test)]
pub(in crate::planner) fn thoroughly<T>(plan: impl FnOnce() -> T) -> T {
    THOROUGH.set(true);
    let planned = plan();
    THOROUGH.set(false);
    planned
}
