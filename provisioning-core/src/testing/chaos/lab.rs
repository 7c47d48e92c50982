//! A world of fakes with a store over it, in which a journey begins: what a case disturbs and then looks at.

use std::sync::Arc;
use std::time::Duration;

use super::table::{Flaw, Journey};
use super::world::{Line, Problem, lines, orphans};
use crate::clock::Timestamp;
use crate::config::{OnFailure, Settings};
use crate::engine::{Control, Engine, PlanOptions};
use crate::error::Result;
use crate::event::Observer;
use crate::plan::{Action, Command, Plan};
use crate::planner::secret_uses;
use crate::provider::Token;
use crate::resource::Desired;
use crate::seal::Keyring;
use crate::store::{Identity, MemoryStore, Store};
use crate::testing::{FakeSecrets, Fakes, ManualClock, SeededIds};

/// What is tried out, and on what journey.
pub(super) struct Scene<'a> {
    pub(super) journey: Journey,
    fakes: &'a Fakes,
    desired: &'a Desired,
    settings: Settings,
    secrets: FakeSecrets,
}

pub(super) struct Lab<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) fakes: Fakes,
    pub(super) store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(fakes: &'a Fakes, desired: &'a Desired, settings: &Settings, journey: Journey) -> Self {
        let on_failure = match journey {
            Journey::Apply | Journey::UndoApply | Journey::Destroy | Journey::UndoDestroy => OnFailure::Stop,
            Journey::ApplyOrUndo | Journey::DestroyOrUndo => OnFailure::Rollback,
        };
        let secrets = FakeSecrets::default().with_keys(Keyring::fresh(&SeededIds::new(2)));
        // Nobody's secrets are tried out; what stands for one tells which one it is.
        secret_uses(desired).into_keys().for_each(|name| secrets.set(&name, format!("the secret {name}")));
        Self { journey, fakes, desired, settings: Settings { on_failure, ..settings.clone() }, secrets }
    }

    /// Whether a failed run is taken back.
    pub(super) fn takes_back(&self) -> bool {
        self.settings.on_failure == OnFailure::Rollback
    }

    /// What was done before, and what is planned now: a command, or the way back from the last one.
    fn course(&self) -> (&'static [Command], Option<Command>) {
        match self.journey {
            Journey::Apply | Journey::ApplyOrUndo => (&[], Some(Command::Apply)),
            Journey::UndoApply => (&[Command::Apply], None),
            Journey::Destroy | Journey::DestroyOrUndo => (&[Command::Apply], Some(Command::Destroy)),
            Journey::UndoDestroy => (&[Command::Apply, Command::Destroy], None),
        }
    }

    /// What a plan for has nothing to do when the journey has come to its end.
    fn done(&self) -> Command {
        match self.journey {
            Journey::Apply | Journey::ApplyOrUndo | Journey::UndoDestroy => Command::Apply,
            Journey::UndoApply | Journey::Destroy | Journey::DestroyOrUndo => Command::Destroy,
        }
    }
}

impl<'a> Lab<'a> {
    /// An empty world.
    pub(super) fn new(scene: &'a Scene<'a>) -> Self {
        let ids = Arc::new(SeededIds::new(1));
        let store = Arc::new(MemoryStore::new(Identity::fresh(ids.as_ref())));
        Self { scene, fakes: scene.fakes.fresh(), store, clock: Arc::new(ManualClock::new(Timestamp::from_millis(0))), ids }
    }

    /// Does what comes before the journey, and plans it; gives also the world that a way back leads to.
    pub(super) async fn begin(&self) -> Result<(Plan, Option<Vec<Line>>)> {
        let (before, planned) = self.scene.course();
        let mut origin = self.world().await?;
        for command in before {
            origin = self.world().await?;
            let plan = self.plan_for(*command).await?;
            self.undisturbed().apply(&plan, &Control::new()).await?;
        }
        match planned {
            Some(command) => Ok((self.plan_for(command).await?, None)),
            None => Ok((self.undisturbed().plan_rollback(None).await?, Some(origin))),
        }
    }

    /// The world, the state and the outputs.
    pub(super) async fn world(&self) -> Result<Vec<Line>> {
        lines(&self.fakes, &self.undisturbed()).await
    }

    /// Lets the lease of the dead run out.
    pub(super) fn outlive_lease(&self) {
        let lease = Duration::from_secs_f64(self.scene.settings.lease_seconds).as_millis();
        self.clock.advance(i64::try_from(lease).unwrap_or(i64::MAX / 2).saturating_add(1));
    }

    /// What would be done if the same were asked for again. That rows are written again as they are declared is nothing.
    pub(super) async fn next_steps(&self) -> Result<Vec<String>> {
        let plan = self.plan_for(self.scene.done()).await?;
        let steps = plan.steps.iter().filter(|step| self.scene.journey != Journey::UndoDestroy || step.action != Action::Refresh);
        Ok(steps.map(|step| step.id.to_string()).collect())
    }

    /// What must hold at every moment: everything that exists is known, nothing twice, and the journal gives the state.
    pub(super) async fn promises(&self, open: &[String]) -> Result<Vec<Problem>> {
        let engine = self.undisturbed();
        let mut problems = orphans(&self.fakes, &engine.state().await?, open);
        let damage = engine.verify().await?.problem;
        problems.extend(damage.map(|problem| (Flaw::Damaged, format!("verify: {problem}"))));
        Ok(problems)
    }

    /// The tokens of the steps that a resume would look for, and their resources.
    pub(super) async fn open_tokens(&self) -> Result<Vec<String>> {
        let status = self.undisturbed().status().await?;
        let workspace = self.store.identity().workspace;
        let open = status.last_run.iter().flat_map(|run| {
            let steps = status.unfinished.iter();
            let open = steps.filter_map(|step| Some((step, step.status.open()?.0)));
            open.flat_map(|(step, attempt)| {
                let token = Token::new(&workspace, &run.id, &step.id, attempt);
                [token.to_string(), step.id.resource().to_owned()]
            })
        });
        Ok(open.collect())
    }

    async fn plan_for(&self, command: Command) -> Result<Plan> {
        self.undisturbed().plan(self.scene.desired, &PlanOptions::new(command)).await
    }

    pub(super) fn undisturbed(&self) -> Engine {
        self.engine(self.store.clone(), Observer::default())
    }

    pub(super) fn engine(&self, store: Arc<dyn Store>, observer: Observer) -> Engine {
        let settings = self.scene.settings.clone();
        let builder = Engine::builder(self.fakes.registry(), store).settings(settings).observer(observer);
        builder.secrets(Arc::new(self.scene.secrets.clone())).clock(self.clock.clone()).ids(self.ids.clone()).build()
    }
}
