//! Checks a store against itself: the hash chain, what the records say, and the state that they lead to.
//!
//! The same for every store, in pages; what a record does to a row is asked of [`journal`](crate::journal).

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{Head, Link, RunRow};
use super::text::corrupt;
use super::{Range, Verified};
use crate::digest::Digest;
use crate::error::{ErrorKind, Result};
use crate::journal::{Replay, RunSummary};
use crate::name::{ResourceName, RunId, WorkspaceId};
use crate::plan::{Plan, Results};
use crate::resource::StateRow;

const PAGE: usize = 512;

/// One consistent view of what a store keeps.
pub(super) trait Source {
    /// The entries of a range, unchecked.
    fn links(&self, range: &Range) -> Result<Vec<Link>>;

    /// The plan of a hash; `NotFound` when there is none.
    fn plan(&self, hash: &Digest) -> Result<Plan>;

    /// What the plan of a hash gives back.
    fn results(&self, hash: &Digest) -> Result<Results>;

    /// Every state row.
    fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>>;

    /// Every run, oldest first.
    fn runs(&self) -> Result<Vec<RunRow>>;
}

/// Checks everything; the first thing that is wrong is in the answer.
pub(super) fn verify(workspace: &WorkspaceId, source: &dyn Source) -> Result<Verified> {
    let mut check = Check { head: Head::empty(workspace), replay: Replay::default(), spans: BTreeMap::new() };
    let problem = match check.read(source).and_then(|()| check.compare(source)) {
        Ok(()) => None,
        Err(error) if error.kind() == ErrorKind::Corrupt => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    let entries = check.head.seq;
    Ok(Verified { entries, head: (entries > 0).then_some(check.head.hash), problem })
}

/// What the entries so far lead to.
struct Check {
    head: Head,
    replay: Replay,
    /// The first and the last entry of every run.
    spans: BTreeMap<RunId, (u64, u64)>,
}

impl Check {
    fn read(&mut self, source: &dyn Source) -> Result<()> {
        loop {
            let page = source.links(&Range { run: None, after: self.head.seq, limit: PAGE })?;
            page.iter().try_for_each(|link| self.take(link, source))?;
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    fn take(&mut self, link: &Link, source: &dyn Source) -> Result<()> {
        let seq = self.head.seq + 1;
        if link.seq != seq {
            return Err(corrupt(format!("record {seq} is missing: the next one is record {}", link.seq)));
        }
        let hash = Digest::chained(&self.head.hash, &link.body);
        if hash != link.hash {
            return Err(corrupt(format!("record {seq} was changed: its hash does not follow from the one before")));
        }
        let entry = link.entry()?;
        let taken = self.replay.take(seq, &entry.record, &|hash| whole(source, hash));
        taken.map_err(|error| match error.kind() {
            ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported => corrupt(format!("record {seq}: {error}")),
            _ => error,
        })?;
        self.spans.entry(entry.record.run).or_insert((seq, seq)).1 = seq;
        self.head = Head { seq, hash };
        Ok(())
    }

    fn compare(&self, source: &dyn Source) -> Result<()> {
        let rows = source.rows()?;
        if let Some((name, problem)) = difference(self.replay.rows(), &rows, |replayed, kept| replayed == kept) {
            return Err(corrupt(format!("the state of `{name}` {problem}")));
        }
        let runs = source.runs()?.into_iter().map(|run| (run.summary.id.clone(), run)).collect();
        let row = |(id, summary): (RunId, RunSummary)| {
            let (first, last) = self.spans.get(&id).copied().unwrap_or_default();
            (id, RunRow { first, last, summary })
        };
        let replayed = self.replay.summaries().into_iter().map(row).collect();
        match difference(&replayed, &runs, |replayed, kept| replayed == kept) {
            Some((id, problem)) => Err(corrupt(format!("the summary of run `{id}` {problem}"))),
            None => Ok(()),
        }
    }
}

/// A plan that gives back what is kept beside it.
fn whole(source: &dyn Source, hash: &Digest) -> Result<Plan> {
    let plan = source.plan(hash)?;
    if source.results(hash)? == plan.results() {
        return Ok(plan);
    }
    Err(corrupt(format!("what the plan `{}` gives back was changed", hash.short())))
}

/// The first key, in order, at which what the journal leads to and what is kept differ, and how.
fn difference<'a, K: Ord, A, B>(
    replayed: &'a BTreeMap<K, A>,
    kept: &'a BTreeMap<K, B>,
    same: impl Fn(&A, &B) -> bool,
) -> Option<(&'a K, &'static str)> {
    let keys: BTreeSet<&K> = replayed.keys().chain(kept.keys()).collect();
    keys.into_iter().find_map(|key| match (replayed.get(key), kept.get(key)) {
        (Some(replayed), Some(kept)) if same(replayed, kept) => None,
        (Some(_), Some(_)) => Some((key, "is not what the journal leads to")),
        (Some(_), None) => Some((key, "is missing")),
        (None, _) => Some((key, "is in no record")),
    })
}
