//! What is there: the state, one resource, how the workspace stands, its runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use provisioning_core::engine::{Status, StepStatus};
use provisioning_core::journal::{self, RunSummary};
use provisioning_core::name::ResourceName;
use provisioning_core::record::Outcome;
use provisioning_core::resource::{Role, StateRow};
use provisioning_core::value::Value;

use super::report::in_doubt;
use super::value::{Whole, inline, parts};
use super::{BOLD, CYAN, count, paint, table, took};

/// What is said where the first run is still to come.
pub(crate) const NO_RUN: &str = "No run yet: `provisioning apply` begins the first.\n";

const INFALLIBLE: &str = "writing to a string cannot fail";

/// Every resource in a line.
pub(crate) fn rows(rows: &BTreeMap<ResourceName, StateRow>) -> String {
    if rows.is_empty() {
        return "The state is empty: nothing was applied yet, or all of it was removed.\n".to_owned();
    }
    let line = |row: &StateRow| {
        let id = row.object.as_ref().map_or("-", |object| object.id.as_str());
        [row.name.to_string(), row.kind.to_string(), place(&row.role), id.to_owned(), condition(row)]
    };
    format!("{}\n", table(["NAME", "KIND", "BY", "ID", "CONDITION"], rows.values().map(line)))
}

fn place(role: &Role) -> String {
    match role {
        Role::Managed { provider } | Role::Lookup { provider } => provider.to_string(),
        Role::Service { host } => format!("on {host}"),
    }
}

fn condition(row: &StateRow) -> String {
    let tainted = row.tainted.then(|| "tainted".to_owned());
    let deposed = (!row.deposed.is_empty()).then(|| format!("{} deposed", row.deposed.len()));
    let inconsistent = row.inconsistent.is_some().then(|| "inconsistent".to_owned());
    let begun = row.is_begun_service().then(|| "not finished".to_owned());
    let known: Vec<_> = tainted.into_iter().chain(deposed).chain(begun).chain(inconsistent).collect();
    if known.is_empty() { "ok".to_owned() } else { known.join(", ") }
}

/// One resource in detail.
pub(crate) fn row(row: &StateRow) -> String {
    let names: Vec<_> = row.depends_on.iter().map(ToString::to_string).collect();
    let facts = [
        ("id", row.object.as_ref().map_or_else(|| "-".to_owned(), |object| object.id.clone())),
        ("by", place(&row.role)),
        ("condition", condition(row)),
        ("depends on", if names.is_empty() { "-".to_owned() } else { names.join(", ") }),
        ("last run", row.run.to_string()),
    ];
    let mut text = format!("{} {}\n", row.kind, paint(BOLD, &row.name));
    for (name, fact) in facts {
        writeln!(text, "  {name:10}  {fact}").expect(INFALLIBLE);
    }
    if let Some(reason) = &row.inconsistent {
        writeln!(text, "  it may not be what it should: {reason}").expect(INFALLIBLE);
    }
    write_values(&mut text, "inputs", &row.inputs);
    if let Some(object) = &row.object {
        write_values(&mut text, "outputs", &object.outputs);
    }
    row.deposed.iter().for_each(|old| writeln!(text, "  deposed     {}", old.id).expect(INFALLIBLE));
    text
}

fn write_values(text: &mut String, title: &str, values: &Value) {
    let mut found = Vec::new();
    values.as_map().into_iter().flatten().for_each(|(name, value)| parts(name, [&Value::Null, value], Whole::Lines, &mut found));
    let width = found.iter().map(|part| part.path.chars().count()).max().unwrap_or(0);
    if !found.is_empty() {
        writeln!(text, "  {}", paint(BOLD, title)).expect(INFALLIBLE);
    }
    for part in found {
        writeln!(text, "    {:width$}  {}", part.path, inline(&part.after)).expect(INFALLIBLE);
    }
}

/// How a workspace stands, and what to do next.
pub(crate) fn status(workspace: &str, status: &Status) -> String {
    let mut text = format!("Workspace `{}` has {}.\n", paint(BOLD, workspace), count(status.resources, "resource"));
    match &status.lease {
        None => text.push_str("Nobody works on it.\n"),
        Some(lease) if status.holder_is_dead => {
            writeln!(text, "It was left by {}, which is dead; the next run takes over.", lease.holder).expect(INFALLIBLE);
        }
        Some(lease) => {
            writeln!(text, "Held by {} since {}, until {}.", lease.holder, lease.acquired_at, lease.expires_at)
                .expect(INFALLIBLE);
        }
    }
    let Some(run) = &status.last_run else { return text + NO_RUN };
    let running = status.lease.is_some() && !status.holder_is_dead;
    let stands = match run.outcome {
        None if running => "is under way; its last record is of".to_owned(),
        None => "was cut off; its last record is of".to_owned(),
        Some(_) => format!("{} at", outcome(run)),
    };
    writeln!(text, "The last run, {} ({}), {stands} {}.", run.id, run.command, run.updated_at).expect(INFALLIBLE);
    write_unfinished(&mut text, &status.unfinished);
    for late in &status.late {
        let told = "which could not be recorded: the next plan takes it in";
        writeln!(text, "{} of run {} made `{}`, {told}.", late.step, late.run, late.object).expect(INFALLIBLE);
    }
    if matches!(run.outcome, None | Some(Outcome::Failed | Outcome::Cancelled)) && !running {
        writeln!(text, "{} {}", paint(CYAN, "Next:"), next(run, &status.unfinished)).expect(INFALLIBLE);
    }
    text
}

/// What goes on with a run that has not come to its end.
fn next(run: &RunSummary, unfinished: &[StepStatus]) -> String {
    let failed = unfinished.iter().find(|step| step.failure.is_some());
    match failed {
        Some(StepStatus { id, status: journal::Status::InDoubt { .. }, .. }) => in_doubt(id) + ".",
        Some(failed) if run.undoes.is_some() => format!(
            "remove the cause, then `provisioning rollback --continue`; or go on without it: `provisioning rollback --skip {} --reason TEXT`.",
            failed.id
        ),
        _ if unfinished.iter().any(|step| step.status.open().is_some()) => {
            "`provisioning resume` finds out what became of the steps that were begun, and goes on.".to_owned()
        }
        _ => "`provisioning resume` goes on with it; `provisioning plan` starts anew.".to_owned(),
    }
}

fn write_unfinished(text: &mut String, steps: &[StepStatus]) {
    const SHOWN: usize = 20;
    if steps.is_empty() {
        return;
    }
    writeln!(text, "Not finished:").expect(INFALLIBLE);
    let line = |step: &StepStatus| {
        let why = step.failure.as_ref().map_or("", |failure| failure.message.as_str());
        [format!("  {}", step.id), step.status.as_str().to_owned(), why.to_owned()]
    };
    let width = steps.iter().take(SHOWN).map(|step| step.id.as_str().chars().count() + 2).max().unwrap_or(0);
    for [id, status, why] in steps.iter().take(SHOWN).map(line) {
        writeln!(text, "{}", format!("{id:width$}  {status:10}  {why}").trim_end()).expect(INFALLIBLE);
    }
    if steps.len() > SHOWN {
        writeln!(text, "  … and {} more", steps.len() - SHOWN).expect(INFALLIBLE);
    }
}

pub(super) fn outcome(run: &RunSummary) -> &'static str {
    match run.outcome {
        Some(Outcome::Completed) => "completed",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Cancelled) => "was stopped",
        Some(Outcome::Superseded) => "was superseded",
        None => "has not ended",
    }
}

/// Whether a rollback was itself taken back.
fn undone_in_turn(runs: &[RunSummary], run: &RunSummary) -> bool {
    runs.iter().any(|back| back.undoes.as_ref() == Some(&run.id) && back.outcome == Some(Outcome::Completed))
}

/// The last runs, newest last.
pub(crate) fn runs(runs: &[RunSummary], last: usize) -> String {
    let earlier = if last == 0 { 0 } else { runs.len().saturating_sub(last) };
    let undone = |run: &RunSummary| {
        let back = runs.iter().rev().find(|back| back.undoes.as_ref() == Some(&run.id));
        back.is_some_and(|back| back.outcome == Some(Outcome::Completed) && !undone_in_turn(runs, back))
    };
    let line = |run: &RunSummary| {
        let millis = run.updated_at.as_millis().saturating_sub(run.started_at.as_millis());
        let duration = took(Duration::from_millis(millis.try_into().unwrap_or(0)));
        let (succeeded, failed) = (run.succeeded.to_string(), run.failed.to_string());
        [
            run.id.to_string(),
            run.command.clone(),
            run.started_at.to_string(),
            duration,
            if undone(run) { "rolled back".to_owned() } else { outcome(run).to_owned() },
            succeeded,
            failed,
        ]
    };
    if runs.is_empty() {
        return NO_RUN.to_owned();
    }
    let head = ["RUN", "COMMAND", "STARTED", "TOOK", "OUTCOME", "DONE", "FAILED"];
    let more = if earlier > 0 { format!("… {earlier} earlier; `--last 0` shows all\n") } else { String::new() };
    format!("{more}{}\n", table(head, runs[earlier..].iter().map(line)))
}

#[cfg(test)]
mod tests;
