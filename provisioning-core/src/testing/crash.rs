//! A store that dies in the middle of a run, as the process around it would.
//!
//! It keeps nothing itself: what was durable is in the store below, where another engine finds it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::RunSummary;
use crate::name::ResourceName;
use crate::plan::{Plan, Results};
use crate::record::Entry;
use crate::resource::StateRow;
use crate::store::{Draft, Holder, Identity, Late, LateResults, Lease, Leases, Log, Range, State, Store, Verified};

/// Where a store dies, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPoint {
    /// How many appends go well before.
    pub spared: usize,
    /// When, in the append after those.
    pub moment: Moment,
    /// What a caller sees.
    pub death: Death,
}

/// When an append dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it is written.
    BeforeWrite,
    /// It is durable, and nobody is told.
    AfterWrite,
}

/// What the callers of a dead store see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// An error: the process lives and has lost its disk.
    Error,
    /// Nothing, ever: the process is gone, and with it every call that ran.
    Silence,
    /// Nothing for so long, as of a process that is stopped and goes on: it is no death, and the store lives on.
    Pause(Duration),
}

/// A store over another one, that dies at a point.
pub struct CrashingStore {
    inner: Arc<dyn Store>,
    point: CrashPoint,
    appends: AtomicUsize,
    dead: watch::Sender<bool>,
}

impl CrashingStore {
    /// A store that dies.
    pub fn new(inner: Arc<dyn Store>, point: CrashPoint) -> Self {
        Self { inner, point, appends: AtomicUsize::new(0), dead: watch::Sender::new(false) }
    }

    /// Where it dies.
    pub fn point(&self) -> CrashPoint {
        self.point
    }

    /// How many appends were asked for.
    pub fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    /// Returns when the store is dead.
    pub async fn death(&self) {
        let mut dead = self.dead.subscribe();
        // The sender lives as long as the borrow of the store.
        drop(dead.wait_for(|dead| *dead).await);
    }

    async fn die<T>(&self) -> Result<T> {
        self.dead.send_replace(true);
        match self.point.death {
            Death::Error => Err(Error::new(ErrorKind::Unavailable, "the store was cut off")),
            Death::Silence | Death::Pause(_) => pending().await,
        }
    }

    async fn alive(&self) -> Result<&dyn Store> {
        if *self.dead.borrow() { self.die().await } else { Ok(self.inner.as_ref()) }
    }
}

impl fmt::Debug for CrashingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashingStore").field("point", &self.point).field("appends", &self.appends).finish_non_exhaustive()
    }
}

#[async_trait]
impl Log for CrashingStore {
    async fn append(&self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Arc<Entry>>> {
        let inner = self.alive().await?;
        let (appends, CrashPoint { spared, moment, death }) = (self.appends.fetch_add(1, Ordering::SeqCst), self.point);
        if appends < spared {
            return inner.append(lease, drafts).await;
        }
        if let Death::Pause(pause) = death {
            let pauses = |at| moment == at && appends == spared;
            sleep(if pauses(Moment::BeforeWrite) { pause } else { Duration::ZERO }).await;
            let appended = inner.append(lease, drafts).await;
            sleep(if pauses(Moment::AfterWrite) { pause } else { Duration::ZERO }).await;
            return appended;
        }
        if moment == Moment::AfterWrite {
            inner.append(lease, drafts).await?;
        }
        self.die().await
    }

    async fn entries(&self, range: Range) -> Result<Vec<Entry>> {
        self.alive().await?.entries(range).await
    }

    async fn runs(&self) -> Result<Vec<RunSummary>> {
        self.alive().await?.runs().await
    }

    async fn save_plan(&self, plan: &Plan) -> Result<Digest> {
        self.alive().await?.save_plan(plan).await
    }

    async fn plan(&self, hash: &Digest) -> Result<Plan> {
        self.alive().await?.plan(hash).await
    }

    async fn results(&self, hash: &Digest) -> Result<Results> {
        self.alive().await?.results(hash).await
    }
}

#[async_trait]
impl State for CrashingStore {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    async fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        self.alive().await?.rows().await
    }

    async fn verify(&self) -> Result<Verified> {
        self.alive().await?.verify().await
    }
}

#[async_trait]
impl Leases for CrashingStore {
    async fn acquire(&self, holder: &Holder, now: Timestamp, length: Duration) -> Result<Lease> {
        self.alive().await?.acquire(holder, now, length).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<Lease> {
        self.alive().await?.renew(lease, now, length).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.alive().await?.release(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>> {
        self.alive().await?.holder().await
    }
}

#[async_trait]
impl LateResults for CrashingStore {
    async fn leave_late(&self, late: Vec<Late>) -> Result<()> {
        self.alive().await?.leave_late(late).await
    }

    async fn late(&self) -> Result<Vec<Late>> {
        self.alive().await?.late().await
    }

    async fn drop_late(&self, lease: &Lease, late: Vec<Late>) -> Result<()> {
        self.alive().await?.drop_late(lease, late).await
    }
}
