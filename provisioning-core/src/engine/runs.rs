//! Runs: beginning one, taking one up again, and who may.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Control, Disclosure, Engine, Report};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Transient};
use crate::executor::{self, Job, Mode};
use crate::journal::{Progress, RunSummary, Status};
use crate::name::{ResourceName, RunId, StepId};
use crate::plan::Plan;
use crate::record::{Entry, Fact, Outcome, Record};
use crate::resource::StateRow;
use crate::store::{Draft, Lease, Range};
use crate::value::Value;

/// A run that is begun or taken up.
struct Taken {
    id: RunId,
    plan: Arc<Plan>,
    progress: Progress,
    /// The state, which nobody else can change meanwhile.
    rows: BTreeMap<ResourceName, StateRow>,
    disclosure: Disclosure,
    revealed: BTreeMap<ResourceName, Value>,
}

/// A run that can begin.
struct Prepared {
    id: RunId,
    plan: Arc<Plan>,
    /// How many of its steps have succeeded before.
    done: usize,
    run: executor::Run,
}

/// How a run stands by its records.
struct Standing {
    run: RunId,
    plan: Arc<Plan>,
    progress: Progress,
    /// The place of the last record that was taken in.
    seen: u64,
}

impl Standing {
    /// Takes in the records that follow.
    fn take(&mut self, entries: &[Entry]) -> Result<()> {
        for entry in entries {
            self.progress.apply(&entry.record.fact)?;
            self.seen = entry.seq;
        }
        Ok(())
    }
}

/// What is known of a run before its lease is taken, with the secrets that the rest of it needs.
pub(super) struct Known {
    standing: Option<Standing>,
    pub(super) disclosure: Disclosure,
}

impl Known {
    /// Nothing of any run.
    pub(super) fn nothing(disclosure: Disclosure) -> Self {
        Self { standing: None, disclosure }
    }
}

impl Engine {
    pub(super) async fn begin(&self, plan: &Plan, control: &Control) -> Result<Report> {
        if plan.is_empty() {
            return Ok(Report::nothing_to_do());
        }
        if plan.workspace != self.store.identity().workspace {
            return Err(
                Error::new(ErrorKind::Conflict, "the plan was made for another workspace").with_hint("plan again in this one")
            );
        }
        let mut disclosure = self.disclosure().await?;
        disclosure.read_for_run(plan, &Progress::default(), Mode::CarryOut).await?;
        disclosure.refuse_moved(plan)?;
        let lease = self.acquire().await?;
        let result = self.begin_holding(plan, (Mode::CarryOut, control), disclosure, &lease).await;
        self.give_up(&lease, result).await
    }

    async fn begin_holding(&self, plan: &Plan, how: (Mode, &Control), disclosure: Disclosure, lease: &Lease) -> Result<Report> {
        if let Some(run) = self.unfinished().await?
            && run.plan == plan.hash()
        {
            // What was approved stays approved: the run goes on where it failed, was stopped or died.
            return self.take_up_holding(Some(&run.id), how, Known::nothing(disclosure), lease).await;
        }
        self.take_in_late(lease).await?;
        self.refuse_open_steps(Some(lease)).await?;
        let rows = self.store.rows().await?;
        self.refuse_stale(plan, &rows).await?;
        let at = self.clock.now();
        let id = RunId::new(at, u64::try_from(self.ids.random() & u128::from(u64::MAX)).unwrap_or_default());
        let (progress, revealed) = (Progress::default(), BTreeMap::new());
        let taken = Taken { id: id.clone(), plan: Arc::new(plan.clone()), progress, rows, disclosure, revealed };
        // A large plan takes its time to be written.
        let (started, prepared) = tokio::join!(self.record_start(plan, &id, at, lease), self.prepare(taken, lease, how));
        started?;
        self.execute(prepared?).await
    }

    /// Records that a run begins to carry out a plan, and with it that the last one goes no further.
    async fn record_start(&self, plan: &Plan, id: &RunId, at: Timestamp, lease: &Lease) -> Result<()> {
        let hash = self.store.save_plan(plan).await?;
        let last = self.unfinished().await?;
        let superseded = |run: RunSummary| fact(&run.id, at, Fact::RunFinished { outcome: Outcome::Superseded });
        let mut drafts: Vec<_> = last.map(superseded).into_iter().collect();
        let (command, undoes) = (plan.command.as_str().to_owned(), plan.undoes.clone());
        drafts.push(fact(id, at, Fact::RunStarted { plan: hash, command, undoes }));
        self.record(lease, drafts).await
    }

    /// A plan holds as long as nothing has moved that it touches or reads.
    async fn refuse_stale(&self, plan: &Plan, rows: &BTreeMap<ResourceName, StateRow>) -> Result<()> {
        let moved = |(name, version): &(&ResourceName, &u64)| rows.get(*name).map_or(0, |row| row.version) != **version;
        let Some((name, _)) = plan.basis.iter().find(moved) else { return Ok(()) };
        let hash = plan.hash();
        let message = match self.store.runs().await?.into_iter().find(|run| run.plan == hash) {
            Some(run) => format!("the plan was carried out already, by the run `{}`", run.id),
            None => format!("the plan is out of date: `{name}` has changed since it was made"),
        };
        Err(Error::new(ErrorKind::Conflict, message).with_hint("plan again, and look at what it says now"))
    }

    pub(super) async fn take_up(&self, run: Option<&RunId>, control: &Control) -> Result<Report> {
        let known = self.known(&self.resumable(run).await?, Mode::CarryOut).await?;
        let lease = self.acquire().await?;
        let result = self.take_up_holding(run, (Mode::CarryOut, control), known, &lease).await;
        self.give_up(&lease, result).await
    }

    /// How a run stands, and the secrets that the rest of it needs. They are read before its lease is taken: that may take
    /// a person's time.
    pub(super) async fn known(&self, run: &RunSummary, mode: Mode) -> Result<Known> {
        let (mut disclosure, standing) = (self.disclosure().await?, self.standing(run).await?);
        disclosure.read_for_run(&standing.plan, &standing.progress, mode).await?;
        Ok(Known { standing: Some(standing), disclosure })
    }

    async fn standing(&self, run: &RunSummary) -> Result<Standing> {
        let records = Range { run: Some(run.id.clone()), ..Range::default() };
        let (plan, entries) = tokio::try_join!(self.store.plan(&run.plan), self.store.entries(records))?;
        let progress = Progress::default();
        let mut standing = Standing { run: run.id.clone(), plan: Arc::new(plan), progress, seen: 0 };
        standing.take(&entries)?;
        Ok(standing)
    }

    /// How a run stands now, by how it stood and what has been recorded since.
    async fn caught_up(&self, run: &RunSummary, known: Option<Standing>) -> Result<Standing> {
        let Some(mut standing) = known.filter(|standing| standing.run == run.id) else { return self.standing(run).await };
        let since = Range { run: Some(run.id.clone()), after: standing.seen, limit: 0 };
        standing.take(&self.store.entries(since).await?)?;
        Ok(standing)
    }

    pub(super) async fn take_up_holding(
        &self,
        run: Option<&RunId>,
        how: (Mode, &Control),
        known: Known,
        lease: &Lease,
    ) -> Result<Report> {
        self.take_in_late(lease).await?;
        let summary = self.resumable(run).await?;
        let Known { standing, mut disclosure } = known;
        let (standing, rows) = tokio::try_join!(self.caught_up(&summary, standing), self.store.rows())?;
        let Standing { plan, progress, .. } = standing;
        // Nothing more is read here, unless another process has come in between.
        disclosure.read_for_run(&plan, &progress, how.0).await?;
        let revealed = self.revealed((&plan, &progress), &rows, &disclosure).await;
        let resumed = fact(&summary.id, self.clock.now(), Fact::RunResumed { by: self.holder.to_string() });
        let taken = Taken { id: summary.id, plan, progress, rows, disclosure, revealed };
        let (recorded, prepared) = tokio::join!(self.record(lease, vec![resumed]), self.prepare(taken, lease, how));
        recorded?;
        self.execute(prepared?).await
    }

    async fn resumable(&self, run: Option<&RunId>) -> Result<RunSummary> {
        let Some(wanted) = run else {
            let nothing = || {
                Error::new(ErrorKind::NotFound, "there is no run to resume")
                    .with_hint("`provisioning runs` lists them; `provisioning apply` begins one")
            };
            return self.unfinished().await?.ok_or_else(nothing);
        };
        let runs = self.store.runs().await?;
        let found = runs.into_iter().find(|summary| summary.id == *wanted);
        let summary = found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no run `{wanted}`")).with_hint("`provisioning runs` lists them")
        })?;
        match summary.outcome {
            Some(Outcome::Completed) => {
                Err(Error::new(ErrorKind::Conflict, format!("the run `{wanted}` is completed: nothing is left to do")))
            }
            Some(Outcome::Superseded) => {
                Err(Error::new(ErrorKind::Conflict, format!("a newer run took the place of `{wanted}`"))
                    .with_hint("plan again instead"))
            }
            _ => Ok(summary),
        }
    }

    /// The last run, where it can be gone on with.
    pub(super) async fn unfinished(&self) -> Result<Option<RunSummary>> {
        let last = self.store.runs().await?.pop();
        Ok(last.filter(|run| !matches!(run.outcome, Some(Outcome::Completed | Outcome::Superseded))))
    }

    /// Whatever a run began and did not end has to be settled before anything new is planned or begun.
    pub(super) async fn refuse_open_steps(&self, own: Option<&Lease>) -> Result<()> {
        let Some(run) = self.unfinished().await? else { return Ok(()) };
        let progress = self.progress(&run.id).await?;
        let open: Vec<_> = progress.open_steps().map(|step| format!("`{step}`")).collect();
        if open.is_empty() {
            return Ok(());
        }
        self.refuse_another_holder(own).await?;
        let shown =
            if open.len() > 3 { format!("{} and {} more", open[..3].join(", "), open.len() - 3) } else { open.join(", ") };
        let message = format!("the run `{}` began {shown} and did not record how that ended", run.id);
        Err(Error::new(ErrorKind::Conflict, message)
            .with_hint("`provisioning resume` looks again; `provisioning status` tells how to settle it by hand"))
    }

    /// What another process is busy with is not left open.
    pub(super) async fn refuse_another_holder(&self, own: Option<&Lease>) -> Result<()> {
        let other = self.store.holder().await?.filter(|lease| own.is_none_or(|own| own.epoch != lease.epoch));
        other.and_then(|lease| lease.busy(self.clock.now())).map_or(Ok(()), Err)
    }

    pub(super) async fn progress(&self, run: &RunId) -> Result<Progress> {
        let entries = self.store.entries(Range { run: Some(run.clone()), ..Range::default() }).await?;
        Progress::replay(entries.iter().map(|entry| &entry.record))
    }

    /// Gives the lease up, whatever came of the run. What the run came to is worth more than an error of that: a lease
    /// that is still there runs out.
    pub(super) async fn give_up<T>(&self, lease: &Lease, result: Result<T>) -> Result<T> {
        let released = self.store.release(lease).await;
        result.map_err(|error| match released {
            Ok(()) => error,
            Err(second) => error.with_context("lease", second.to_string()),
        })
    }

    pub(super) async fn acquire(&self) -> Result<Lease> {
        self.store.acquire(&self.holder, self.clock.now(), Duration::from_secs_f64(self.settings.lease_seconds)).await
    }

    pub(super) async fn record(&self, lease: &Lease, drafts: Vec<Draft>) -> Result<()> {
        for entry in self.store.append(lease, drafts).await? {
            self.observer.observe(&Event::Recorded(entry));
        }
        Ok(())
    }

    /// Puts together what a run needs, as far as that can be done before it begins.
    async fn prepare(&self, taken: Taken, lease: &Lease, (mode, control): (Mode, &Control)) -> Result<Prepared> {
        let Taken { id, plan, progress, rows, disclosure, revealed } = taken;
        let done = succeeded(&progress);
        let job = Job {
            estimates: self.estimates(&plan, &rows).await?,
            mode,
            id: id.clone(),
            workspace: self.store.identity().workspace,
            plan: plan.clone(),
            progress,
            rows,
            sealer: disclosure.sealer.clone(),
            secrets: disclosure.values(),
            revealed,
            registry: self.registry.clone(),
            store: self.store.clone(),
            lease: lease.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
            settings: self.settings.clone(),
            seed: u64::try_from(self.ids.random() >> 64).unwrap_or_default(),
            stop: control.watch(),
        };
        Ok(Prepared { id, plan, done, run: executor::prepare(job) })
    }

    async fn execute(&self, prepared: Prepared) -> Result<Report> {
        let Prepared { id, plan, done, run } = prepared;
        let begun = Instant::now();
        tracing::info!(run = %id, steps = plan.steps.len(), done, "running");
        self.observer.observe(&Event::Transient(Transient::Begun { run: id.clone(), steps: plan.steps.len(), done }));
        let (outcome, progress, timeline) = Box::pin(run.drive()).await?;
        let count = |wanted: fn(&Status) -> bool| plan.steps.iter().filter(|step| wanted(&progress.status(&step.id))).count();
        let doubt = |step: &StepId| progress.doubts.get(step).cloned().unwrap_or_else(|| "it was interrupted".to_owned());
        let in_doubt: Vec<_> = progress.open_steps().map(|step| (step.clone(), doubt(step))).collect();
        Ok(Report {
            run: Some(id),
            undoes: plan.undoes.clone(),
            outcome,
            steps: plan.steps.len(),
            succeeded: succeeded(&progress),
            waived: count(|status| *status == Status::Waived),
            not_begun: count(|status| matches!(status, Status::Pending | Status::Skipped)),
            failures: progress.failures,
            in_doubt,
            rollback: None,
            critical_path: timeline.critical_path(&plan),
            duration: begun.elapsed(),
        })
    }
}

fn succeeded(progress: &Progress) -> usize {
    progress.steps.values().filter(|status| **status == Status::Succeeded).count()
}

pub(super) fn fact(run: &RunId, at: crate::clock::Timestamp, fact: Fact) -> Draft {
    Draft { record: Record { run: run.clone(), at, fact }, rows: Vec::new() }
}
