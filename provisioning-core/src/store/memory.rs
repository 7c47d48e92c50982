//! The store of a process that keeps nothing: for tests, previews and programs that bring their own persistence.
//!
//! It keeps the same texts as a store on disk does, so that what cannot be written is refused here too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::chain::{self, Head, Link, RunRow};
use super::slot::Slot;
use super::text::{self, RowText};
use super::verify::{Source, verify};
use super::{Draft, Holder, Identity, Late, LateResults, Lease, Leases, Log, Range, State, Verified};
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::error::Result;
use crate::journal::RunSummary;
use crate::name::{ResourceName, RunId};
use crate::plan::{Plan, Results};
use crate::record::Entry;
use crate::resource::StateRow;

/// A store that lives as long as the process.
pub struct MemoryStore {
    identity: Identity,
    kept: Mutex<Kept>,
}

/// What is kept.
struct Kept {
    head: Head,
    links: Vec<Link>,
    plans: BTreeMap<Digest, Vec<u8>>,
    rows: BTreeMap<ResourceName, RowText>,
    runs: BTreeMap<RunId, RunRow>,
    late: BTreeSet<Late>,
    slot: Slot,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(identity: Identity) -> Self {
        let kept = Kept {
            head: Head::empty(&identity.workspace),
            links: Vec::new(),
            plans: BTreeMap::new(),
            rows: BTreeMap::new(),
            runs: BTreeMap::new(),
            late: BTreeSet::new(),
            slot: Slot::default(),
        };
        Self { identity, kept: Mutex::new(kept) }
    }

    /// Nothing is written before everything that can fail has been done, so a poisoned lock hides nothing half-done.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[async_trait]
impl Log for MemoryStore {
    async fn append(&self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Arc<Entry>>> {
        self.kept().append(lease, drafts)
    }

    async fn entries(&self, range: Range) -> Result<Vec<Entry>> {
        self.kept().links(&range)?.iter().map(Link::entry).collect()
    }

    async fn runs(&self) -> Result<Vec<RunSummary>> {
        Ok(Source::runs(&*self.kept())?.into_iter().map(|run| run.summary).collect())
    }

    async fn save_plan(&self, plan: &Plan) -> Result<Digest> {
        let (hash, body) = text::write_plan(plan, |body| body)?;
        self.kept().plans.entry(hash.clone()).or_insert(body);
        Ok(hash)
    }

    async fn plan(&self, hash: &Digest) -> Result<Plan> {
        Source::plan(&*self.kept(), hash)
    }

    async fn results(&self, hash: &Digest) -> Result<Results> {
        Source::results(&*self.kept(), hash)
    }
}

#[async_trait]
impl State for MemoryStore {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    async fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        Source::rows(&*self.kept())
    }

    async fn verify(&self) -> Result<Verified> {
        verify(&self.identity.workspace, &*self.kept())
    }
}

#[async_trait]
impl Leases for MemoryStore {
    async fn acquire(&self, holder: &Holder, now: Timestamp, length: Duration) -> Result<Lease> {
        let mut kept = self.kept();
        let lease = kept.slot.acquire(holder, now, length)?;
        kept.slot = Slot::taken(lease.clone());
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<Lease> {
        let mut kept = self.kept();
        let lease = kept.slot.renew(lease, now, length)?;
        kept.slot = Slot::taken(lease.clone());
        Ok(lease)
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let mut kept = self.kept();
        if let Some(free) = kept.slot.released(lease) {
            kept.slot = free;
        }
        Ok(())
    }

    async fn holder(&self) -> Result<Option<Lease>> {
        Ok(self.kept().slot.present.clone())
    }
}

#[async_trait]
impl LateResults for MemoryStore {
    async fn leave_late(&self, late: Vec<Late>) -> Result<()> {
        self.kept().late.extend(late);
        Ok(())
    }

    async fn late(&self) -> Result<Vec<Late>> {
        Ok(self.kept().late.iter().cloned().collect())
    }

    async fn drop_late(&self, lease: &Lease, late: Vec<Late>) -> Result<()> {
        let mut kept = self.kept();
        kept.slot.check(lease)?;
        kept.late.retain(|kept| !late.contains(kept));
        Ok(())
    }
}

impl Kept {
    fn append(&mut self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Arc<Entry>>> {
        self.slot.check(lease)?;
        let batch = chain::batch(self.head.clone(), drafts, |run| Ok(self.runs.get(run).cloned()))?;
        if let Some(last) = batch.links.last() {
            self.head = Head { seq: last.seq, hash: last.hash.clone() };
        }
        self.links.extend(batch.links);
        self.runs.extend(batch.runs);
        for (name, row) in batch.rows {
            match row {
                Some(row) => self.rows.insert(name, row),
                None => self.rows.remove(&name),
            };
        }
        Ok(batch.entries)
    }
}

impl Source for Kept {
    fn links(&self, range: &Range) -> Result<Vec<Link>> {
        let after = usize::try_from(range.after).unwrap_or(usize::MAX).min(self.links.len());
        let limit = if range.limit == 0 { usize::MAX } else { range.limit };
        let wanted = |link: &&Link| range.run.as_ref().is_none_or(|run| run.as_str() == link.run);
        Ok(self.links[after..].iter().filter(wanted).take(limit).cloned().collect())
    }

    fn plan(&self, hash: &Digest) -> Result<Plan> {
        text::read_plan(hash, self.plans.get(hash).map(Vec::as_slice))
    }

    fn results(&self, hash: &Digest) -> Result<Results> {
        self.plan(hash).map(|plan| plan.results())
    }

    fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        self.rows.iter().map(|(name, row)| row.parse(name.as_str())).collect()
    }

    fn runs(&self) -> Result<Vec<RunRow>> {
        let mut runs: Vec<_> = self.runs.values().cloned().collect();
        runs.sort_by_key(|run| run.first);
        Ok(runs)
    }
}
