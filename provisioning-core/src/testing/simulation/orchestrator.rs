//! One process at work on the workspace: what it does, what happens to it meanwhile, and what comes of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::declarations::Declarations;
use crate::clock::{Clock, Timestamp};
use crate::config::Settings;
use crate::engine::{Control, Engine, PlanOptions, Report};
use crate::error::{Error, Result};
use crate::plan::Command;
use crate::store::Store;
use crate::testing::{CrashPoint, CrashingStore, Death, FakeCloud, SeededIds};

/// The runtime's time as a clock.
#[derive(Debug)]
pub(super) struct RuntimeClock(pub(super) Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// What an orchestrator does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Apply,
    Destroy,
    Resume,
    Rollback,
    ContinueRollback,
    Unlock,
}

/// What happens to it while it does it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Nothing,
    Crash(CrashPoint),
    Cancel(Duration),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Came {
    Died,
    Done,
    Ended(Box<Report>),
    Refused(Error),
}

impl From<Result<Option<Report>>> for Came {
    fn from(result: Result<Option<Report>>) -> Self {
        match result {
            Ok(None) => Self::Done,
            Ok(Some(report)) => Self::Ended(Box::new(report)),
            Err(error) => Self::Refused(error),
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died => f.write_str("it died"),
            Self::Done => f.write_str("done"),
            Self::Ended(report) => write!(f, "{:?}, {} of {}", report.outcome, report.succeeded, report.steps),
            Self::Refused(error) => write!(f, "{:?}: {error}", error.kind()),
        }
    }
}

/// One process at work on the workspace.
pub(super) struct Orchestrator {
    pub cloud: FakeCloud,
    pub store: Arc<dyn Store>,
    pub clock: Arc<RuntimeClock>,
    pub ids: Arc<SeededIds>,
    pub settings: Settings,
    pub declared: Declarations,
}

impl Orchestrator {
    pub(super) fn engine(&self, store: Arc<dyn Store>) -> Engine {
        let builder = Engine::builder(self.cloud.registry(), store).settings(self.settings.clone());
        builder.clock(self.clock.clone()).ids(self.ids.clone()).build()
    }

    /// Does something, unless it dies in it.
    pub(super) async fn does(&self, deed: Deed, fate: Fate) -> Came {
        let control = Control::new();
        match fate {
            Fate::Nothing => self.with(self.store.clone(), deed, &control).await.into(),
            Fate::Cancel(after) => {
                let stop = async {
                    sleep(after).await;
                    control.cancel();
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    came = self.with(self.store.clone(), deed, &control) => came.into(),
                    () = stop => Came::Died,
                }
            }
            Fate::Crash(point) => {
                let store = Arc::new(CrashingStore::new(self.store.clone(), point));
                let silent = point.death == Death::Silence;
                tokio::select! {
                    biased;
                    came = self.with(store.clone(), deed, &control) => came.into(),
                    () = store.death(), if silent => Came::Died,
                }
            }
        }
    }

    async fn with(&self, store: Arc<dyn Store>, deed: Deed, control: &Control) -> Result<Option<Report>> {
        let engine = self.engine(store);
        let report = match deed {
            Deed::Apply | Deed::Destroy => {
                let command = if matches!(deed, Deed::Destroy) { Command::Destroy } else { Command::Apply };
                let desired = self.declared.desired(&self.cloud.registry(), &self.settings);
                let plan = engine.plan(&desired, &PlanOptions::new(command)).await?;
                engine.apply(&plan, control).await?
            }
            Deed::Resume => engine.resume(None, control).await?,
            Deed::Rollback => {
                let plan = engine.plan_rollback(None).await?;
                engine.apply(&plan, control).await?
            }
            Deed::ContinueRollback => engine.continue_rollback(control).await?,
            Deed::Unlock => return engine.unlock().await.map(|_| None),
        };
        Ok(Some(report))
    }
}
