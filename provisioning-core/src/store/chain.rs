//! What an append writes: entries, their hashes, state rows and run summaries, made before anything is written.
//!
//! Pure, and the same for every store; a store only keeps what [`Batch`] holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Draft;
use super::text::{MAX_RECORD_BYTES, RowText, corrupt, read, write};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::journal::{RowChange, RunSummary};
use crate::name::{ResourceName, RunId, WorkspaceId};
use crate::record::{Entry, Fact, Record};

/// The end of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The place of the last entry; 0 for an empty journal.
    pub(super) seq: u64,
    /// Its hash; the digest of the workspace's identity for an empty journal.
    pub(super) hash: Digest,
}

impl Head {
    /// The head of an empty journal.
    pub(super) fn empty(workspace: &WorkspaceId) -> Self {
        Self { seq: 0, hash: Digest::of(workspace.as_str().as_bytes()) }
    }
}

/// An entry as it is kept; nothing is checked when it is read.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The place.
    pub(super) seq: u64,
    /// The run it is filed under.
    pub(super) run: String,
    /// The JSON of the record with its place, which is what the hash covers.
    pub(super) body: Vec<u8>,
    /// The hash.
    pub(super) hash: Digest,
}

impl Link {
    /// The entry that is kept here.
    ///
    /// # Errors
    /// `Corrupt`, naming the place, when it is not one.
    pub(super) fn entry(&self) -> Result<Entry> {
        let numbered: Numbered<Record> = read(&self.body, || format!("record {}", self.seq))?;
        if numbered.seq != self.seq {
            return Err(corrupt(format!("record {} says that it is record {}", self.seq, numbered.seq)));
        }
        if numbered.record.run.as_str() != self.run {
            let message = format!("record {} belongs to run `{}`, not to `{}`", self.seq, numbered.record.run, self.run);
            return Err(corrupt(message));
        }
        Ok(Entry { seq: self.seq, record: numbered.record, hash: self.hash.clone() })
    }
}

/// The body of a record.
#[derive(Serialize, Deserialize)]
struct Numbered<R> {
    seq: u64,
    #[serde(flatten)]
    record: R,
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunRow {
    /// The place of its first entry.
    pub(super) first: u64,
    /// The place of its last entry.
    pub(super) last: u64,
    /// Its summary.
    pub(super) summary: RunSummary,
}

/// Everything that one append writes.
#[derive(Debug)]
pub(super) struct Batch {
    /// What the caller gets.
    pub(super) entries: Vec<Arc<Entry>>,
    /// The entries as they are kept.
    pub(super) links: Vec<Link>,
    /// The rows that change; `None` for one that goes.
    pub(super) rows: BTreeMap<ResourceName, Option<RowText>>,
    /// The runs that change.
    pub(super) runs: BTreeMap<RunId, RunRow>,
}

/// Makes what an append after `head` writes; `kept` gives a run as it is kept so far.
///
/// # Errors
/// `Limited` for a record or a row that is too large, `Bug` for one that cannot be written or whose run has not begun.
pub(super) fn batch(mut head: Head, drafts: Vec<Draft>, mut kept: impl FnMut(&RunId) -> Result<Option<RunRow>>) -> Result<Batch> {
    let size = drafts.len();
    let mut batch = Batch {
        entries: Vec::with_capacity(size),
        links: Vec::with_capacity(size),
        rows: BTreeMap::new(),
        runs: BTreeMap::new(),
    };
    for Draft { record, rows } in drafts {
        let seq = head.seq + 1;
        if !batch.runs.contains_key(&record.run)
            && let Some(row) = kept(&record.run)?
        {
            batch.runs.insert(record.run.clone(), row);
        }
        batch.count(seq, &record)?;
        rows.into_iter().try_for_each(|change| batch.change(seq, change))?;
        head = batch.link(&head, seq, record)?;
    }
    Ok(batch)
}

impl Batch {
    fn count(&mut self, seq: u64, record: &Record) -> Result<()> {
        let before = self.runs.remove(&record.run);
        let first = before.as_ref().map_or(seq, |row| row.first);
        let Some(summary) = RunSummary::next(before.map(|row| row.summary), record) else {
            return Err(Error::bug(format!("a record of run `{}` comes before the run's start", record.run)));
        };
        self.runs.insert(record.run.clone(), RunRow { first, last: seq, summary });
        Ok(())
    }

    fn change(&mut self, seq: u64, change: RowChange) -> Result<()> {
        let (name, row) = match change {
            RowChange::Remove(name) => (name, None),
            RowChange::Put(mut row) => {
                row.version = seq;
                let text = RowText::new(&row)?;
                (row.name, Some(text))
            }
        };
        self.rows.insert(name, row);
        Ok(())
    }

    fn link(&mut self, head: &Head, seq: u64, record: Record) -> Result<Head> {
        let body = write(&Numbered { seq, record: &record }, MAX_RECORD_BYTES, || what(&record))?;
        let hash = Digest::chained(&head.hash, &body);
        self.links.push(Link { seq, run: record.run.to_string(), body, hash: hash.clone() });
        self.entries.push(Arc::new(Entry { seq, record, hash: hash.clone() }));
        Ok(Head { seq, hash })
    }
}

fn what(record: &Record) -> String {
    match &record.fact {
        Fact::Step { id, .. } => format!("a record of step `{id}`"),
        _ => format!("a record of run `{}`", record.run),
    }
}
