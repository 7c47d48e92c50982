//! The acts of a life, and how each is done.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::declarations::Declarations;
use super::orchestrator::{Came, Deed, Fate, Orchestrator, RuntimeClock};
use super::{Lived, oracle};
use crate::clock::Clock as _;
use crate::config::{OnFailure, Settings};
use crate::engine::{Control, Engine, PlanOptions};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::plan::Command;
use crate::record::Fact;
use crate::store::{Identity, MemoryStore, Range, Store};
use crate::testing::{CrashPoint, Death, FakeCloud, Fault, Moment, Random, SeededIds};

/// How late a call may have its effect, and how long after that a thing does not show: the cloud's kind allows for both.
const LATE: Duration = Duration::from_millis(100);

/// How long a lease lasts, and a stall that outlasts it.
const LEASE: Duration = Duration::from_secs(30);
const STALL: Duration = Duration::from_secs(90);

/// What goes wrong with a call: all but a panic, which would be told on standard error every time.
const FAULTS: [Fault; 14] = [
    Fault::Refuse(Retry::Never),
    Fault::Refuse(Retry::Later(None)),
    Fault::Refuse(Retry::Unsure),
    Fault::LoseReply,
    Fault::LateSuccess(LATE),
    Fault::HalfOpen,
    Fault::Hang,
    Fault::TooMany { retry_after: None },
    Fault::TooMany { retry_after: Some(Duration::from_secs(40)) },
    Fault::ServerError,
    Fault::Malformed,
    Fault::NotReady(Duration::from_secs(2)),
    Fault::NotFound,
    Fault::Expired,
];

/// How often a workspace is healed before it counts as stuck: a fault that still waits spoils one try.
const HEALINGS: usize = 40;

pub(super) struct Life {
    random: Random,
    cloud: FakeCloud,
    store: Arc<dyn Store>,
    clock: Arc<RuntimeClock>,
    ids: Arc<SeededIds>,
    settings: Settings,
    declared: Declarations,
    lived: Lived,
    /// The last entry of the journal that is in the story.
    told: u64,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let ids = Arc::new(SeededIds::new(seed));
        let mut settings = Settings::shipped();
        settings.lease_seconds = LEASE.as_secs_f64();
        settings.timeout_seconds = 20.0;
        settings.limits.run = *random.pick(&[1, 2, 16]);
        settings.on_failure = *random.pick(&[OnFailure::Stop, OnFailure::Continue, OnFailure::Rollback]);
        Self {
            cloud: FakeCloud::default().with_lag(LATE),
            store: Arc::new(MemoryStore::new(Identity::fresh(ids.as_ref()))),
            clock: Arc::new(RuntimeClock(Instant::now())),
            ids,
            settings,
            declared: Declarations::none(),
            lived: Lived::default(),
            told: 0,
            random,
        }
    }

    pub(super) async fn live(mut self) -> Lived {
        for _ in 0..self.random.within(3..9) {
            Box::pin(self.act()).await;
            self.tell_journal().await;
            self.judge("then").await;
            if !self.lived.findings.is_empty() {
                return self.lived;
            }
        }
        self.heal().await;
        self.lived.runs = self.store.runs().await.map_or(0, |runs| runs.len());
        self.lived
    }

    /// Adds to the story what was recorded since.
    async fn tell_journal(&mut self) {
        let entries = self.store.entries(Range { after: self.told, ..Range::default() }).await.unwrap_or_default();
        for entry in entries {
            self.told = entry.seq;
            let fact = match &entry.record.fact {
                Fact::Step { id, fact } => format!("{id} {}", fact.word()),
                Fact::RunStarted { command, .. } => format!("{command} begins"),
                other => format!("{other:?}"),
            };
            self.lived.story.push(format!("{:>7}    {:>3} {fact}", entry.record.at.as_millis(), entry.seq));
        }
    }

    async fn judge(&mut self, when: &str) {
        let engine = self.engine(self.store.clone());
        for problem in oracle::broken(&self.cloud, self.store.as_ref(), &engine).await {
            self.lived.findings.push(format!("{when}: {problem}"));
        }
    }

    async fn act(&mut self) {
        if self.random.chance(60) {
            self.declared = self.declared.edited(&mut self.random);
            self.tell("edit");
        }
        if self.random.chance(15) {
            self.meddle();
        }
        while self.random.chance(40) {
            self.inject();
        }
        let (deed, fate) = (self.deed(), self.fate());
        if !self.random.chance(25) {
            let came = self.orchestrator().does(deed, fate).await;
            return self.note("", deed, fate, &came);
        }
        // Somebody else comes while the first is at work, or is stopped in it.
        let (other, other_fate) = (self.deed(), self.fate());
        let later = Duration::from_millis(self.random.within(0..120_000));
        let (first, second) = (self.orchestrator(), self.orchestrator());
        let (came, other_came) = tokio::join!(first.does(deed, fate), async {
            sleep(later).await;
            second.does(other, other_fate).await
        });
        self.note("one: ", deed, fate, &came);
        self.note("the other: ", other, other_fate, &other_came);
    }

    fn deed(&mut self) -> Deed {
        *self.random.pick(&[
            Deed::Apply,
            Deed::Apply,
            Deed::Apply,
            Deed::Resume,
            Deed::Resume,
            Deed::Rollback,
            Deed::ContinueRollback,
            Deed::Destroy,
            Deed::Unlock,
        ])
    }

    fn fate(&mut self) -> Fate {
        let spared = usize::try_from(self.random.within(0..12)).unwrap_or(0);
        match self.random.within(0..10) {
            0..=4 => {
                let moment = *self.random.pick(&[Moment::BeforeWrite, Moment::AfterWrite]);
                let death = *self.random.pick(&[Death::Silence, Death::Silence, Death::Error, Death::Pause(STALL)]);
                Fate::Crash(CrashPoint { spared, moment, death })
            }
            5 => Fate::Cancel(Duration::from_millis(self.random.within(0..40))),
            _ => Fate::Nothing,
        }
    }

    /// Lets one of the calls to come go wrong.
    fn inject(&mut self) {
        let names = self.declared.names();
        let Some(name) = (!names.is_empty()).then(|| self.random.pick(&names).clone()) else { return };
        let verb =
            *self.random.pick(&["create", "update", "delete", "find", "poll", "check flag on", "raise flag on", "lower flag on"]);
        let fault = *self.random.pick(&FAULTS);
        let call = format!("{verb} {name}");
        if !fault.concerns(&call) {
            return;
        }
        self.cloud.inject(&call, fault);
        self.tell(&format!("fault at `{call}`: {fault:?}"));
    }

    fn meddle(&mut self) {
        let names = self.declared.names();
        if names.is_empty() {
            return;
        }
        let name = self.random.pick(&names).clone();
        if self.random.chance(50) {
            self.cloud.steal(&name);
            self.tell(&format!("somebody removes {name}"));
        } else {
            self.cloud.meddle(&name, Some(9));
            self.tell(&format!("somebody resizes {name}"));
        }
    }

    /// With no more faults than those that still wait, the workspace comes to what is declared, and then to nothing.
    async fn heal(&mut self) {
        let mut last = String::new();
        for _ in 0..HEALINGS {
            sleep(STALL).await;
            last = match self.settle().await {
                Ok(None) => return self.end().await,
                Ok(Some(left)) => left,
                Err(error) => error.to_string(),
            };
            self.tell(&format!("healing: {last}"));
        }
        self.lived.findings.push(format!("it does not heal: {last}"));
    }

    /// One try to come to what is declared; tells what is left to do.
    async fn settle(&self) -> Result<Option<String>> {
        let engine = self.engine(self.store.clone());
        let desired = self.declared.desired(&self.cloud.registry(), &self.settings);
        let plan = match engine.plan(&desired, &PlanOptions::new(Command::Apply)).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                engine.resume(None, &Control::new()).await?;
                return Ok(Some(format!("resumed after: {error}")));
            }
            plan => plan?,
        };
        if plan.is_empty() {
            return Ok(None);
        }
        let report = engine.apply(&plan, &Control::new()).await?;
        Ok(Some(format!("{:?} {:?} {:?}", report.outcome, report.failures, report.in_doubt)))
    }

    async fn end(&mut self) {
        self.judge("healed").await;
        let (wanted, found) = (self.declared.contents(), self.cloud.contents());
        if wanted != found {
            self.lived.findings.push(format!("healed: {wanted:?} was declared, and there is {found:?}"));
        }
        self.declared = Declarations::none();
        for _ in 0..HEALINGS {
            if matches!(self.settle().await, Ok(None)) {
                break;
            }
        }
        self.judge("removed").await;
        let (left, rows) = (self.cloud.contents(), self.store.rows().await.map_or(usize::MAX, |rows| rows.len()));
        if !left.is_empty() || rows > 0 {
            self.lived.findings.push(format!("removed: {left:?} is left, and {rows} rows"));
        }
    }

    fn orchestrator(&self) -> Orchestrator {
        Orchestrator {
            cloud: self.cloud.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            settings: self.settings.clone(),
            declared: self.declared.clone(),
        }
    }

    fn engine(&self, store: Arc<dyn Store>) -> Engine {
        self.orchestrator().engine(store)
    }

    fn note(&mut self, who: &str, deed: Deed, fate: Fate, came: &Came) {
        match came {
            Came::Died => self.lived.crashes += 1,
            Came::Refused(error) => self.suspect(error),
            Came::Done | Came::Ended(_) => {}
        }
        self.tell(&format!("{who}{deed:?} {fate:?}: {came}"));
    }

    /// An error that no fault explains.
    fn suspect(&mut self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Bug | ErrorKind::Corrupt) {
            self.lived.findings.push(format!("{:?}: {error}", error.kind()));
        }
    }

    fn tell(&mut self, line: &str) {
        self.lived.story.push(format!("{:>7}  {line}", self.clock.now().as_millis()));
    }
}
