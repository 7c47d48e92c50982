//! The journal up to the end of a run: the state before what is to be undone, the state after, and how both came to be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Progress, Replay, RunSummary};
use crate::name::{ResourceName, RunId, StepId};
use crate::plan::{Action, Command, Plan, Step};
use crate::planner::Past;
use crate::record::{Entry, Fact, StepFact};
use crate::resource::StateRow;
use crate::schema::Sealer;
use crate::value::Value;

/// The rows of a state.
type Rows = BTreeMap<ResourceName, StateRow>;

/// The steps of each run, by name.
type Steps<'a> = BTreeMap<&'a RunId, HashMap<&'a StepId, &'a Step>>;

/// A journal with its plans, as the store has them.
pub(super) struct Journal {
    pub entries: Vec<Entry>,
    pub runs: Vec<RunSummary>,
    pub plans: BTreeMap<Digest, Plan>,
}

impl Journal {
    /// What a run did, or what it did since a checkpoint.
    ///
    /// # Errors
    /// `NotFound` when it reached no such checkpoint, `Corrupt` for a journal that does not fit together.
    pub(super) fn past(&self, summary: &RunSummary, checkpoint: Option<&str>, now: Rows, sealer: Arc<Sealer>) -> Result<Past> {
        let since = since(&self.entries, &summary.id, checkpoint)?;
        let steps = self.runs.iter().filter_map(|run| Some((&run.id, by_name(self.plans.get(&run.plan)?)))).collect();
        let history = History { journal: self, steps, run: &summary.id, since };
        let (before, after) = history.states()?;
        let (own, earlier) = (self.plan(&summary.plan)?, history.last_acting_before());
        let mut providers = BTreeMap::new();
        for plan in earlier.iter().map(|(_, plan)| *plan).chain([own]) {
            providers.extend(plan.providers.clone());
        }
        Ok(Past {
            run: summary.id.clone(),
            before: before.rows,
            after,
            now,
            makers: before.makers,
            begun: history.begun(own),
            steps: own.steps.clone(),
            providers,
            outputs: earlier.map(|(_, plan)| plan.outputs.clone()).unwrap_or_default(),
            answers: earlier.map_or_else(|| Ok(BTreeMap::new()), |(run, plan)| history.answers(run, plan))?,
            sealer,
            secrets: Value::Null,
        })
    }

    fn plan(&self, hash: &Digest) -> Result<&Plan> {
        self.plans.get(hash).ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("there is no plan `{hash}`")))
    }
}

/// The place of the first entry that is to be undone: the run's own first one, or the one after a checkpoint.
fn since(entries: &[Entry], run: &RunId, checkpoint: Option<&str>) -> Result<usize> {
    let own = || entries.iter().enumerate().filter(|(_, entry)| entry.record.run == *run);
    let Some(wanted) = checkpoint else { return Ok(own().next().map_or(entries.len(), |(place, _)| place)) };
    let reached = own().filter_map(|(place, entry)| match &entry.record.fact {
        Fact::Checkpoint { name } => Some((name.as_str(), place)),
        _ => None,
    });
    let reached: BTreeMap<_, _> = reached.collect();
    reached.get(wanted).map(|place| place + 1).ok_or_else(|| {
        let names: Vec<_> = reached.keys().map(|name| format!("`{name}`")).collect();
        let none = "it reached none; they are declared in the section `checkpoints`";
        let hint = if names.is_empty() { none.to_owned() } else { format!("it reached {}", names.join(", ")) };
        Error::new(ErrorKind::NotFound, format!("the run `{run}` reached no checkpoint `{wanted}`")).with_hint(hint)
    })
}

fn by_name(plan: &Plan) -> HashMap<&StepId, &Step> {
    plan.steps.iter().map(|step| (&step.id, step)).collect()
}

/// What is to be undone of a journal.
struct History<'a> {
    journal: &'a Journal,
    steps: Steps<'a>,
    run: &'a RunId,
    /// The place of the first entry that is to be undone.
    since: usize,
}

/// A state, and the steps that made its rows.
struct Before {
    rows: Rows,
    makers: BTreeMap<ResourceName, Step>,
}

impl<'a> History<'a> {
    fn before(&self) -> &'a [Entry] {
        &self.journal.entries[..self.since]
    }

    /// The state before what is to be undone, and after the run's last record.
    fn states(&self) -> Result<(Before, Rows)> {
        let mut replay = Replay::default();
        let mut makers = Makers::default();
        let entries = &self.journal.entries;
        let plan = |hash: &Digest| self.journal.plan(hash).cloned();
        // What came to light later is no deed of the run.
        let own = |entry: &Entry| {
            let surfaced = matches!(entry.record.fact, Fact::Step { fact: StepFact::Surfaced { .. }, .. });
            entry.record.run == *self.run && !surfaced
        };
        let last = entries.iter().rposition(own).map_or(self.since, |last| last + 1).max(self.since);
        for entry in self.before() {
            let step = self.step_of(entry);
            let was = step.is_some_and(|step| replay.rows().contains_key(step.row()));
            replay.take(entry.seq, &entry.record, &plan)?;
            if let (Some(step), Fact::Step { fact, .. }) = (step, &entry.record.fact) {
                makers.take(step, fact, (was, replay.rows().contains_key(&step.resource)));
            }
        }
        let before = Before { rows: replay.rows().clone(), makers: makers.0 };
        for entry in &entries[self.since..last] {
            replay.take(entry.seq, &entry.record, &plan)?;
        }
        Ok((before, replay.rows().clone()))
    }

    /// The step that an entry is about.
    fn step_of(&self, entry: &Entry) -> Option<&'a Step> {
        let Fact::Step { id, .. } = &entry.record.fact else { return None };
        self.steps.get(&entry.record.run)?.get(id).copied()
    }

    /// The resources of the steps that the run was at work on, whatever came of them.
    fn begun(&self, plan: &Plan) -> BTreeSet<ResourceName> {
        let own = self.journal.entries[self.since..].iter().filter(|entry| entry.record.run == *self.run);
        let started: BTreeSet<_> = own
            .filter_map(|entry| match &entry.record.fact {
                Fact::Step { fact: StepFact::Skipped { .. }, .. } => None,
                Fact::Step { id, .. } => Some(id),
                _ => None,
            })
            .collect();
        plan.steps.iter().filter(|step| started.contains(&step.id)).map(|step| step.resource.clone()).collect()
    }

    /// The last run before that made or removed anything, and its plan.
    fn last_acting_before(&self) -> Option<(&'a RunId, &'a Plan)> {
        let mut started = self.before().iter().rev().filter_map(|entry| match &entry.record.fact {
            Fact::RunStarted { plan, command, .. } => Command::is_acting(command).then_some((&entry.record.run, plan)),
            _ => None,
        });
        let (run, plan) = started.next()?;
        Some((run, self.journal.plans.get(plan)?))
    }

    /// What the lookups of a run answered.
    fn answers(&self, run: &RunId, plan: &Plan) -> Result<BTreeMap<ResourceName, Value>> {
        let own = self.before().iter().filter(|entry| entry.record.run == *run);
        let read = Progress::replay(own.map(|entry| &entry.record))?.answers;
        let named = plan.steps.iter().filter_map(|step| Some((step.resource.clone(), read.get(&step.id)?.clone())));
        Ok(plan.lookups.clone().into_iter().chain(named).collect())
    }
}

/// The steps that made the rows of a state, or last changed them.
#[derive(Default)]
struct Makers(BTreeMap<ResourceName, Step>);

impl Makers {
    /// Takes in what happened to a step, and whether its row was there before and is now.
    fn take(&mut self, step: &Step, fact: &StepFact, (was, is): (bool, bool)) {
        let done = matches!(fact, StepFact::Succeeded { .. } | StepFact::Identified { .. });
        match &step.action {
            Action::Rename { from } if done => {
                if let Some(maker) = self.0.remove(from) {
                    self.0.insert(step.resource.clone(), maker);
                }
            }
            _ if !is => drop(self.0.remove(&step.resource)),
            // What was begun alone makes a row too, where there was none.
            Action::Create | Action::Update | Action::ApplyService | Action::Reinstate { .. } if done || !was => {
                self.0.insert(step.resource.clone(), step.clone());
            }
            _ => {}
        }
    }
}
