//! What must not happen: protected resources going, two objects under one unique value.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::{Claim, text, unique_fields};
use super::compare::{Compared, Decision};
use super::scope::Scope;
use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::name::{Kind, ProviderName, ResourceName};
use crate::plan::ChangeKind;
use crate::resource::{Declared, StateRow};
use crate::value::Value;

pub(super) fn guard(scope: &Scope<'_>, compared: &Compared<'_>) -> Result<()> {
    let decisions = &compared.decisions;
    let protected: Vec<_> = decisions.iter().filter_map(|decision| protected(scope, decision)).collect();
    if let Some(first) = protected.first() {
        let others = if protected.len() > 1 { format!(", and {} more", protected.len() - 1) } else { String::new() };
        return Err(Error::new(ErrorKind::Conflict, format!("{first}{others}"))
            .with_hint("take `prevent_destroy` out of its lifecycle first, or leave it out with `--exclude`"));
    }
    let mut problems: Vec<_> = decisions.iter().filter_map(two_at_once).collect();
    problems.extend(shared_names(scope, decisions));
    Error::from_diagnostics(problems).map_or(Ok(()), Err)
}

/// What a resource is declared to be counts, also where nothing of it is wanted; the state only where it is not declared.
fn protected(scope: &Scope<'_>, decision: &Decision<'_>) -> Option<String> {
    let declared = decision.declared.or_else(|| scope.declared.resources.get(decision.name));
    let lifecycle = declared.map(|declared| &declared.lifecycle).or(decision.row.map(|row| &row.lifecycle))?;
    let goes = matches!(decision.change, ChangeKind::Delete | ChangeKind::Replace | ChangeKind::ReplaceBefore);
    if !goes || !lifecycle.prevent_destroy {
        return None;
    }
    let forced: Vec<_> =
        decision.fields.iter().filter(|field| field.forces_replacement).map(|field| format!("`{}`", field.field)).collect();
    let cause = if forced.is_empty() { String::new() } else { format!(" because of {}", forced.join(", ")) };
    let fate = if decision.change == ChangeKind::Delete { "deleted" } else { "replaced" };
    Some(format!("`{}` is protected and would be {fate}{cause}", decision.name))
}

/// A new object cannot be made first while the old one has what only one may have: a unique value, or the one place in
/// the state that says of which kind and provider a resource is.
fn two_at_once(decision: &Decision<'_>) -> Option<Diagnostic> {
    let declared = decision.declared.filter(|_| decision.change == ChangeKind::ReplaceBefore)?;
    let place = format!("resources.{}.lifecycle.create_before_destroy", decision.name);
    let why = if declared.lifecycle.create_before_destroy { "" } else { ", because something that needs it is" };
    if decision.old_schema.is_some() {
        let message = format!("is replaced by a new one first{why}, which cannot be of another kind or provider");
        let hint = "give the new one another name, or take `create_before_destroy` away";
        return Some(Diagnostic::new(declared.origin.clone(), place, message).with_hint(hint));
    }
    let kept = |name: &str| decision.wanted.field(name).is_some() && !decision.fields.iter().any(|field| *field.field == *name);
    let name = unique_fields(&decision.schema).find(|name| kept(name))?;
    let message = format!("is replaced by a new one first{why}, and both would have the same `{name}`");
    let hint = "change that field too, or take `create_before_destroy` away";
    Some(Diagnostic::new(declared.origin.clone(), place, message).with_hint(hint))
}

/// Resources of one kind and provider that claim the same unique value, or one that another has and keeps.
fn shared_names(scope: &Scope<'_>, decisions: &[Decision<'_>]) -> Vec<Diagnostic> {
    let mut claims: BTreeMap<Claim<'_>, &Declared> = BTreeMap::new();
    let mut unique: BTreeMap<(Option<&ProviderName>, &Kind), Vec<&str>> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut claimants: Vec<_> = decisions.iter().filter(|decision| unique_fields(&decision.schema).next().is_some()).collect();
    claimants.sort_unstable_by_key(|decision| decision.name);
    for decision in claimants {
        let Some(declared) = decision.declared else { continue };
        let space = (declared.role.provider(), &declared.kind);
        let fields = unique.entry(space).or_insert_with(|| unique_fields(&decision.schema).collect());
        for field in fields.iter().copied() {
            let Some(value) = decision.wanted.field(field).filter(|value| !value.has_unknown()) else { continue };
            if let Some(other) = claims.insert(Claim::new(&declared.role, &declared.kind, field, value), declared) {
                problems.push(collision(declared, field, value, &other.name));
            }
        }
    }
    if claims.is_empty() {
        return problems;
    }
    let changing: BTreeSet<_> = decisions.iter().map(|decision| decision.name).collect();
    let stays = |row: &StateRow| row.object.is_some() && !changing.contains(scope.renames.new_name(&row.name));
    for row in scope.input.state.values().filter(|row| stays(row)) {
        let space = (row.role.provider(), &row.kind);
        for field in unique.get(&space).into_iter().flatten() {
            let Some(value) = row.inputs.field(field) else { continue };
            if let Some(claimant) = claims.get(&Claim::new(&row.role, &row.kind, field, value)) {
                problems.push(collision(claimant, field, value, &row.name));
            }
        }
    }
    problems
}

fn collision(declared: &Declared, field: &str, value: &Value, other: &ResourceName) -> Diagnostic {
    let origin = declared.origins.get(field).or(declared.origin.as_ref()).cloned();
    let place = format!("resources.{}.{field}", declared.name);
    Diagnostic::new(origin, place, format!("`{}` belongs to `{other}` already", text(value)))
}
