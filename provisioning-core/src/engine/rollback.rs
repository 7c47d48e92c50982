//! Rolling back: planning the way back from a run, and taking it when a run fails and was told to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Control, Engine, Report, Undone};
use crate::config::OnFailure;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::journal::{Replay, RunSummary, Status};
use crate::name::{ResourceName, RunId, StepId};
use crate::plan::{Action, Command, Plan, Step};
use crate::planner::{Past, PlanOptions, way_back};
use crate::record::{Entry, Fact, Outcome, StepFact};
use crate::store::{Lease, Range};

impl Engine {
    pub(super) async fn plan_back(&self, run: Option<&RunId>, checkpoint: Option<&str>) -> Result<Plan> {
        self.settle_open_steps().await?;
        let summary = self.undoable(run).await?;
        let past = self.past(&summary, checkpoint).await?;
        let (desired, touched) = way_back(&past)?;
        let options =
            PlanOptions { targets: touched.iter().map(ToString::to_string).collect(), ..PlanOptions::new(Command::Apply) };
        let read = past.now.iter().filter(|(name, _)| touched.contains(*name));
        let read = read.map(|(name, row)| (name.clone(), row.clone())).collect();
        let plan = self.plan_reading(&desired, &options, &past.now, &read).await?;
        Ok(Plan { command: Command::Rollback, undoes: Some(summary.id), ..plan })
    }

    /// Takes the way back where the run failed and the settings say so; what comes of it is in the report.
    pub(super) async fn undo_failed(&self, report: Report, control: &Control) -> Report {
        if report.outcome != Outcome::Failed || self.settings.on_failure != OnFailure::Rollback {
            return report;
        }
        let undone = match self.take_back(&report, control).await {
            Ok(Some(back)) => Undone::Run(Box::new(back)),
            Ok(None) => return report,
            Err(error) => Undone::Refused(Failure::from(&error)),
        };
        Report { rollback: Some(undone), ..report }
    }

    /// Takes a failed run back; not one that is itself a rollback, which is gone on with instead.
    async fn take_back(&self, report: &Report, control: &Control) -> Result<Option<Report>> {
        let runs = self.store.runs().await?;
        if runs.iter().any(|run| Some(&run.id) == report.run.as_ref() && run.undoes.is_some()) {
            return Ok(None);
        }
        if let Some((step, _)) = report.in_doubt.first() {
            return Err(Error::new(ErrorKind::InDoubt, format!("nobody knows what `{step}` left behind"))
                .with_hint("settle it first, then roll back"));
        }
        let plan = self.plan_back(report.run.as_ref(), None).await?;
        self.begin(&plan, control).await.map(Some)
    }

    /// The run of a name, or the last one that did anything.
    async fn undoable(&self, run: Option<&RunId>) -> Result<RunSummary> {
        let runs = self.store.runs().await?;
        let acts = |summary: &RunSummary| ACTING.iter().any(|command| command.as_str() == summary.command);
        let Some(wanted) = run else {
            return runs.into_iter().rev().find(acts).ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no run to undo"));
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

    async fn past(&self, summary: &RunSummary, checkpoint: Option<&str>) -> Result<Past> {
        let entries = self.store.entries(Range::default()).await?;
        let mut plans = BTreeMap::new();
        let runs = self.store.runs().await?;
        for run in &runs {
            if !plans.contains_key(&run.plan) {
                plans.insert(run.plan.clone(), self.store.plan(&run.plan).await?);
            }
        }
        let since = since(&entries, &summary.id, checkpoint)?;
        let history = History { entries: &entries, plans: &plans, steps: steps(&runs, &plans), run: &summary.id, since };
        let (before, after) = history.states()?;
        let mut providers = BTreeMap::new();
        let own = history.plan_of(&summary.plan)?;
        let earlier = history.last_plan_before();
        for plan in earlier.into_iter().chain([own]) {
            providers.extend(plan.providers.clone());
        }
        Ok(Past {
            run: summary.id.clone(),
            before: before.rows,
            after,
            now: self.store.rows().await?,
            makers: before.makers,
            begun: history.begun(own),
            steps: own.steps.clone(),
            providers,
            outputs: earlier.map(|plan| plan.outputs.clone()).unwrap_or_default(),
        })
    }
}

/// The commands that change the world.
const ACTING: [Command; 3] = [Command::Apply, Command::Destroy, Command::Rollback];

/// The place of the first entry that is to be undone: the run's own first one, or the one after a checkpoint.
fn since(entries: &[Entry], run: &RunId, checkpoint: Option<&str>) -> Result<usize> {
    let own = || entries.iter().enumerate().filter(|(_, entry)| entry.record.run == *run);
    let Some(wanted) = checkpoint else { return Ok(own().next().map_or(entries.len(), |(place, _)| place)) };
    let reached = own().filter_map(|(place, entry)| match &entry.record.fact {
        Fact::Checkpoint { name } => Some((name.as_str(), place)),
        _ => None,
    });
    let reached: BTreeMap<_, _> = reached.collect();
    reached.get(wanted).map(|place| place + 1).ok_or_else(|| {
        let names: Vec<_> = reached.keys().map(|name| format!("`{name}`")).collect();
        let none = "it reached none; they are declared in the section `checkpoints`";
        let hint = if names.is_empty() { none.to_owned() } else { format!("it reached {}", names.join(", ")) };
        Error::new(ErrorKind::NotFound, format!("the run `{run}` reached no checkpoint `{wanted}`")).with_hint(hint)
    })
}

/// The journal up to the end of a run, and what of it is to be undone.
struct History<'a> {
    entries: &'a [Entry],
    plans: &'a BTreeMap<Digest, Plan>,
    steps: Steps<'a>,
    run: &'a RunId,
    /// The place of the first entry that is to be undone.
    since: usize,
}

/// The steps of each run, by name.
type Steps<'a> = BTreeMap<&'a RunId, HashMap<&'a StepId, &'a Step>>;

fn steps<'a>(runs: &'a [RunSummary], plans: &'a BTreeMap<Digest, Plan>) -> Steps<'a> {
    let named = |plan: &'a Plan| plan.steps.iter().map(|step| (&step.id, step)).collect();
    runs.iter().filter_map(|run| Some((&run.id, named(plans.get(&run.plan)?)))).collect()
}

/// A state, and the steps that made its rows.
struct Before {
    rows: Rows,
    makers: BTreeMap<ResourceName, Step>,
}

/// The rows of a state.
type Rows = BTreeMap<ResourceName, crate::resource::StateRow>;

impl History<'_> {
    fn plan_of(&self, hash: &Digest) -> Result<&Plan> {
        self.plans.get(hash).ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("there is no plan `{hash}`")))
    }

    fn before(&self) -> &[Entry] {
        &self.entries[..self.since]
    }

    /// The state before what is to be undone, and after the run's last record.
    fn states(&self) -> Result<(Before, Rows)> {
        let mut replay = Replay::default();
        let mut makers = Makers::default();
        let plan = |hash: &Digest| self.plan_of(hash).cloned();
        let last = self.entries.iter().rposition(|entry| entry.record.run == *self.run).map_or(self.since, |last| last + 1);
        for entry in self.before() {
            let step = self.step_of(entry);
            let was = step.is_some_and(|step| replay.rows().contains_key(step.row()));
            replay.take(entry.seq, &entry.record, &plan)?;
            if let (Some(step), Fact::Step { fact, .. }) = (step, &entry.record.fact) {
                makers.take(step, fact, (was, replay.rows().contains_key(&step.resource)));
            }
        }
        let before = Before { rows: replay.rows().clone(), makers: makers.0 };
        for entry in &self.entries[self.since..last] {
            replay.take(entry.seq, &entry.record, &plan)?;
        }
        Ok((before, replay.rows().clone()))
    }

    /// The step that an entry is about.
    fn step_of(&self, entry: &Entry) -> Option<&Step> {
        let Fact::Step { id, .. } = &entry.record.fact else { return None };
        self.steps.get(&entry.record.run)?.get(id).copied()
    }

    /// The resources of the steps that the run was at work on, whatever came of them.
    fn begun(&self, plan: &Plan) -> BTreeSet<ResourceName> {
        let own = self.entries[self.since..].iter().filter(|entry| entry.record.run == *self.run);
        let started: BTreeSet<_> = own
            .filter_map(|entry| match &entry.record.fact {
                Fact::Step { fact: StepFact::Skipped { .. }, .. } => None,
                Fact::Step { id, .. } => Some(id),
                _ => None,
            })
            .collect();
        plan.steps.iter().filter(|step| started.contains(&step.id)).map(|step| step.resource.clone()).collect()
    }

    /// The plan of the last run before that made or removed anything.
    fn last_plan_before(&self) -> Option<&Plan> {
        let mut started = self.before().iter().rev().filter_map(|entry| match &entry.record.fact {
            Fact::RunStarted { plan, command, .. } => ACTING.iter().any(|acting| acting.as_str() == command).then_some(plan),
            _ => None,
        });
        started.next().and_then(|hash| self.plans.get(hash))
    }
}

/// The steps that made the rows of a state, or last changed them.
#[derive(Default)]
struct Makers(BTreeMap<ResourceName, Step>);

impl Makers {
    /// Takes in what happened to a step, and whether its row was there before and is now.
    fn take(&mut self, step: &Step, fact: &StepFact, (was, is): (bool, bool)) {
        let done = matches!(fact, StepFact::Succeeded { .. } | StepFact::Identified { .. });
        match &step.action {
            Action::Rename { from } if done => {
                if let Some(maker) = self.0.remove(from) {
                    self.0.insert(step.resource.clone(), maker);
                }
            }
            _ if !is => drop(self.0.remove(&step.resource)),
            // What was begun alone makes a row too, where there was none.
            Action::Create | Action::Update | Action::ApplyService if done || !was => {
                self.0.insert(step.resource.clone(), step.clone());
            }
            _ => {}
        }
    }
}
