//! Entries of the journal, one a line.

use provisioning_core::record::{Entry, Fact, Outcome, StepFact};

use super::{CYAN, DIM, GREEN, RED, YELLOW, paint, took};

/// An entry on one line: its place, its time, what it is about and what happened.
pub(crate) fn entry(entry: &Entry) -> String {
    let (subject, what) = match &entry.record.fact {
        Fact::RunStarted { command, plan, undoes } => {
            let of = undoes.as_ref().map(|run| format!(" of run {run},")).unwrap_or_default();
            ("run", format!("{} {command}{of} of plan {}", paint(CYAN, "started"), plan.short()))
        }
        Fact::RunResumed { by } => ("run", format!("{} by {by}", paint(CYAN, "resumed"))),
        Fact::RunFinished { outcome: Outcome::Completed } => ("run", paint(GREEN, "completed")),
        Fact::RunFinished { outcome: Outcome::Failed } => ("run", paint(RED, "failed")),
        Fact::RunFinished { outcome: Outcome::Cancelled } => ("run", paint(YELLOW, "stopped")),
        Fact::RunFinished { outcome: Outcome::Superseded } => ("run", paint(YELLOW, "superseded")),
        Fact::Checkpoint { name } => ("run", format!("reached the checkpoint {name}")),
        Fact::Step { id, fact } => (id.as_str(), step(fact)),
    };
    format!("{:>6}  {}  {subject:24}  {what}", entry.seq, paint(DIM, entry.record.at))
}

fn step(fact: &StepFact) -> String {
    match fact {
        StepFact::Started { attempt: 1, .. } => "started".to_owned(),
        StepFact::Started { attempt, .. } => format!("started, attempt {attempt}"),
        StepFact::Identified { object } => format!("identified as {object}"),
        StepFact::Waiting { phase } => format!("waiting: {phase}"),
        StepFact::Succeeded { .. } => paint(GREEN, "succeeded"),
        StepFact::Failed { failure, retry_after: None, .. } => format!("{}: {}", paint(RED, "failed"), failure.message),
        StepFact::Failed { failure, retry_after: Some(after), .. } => {
            format!("{}, again in {}: {}", paint(YELLOW, "failed"), took(*after), failure.message)
        }
        StepFact::Skipped { because } => format!("{} because of {because}", paint(YELLOW, "skipped")),
        StepFact::InDoubt { reason } => format!("{}: {reason}", paint(RED, "in doubt")),
        StepFact::Waived { reason } => format!("{}: {reason}", paint(YELLOW, "waived")),
        StepFact::Surfaced { object } => format!("{object} has come to light, and will be removed"),
    }
}

#[cfg(test)]
mod tests {
    use provisioning_core::clock::Timestamp;
    use provisioning_core::digest::Digest;
    use provisioning_core::name::{RunId, StepId};
    use provisioning_core::record::Record;

    use super::*;

    #[test]
    fn an_entry_is_one_line() {
        let step = StepId::parse("web/create").expect("a step");
        let fact = Fact::Step { id: step, fact: StepFact::Waiting { phase: "boot".into() } };
        let run = RunId::parse("20261122-051522-3fa9").expect("a run");
        let record = Record { run, at: Timestamp::from_millis(1_795_324_522_042), fact };
        let line = entry(&Entry { seq: 7, record, hash: Digest::of(b"") });
        assert_eq!(super::super::plain(&line), "     7  2026-11-22T05:15:22.042Z  web/create                waiting: boot");
    }
}
