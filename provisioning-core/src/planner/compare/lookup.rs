//! Lookups: answered before planning where that is possible, and read by the run where it is not.

use std::sync::Arc;

use super::{Decision, Walk};
use crate::error::Diagnostic;
use crate::plan::{ChangeKind, Command};
use crate::planner::Need;
use crate::planner::compare::decide::Made;
use crate::planner::compare::expect::Given;
use crate::planner::scope::Entry;
use crate::schema::Schema;
use crate::value::Value;

impl Walk<'_> {
    pub(super) fn look_up(&mut self, place: usize, schema: Arc<Schema>, query: Value) {
        let Entry { declared, row } = self.scope.entry(place);
        let name = &declared.name;
        if let Some(row) = row {
            let message = format!("is a lookup now, and the state has a `{}` of that name", row.kind);
            let place = format!("lookups.{name}");
            let hint = "give the lookup another name; the resource is then deleted";
            self.problems.push(Diagnostic::new(declared.origin.clone(), place, message).with_hint(hint));
        }
        let answer = self.scope.input.seen.answers.get(name).cloned();
        if answer.is_none() {
            match self.not_yet(place, &query) {
                None => self.result.needs.push(Need::Answer { name: name.clone(), query }),
                Some(reason) if self.scope.input.options.command == Command::Apply => {
                    let query = schema.persistable(&query, &self.scope.input.sealer.of_lookups());
                    let (reason, place) = (Some(reason), Some(place));
                    let decision = Decision { reason, place, ..Decision::of(declared, None, schema, query) };
                    self.settle(Made { change: Some(ChangeKind::Read), decision });
                }
                Some(_) => {}
            }
        }
        let opened = answer.map(|answer| self.scope.input.sealer.of_lookups().open(&answer));
        self.expected.set(place, Given::Known(opened.unwrap_or(Value::Unknown)));
    }

    /// Why a lookup cannot be answered before the run.
    fn not_yet(&self, place: usize, query: &Value) -> Option<String> {
        let declared = self.scope.entry(place).declared;
        if query.has_unknown() {
            return Some("its query is known after apply".into());
        }
        let provider = declared.role.provider().and_then(|alias| self.scope.input.desired.providers.get(alias));
        let settings = provider.map(|provider| provider.settings.resolve(&mut |reference| self.expected.get(reference)));
        if settings.is_some_and(|settings| settings.map_or(true, |settings| settings.has_unknown())) {
            return Some("the settings of its provider are known after apply".into());
        }
        let explicit = |place| declared.depends_on.iter().any(|on| self.scope.linked.matching(on).contains(&place));
        let first = self.scope.linked.needs(place).find(|on| match self.changes.at(*on) {
            Some(ChangeKind::Update) => explicit(*on),
            Some(ChangeKind::Refresh) | None => false,
            Some(_) => true,
        });
        first.map(|on| format!("it comes after `{}`, which changes", self.scope.entry(on).declared.name))
    }
}
