//! Rows of the state that no declaration stands behind.

use std::sync::Arc;

use super::decide::Made;
use super::{Decision, Walk};
use crate::error::Result;
use crate::name::ResourceName;
use crate::plan::{ChangeKind, Command};
use crate::resource::{Role, StateRow};
use crate::schema::{Existence, Schema};

/// Why a row goes of which no declaration is left.
pub(in crate::planner) const NO_LONGER_DECLARED: &str = "no longer declared";

impl<'a> Walk<'a> {
    pub(super) fn undeclared(&mut self, row: &'a StateRow) -> Result<()> {
        if self.scope.input.options.command == Command::Forget {
            // Also a row whose provider is gone must be possible to drop.
            let schema = Arc::new(Schema::bare(row.kind.clone(), ""));
            self.settle(Made { change: Some(ChangeKind::Forget), decision: Decision::undeclared(row, schema) });
            return Ok(());
        }
        self.leave_over(&row.name, row)?;
        let object = self.object(row);
        let (change, reason) = match self.scope.input.options.command {
            Command::Apply | Command::Destroy if row.is_begun_service() => self.removal(row, false)?,
            Command::Apply | Command::Destroy if row.objects().next().is_none() => {
                (Some(ChangeKind::Forget), Some("nothing is left of it"))
            }
            _ if row.object.is_none() => (None, None),
            Command::Refresh if object.is_none() => (Some(ChangeKind::Refresh), Some("gone")),
            Command::Refresh if object == row.object => (None, None),
            Command::Refresh => (Some(ChangeKind::Refresh), Some("changed outside")),
            _ => self.removal(row, object.is_none())?,
        };
        let schema = match change {
            None | Some(ChangeKind::Forget) => Arc::new(Schema::bare(row.kind.clone(), "")),
            Some(_) => self.schema_of(row)?,
        };
        let reason = reason.map(str::to_owned);
        let decision = Decision { reason, prior: object, ..Decision::undeclared(row, schema) };
        if change.is_some() || row.object.is_some() {
            self.settle(Made { change, decision });
        }
        Ok(())
    }

    fn removal(&mut self, row: &StateRow, gone: bool) -> Result<(Option<ChangeKind>, Option<&'static str>)> {
        if let Role::Service { host } = &row.role
            && let Some(why) = self.out_of_reach(host)?
        {
            return Ok((Some(ChangeKind::Forget), Some(why)));
        }
        if gone && row.deposed.is_empty() {
            return Ok((Some(ChangeKind::Forget), Some("gone already")));
        }
        let destroys = self.scope.input.options.command == Command::Destroy;
        Ok((Some(ChangeKind::Delete), (!destroys).then_some(NO_LONGER_DECLARED)))
    }

    /// Why nothing can, or need, be done about a service on a host.
    fn out_of_reach(&mut self, host: &ResourceName) -> Result<Option<&'static str>> {
        let input = &self.scope.input;
        if let Some(declared) = input.desired.resources.get(host)
            && matches!(declared.role, Role::Lookup { .. })
        {
            let connection = self.expected.output(host, "connection");
            return Ok(connection.is_none_or(|value| value.has_unknown()).then_some("nothing leads to its host now"));
        }
        let name = self.scope.renames.old_name(host).unwrap_or(host);
        let Some(row) = input.state.get(name).filter(|row| row.object.is_some()) else {
            return Ok(Some("its host is gone"));
        };
        if matches!(input.seen.objects.get(name), Some(None)) {
            return Ok(Some("its host is gone"));
        }
        let replaced = matches!(self.changes.of(host), Some(ChangeKind::Replace | ChangeKind::ReplaceBefore));
        let host_goes = replaced || self.selection.rows.contains(name) && !input.desired.resources.contains_key(host);
        let removed = host_goes && self.schema_of(row)?.existence != Existence::Existing;
        Ok(removed.then_some("goes with its host"))
    }
}
