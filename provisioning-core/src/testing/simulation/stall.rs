//! A store that stalls once, as if its process had been stopped: for longer than a lease lasts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::error::Result;
use crate::journal::RunSummary;
use crate::name::ResourceName;
use crate::plan::Plan;
use crate::record::Entry;
use crate::resource::StateRow;
use crate::store::{Draft, Holder, Identity, Late, LateResults, Lease, Leases, Log, Range, State, Store, Verified};

/// A store over another one.
pub(super) struct StallingStore {
    inner: Arc<dyn Store>,
    /// How many appends go well before the one that stalls.
    spared: usize,
    pause: Duration,
    appends: AtomicUsize,
}

impl StallingStore {
    pub(super) fn new(inner: Arc<dyn Store>, spared: usize, pause: Duration) -> Self {
        Self { inner, spared, pause, appends: AtomicUsize::new(0) }
    }
}

impl fmt::Debug for StallingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StallingStore").field("spared", &self.spared).field("pause", &self.pause).finish_non_exhaustive()
    }
}

#[async_trait]
impl Log for StallingStore {
    async fn append(&self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Arc<Entry>>> {
        if self.appends.fetch_add(1, Ordering::SeqCst) == self.spared {
            tokio::time::sleep(self.pause).await;
        }
        self.inner.append(lease, drafts).await
    }

    async fn entries(&self, range: Range) -> Result<Vec<Entry>> {
        self.inner.entries(range).await
    }

    async fn runs(&self) -> Result<Vec<RunSummary>> {
        self.inner.runs().await
    }

    async fn save_plan(&self, plan: &Plan) -> Result<Digest> {
        self.inner.save_plan(plan).await
    }

    async fn plan(&self, hash: &Digest) -> Result<Plan> {
        self.inner.plan(hash).await
    }
}

#[async_trait]
impl State for StallingStore {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    async fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        self.inner.rows().await
    }

    async fn verify(&self) -> Result<Verified> {
        self.inner.verify().await
    }
}

#[async_trait]
impl Leases for StallingStore {
    async fn acquire(&self, holder: &Holder, now: Timestamp, length: Duration) -> Result<Lease> {
        self.inner.acquire(holder, now, length).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<Lease> {
        self.inner.renew(lease, now, length).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.inner.release(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>> {
        self.inner.holder().await
    }
}

#[async_trait]
impl LateResults for StallingStore {
    async fn leave_late(&self, late: Vec<Late>) -> Result<()> {
        self.inner.leave_late(late).await
    }

    async fn late(&self) -> Result<Vec<Late>> {
        self.inner.late().await
    }

    async fn drop_late(&self, lease: &Lease, late: Vec<Late>) -> Result<()> {
        self.inner.drop_late(lease, late).await
    }
}
