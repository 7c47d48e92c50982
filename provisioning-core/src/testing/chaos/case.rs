//! One case: a plan, one disturbance of it, and the way out that a user would take.

use std::sync::Arc;

use super::lab::{Lab, Scene};
use super::table::{Flaw, Verdict};
use super::world::{Line, Problem, difference, resolved};
use crate::engine::{Control, Report, Undone};
use crate::error::{ErrorKind, Failure, Result};
use crate::event::Observer;
use crate::journal::RunSummary;
use crate::plan::Plan;
use crate::record::Outcome;
use crate::testing::{CrashPoint, CrashingStore, Death, Fault, Moment};

/// How often somebody goes on with a run before they give up.
const PATIENCE: usize = 4;

/// Where a run is disturbed: at the next call of a description, at the append after so many, or at both.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    pub(super) call: Option<(String, Fault)>,
    pub(super) crash: Option<(usize, Moment)>,
}

/// Where a run came to in the end.
enum Ended {
    Forward,
    Back,
    Stuck(Vec<Failure>),
}

pub(super) struct Case<'a> {
    pub(super) lab: Lab<'a>,
    pub(super) plan: Plan,
    /// The world that a journey back leads to.
    pub(super) origin: Option<Vec<Line>>,
    before: Vec<Line>,
    runs_before: usize,
}

impl<'a> Case<'a> {
    /// A new world in which the journey begins, and the plan that is to be disturbed.
    pub(super) async fn set(scene: &'a Scene<'a>) -> Result<Self> {
        let lab = Lab::new(scene);
        let (plan, origin) = lab.begin().await?;
        let before = lab.world().await?;
        let runs_before = lab.undisturbed().runs().await?.len();
        Ok(Self { lab, plan, origin, before, runs_before })
    }

    /// Disturbs the run once and goes on with it as a user would; gives what came of it, and everything that is not as
    /// promised.
    pub(super) async fn disturbed(&self, point: &Point, wanted: &[Line]) -> (Verdict, Vec<Problem>) {
        match self.tried(point, wanted).await {
            Ok((verdict, problems)) => {
                let worst = problems.iter().max_by_key(|(flaw, _)| *flaw);
                let broken = worst.map(|(flaw, finding)| Verdict::Broken { flaw: *flaw, finding: finding.clone() });
                (broken.unwrap_or(verdict), problems)
            }
            Err(error) => {
                let problem = format!("it cannot be looked at: {error}");
                (Verdict::Broken { flaw: Flaw::Damaged, finding: problem.clone() }, vec![(Flaw::Damaged, problem)])
            }
        }
    }

    async fn tried(&self, point: &Point, wanted: &[Line]) -> Result<(Verdict, Vec<Problem>)> {
        if let Some((call, fault)) = &point.call {
            self.lab.fakes.inject(call, *fault);
        }
        let first = match point.crash {
            None => Some(self.lab.undisturbed().apply(&self.plan, &Control::new()).await),
            Some((spared, moment)) => self.life(spared, moment).await,
        };
        if self.lab.fakes.faults_left() > 0 {
            return Ok((Verdict::Unreached, Vec::new()));
        }
        let mut problems = self.lab.promises(&self.lab.open_tokens().await?).await?;
        problems.extend(first.as_ref().and_then(|report| report.as_ref().ok()).and_then(not_taken_back));
        let (ended, resumes) = self.settle(first).await?;
        let (verdict, expected) = match ended {
            Ended::Forward => (Verdict::Converged { resumes }, Some(wanted)),
            Ended::Back => (Verdict::RolledBack, Some(self.before.as_slice())),
            Ended::Stuck(reasons) => {
                problems.extend(unexcused(&reasons));
                let reasons: Vec<_> = reasons.into_iter().map(|failure| failure.message).collect();
                (Verdict::Stuck { reason: reasons.join("; ") }, None)
            }
        };
        problems.extend(self.lab.promises(&self.lab.open_tokens().await?).await?);
        if let Some(expected) = expected {
            problems.extend(self.astray(&verdict, expected).await?);
        }
        problems.dedup();
        Ok((verdict, problems))
    }

    /// In what the world is not as expected, and what a new plan would do about it.
    async fn astray(&self, verdict: &Verdict, expected: &[Line]) -> Result<Vec<Problem>> {
        let found = self.lab.world().await?;
        let (ended, different) = match verdict {
            Verdict::RolledBack => ("it was taken back, and", difference(&resolved(expected), &resolved(&found))),
            _ => ("it ended, and", difference(expected, &found)),
        };
        let mut problems: Vec<_> = different.into_iter().map(|what| (Flaw::Astray, format!("{ended} {what}"))).collect();
        if *verdict != Verdict::RolledBack {
            let next = self.lab.next_steps().await?;
            let unfinished = (!next.is_empty()).then(|| format!("{ended} a new plan has something to do: {}", next.join(", ")));
            problems.extend(unfinished.map(|problem| (Flaw::Astray, problem)));
        }
        Ok(problems)
    }

    /// One life of an engine: until the run ends or the store dies. The lease of the dead runs out.
    async fn life(&self, spared: usize, moment: Moment) -> Option<Result<Report>> {
        let point = CrashPoint { spared, moment, death: Death::Silence };
        let store = Arc::new(CrashingStore::new(self.lab.store.clone(), point));
        let engine = self.lab.engine(store.clone(), Observer::default());
        let control = Control::new();
        let result = tokio::select! {
            biased;
            result = engine.apply(&self.plan, &control) => Some(result),
            () = store.death() => None,
        };
        for _ in 0..3 {
            tokio::task::yield_now().await; // What was dropped gets its time to go.
        }
        self.lab.outlive_lease();
        result
    }

    /// Goes on with the run until it has come to an end, or for as long as anybody would.
    async fn settle(&self, mut last: Option<Result<Report>>) -> Result<(Ended, usize)> {
        let engine = self.lab.undisturbed();
        for resumes in 0..PATIENCE {
            if let Some(ended) = self.ended(last.as_ref()).await? {
                return Ok((ended, resumes));
            }
            let control = Control::new();
            let begun = !self.runs().await?.is_empty();
            last = Some(if begun { engine.resume(None, &control).await } else { engine.apply(&self.plan, &control).await });
        }
        let ended = match (self.ended(last.as_ref()).await?, last) {
            (Some(ended), _) => ended,
            (None, Some(Err(error))) if matches!(error.kind(), ErrorKind::Bug | ErrorKind::Corrupt) => return Err(error),
            (None, Some(Err(error))) => Ended::Stuck(vec![Failure::from(&error)]),
            (None, Some(Ok(report))) => Ended::Stuck(reasons(&report)),
            (None, None) => Ended::Stuck(Vec::new()),
        };
        Ok((ended, PATIENCE))
    }

    /// Where the run came to, if it came to an end.
    async fn ended(&self, last: Option<&Result<Report>>) -> Result<Option<Ended>> {
        match last.and_then(|report| report.as_ref().ok()).map(|report| (report, &report.rollback)) {
            Some((_, Some(Undone::Run(back)))) if back.outcome == Outcome::Completed => return Ok(Some(Ended::Back)),
            // Where nothing was done, there is nothing to take back.
            Some((report, Some(Undone::Nothing))) if report.in_doubt.is_empty() && self.lab.world().await? == self.before => {
                return Ok(Some(Ended::Back));
            }
            _ => {}
        }
        let completed = self.runs().await?.pop().filter(|run| run.outcome == Some(Outcome::Completed));
        let back = |run: RunSummary| run.undoes.is_some() && self.origin.is_none();
        Ok(completed.map(|run| if back(run) { Ended::Back } else { Ended::Forward }))
    }

    /// The runs of the journey.
    async fn runs(&self) -> Result<Vec<RunSummary>> {
        let mut runs = self.lab.undisturbed().runs().await?;
        runs.drain(..self.runs_before.min(runs.len()));
        Ok(runs)
    }
}

/// Why a run did not come to its end, each with its step.
fn reasons(report: &Report) -> Vec<Failure> {
    let at = |what: &str, failure: &Failure| Failure { message: format!("{what}: {}", failure.message), ..failure.clone() };
    let failures = report.failures.iter().map(|(step, failure)| at(step.as_str(), failure));
    let doubts = report.in_doubt.iter().map(|(step, reason)| Failure {
        kind: ErrorKind::InDoubt,
        message: format!("{step} is in doubt: {reason}"),
        hint: None,
    });
    let undone = report.rollback.iter().flat_map(|undone| match undone {
        Undone::Run(back) => reasons(back),
        Undone::Nothing => Vec::new(),
        Undone::Refused(failure) => vec![at("it is not taken back", failure)],
    });
    failures.chain(doubts).chain(undone).collect()
}

/// What is wrong with standing still for these reasons: that there is none, or that one is nobody's business but ours.
fn unexcused(reasons: &[Failure]) -> Option<Problem> {
    let bug = reasons.iter().find(|failure| matches!(failure.kind, ErrorKind::Bug | ErrorKind::Corrupt));
    match bug {
        Some(bug) => Some((Flaw::Astray, format!("it does not go on, for a defect: {}", bug.message))),
        None if reasons.is_empty() => Some((Flaw::Unexplained, "it does not go on, and no step says why".to_owned())),
        None => None,
    }
}

/// What is wrong with a failed run that was to be taken back and is not. What is protected, in doubt or changed by
/// somebody else is rightly left alone.
fn not_taken_back(report: &Report) -> Option<Problem> {
    match &report.rollback {
        Some(Undone::Refused(failure)) if !matches!(failure.kind, ErrorKind::Conflict | ErrorKind::InDoubt) => {
            Some((Flaw::Astray, format!("it is not taken back: {}", failure.message)))
        }
        _ => None,
    }
}
