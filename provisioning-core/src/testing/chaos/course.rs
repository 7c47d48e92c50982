//! The undisturbed run of a journey: where it leads, and at which append and which call each step is met.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::case::Case;
use super::lab::Scene;
use super::world::{Line, difference, resolved};
use crate::engine::Control;
use crate::error::{Error, Result, Retry};
use crate::event::{Event, Observer};
use crate::name::StepId;
use crate::plan::{Action, Plan, Step};
use crate::record::{Fact, StepFact};
use crate::testing::fakes::shown;
use crate::testing::{CrashPoint, CrashingStore, Death, Fault, Moment};

/// An undisturbed run.
pub(super) struct Course {
    pub(super) plan: Plan,
    /// The world that it leads to.
    pub(super) wanted: Vec<Line>,
    /// What is not as promised even so.
    pub(super) problems: Vec<String>,
    met: BTreeMap<StepId, Met>,
}

/// Where a step is met.
#[derive(Debug, Clone, Default)]
struct Met {
    appends: BTreeSet<usize>,
    /// What it was called with, as text.
    inputs: String,
}

impl Course {
    /// Goes on a journey undisturbed.
    pub(super) async fn of(scene: &Scene<'_>) -> Result<Self> {
        let case = Case::set(scene).await?;
        let store = counting(&case);
        let met: Arc<Mutex<BTreeMap<StepId, Met>>> = Arc::default();
        let (counter, seen) = (store.clone(), met.clone());
        let observer = Observer::new(move |event| {
            let Event::Recorded(entry) = event else { return };
            let Fact::Step { id, fact } = &entry.record.fact else { return };
            let mut met = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let met = met.entry(id.clone()).or_default();
            met.appends.insert(counter.appends().saturating_sub(1));
            if let StepFact::Started { inputs, .. } = fact {
                met.inputs = shown(inputs);
            }
        });
        let report = case.lab.engine(store, observer).apply(&case.plan, &Control::new()).await?;
        if let Some((step, failure)) = report.failures.into_iter().next() {
            let message = format!("`{step}` fails, though nothing disturbs it: {}", failure.message);
            let hint = failure.hint.unwrap_or_else(|| "what a provider would report is made up here, from its schemas".into());
            return Err(Error::new(failure.kind, message).with_hint(hint));
        }
        let (wanted, mut problems) = (case.lab.world().await?, Vec::new());
        problems.extend(case.lab.promises(&[]).await?.into_iter().map(|(_, problem)| problem));
        if let Some(origin) = &case.origin {
            let different = difference(&resolved(origin), &resolved(&wanted));
            problems.extend(different.into_iter().map(|what| format!("it was taken back, and {what}")));
        }
        let next = case.lab.next_steps().await?;
        if !next.is_empty() {
            problems.push(format!("a new plan has something to do: {}", next.join(", ")));
        }
        let met = met.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Self { plan: case.plan, wanted, problems, met })
    }

    /// Which appends hold a record of a step.
    pub(super) fn appends(&self, step: &StepId) -> impl Iterator<Item = usize> {
        self.met.get(step).into_iter().flat_map(|met| met.appends.iter().copied())
    }

    /// The call that a step makes and that has its effect, as the fakes describe it.
    pub(super) fn call(&self, step: &Step) -> Option<String> {
        let verb = match step.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::ApplyService => "apply",
            Action::RemoveService => "remove",
            Action::Refresh => "read",
            Action::Read => return Some(format!("look up {} {}", step.kind, self.met.get(&step.id)?.inputs)),
            Action::Forget | Action::Reinstate { .. } | Action::Rename { .. } => return None,
        };
        Some(format!("{verb} {}", step.resource))
    }
}

/// Which appends take a run back in which a step was refused for good; none where nothing was done by then.
pub(super) async fn way_back(scene: &Scene<'_>, course: &Course, step: &Step) -> Result<Range<usize>> {
    let case = Case::set(scene).await?;
    if let Some(call) = course.call(step) {
        case.lab.fakes.inject(&call, Fault::Refuse(Retry::Never));
    }
    let store = counting(&case);
    let failed = Arc::new(AtomicUsize::new(usize::MAX));
    let (counter, seen) = (store.clone(), failed.clone());
    let observer = Observer::new(move |event| {
        let Event::Recorded(entry) = event else { return };
        if matches!(entry.record.fact, Fact::RunFinished { .. }) {
            seen.fetch_min(counter.appends(), Ordering::SeqCst);
        }
    });
    case.lab.engine(store.clone(), observer).apply(&case.plan, &Control::new()).await?;
    let all = store.appends();
    Ok(failed.load(Ordering::SeqCst).min(all)..all)
}

/// The store of a case, with its appends counted.
fn counting(case: &Case<'_>) -> Arc<CrashingStore> {
    let point = CrashPoint { spared: usize::MAX, moment: Moment::BeforeWrite, death: Death::Silence };
    Arc::new(CrashingStore::new(case.lab.store.clone(), point))
}
