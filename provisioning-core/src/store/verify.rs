//! Checks a store against itself: the hash chain, what the records say, and the state that they lead to.
//!
//! The same for every store, in pages; what a record does to a row is asked of [`journal`](crate::journal).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::chain::{Head, Link};
use super::text::corrupt;
use super::{Range, Verified};
use crate::digest::Digest;
use crate::error::{ErrorKind, Result};
use crate::journal::{Progress, RowChange, RunSummary, effect};
use crate::name::{ResourceName, RunId, StepId, WorkspaceId};
use crate::plan::{Plan, Step};
use crate::record::{Fact, Outcome, Record, StepFact};
use crate::resource::StateRow;

const PAGE: usize = 512;

/// One consistent view of what a store keeps.
pub(super) trait Source {
    /// The entries of a range, unchecked.
    fn links(&self, range: &Range) -> Result<Vec<Link>>;

    /// The plan of a hash; `NotFound` when there is none.
    fn plan(&self, hash: &Digest) -> Result<Plan>;

    /// Every state row.
    fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>>;

    /// Every run, oldest first.
    fn runs(&self) -> Result<Vec<RunSummary>>;
}

/// Checks everything; the first thing that is wrong is in the answer.
pub(super) fn verify(workspace: &WorkspaceId, source: &dyn Source) -> Result<Verified> {
    let mut replay = Replay { head: Head::empty(workspace), runs: BTreeMap::new(), rows: BTreeMap::new() };
    let problem = match replay.read(source).and_then(|()| replay.compare(source)) {
        Ok(()) => None,
        Err(error) if error.kind() == ErrorKind::Corrupt => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    let entries = replay.head.seq;
    Ok(Verified { entries, head: (entries > 0).then_some(replay.head.hash), problem })
}

/// What the entries so far lead to.
struct Replay {
    head: Head,
    runs: BTreeMap<RunId, Run>,
    rows: BTreeMap<ResourceName, StateRow>,
}

/// What the entries of one run so far lead to.
struct Run {
    summary: RunSummary,
    progress: Progress,
    /// The plan's steps, loaded when they are needed and dropped when the run ends.
    steps: Option<HashMap<StepId, Step>>,
}

impl Replay {
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
        self.replay(seq, &entry.record, source).map_err(|error| match error.kind() {
            ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported => corrupt(format!("record {seq}: {error}")),
            _ => error,
        })?;
        self.head = Head { seq, hash };
        Ok(())
    }

    fn replay(&mut self, seq: u64, record: &Record, source: &dyn Source) -> Result<()> {
        let (before, progress, steps) = match self.runs.remove(&record.run) {
            Some(Run { summary, progress, steps }) => (Some(summary), progress, steps),
            None => (None, Progress::default(), None),
        };
        let summary = RunSummary::next(before, record).ok_or_else(|| corrupt(format!("run `{}` has no start", record.run)))?;
        let mut run = Run { summary, progress, steps };
        if let Fact::Step { id, fact } = &record.fact {
            let changes = self.changes(&mut run, id, fact, source)?;
            self.apply(seq, changes);
        }
        run.progress.apply(&record.fact)?;
        run.close(&record.fact);
        self.runs.insert(record.run.clone(), run);
        Ok(())
    }

    fn changes(&self, run: &mut Run, id: &StepId, fact: &StepFact, source: &dyn Source) -> Result<Vec<RowChange>> {
        let id_of_run = run.summary.id.clone();
        let inputs = run.progress.inputs.get(id).cloned().unwrap_or_default();
        let step = run.step(id, source)?;
        Ok(effect(&id_of_run, step, self.rows.get(step.row()), &inputs, fact))
    }

    fn apply(&mut self, seq: u64, changes: Vec<RowChange>) {
        for change in changes {
            match change {
                RowChange::Put(row) => self.rows.insert(row.name.clone(), StateRow { version: seq, ..*row }),
                RowChange::Remove(name) => self.rows.remove(&name),
            };
        }
    }

    fn compare(&self, source: &dyn Source) -> Result<()> {
        let rows = source.rows()?;
        if let Some((name, problem)) = difference(&self.rows, &rows, |replayed, kept| replayed == kept) {
            return Err(corrupt(format!("the state of `{name}` {problem}")));
        }
        let runs = source.runs()?.into_iter().map(|run| (run.id.clone(), run)).collect();
        match difference(&self.runs, &runs, |replayed, kept| replayed.summary == *kept) {
            Some((id, problem)) => Err(corrupt(format!("the summary of run `{id}` {problem}"))),
            None => Ok(()),
        }
    }
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

impl Run {
    fn step(&mut self, id: &StepId, source: &dyn Source) -> Result<&Step> {
        if self.steps.is_none() {
            let plan = source.plan(&self.summary.plan)?;
            self.steps = Some(plan.steps.into_iter().map(|step| (step.id.clone(), step)).collect());
        }
        let missing = || corrupt(format!("the plan of run `{}` has no step `{id}`", self.summary.id));
        self.steps.as_ref().and_then(|steps| steps.get(id)).ok_or_else(missing)
    }

    /// Keeps only what a later record of the run can need, so that old runs cost no memory.
    fn close(&mut self, fact: &Fact) {
        if let Fact::RunFinished { outcome } = fact {
            self.steps = None;
            if matches!(outcome, Outcome::Completed | Outcome::Superseded) {
                self.progress = Progress { outcome: Some(*outcome), ..Progress::default() };
            }
        }
    }
}
