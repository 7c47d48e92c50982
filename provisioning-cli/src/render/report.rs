//! How a run ended, as people read it: root failures beside their resource, the sum, the outputs, what comes next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use provisioning_core::engine::{CriticalPath, OutputValue, Report, Undone};
use provisioning_core::error::Failure;
use provisioning_core::name::StepId;
use provisioning_core::plan::Plan;
use provisioning_core::record::Outcome;
use provisioning_core::value::Value;
use serde_json::{Map, Value as Json, json};

use super::error::{advice, headline};
use super::plan::tally;
use super::value::inline;
use super::{BOLD, CYAN, GREEN, RED, YELLOW, count, paint, took};

/// How many failures are told.
const SHOWN: usize = 20;
/// How long a run must take for it to be told what it waited for.
const WORTH_EXPLAINING: Duration = Duration::from_secs(1);
/// How many of the steps that it waited for are told.
const EXPLAINED: usize = 4;

const INFALLIBLE: &str = "writing to a string cannot fail";

/// The failures and what is in doubt: for standard error, nothing when all is well.
pub(crate) fn failures(report: &Report, plan: Option<&Plan>) -> String {
    let mut text = String::new();
    for (step, failure) in report.failures.iter().take(SHOWN) {
        write_failure(&mut text, step, failure, plan);
    }
    if report.failures.len() > SHOWN {
        let more = report.failures.len() - SHOWN;
        writeln!(text, "… and {more} more failures; `provisioning events` has all").expect(INFALLIBLE);
    }
    for (step, reason) in &report.in_doubt {
        if report.outcome == Outcome::Cancelled {
            writeln!(text, "{step} was interrupted: a resume first looks for what it left").expect(INFALLIBLE);
            continue;
        }
        writeln!(text, "{}", headline(&format!("{} is in doubt: {reason}", paint(BOLD, step)))).expect(INFALLIBLE);
        text.push_str(&advice("  ", &in_doubt(step)));
    }
    text
}

/// What settles a step in doubt.
pub(super) fn in_doubt(step: &StepId) -> String {
    let made = if step.verb() == "create" { format!("`adopt {step} ID` if it made an object, ") } else { String::new() };
    format!(
        "look whether it had its effect, then {made}`retry {step}` if it had none, `abandon {step} --reason TEXT` if it is dealt with; `resume` looks again"
    )
}

fn write_failure(text: &mut String, step: &StepId, failure: &Failure, plan: Option<&Plan>) {
    writeln!(text, "{}", headline(&format!("{}: {}", paint(BOLD, step), failure.message))).expect(INFALLIBLE);
    let change = plan.and_then(|plan| plan.changes.iter().find(|change| change.name.as_str() == step.resource()));
    if let Some(change) = change {
        let place = change.origin.as_ref().map_or(String::new(), |origin| format!(", declared in {origin}"));
        writeln!(text, "  {} {}{place}", change.kind, change.name).expect(INFALLIBLE);
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&advice("  ", hint));
    }
}

/// What follows a run: its sum, unless the plan has said that there was nothing to do, and what it gives back.
pub(crate) fn finished(report: &Report, plan: Option<&Plan>, given: &BTreeMap<String, OutputValue>) -> String {
    let said = report.run.is_none() && plan.is_some_and(|plan| plan.changes.is_empty());
    let mut text = if said { String::new() } else { format!("\n{}", summary(report, plan)) };
    if !given.is_empty() {
        writeln!(text, "\n{}", paint(BOLD, "Outputs:")).expect(INFALLIBLE);
    }
    outputs(given, Reveal::No).lines().for_each(|line| writeln!(text, "  {line}").expect(INFALLIBLE));
    text
}

/// The sum of a run, and the next step where there is one.
fn summary(report: &Report, plan: Option<&Plan>) -> String {
    let time = took(report.duration);
    let Some(run) = &report.run else { return format!("{} Nothing to do.\n", paint(GREEN, "Done.")) };
    match report.outcome {
        Outcome::Completed => {
            format!("{} {} in {time}. Run {run}.\n{}", paint(GREEN, "Done:"), achieved(report, plan), waited_for(report))
        }
        Outcome::Failed => {
            let next = if report.undoes.is_some() {
                stuck(report)
            } else {
                format!(
                    "remove the cause, then `provisioning resume` goes on with the same plan (run {run}); after a change of the declarations, `provisioning apply`"
                )
            };
            let head = format!("{} {}\n", paint(RED, format!("Failed after {time}:")), standing(report));
            match &report.rollback {
                Some(undone) => head + &rolled_back(undone),
                None => format!("{head}{} {next}.\n", paint(CYAN, "Next:")),
            }
        }
        Outcome::Cancelled => {
            let next = format!("`provisioning resume` goes on where it stopped (run {run})");
            format!(
                "{} {}\n{} {next}.\n",
                paint(YELLOW, format!("Stopped after {time}:")),
                standing(report),
                paint(CYAN, "Next:")
            )
        }
        Outcome::Superseded => format!("{} A newer run took the place of run {run}.\n", paint(YELLOW, "Superseded.")),
    }
}

/// The steps that a run waited for, and what would have been faster, where it took long enough to ask.
fn waited_for(report: &Report) -> String {
    let Some(CriticalPath { steps, waited, unlimited }) = report.critical_path.as_ref() else { return String::new() };
    if report.duration < WORTH_EXPLAINING {
        return String::new();
    }
    let mut longest: Vec<_> = steps.iter().map(|(_, time)| *time).collect();
    longest.sort_unstable_by(|a, b| b.cmp(a));
    let least = longest.get(EXPLAINED - 1).copied().unwrap_or_default();
    let shown = steps.iter().filter(|(_, time)| *time >= least).take(EXPLAINED);
    let shown: Vec<_> = shown.map(|(step, time)| format!("{step} {}", took(*time))).collect();
    let more = steps.len() - shown.len();
    let more = if more > 0 { format!(" and {}", count(more, "shorter step")) } else { String::new() };
    let mut text = format!("It took as long as {}{more}", shown.join(", "));
    if *waited > report.duration / 10 {
        let saved = format!("; for {} of that none of them ran: with more calls at once", took(*waited));
        write!(text, "{saved} (`--parallelism`) {} would be possible", took(*unlimited)).expect(INFALLIBLE);
    }
    text + ".\n"
}

/// What came of taking a failed run back.
fn rolled_back(undone: &Undone) -> String {
    match undone {
        Undone::Run(back) if back.outcome == Outcome::Completed => {
            format!("{} Everything it did was taken back.{}\n", paint(GREEN, "Rolled back:"), by(back))
        }
        Undone::Run(back) => {
            let next = stuck(back);
            format!(
                "{}{}\n{}{} {next}.\n",
                failures(back, None),
                paint(RED, "Not rolled back:"),
                standing(back),
                paint(CYAN, "\nNext:")
            )
        }
        Undone::Nothing => format!("{} It had changed nothing.\n", paint(GREEN, "Nothing to roll back:")),
        Undone::Refused(failure) => {
            let hint = failure.hint.as_ref().map(|hint| advice("", hint)).unwrap_or_default();
            format!("{} {}\n{hint}", paint(RED, "Not rolled back:"), failure.message)
        }
    }
}

/// What goes on with a rollback that did not come to its end.
fn stuck(report: &Report) -> String {
    let failed = report.failures.iter().map(|(step, _)| step).chain(report.in_doubt.iter().map(|(step, _)| step)).next();
    match failed.filter(|_| report.outcome == Outcome::Failed) {
        Some(step) => format!(
            "remove the cause, then `provisioning rollback --continue`; or go on without it: `provisioning rollback --skip {step} --reason TEXT`"
        ),
        None => "`provisioning rollback --continue` goes on taking it back".to_owned(),
    }
}

fn by(report: &Report) -> String {
    report.run.as_ref().map(|run| format!(" Run {run}.")).unwrap_or_default()
}

fn achieved(report: &Report, plan: Option<&Plan>) -> String {
    if report.waived > 0 {
        let (done, steps) = (report.succeeded, count(report.steps, "step"));
        return format!("{done} of {steps}, {} left out", report.waived);
    }
    let Some(plan) = plan else { return format!("all of {}", count(report.steps, "step")) };
    let past = |verb: &str| match verb {
        "read" => "read".to_owned(),
        "forget" => "forgotten".to_owned(),
        "refresh" => "refreshed".to_owned(),
        verb => format!("{verb}d"),
    };
    let parts =
        tally(plan).into_iter().filter(|(number, _)| *number > 0).map(|(number, verb)| format!("{number} {}", past(verb)));
    let parts: Vec<_> = parts.chain([format!("{} unchanged", plan.unchanged)]).collect();
    parts.join(", ")
}

fn standing(report: &Report) -> String {
    let mut text = format!("{} of {} done", report.succeeded, count(report.steps, "step"));
    let others = [(report.failures.len(), "failed"), (report.in_doubt.len(), "in doubt"), (report.not_begun, "not begun")];
    for (number, word) in others.into_iter().filter(|(number, _)| *number > 0) {
        write!(text, ", {number} {word}").expect(INFALLIBLE);
    }
    text + "."
}

/// The outputs, one a line; sensitive ones only where they are to be revealed.
pub(crate) fn outputs(outputs: &BTreeMap<String, OutputValue>, reveal: Reveal) -> String {
    let width = outputs.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |(name, output): (&String, &OutputValue)| format!("{name:width$}  {}\n", shown(output, reveal));
    outputs.iter().map(line).collect()
}

/// Whether sensitive values are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reveal {
    /// They are.
    Yes,
    /// They are masked.
    No,
}

/// An output's value as people read it.
fn shown(output: &OutputValue, reveal: Reveal) -> String {
    if output.sensitive && reveal == Reveal::No {
        return "(sensitive)".to_owned();
    }
    match &output.value {
        value if reveal == Reveal::Yes => inline(&unhidden(value)),
        value => inline(value),
    }
}

/// A value with its secrets in the clear, as far as they are at hand.
fn unhidden(value: &Value) -> Value {
    match value {
        Value::Secret(secret) => unhidden(secret.expose()),
        Value::List(items) => Value::list(items.iter().map(unhidden)),
        Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), unhidden(item)))),
        other => other.clone(),
    }
}

/// An output's value as a script wants it: a text without quotes, anything else as JSON; `None` when it is masked or
/// not there.
pub(crate) fn raw(output: &OutputValue, reveal: Reveal) -> Option<String> {
    match document(output, reveal)["value"].take() {
        Json::Null => None,
        Json::String(text) => Some(text),
        value => Some(value.to_string()),
    }
}

/// An output as JSON: `null` for a value that is masked or not known.
pub(crate) fn document(output: &OutputValue, reveal: Reveal) -> Json {
    let sensitive = output.sensitive || output.value.is_sensitive();
    let value = if sensitive && reveal == Reveal::No { Json::Null } else { output.value.expose().unwrap_or(Json::Null) };
    json!({ "value": value, "sensitive": sensitive })
}

/// All outputs as JSON.
pub(crate) fn documents(outputs: &BTreeMap<String, OutputValue>, reveal: Reveal) -> Json {
    outputs.iter().map(|(name, output)| (name.clone(), document(output, reveal))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use provisioning_core::error::ErrorKind;
    use provisioning_core::name::RunId;
    use provisioning_core::value::Secret;

    use super::super::plain;
    use super::*;

    fn report(outcome: Outcome) -> Report {
        Report {
            run: Some(RunId::parse("20261122-051522-3fa9").expect("a run")),
            outcome,
            steps: 12,
            succeeded: 5,
            undoes: None,
            waived: 0,
            not_begun: 6,
            failures: vec![],
            in_doubt: vec![],
            rollback: None,
            critical_path: None,
            duration: Duration::from_millis(3_100),
        }
    }

    #[test]
    fn a_failure_names_its_step_its_cause_and_the_way_on() {
        let failure = Failure { kind: ErrorKind::Limited, message: "the quota is reached".into(), hint: Some("raise it".into()) };
        let failed =
            Report { failures: vec![(StepId::parse("web/create").expect("a step"), failure)], ..report(Outcome::Failed) };
        assert_eq!(plain(&failures(&failed, None)), "error: web/create: the quota is reached\n  hint: raise it\n");
        let expect = "Failed after 3.1s: 5 of 12 steps done, 1 failed, 6 not begun.\nNext: remove the cause, then `provisioning \
                      resume` goes on with the same plan (run 20261122-051522-3fa9); after a change of the declarations, \
                      `provisioning apply`.\n";
        assert_eq!(plain(&summary(&failed, None)), expect);
    }

    #[test]
    fn a_stopped_run_says_how_to_go_on() {
        let dropped = Report {
            in_doubt: vec![(StepId::parse("web/create").expect("a step"), "no answer".to_owned())],
            ..report(Outcome::Cancelled)
        };
        assert_eq!(failures(&dropped, None), "web/create was interrupted: a resume first looks for what it left\n");
        let expect = "Stopped after 3.1s: 5 of 12 steps done, 6 not begun.\nNext: `provisioning resume` goes on where it stopped \
                      (run 20261122-051522-3fa9).\n";
        assert_eq!(plain(&summary(&report(Outcome::Cancelled), None)), expect);
    }

    #[test]
    fn sensitive_outputs_are_masked_unless_asked_for() {
        let secret = OutputValue { value: Value::Secret(Secret::new("hunter2".into())), sensitive: true };
        let open = OutputValue { value: "10.0.0.2".into(), sensitive: false };
        let all = BTreeMap::from([("address".to_owned(), open.clone()), ("password".to_owned(), secret.clone())]);
        assert_eq!(outputs(&all, Reveal::No), "address   \"10.0.0.2\"\npassword  (sensitive)\n");
        assert_eq!(outputs(&all, Reveal::Yes), "address   \"10.0.0.2\"\npassword  \"hunter2\"\n");
        assert_eq!(documents(&all, Reveal::No)["password"], json!({ "value": null, "sensitive": true }));
        assert_eq!(documents(&all, Reveal::Yes)["password"], json!({ "value": "hunter2", "sensitive": true }));
        assert_eq!((raw(&open, Reveal::No).as_deref(), raw(&secret, Reveal::No)), (Some("10.0.0.2"), None));
    }
}
