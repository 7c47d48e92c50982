//! Rolling back: planning the way back from a run, and taking it when a run fails and was told to.

use std::collections::BTreeMap;

use super::history::Journal;
use super::{Control, Disclosure, Engine, Ground, Report, Undone};
use crate::config::OnFailure;
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::journal::{RunSummary, Status};
use crate::name::{RunId, StepId};
use crate::plan::{Command, Plan};
use crate::planner::{Past, PlanOptions, way_back};
use crate::record::{Outcome, StepFact};
use crate::store::{Lease, Range};

impl Engine {
    pub(super) async fn plan_back(&self, run: Option<&RunId>, checkpoint: Option<&str>) -> Result<Plan> {
        self.settle_open_steps().await?;
        let summary = self.undoable(run).await?;
        let nothing = || Error::new(ErrorKind::Conflict, format!("the run `{}` changed nothing", summary.id));
        self.plan_from(&summary, checkpoint).await?.ok_or_else(nothing)
    }

    /// The plan that leads back from a run; `None` where that changed nothing.
    async fn plan_from(&self, summary: &RunSummary, checkpoint: Option<&str>) -> Result<Option<Plan>> {
        let mut disclosure = self.disclosure().await?;
        let past = self.past(summary, checkpoint, &mut disclosure).await?;
        let Some(back) = way_back(&past)? else { return Ok(None) };
        let targets = back.touched.iter().map(ToString::to_string).collect();
        let options = PlanOptions { targets, ..PlanOptions::new(Command::Apply) };
        let read = back.rows.iter().filter(|(name, _)| back.touched.contains(*name));
        let read = read.map(|(name, row)| (name.clone(), row.clone())).collect();
        let ground = Ground { rows: &back.rows, read: &read };
        let plan = self.plan_reading(&back.desired, &options, &ground, disclosure).await?;
        let plan = Plan { command: Command::Rollback, undoes: Some(summary.id.clone()), ..back.complete(plan) };
        Ok(Some(Plan { changed_outputs: self.changed_outputs(&plan).await?, ..plan }))
    }

    /// Takes the way back where the run failed and the settings say so; what comes of it is in the report.
    pub(super) async fn undo_failed(&self, report: Report, control: &Control) -> Report {
        if report.outcome != Outcome::Failed || self.settings.on_failure != OnFailure::Rollback {
            return report;
        }
        let undone = match self.take_back(&report, control).await {
            Ok(Some(undone)) => undone,
            Ok(None) => return report,
            Err(error) => Undone::Refused(Failure::from(&error)),
        };
        Report { rollback: Some(undone), ..report }
    }

    /// Takes a failed run back; not one that is itself a rollback, which is gone on with instead.
    async fn take_back(&self, report: &Report, control: &Control) -> Result<Option<Undone>> {
        let run = self.store.runs().await?.into_iter().find(|run| Some(&run.id) == report.run.as_ref());
        let Some(run) = run.filter(|run| run.undoes.is_none()) else { return Ok(None) };
        if let Some((step, _)) = report.in_doubt.first() {
            return Err(Error::new(ErrorKind::InDoubt, format!("nobody knows what `{step}` left behind"))
                .with_hint("settle it first, then roll back"));
        }
        Ok(Some(match self.plan_from(&run, None).await?.filter(|plan| !plan.steps.is_empty()) {
            Some(plan) => Undone::Run(Box::new(self.begin(&plan, control).await?)),
            None => Undone::Nothing,
        }))
    }

    /// The run of a name, or the last one that did anything.
    async fn undoable(&self, run: Option<&RunId>) -> Result<RunSummary> {
        let runs = self.store.runs().await?;
        let acts = |summary: &RunSummary| Command::is_acting(&summary.command);
        let Some(wanted) = run else {
            let last = runs.into_iter().rev().find(acts);
            let last = last.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no run to undo"))?;
            return if last.undoes.is_some() && last.outcome != Some(Outcome::Completed) {
                Err(halfway(&last))
            } else {
                Ok(last)
            };
        };
        let found = runs.into_iter().find(|summary| summary.id == *wanted);
        let summary = found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no run `{wanted}`")).with_hint("`provisioning runs` lists them")
        })?;
        if acts(&summary) {
            return Ok(summary);
        }
        let message = format!("the run `{wanted}` is a {}: it changed what is known, and nothing in the world", summary.command);
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// Goes on without a step of a rollback that failed: what needs it may begin, and its row is marked.
    pub(super) async fn waive_step(&self, step: &StepId, reason: &str) -> Result<()> {
        let lease = self.acquire().await?;
        let result = self.waive_holding(step, reason, &lease).await;
        self.give_up(&lease, result).await
    }

    async fn waive_holding(&self, step: &StepId, reason: &str, lease: &Lease) -> Result<()> {
        let run = self.unfinished_rollback().await?;
        let status = self.progress(&run.id).await?.status(step);
        if !matches!(status, Status::Failed { .. } | Status::InDoubt { .. }) {
            let message = format!("the step `{step}` of the rollback `{}` did not fail: it is {}", run.id, status.as_str());
            return Err(Error::new(ErrorKind::Conflict, message).with_hint("`provisioning status` lists those that did"));
        }
        let waived = self.draft(&run, step, StepFact::Waived { reason: reason.to_owned() }).await?;
        self.record(lease, vec![waived]).await
    }

    /// The last run, where it is a rollback that has not come to its end.
    pub(super) async fn unfinished_rollback(&self) -> Result<RunSummary> {
        let found = self.unfinished().await?.filter(|run| run.undoes.is_some());
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the last run is no rollback that stopped halfway")
                .with_hint("`provisioning runs` lists the runs; `provisioning rollback RUN` begins to take one back")
        })
    }

    async fn past(&self, summary: &RunSummary, checkpoint: Option<&str>, disclosure: &mut Disclosure) -> Result<Past> {
        let (entries, runs) = (self.store.entries(Range::default()).await?, self.store.runs().await?);
        let mut plans = BTreeMap::new();
        for run in &runs {
            if !plans.contains_key(&run.plan) {
                plans.insert(run.plan.clone(), self.store.plan(&run.plan).await?);
            }
        }
        let journal = Journal { entries, runs, plans };
        let past = journal.past(summary, checkpoint, self.store.rows().await?, disclosure.sealer.clone())?;
        disclosure.read(past.secret_names()).await?;
        Ok(Past { secrets: disclosure.values(), ..past })
    }
}

/// To take back what is half taken back already is hardly what is meant.
fn halfway(run: &RunSummary) -> Error {
    let message = format!("the rollback `{}` stopped halfway", run.id);
    Error::new(ErrorKind::Conflict, message).with_hint(
        "`provisioning rollback --continue` goes on with it, `--skip STEP --reason TEXT` without a step; name it to take it back itself",
    )
}
