//! One case of a sweep: a cloud, a store, a plan, and what is done to them.

use std::sync::Arc;
use std::time::Duration;

use super::Scene;
use super::world::{contents, difference, orphans, world};
use crate::clock::{Clock, Timestamp};
use crate::engine::{Control, Engine, PlanOptions, Report};
use crate::error::{ErrorKind, Result};
use crate::event::Observer;
use crate::plan::{Action, Command, Plan};
use crate::provider::Token;
use crate::record::Outcome;
use crate::resource::Desired;
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
    /// As if nothing had happened, but for what the cloud counts: what a call was about was gone already.
    SuccessWithout,
    /// Failed, since what a call was about is gone; a new plan makes it anew.
    FailureWithout,
}

/// What a run is to lead to: what somebody declares, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal<'a> {
    pub desired: &'a Desired,
    pub command: Command,
}

pub(super) struct Case {
    pub cloud: FakeCloud,
    scene: Scene,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    plan: Plan,
    /// What the cloud held before everything that the scene does to it.
    pub start: Vec<String>,
    runs_before: usize,
}

impl Case {
    /// A new world with what was there before, and the plan that is to be disturbed.
    pub(super) async fn set(scene: &Scene) -> Result<Self> {
        let (cloud, ids) = (scene.cloud(), Arc::new(SeededIds::new(1)));
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Identity::fresh(ids.as_ref())));
        let engine = engine(scene, &cloud, store.clone(), (clock.clone(), ids.clone()));
        let before = engine.plan(&scene.before, &PlanOptions::new(Command::Apply)).await?;
        engine.apply(&before, &Control::new()).await?;
        let start = cloud.contents();
        let plan = if scene.command == Command::Rollback {
            let done = engine.plan(&scene.desired, &PlanOptions::new(Command::Apply)).await?;
            engine.apply(&done, &Control::new()).await?;
            engine.plan_rollback(None).await?
        } else {
            engine.plan(&scene.desired, &PlanOptions::new(scene.command)).await?
        };
        let runs_before = engine.runs().await?.len();
        scene.troubles.iter().for_each(|(call, fault)| cloud.inject(call, *fault));
        cloud.clear_calls();
        Ok(Self { cloud, scene: scene.clone(), store, clock, ids, plan, start, runs_before })
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

    /// The world at the end. What came back is known to hang on a lookup only when it is declared again; the state alone
    /// takes that in, and here it has.
    pub(super) async fn world(&self) -> Result<Vec<String>> {
        let (engine, goal) = (self.engine(self.store.clone()), self.goal());
        if self.scene.command == Command::Rollback {
            let plan = engine.plan(goal.desired, &PlanOptions::new(goal.command)).await?;
            if plan.steps.iter().all(|step| step.action == Action::Refresh) {
                engine.apply(&plan, &Control::new()).await?;
            }
        }
        world(&self.cloud, &engine).await
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
            Expect::Success | Expect::SuccessWithout => Ok(report),
            Expect::Failure | Expect::Doubt => engine.resume(None, &Control::new()).await,
            Expect::FailureAndNewPlan | Expect::FailureWithout => self.plan_again(&engine).await,
        };
        problems.extend(match expect {
            Expect::SuccessWithout | Expect::FailureWithout => self.ended(settled, &contents(wanted)).await,
            _ => self.ended(settled, wanted).await,
        });
        problems
    }

    /// Carries the plan out and tells somebody of it.
    pub(super) async fn apply_watched(&self, control: &Control, observer: Observer) -> Result<Report> {
        let builder = Engine::builder(self.cloud.registry(), self.store.clone()).settings(self.scene.settings.clone());
        let builder = builder.secrets(Arc::new(self.scene.secrets.clone()));
        let engine = builder.clock(self.clock.clone()).ids(self.ids.clone()).observer(observer).build();
        engine.apply(&self.plan, control).await
    }

    pub(super) async fn resume(&self) -> Result<Report> {
        self.engine(self.store.clone()).resume(None, &Control::new()).await
    }

    /// Takes the last run back.
    pub(super) async fn roll_back(&self) -> Result<Report> {
        let engine = self.engine(self.store.clone());
        let plan = engine.plan_rollback(None).await?;
        engine.apply(&plan, &Control::new()).await
    }

    /// Carries the plan out with the faults that were injected, and goes on until it is through: once more for each of
    /// them at most.
    pub(super) async fn persevere(&self, faults: usize, wanted: &[String]) -> Vec<String> {
        let engine = self.engine(self.store.clone());
        let mut result = engine.apply(&self.plan, &Control::new()).await;
        let mut problems = self.unknown_objects().await;
        for _ in 0..faults {
            result = match &result {
                Ok(report) if report.outcome == Outcome::Completed => break,
                // What is gone is not there for a resume either.
                Ok(report) if !report.failures.iter().any(|(_, failure)| failure.kind == ErrorKind::NotFound) => {
                    engine.resume(None, &Control::new()).await
                }
                _ => self.plan_again(&engine).await,
            };
            problems.extend(self.unknown_objects().await);
        }
        self.cloud.clear_faults();
        problems.extend(self.ended(result, wanted).await);
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
        match self.lives(&vec![*point; lives + 2], wanted).await {
            Some(problems) => problems,
            None => vec![format!("the run does not end in {lives} lives")],
        }
    }

    /// Lets an engine die at each of some points of their lives, and then lives on.
    pub(super) async fn crash_each(&self, points: &[CrashPoint], wanted: &[String]) -> Vec<String> {
        if let Some(problems) = self.lives(points, wanted).await {
            return problems;
        }
        let settled = self.go_on(&self.engine(self.store.clone())).await;
        self.ended(settled, wanted).await
    }

    /// Life after life, until one comes to the end of the run or something is wrong: what is, then.
    async fn lives(&self, points: &[CrashPoint], wanted: &[String]) -> Option<Vec<String>> {
        for point in points {
            let store = Arc::new(CrashingStore::new(self.store.clone(), *point));
            if let Some(Ok(report)) = self.live(&store).await {
                return Some(self.ended(Ok(report), wanted).await);
            }
            let problems = self.unknown_objects().await;
            if !problems.is_empty() {
                return Some(problems);
            }
        }
        None
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
        let goal = self.goal();
        let plan = engine.plan(goal.desired, &PlanOptions::new(goal.command)).await?;
        engine.apply(&plan, &Control::new()).await
    }

    /// What is declared where the run ends well: a way back leads to what was there before.
    pub(super) fn goal(&self) -> Goal<'_> {
        match self.scene.command {
            Command::Rollback => Goal { desired: &self.scene.before, command: Command::Apply },
            command => Goal { desired: &self.scene.desired, command },
        }
    }

    /// Objects that are neither in the state nor looked for by a resume.
    pub(super) async fn unknown_objects(&self) -> Vec<String> {
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
        match self.check(self.goal()).await {
            Ok(more) => problems.extend(more),
            Err(error) => problems.push(format!("the end cannot be read: {error}")),
        }
        match self.world().await {
            Ok(found) if contents(wanted) == wanted => problems.extend(difference(wanted, &contents(&found))),
            Ok(found) => problems.extend(difference(wanted, &found)),
            Err(error) => problems.push(format!("the world cannot be read: {error}")),
        }
        problems
    }

    /// What is wrong with a world in which nothing of a goal is left to do.
    pub(super) async fn check(&self, goal: Goal<'_>) -> Result<Vec<String>> {
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
        let plan = match engine.plan(goal.desired, &PlanOptions::new(goal.command)).await {
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(vec![format!("no new plan: {error}")]),
            plan => plan?,
        };
        let undone = goal.command == Command::Apply && goal.desired == &self.scene.before;
        let left = plan.steps.iter().filter(|step| !undone || step.action != Action::Refresh);
        let steps: Vec<_> = left.map(|step| step.id.to_string()).collect();
        if !steps.is_empty() || !(plan.is_empty() || undone) {
            problems.push(format!("a new plan has something to do: {}", steps.join(", ")));
        }
        Ok(problems)
    }

    fn engine(&self, store: Arc<dyn Store>) -> Engine {
        engine(&self.scene, &self.cloud, store, (self.clock.clone(), self.ids.clone()))
    }
}

fn engine(scene: &Scene, cloud: &FakeCloud, store: Arc<dyn Store>, (clock, ids): (Arc<ManualClock>, Arc<SeededIds>)) -> Engine {
    let builder = Engine::builder(cloud.registry(), store).settings(scene.settings.clone());
    builder.secrets(Arc::new(scene.secrets.clone())).clock(clock).ids(ids).build()
}

/// What is wrong with how a run ended.
fn outcome(report: &Report, expect: Expect) -> Vec<String> {
    let found = (report.outcome, report.failures.len(), report.in_doubt.len());
    let right = match expect {
        Expect::Success | Expect::SuccessWithout => found == (Outcome::Completed, 0, 0) && report.not_begun == 0,
        Expect::Failure | Expect::FailureAndNewPlan | Expect::FailureWithout => found == (Outcome::Failed, 1, 0),
        Expect::Doubt => found == (Outcome::Failed, 0, 1),
    };
    if right {
        return Vec::new();
    }
    let why: Vec<_> = report.failures.iter().map(|(step, failure)| format!("{step}: {}", failure.message)).collect();
    vec![format!("{expect:?} was expected: {:?}, in doubt {:?}, {}", report.outcome, report.in_doubt, why.join("; "))]
}
