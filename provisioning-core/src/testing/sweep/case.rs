//! One case of a sweep: a cloud, a store, a plan, and what is done to them.

use std::sync::Arc;
use std::time::Duration;

use super::Scene;
use super::world::{difference, orphans, world};
use crate::clock::{Clock, Timestamp};
use crate::engine::{Control, Engine, PlanOptions, Report};
use crate::error::{ErrorKind, Result};
use crate::plan::{Command, Plan};
use crate::provider::Token;
use crate::record::Outcome;
use crate::store::{Identity, MemoryStore, Store};
use crate::testing::{CrashPoint, CrashingStore, Death, FakeCloud, ManualClock, Moment, SeededIds};

/// How a disturbed run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// As if nothing had happened.
    Success,
    /// Failed; a resume goes on.
    Failure,
    /// Failed; a new plan goes on.
    FailureAndNewPlan,
    /// With a step in doubt; a resume finds out.
    Doubt,
}

pub(super) struct Case {
    pub cloud: FakeCloud,
    scene: Scene,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    plan: Plan,
    runs_before: usize,
}

impl Case {
    /// A new world with what was there before, and the plan that is to be disturbed.
    pub(super) async fn set(scene: &Scene) -> Result<Self> {
        let (cloud, ids) = (FakeCloud::default(), Arc::new(SeededIds::new(1)));
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Identity::fresh(ids.as_ref())));
        let engine = engine(scene, &cloud, store.clone(), (clock.clone(), ids.clone()));
        let before = engine.plan(&scene.before, &PlanOptions::new(Command::Apply)).await?;
        engine.apply(&before, &Control::new()).await?;
        let plan = engine.plan(&scene.desired, &PlanOptions::new(scene.command)).await?;
        let runs_before = engine.runs().await?.len();
        cloud.clear_calls();
        Ok(Self { cloud, scene: scene.clone(), store, clock, ids, plan, runs_before })
    }

    /// Carries the plan out; gives how many appends that takes.
    pub(super) async fn run_undisturbed(&self) -> Result<usize> {
        let point = CrashPoint { spared: usize::MAX, moment: Moment::BeforeWrite, death: Death::Error };
        let store = Arc::new(CrashingStore::new(self.store.clone(), point));
        let report = self.engine(store.clone()).apply(&self.plan, &Control::new()).await?;
        match report.failures.into_iter().next() {
            Some((_, failure)) => Err(failure.into()),
            None => Ok(store.appends()),
        }
    }

    pub(super) async fn world(&self) -> Result<Vec<String>> {
        world(&self.cloud, &self.engine(self.store.clone())).await
    }

    /// Carries the plan out with the faults that were injected.
    pub(super) async fn disturbed(&self, expect: Expect, wanted: &[String]) -> Vec<String> {
        let engine = self.engine(self.store.clone());
        let report = match engine.apply(&self.plan, &Control::new()).await {
            Ok(report) => report,
            Err(error) => return vec![format!("the apply broke off: {error}")],
        };
        let mut problems = outcome(&report, expect);
        if self.cloud.faults_left() > 0 {
            problems.push("a fault did not come".into());
        }
        problems.extend(self.unknown_objects().await);
        let settled = match expect {
            Expect::Success => Ok(report),
            Expect::Failure | Expect::Doubt => engine.resume(None, &Control::new()).await,
            Expect::FailureAndNewPlan => self.plan_again(&engine).await,
        };
        problems.extend(self.ended(settled, wanted).await);
        problems
    }

    /// Lets the store die at a point, and resumes.
    pub(super) async fn crash(&self, point: &CrashPoint, wanted: &[String]) -> Vec<String> {
        let store = Arc::new(CrashingStore::new(self.store.clone(), *point));
        let mut problems = Vec::new();
        if let Some(Ok(_)) = self.live(&store).await {
            problems.push("the apply ended well on a dead store".into());
        }
        problems.extend(self.unknown_objects().await);
        let settled = self.go_on(&self.engine(self.store.clone())).await;
        problems.extend(self.ended(settled, wanted).await);
        problems
    }

    /// Lets every engine die at the same point of its life until one comes to the end of the run.
    pub(super) async fn crash_again_and_again(&self, point: &CrashPoint, lives: usize, wanted: &[String]) -> Vec<String> {
        for _ in 0..lives + 2 {
            let store = Arc::new(CrashingStore::new(self.store.clone(), *point));
            if let Some(Ok(report)) = self.live(&store).await {
                return self.ended(Ok(report), wanted).await;
            }
            let problems = self.unknown_objects().await;
            if !problems.is_empty() {
                return problems;
            }
        }
        vec![format!("the run does not end in {lives} lives")]
    }

    /// One life of an engine: until the run ends or the store dies. The lease of the dead runs out.
    async fn live(&self, store: &Arc<CrashingStore>) -> Option<Result<Report>> {
        let engine = self.engine(store.clone());
        let result = tokio::select! {
            biased;
            result = self.go_on(&engine) => Some(result),
            () = self.silence(store) => None,
        };
        for _ in 0..3 {
            tokio::task::yield_now().await; // What was dropped gets its time to go.
        }
        let lease = Duration::from_secs_f64(self.scene.settings.lease_seconds).as_millis();
        self.clock.advance(i64::try_from(lease).unwrap_or(i64::MAX / 2).saturating_add(1));
        result
    }

    async fn silence(&self, store: &CrashingStore) {
        store.death().await;
        if store.point().death == Death::Error {
            std::future::pending::<()>().await;
        }
    }

    /// Goes on with the run where there is one.
    async fn go_on(&self, engine: &Engine) -> Result<Report> {
        let runs = engine.runs().await?;
        if runs.len() == self.runs_before {
            return engine.apply(&self.plan, &Control::new()).await;
        }
        match runs.last().and_then(|run| run.outcome) {
            Some(Outcome::Completed) => self.plan_again(engine).await,
            _ => engine.resume(None, &Control::new()).await,
        }
    }

    async fn plan_again(&self, engine: &Engine) -> Result<Report> {
        let plan = engine.plan(&self.scene.desired, &PlanOptions::new(self.scene.command)).await?;
        engine.apply(&plan, &Control::new()).await
    }

    /// Objects that are neither in the state nor looked for by a resume.
    async fn unknown_objects(&self) -> Vec<String> {
        let engine = self.engine(self.store.clone());
        let found = async {
            let status = engine.status().await?;
            let workspace = self.store.identity().workspace;
            let open = status.last_run.iter().flat_map(|run| {
                let steps = status.unfinished.iter();
                let open = steps.filter_map(|step| Some((step, step.status.open()?.0)));
                open.map(|(step, attempt)| Token::new(&workspace, &run.id, &step.id, attempt).to_string())
            });
            let open: Vec<_> = open.collect();
            Ok(orphans(&self.cloud, &engine.state().await?, &open))
        };
        found.await.unwrap_or_else(|error: crate::error::Error| vec![format!("the store cannot be read: {error}")])
    }

    /// What is wrong with the world at the end.
    async fn ended(&self, report: Result<Report>, wanted: &[String]) -> Vec<String> {
        let report = match report {
            Ok(report) => report,
            Err(error) => return vec![format!("it does not go on: {error}")],
        };
        let mut problems = outcome(&report, Expect::Success);
        match self.check().await {
            Ok(more) => problems.extend(more),
            Err(error) => problems.push(format!("the end cannot be read: {error}")),
        }
        match self.world().await {
            Ok(found) => problems.extend(difference(wanted, &found)),
            Err(error) => problems.push(format!("the world cannot be read: {error}")),
        }
        problems
    }

    async fn check(&self) -> Result<Vec<String>> {
        let engine = self.engine(self.store.clone());
        let rows = engine.state().await?;
        let mut problems = orphans(&self.cloud, &rows, &[]);
        let (objects, known) = (self.cloud.tokens(), rows.values().flat_map(|row| row.object.iter().chain(&row.deposed)));
        let things = known.filter(|object| object.id.starts_with("t-"));
        problems.extend(
            things.filter(|thing| !objects.contains_key(&thing.id)).map(|thing| format!("`{}` is known and gone", thing.id)),
        );
        problems.extend(engine.verify().await?.problem.map(|problem| format!("verify: {problem}")));
        let held = self.store.holder().await?.filter(|lease| lease.expires_at > self.clock.now());
        problems.extend(held.map(|lease| format!("the lease is still held by {}", lease.holder)));
        let plan = match engine.plan(&self.scene.desired, &PlanOptions::new(self.scene.command)).await {
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(vec![format!("no new plan: {error}")]),
            plan => plan?,
        };
        if !plan.is_empty() {
            let steps: Vec<_> = plan.steps.iter().map(|step| step.id.to_string()).collect();
            problems.push(format!("a new plan has something to do: {}", steps.join(", ")));
        }
        Ok(problems)
    }

    fn engine(&self, store: Arc<dyn Store>) -> Engine {
        engine(&self.scene, &self.cloud, store, (self.clock.clone(), self.ids.clone()))
    }
}

fn engine(scene: &Scene, cloud: &FakeCloud, store: Arc<dyn Store>, (clock, ids): (Arc<ManualClock>, Arc<SeededIds>)) -> Engine {
    Engine::builder(cloud.registry(), store).settings(scene.settings.clone()).clock(clock).ids(ids).build()
}

/// What is wrong with how a run ended.
fn outcome(report: &Report, expect: Expect) -> Vec<String> {
    let found = (report.outcome, report.failures.len(), report.in_doubt.len());
    let right = match expect {
        Expect::Success => found == (Outcome::Completed, 0, 0) && report.not_begun == 0,
        Expect::Failure | Expect::FailureAndNewPlan => found == (Outcome::Failed, 1, 0),
        Expect::Doubt => found == (Outcome::Failed, 0, 1),
    };
    if right {
        return Vec::new();
    }
    let why: Vec<_> = report.failures.iter().map(|(step, failure)| format!("{step}: {}", failure.message)).collect();
    vec![format!("{expect:?} was expected: {:?}, in doubt {:?}, {}", report.outcome, report.in_doubt, why.join("; "))]
}
