//! Rolling back: planning the way back from a run, and taking it when a run fails and was told to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Control, Engine, Report, Undone};
use crate::config::OnFailure;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::journal::{Replay, RunSummary};
use crate::name::{ResourceName, RunId};
use crate::plan::{Action, Command, Plan, Step};
use crate::planner::{Past, PlanOptions, way_back};
use crate::record::{Entry, Fact, Outcome, StepFact};
use crate::store::Range;

impl Engine {
    pub(super) async fn plan_back(&self, run: Option<&RunId>) -> Result<Plan> {
        let summary = self.undoable(run).await?;
        let past = self.past(&summary).await?;
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
        let plan = self.plan_back(report.run.as_ref()).await?;
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

    async fn past(&self, summary: &RunSummary) -> Result<Past> {
        let entries = self.store.entries(Range::default()).await?;
        let mut plans = BTreeMap::new();
        for run in self.store.runs().await? {
            if !plans.contains_key(&run.plan) {
                plans.insert(run.plan.clone(), self.store.plan(&run.plan).await?);
            }
        }
        let history = History { entries: &entries, plans: &plans, run: &summary.id };
        let (before, after) = history.rows()?;
        let mut providers = BTreeMap::new();
        let own = history.plan_of(&summary.plan)?;
        let earlier = history.last_plan_before();
        for plan in earlier.into_iter().chain([own]) {
            providers.extend(plan.providers.clone());
        }
        Ok(Past {
            run: summary.id.clone(),
            before,
            after,
            now: self.store.rows().await?,
            makers: history.makers()?,
            begun: history.begun(own),
            steps: own.steps.clone(),
            providers,
            outputs: earlier.map(|plan| plan.outputs.clone()).unwrap_or_default(),
        })
    }
}

/// The commands that change the world.
const ACTING: [Command; 3] = [Command::Apply, Command::Destroy, Command::Rollback];

/// The journal up to the end of a run.
struct History<'a> {
    entries: &'a [Entry],
    plans: &'a BTreeMap<Digest, Plan>,
    run: &'a RunId,
}

/// The rows of a state.
type Rows = BTreeMap<ResourceName, crate::resource::StateRow>;

impl History<'_> {
    fn plan_of(&self, hash: &Digest) -> Result<&Plan> {
        self.plans.get(hash).ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("there is no plan `{hash}`")))
    }

    fn before(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take_while(|entry| entry.record.run != *self.run)
    }

    /// The rows before the run, and after its last record.
    fn rows(&self) -> Result<(Rows, Rows)> {
        let mut replay = Replay::default();
        let plan = |hash: &Digest| self.plan_of(hash).cloned();
        let first = self.before().count();
        let last = self.entries.iter().rposition(|entry| entry.record.run == *self.run).map_or(first, |last| last + 1);
        for entry in &self.entries[..first] {
            replay.take(entry.seq, &entry.record, &plan)?;
        }
        let before = replay.rows().clone();
        for entry in &self.entries[first..last] {
            replay.take(entry.seq, &entry.record, &plan)?;
        }
        Ok((before, replay.rows().clone()))
    }

    /// The resources of the steps that the run began, whatever came of them.
    fn begun(&self, plan: &Plan) -> BTreeSet<ResourceName> {
        let own = self.entries.iter().filter(|entry| entry.record.run == *self.run);
        let started: BTreeSet<_> = own
            .filter_map(|entry| match &entry.record.fact {
                Fact::Step { id, fact: StepFact::Started { .. } } => Some(id),
                _ => None,
            })
            .collect();
        plan.steps.iter().filter(|step| started.contains(&step.id)).map(|step| step.resource.clone()).collect()
    }

    /// The plan of the last run before that made or removed anything.
    fn last_plan_before(&self) -> Option<&Plan> {
        let started = self.before().filter_map(|entry| match &entry.record.fact {
            Fact::RunStarted { plan, command, .. } => ACTING.iter().any(|acting| acting.as_str() == command).then_some(plan),
            _ => None,
        });
        started.last().and_then(|hash| self.plans.get(hash))
    }

    /// The step that last made or changed each row before the run.
    fn makers(&self) -> Result<BTreeMap<ResourceName, Step>> {
        let mut makers: BTreeMap<ResourceName, Step> = BTreeMap::new();
        let mut plans: BTreeMap<&RunId, &Plan> = BTreeMap::new();
        for entry in self.before() {
            match &entry.record.fact {
                Fact::RunStarted { plan, .. } => drop(plans.insert(&entry.record.run, self.plan_of(plan)?)),
                // An identity alone makes a row too, if only one that is to be replaced.
                Fact::Step { id, fact: StepFact::Succeeded { .. } | StepFact::Identified { .. } } => {
                    let step = plans.get(&entry.record.run).and_then(|plan| plan.steps.iter().find(|step| step.id == *id));
                    match step.map(|step| (&step.action, step)) {
                        Some((Action::Create | Action::Update | Action::ApplyService, step)) => {
                            makers.insert(step.resource.clone(), step.clone());
                        }
                        Some((Action::Rename { from }, step)) => {
                            if let Some(maker) = makers.remove(from) {
                                makers.insert(step.resource.clone(), maker);
                            }
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(makers)
    }
}
