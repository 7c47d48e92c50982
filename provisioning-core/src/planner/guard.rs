//! What must not happen: protected resources going, two objects under one unique value.

use std::collections::BTreeMap;

use super::Input;
use super::compare::Decision;
use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::name::{Kind, ProviderName, ResourceName};
use crate::plan::ChangeKind;
use crate::resource::Declared;
use crate::value::Value;

pub(super) fn guard(input: &Input<'_>, decisions: &[Decision<'_>]) -> Result<()> {
    let protected: Vec<_> = decisions.iter().filter_map(protected).collect();
    if let Some(first) = protected.first() {
        let others = if protected.len() > 1 { format!(", and {} more", protected.len() - 1) } else { String::new() };
        return Err(Error::new(ErrorKind::Conflict, format!("{first}{others}"))
            .with_hint("take `prevent_destroy` out of its lifecycle first, or leave it out with `--exclude`"));
    }
    let mut problems = before_its_own_name_is_free(decisions);
    problems.extend(shared_names(input, decisions));
    Error::from_diagnostics(problems).map_or(Ok(()), Err)
}

fn protected(decision: &Decision<'_>) -> Option<String> {
    let declared = decision.declared.map(|declared| &declared.lifecycle);
    let lifecycle = declared.or(decision.row.map(|row| &row.lifecycle))?;
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

/// A new object cannot be made first while the old one has the name that only one may have.
fn before_its_own_name_is_free(decisions: &[Decision<'_>]) -> Vec<Diagnostic> {
    let first = decisions.iter().filter(|decision| decision.change == ChangeKind::ReplaceBefore);
    first
        .filter_map(|decision| {
            let declared = decision.declared?;
            let kept = |name: &str| !decision.fields.iter().any(|field| field.field == name);
            let (name, _) = decision.schema.fields.iter().find(|(name, field)| field.unique && kept(name))?;
            let message = format!("is replaced by a new one first, and both would have the same `{name}`");
            let place = format!("resources.{}.lifecycle.create_before_destroy", decision.name);
            Some(
                Diagnostic::new(declared.origin.clone(), place, message)
                    .with_hint("change that field too, or take `create_before_destroy` away"),
            )
        })
        .collect()
}

/// Two declared resources of one kind and provider that claim the same unique value.
fn shared_names(input: &Input<'_>, decisions: &[Decision<'_>]) -> Vec<Diagnostic> {
    let mut claims: BTreeMap<(Space<'_>, &str, String), &ResourceName> = BTreeMap::new();
    let mut unique: BTreeMap<Space<'_>, Vec<&str>> = BTreeMap::new();
    let mut problems = Vec::new();
    let changing: BTreeMap<_, _> = decisions.iter().filter_map(|decision| Some((&decision.declared?.name, decision))).collect();
    for decision in changing.values() {
        let Some(declared) = decision.declared else { continue };
        let space = (declared.role.provider(), &declared.kind);
        for (field, _) in decision.schema.fields.iter().filter(|(_, field)| field.unique) {
            let Some(value) = decision.wanted.field(field).filter(|value| !value.has_unknown()) else { continue };
            unique.entry(space).or_default().push(field);
            if let Some(other) = claims.insert((space, field, text(value)), &declared.name) {
                problems.push(collision(declared, field, value, other));
            }
        }
    }
    for row in input.state.values().filter(|row| !changing.contains_key(&row.name)) {
        let Some(declared) = input.desired.resources.get(&row.name) else { continue };
        let space = (declared.role.provider(), &declared.kind);
        for field in unique.get(&space).into_iter().flatten() {
            let claimant = row.inputs.field(field).and_then(|value| claims.get(&(space, *field, text(value))));
            if let Some(claimant) = claimant.and_then(|name| input.desired.resources.get(*name)) {
                problems.push(collision(claimant, field, &row.inputs.field(field).cloned().unwrap_or_default(), &row.name));
            }
        }
    }
    problems
}

/// Where a unique value is unique: among the objects of one kind of one provider.
type Space<'a> = (Option<&'a ProviderName>, &'a Kind);

fn collision(declared: &Declared, field: &str, value: &Value, other: &ResourceName) -> Diagnostic {
    let origin = declared.origins.get(field).or(declared.origin.as_ref()).cloned();
    let place = format!("resources.{}.{field}", declared.name);
    Diagnostic::new(origin, place, format!("`{}` belongs to `{other}` already", text(value)))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| serde_json::to_string(value).unwrap_or_default(), str::to_owned)
}
