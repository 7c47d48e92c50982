//! The store: the journal, the state and the lease of one workspace.
//!
//! [`MemoryStore`] keeps them for the life of a process, [`SqliteStore`] on disk. One transaction appends records and
//! writes the rows they change; what the rows are is decided in [`journal`](crate::journal).

mod chain;
mod holder;
mod memory;
mod slot;
mod sqlite;
#[cfg(test)]
mod tests;
mod text;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use holder::Holder;
pub use memory::MemoryStore;
pub use sqlite::{Opening, SqliteStore};
pub use text::{MAX_PLAN_BYTES, MAX_RECORD_BYTES};

use crate::clock::{Ids, Timestamp};
use crate::digest::{Digest, DigestKey};
use crate::error::Result;
use crate::journal::{RowChange, RunSummary};
use crate::name::{ResourceName, RunId, StepId, WorkspaceId};
use crate::plan::{Plan, Results};
use crate::record::{Entry, Record};
use crate::resource::StateRow;

/// A record that is to be appended, with what it does to the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The record.
    pub record: Record,
    /// The rows it writes and removes.
    pub rows: Vec<RowChange>,
}

/// What a store was made with, once.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The key of its secret digests.
    pub digest_key: DigestKey,
}

impl Identity {
    /// A new identity from fresh random numbers.
    pub fn fresh(ids: &dyn Ids) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&ids.random().to_le_bytes());
        key[16..].copy_from_slice(&ids.random().to_le_bytes());
        Self { workspace: WorkspaceId::new(ids.random()), digest_key: DigestKey::new(key) }
    }
}

/// The right to append, held by one process at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Grows with every new holder; an append under an older epoch is refused.
    pub epoch: u64,
    /// Who holds it.
    pub holder: Holder,
    /// Since when.
    pub acquired_at: Timestamp,
    /// Until when, unless it is renewed.
    pub expires_at: Timestamp,
}

/// Which part of the journal to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// One run only.
    pub run: Option<RunId>,
    /// Entries after this place; 0 for all.
    pub after: u64,
    /// At most this many; 0 for all.
    pub limit: usize,
}

/// What checking a store found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many entries the journal has.
    pub entries: u64,
    /// The hash of the last one.
    pub head: Option<Digest>,
    /// The first thing that is wrong, naming its entry or row.
    pub problem: Option<String>,
}

/// The journal.
#[async_trait]
pub trait Log: Send + Sync {
    /// Appends records and writes their rows, all or nothing; durable when it returns.
    ///
    /// - `Conflict` when the lease is not the present one: nothing was appended.
    /// - `Limited` for a record or a row of more than [`MAX_RECORD_BYTES`], `Bug` for one that holds a secret and for a
    ///   record of a run that has not begun: nothing was appended.
    /// - Each entry's hash covers the entry before.
    /// - A caller that stops waiting takes nothing back: the records may be there.
    async fn append(&self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Arc<Entry>>>;

    /// Reads entries in order.
    async fn entries(&self, range: Range) -> Result<Vec<Entry>>;

    /// Every run, oldest first.
    async fn runs(&self) -> Result<Vec<RunSummary>>;

    /// Keeps a plan under its hash; one that is there already stays.
    async fn save_plan(&self, plan: &Plan) -> Result<Digest>;

    /// The plan of a hash; `NotFound` when there is none.
    async fn plan(&self, hash: &Digest) -> Result<Plan>;

    /// What the plan of a hash gives back, read without the rest of it; `NotFound` when there is none.
    async fn results(&self, hash: &Digest) -> Result<Results>;
}

/// The state.
#[async_trait]
pub trait State: Send + Sync {
    /// What the store was made with.
    fn identity(&self) -> Identity;

    /// Every row.
    async fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>>;

    /// Checks the hash chain, that the records can follow one another, and that replaying them gives the state.
    async fn verify(&self) -> Result<Verified>;
}

/// The lease.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease, where it is free, has expired, or its holder is dead.
    ///
    /// - `Conflict` when somebody holds it: who, and since when.
    async fn acquire(&self, holder: &Holder, now: Timestamp, length: Duration) -> Result<Lease>;

    /// Extends it; `Conflict` when somebody else took it meanwhile.
    async fn renew(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<Lease>;

    /// Gives it up; a lease that is held no longer is a success.
    async fn release(&self, lease: &Lease) -> Result<()>;

    /// The present lease.
    async fn holder(&self) -> Result<Option<Lease>>;
}

/// What a process learned of a run after another one had taken it over: evidence for whoever holds the lease.
///
/// It is no part of the journal or of the state, and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Late {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The external identity of an object that the step made.
    pub object: String,
}

/// What was learned too late.
#[async_trait]
pub trait LateResults: Send + Sync {
    /// Keeps it; takes no lease. What is there already stays.
    async fn leave_late(&self, late: Vec<Late>) -> Result<()>;

    /// Everything that is kept, in order.
    async fn late(&self) -> Result<Vec<Late>>;

    /// Drops what has been taken into the journal; what is not there is a success.
    ///
    /// - `Conflict` when the lease is not the present one: nothing was dropped.
    async fn drop_late(&self, lease: &Lease, late: Vec<Late>) -> Result<()>;
}

/// The journal, the state and the lease of one workspace.
pub trait Store: Log + State + Leases + LateResults {}

impl<T: Log + State + Leases + LateResults> Store for T {}
