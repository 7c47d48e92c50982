//! The engine: the one door to everything this crate does.
//!
//! A face (command line, server, Python, your program) holds an [`Engine`] and nothing below it. The engine itself
//! only joins the modules: what to do is decided in [`planner`], how it is carried out in
//! [`executor`](crate::executor).

mod control;
mod disclosure;
mod estimate;
mod history;
mod hosts;
mod inspect;
mod options;
mod refresh;
mod report;
mod reveal;
mod rollback;
mod runs;
mod settle;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use control::Control;
pub use hosts::Logs;
pub use options::Builder;
pub use report::{OutputValue, Report, Status, StepStatus, Undone};

use disclosure::Disclosure;
use refresh::Eyes;
use settle::Verdict;

use crate::clock::{Clock, Ids};
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Observer;
pub use crate::executor::CriticalPath;
use crate::graph::Graph;
use crate::host::{Host, UnitStatus};
use crate::journal::RunSummary;
use crate::name::{ResourceName, RunId, StepId};
use crate::plan::{Command, Plan};
use crate::planner::{self, Input, KnownSecrets, Planned, Seen};
pub use crate::planner::{PlanOptions, Refresh};
use crate::record::Entry;
use crate::registry::Registry;
use crate::resource::{Desired, StateRow};
use crate::secrets::Secrets;
use crate::store::{Holder, Lease, Range, Store, Verified};

/// What a plan is made on: rows, and those among them whose objects are read first.
struct Ground<'a> {
    rows: &'a BTreeMap<ResourceName, StateRow>,
    read: &'a BTreeMap<ResourceName, StateRow>,
}

/// The engine over one workspace's store.
#[derive(Clone)]
pub struct Engine {
    registry: Registry,
    store: Arc<dyn Store>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    holder: Holder,
    observer: Observer,
    secrets: Arc<dyn Secrets>,
}

impl Engine {
    /// An engine over a store, with what a registry offers.
    pub fn builder(registry: Registry, store: Arc<dyn Store>) -> Builder {
        Builder::new(registry, store)
    }

    /// Links the declarations and gives their graph; needs no state, makes no call, and reads no secret.
    ///
    /// # Errors
    /// `Invalid`, with a diagnostic for every unknown name, for a cycle, and for every sensitive value that stands in the
    /// declarations of a workspace without keys.
    pub fn validate(&self, desired: &Desired) -> Result<Graph<ResourceName>> {
        let linked = planner::link(&self.registry, desired, &self.secret_names())?;
        let names: Vec<_> = desired.resources.keys().collect();
        Ok(linked.graph.with_names(|place| names[place].clone()))
    }

    /// Reads what exists and plans the difference; before, it finds out how that ended which an earlier run began and
    /// did not end, and records it.
    ///
    /// # Errors
    /// `Invalid` with a diagnostic for everything that is wrong with the declarations; `Conflict` where a protected
    /// resource would go, or an earlier run left something open; and those of the providers.
    pub async fn plan(&self, desired: &Desired, options: &PlanOptions) -> Result<Plan> {
        self.settle_open_steps().await?;
        let rows = self.store.rows().await?;
        let plan = self.plan_reading(desired, options, &Ground { rows: &rows, read: &rows }, self.disclosure().await?).await;
        // Taking many rows apart takes its time, and nobody has to wait for it.
        tokio::task::spawn_blocking(move || drop(rows));
        plan
    }

    /// Plans the way back from a run, the last one where none is named: to the state as it was before it.
    ///
    /// # Errors
    /// `NotFound` when there is no such run; `Conflict` when it changed nothing, when a later run changed the same, or when
    /// it left something open; and those of [`Engine::plan`].
    pub async fn plan_rollback(&self, run: Option<&RunId>) -> Result<Plan> {
        self.plan_back(run, None).await
    }

    /// Plans the way back from a run to one of the checkpoints that it reached.
    ///
    /// # Errors
    /// Those of [`plan_rollback`](Self::plan_rollback), and `NotFound` when the run reached no such checkpoint.
    pub async fn plan_rollback_to(&self, run: Option<&RunId>, checkpoint: &str) -> Result<Plan> {
        self.plan_back(run, Some(checkpoint)).await
    }

    /// Goes on with the rollback that failed, was stopped or died.
    ///
    /// # Errors
    /// `NotFound` when the last run is none, and those of [`resume`](Self::resume).
    pub async fn continue_rollback(&self, control: &Control) -> Result<Report> {
        let run = self.unfinished_rollback().await?;
        self.take_up(Some(&run.id), control).await
    }

    /// Leaves out a step of a rollback that failed: when it is continued, what needs the step may begin. Its resource
    /// is marked inconsistent until it is repaired.
    ///
    /// # Errors
    /// `NotFound` when the last run is no unfinished rollback, `Conflict` for a step that did not fail.
    pub async fn skip_undo(&self, step: &StepId, reason: &str) -> Result<()> {
        self.waive_step(step, reason).await
    }

    /// Plans on rows, having read what exists of some of them: of these rows and no later ones, since another process may
    /// have moved a row on to another object meanwhile. The plan then is out of date, and says so when it is applied.
    async fn plan_reading(
        &self,
        desired: &Desired,
        options: &PlanOptions,
        ground: &Ground<'_>,
        mut disclosure: Disclosure,
    ) -> Result<Plan> {
        let (unseen, unread, sealer) = (Seen::default(), KnownSecrets::default(), disclosure.sealer.clone());
        let blank = Input {
            registry: &self.registry,
            desired,
            state: ground.rows,
            seen: &unseen,
            options,
            sealer: &sealer,
            secrets: &unread,
            settings: &self.settings,
            now: self.clock.now(),
        };
        let secrets = disclosure.read_for_plan(&blank).await?;
        let mut eyes = Eyes::new(self, desired, ground.rows, &disclosure);
        let reads = options.refresh == Refresh::Read && options.command != Command::Forget;
        let mut seen = if reads { eyes.objects(self, ground.read).await? } else { Seen::default() };
        loop {
            let Planned { mut plan, needs } = planner::plan(&Input { seen: &seen, secrets: &secrets, ..blank })?;
            tracing::debug!(rows = ground.rows.len(), steps = plan.steps.len(), needs = needs.len(), "planned");
            if needs.is_empty() {
                plan.changed_outputs = self.changed_outputs(&plan).await?;
                plan.secrets = disclosure.digests();
                return Ok(plan);
            }
            eyes.answer(self, desired, needs, &mut seen).await?;
        }
    }

    /// Carries out a plan; where the last run carried it out in part, that run goes on.
    ///
    /// A failed step is not an error here: the report says so.
    ///
    /// # Errors
    /// `Conflict` when another run holds the workspace, or when a row that the plan touches has moved; those of the store.
    pub async fn apply(&self, plan: &Plan, control: &Control) -> Result<Report> {
        let report = self.begin(plan, control).await?;
        Ok(self.undo_failed(report, control).await)
    }

    /// Goes on with a run that failed, was stopped or died; the last one where none is named.
    ///
    /// # Errors
    /// `NotFound` when there is nothing to resume, `Conflict` when another run holds the workspace.
    pub async fn resume(&self, run: Option<&RunId>, control: &Control) -> Result<Report> {
        let report = self.take_up(run, control).await?;
        Ok(self.undo_failed(report, control).await)
    }

    /// Declares that a step which began and did not end left nothing behind that the state does not have: somebody
    /// looked. The reason is kept in the journal; the step counts as failed, and what it was to change is marked
    /// inconsistent, which the next plan repairs.
    ///
    /// # Errors
    /// `NotFound` when the last run has no such step open, `Conflict` when another run holds the workspace.
    pub async fn abandon(&self, step: &StepId, reason: &str) -> Result<()> {
        self.settle_by_hand(step, Verdict::GivenUp(reason)).await
    }

    /// Declares that a create which began and did not end made this object: a resume goes on with it.
    ///
    /// # Errors
    /// Those of [`abandon`](Self::abandon); `Invalid` for a step that makes no object, `Conflict` for an object that
    /// belongs to a resource already, `NotFound` for one that does not exist; those of the provider.
    pub async fn adopt(&self, step: &StepId, object: &str) -> Result<()> {
        self.settle_by_hand(step, Verdict::Made(object)).await
    }

    /// Declares that a step which began and did not end had no effect: a resume begins it anew, or goes on with the object
    /// where one is known.
    ///
    /// # Errors
    /// Those of [`abandon`](Self::abandon).
    pub async fn retry(&self, step: &StepId) -> Result<()> {
        self.settle_by_hand(step, Verdict::Nothing).await
    }

    /// Takes the workspace from whoever holds it: that process can append nothing from now on. Gives the lease that it
    /// had.
    ///
    /// # Errors
    /// `NotFound` when nobody holds it.
    pub async fn unlock(&self) -> Result<Lease> {
        let held = self.store.holder().await?;
        let lease = held.ok_or_else(|| Error::new(ErrorKind::NotFound, "nobody holds the workspace"))?;
        self.store.release(&lease).await?;
        Ok(lease)
    }

    /// The rows of the state.
    pub async fn state(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        self.store.rows().await
    }

    /// What the workspace gives back, by the last plan that was applied.
    pub async fn outputs(&self) -> Result<BTreeMap<String, OutputValue>> {
        self.output_values().await
    }

    /// Who holds the workspace, how the last run ended, and what it left to do.
    pub async fn status(&self) -> Result<Status> {
        self.present_status().await
    }

    /// Every run, oldest first.
    pub async fn runs(&self) -> Result<Vec<RunSummary>> {
        self.store.runs().await
    }

    /// Entries of the journal, in order.
    pub async fn entries(&self, range: Range) -> Result<Vec<Entry>> {
        self.store.entries(range).await
    }

    /// The host that the `connection` of a resource leads to, by the state; no call is made.
    ///
    /// # Errors
    /// `NotFound` for an unknown resource, `Invalid` for one without a `connection`.
    pub async fn host(&self, name: &str) -> Result<Arc<dyn Host>> {
        self.host_of(name).await
    }

    /// How every program is that a host keeps running, by its name there.
    ///
    /// # Errors
    /// Those of [`host`](Self::host), and `Unsupported` where the host keeps none.
    pub async fn units(&self, name: &str) -> Result<BTreeMap<String, UnitStatus>> {
        self.units_of(name).await
    }

    /// The ends of what programs wrote, at most so many bytes of each: of the units on a host or of one among them, of
    /// the unit that a service keeps, or of a resource that names its log as its output `log`.
    ///
    /// # Errors
    /// Those of [`units`](Self::units), and `NotFound` for an unknown unit.
    pub async fn logs(&self, name: &str, unit: Option<&str>, max_bytes: u64) -> Result<Logs> {
        self.logs_of(name, unit, max_bytes).await
    }

    /// Checks the journal's hash chain and that replaying it gives the state.
    pub async fn verify(&self) -> Result<Verified> {
        self.store.verify().await
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("registry", &self.registry).field("settings", &self.settings).finish_non_exhaustive()
    }
}
