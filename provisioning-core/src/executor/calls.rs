//! The calls that run: prepared from what is known, bounded in time, and turned into replies.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};

use super::Job;
use super::call::{Effect, perform, unsure};
use super::ledger::Ledger;
use super::tools::{Target, Tools};
use crate::error::{Error, ErrorKind, Failure, Result, Retry};
use crate::event::{Event as Shown, Observer, Transient};
use crate::journal::Status;
use crate::name::{RunId, StepId, WorkspaceId};
use crate::plan::{Action, Plan, Step};
use crate::provider::{Context, Reporter, Token};
use crate::record::Object;
use crate::resource::Role;
use crate::schedule::{Call, Event, Reply, StepIndex};
use crate::schema::Existence;
use crate::value::{Redaction, Value};

/// An external identity that a running call reports, and whom to tell when it is durable.
pub(super) struct Identified {
    pub step: StepIndex,
    pub object: String,
    pub durable: oneshot::Sender<()>,
}

/// What became known when nothing could be recorded any more.
pub(super) struct Learned {
    /// The step that made an object, and the object.
    pub made: Option<(StepIndex, String)>,
    /// The same for people.
    pub what: String,
}

/// A call that came back, or a task that broke.
pub(super) type Finished = Result<(task::Id, Result<Effect>), JoinError>;

pub(super) struct Calls {
    plan: Arc<Plan>,
    run: RunId,
    workspace: WorkspaceId,
    tools: Tools,
    observer: Observer,
    identified: mpsc::UnboundedSender<Identified>,
    tasks: JoinSet<Result<Effect>>,
    step_of: FxHashMap<task::Id, (StepIndex, Call)>,
    targets: FxHashMap<StepIndex, Result<Option<Target>>>,
    phases: FxHashMap<StepIndex, String>,
    objects: FxHashMap<StepIndex, Option<Object>>,
    /// The steps that were called again in this attempt: what the first call did may stand.
    again: FxHashSet<StepIndex>,
    /// The objects that exist and of which no record is durable yet.
    pub unrecorded: Vec<(StepIndex, String)>,
}

impl Calls {
    pub(super) fn new(job: &Job, identified: mpsc::UnboundedSender<Identified>) -> Self {
        let phase = |(index, step): (usize, &crate::plan::Step)| match job.progress.steps.get(&step.id) {
            Some(Status::Waiting { phase, .. }) => Some((index, phase.clone())),
            _ => None,
        };
        Self {
            plan: job.plan.clone(),
            run: job.id.clone(),
            workspace: job.workspace.clone(),
            tools: Tools::new(job.registry.clone(), &job.plan.providers, &job.sealer),
            observer: job.observer.clone(),
            identified,
            tasks: JoinSet::new(),
            step_of: FxHashMap::default(),
            targets: FxHashMap::default(),
            phases: job.plan.steps.iter().enumerate().filter_map(phase).collect(),
            objects: FxHashMap::default(),
            again: FxHashSet::default(),
            unrecorded: Vec::new(),
        }
    }

    /// Resolves what a step will be called with, and gives the form of it that may be kept. What goes wrong here is the
    /// call's failure.
    pub(super) fn prepare(&mut self, index: StepIndex, ledger: &mut Ledger) -> Value {
        let (target, kept) = match self.resolve(index, ledger) {
            Ok((target, inputs)) => {
                let kept = target
                    .as_ref()
                    .map_or(Value::Null, |target| ledger.persistable(&self.plan.steps[index], &target.schema(), &inputs));
                ledger.set_inputs(index, inputs);
                (Ok(target), kept)
            }
            Err(error) => (Err(error), Value::Null),
        };
        self.targets.insert(index, target);
        kept
    }

    fn resolve(&mut self, index: StepIndex, ledger: &Ledger) -> Result<(Option<Target>, Value)> {
        let step = &self.plan.steps[index];
        if matches!(step.action, Action::Forget | Action::Reinstate { .. } | Action::Rename { .. }) {
            return Ok((None, Value::Null));
        }
        let target = self.tools.target(&ledger.world, &step.role, &step.kind)?;
        let inputs = target.schema().hidden(&ledger.resolve(step)?);
        if step.inputs.has_references() {
            let problems = target.schema().check_resolved(&inputs, &format!("resources.{}", step.resource));
            if let Some(error) = Error::from_diagnostics(problems) {
                return Err(error);
            }
        }
        Ok((Some(target), inputs))
    }

    /// Begins a call.
    pub(super) fn begin(&mut self, index: StepIndex, call: Call, ledger: &mut Ledger) {
        if !self.targets.contains_key(&index) {
            self.prepare(index, ledger);
        }
        let target = match self.targets.get(&index) {
            Some(Ok(target)) => Ok(target.clone()),
            _ => self.targets.remove(&index).unwrap_or(Ok(None)),
        };
        let settle = settle_time(target.as_ref().ok().and_then(Option::as_ref), call);
        let inputs = ledger.inputs(index);
        let (plan, prior) = (self.plan.clone(), ledger.prior(&self.plan.steps[index]));
        let redaction = self.redaction(&plan.steps[index], prior.as_ref(), &inputs, ledger);
        let context = self.context(index, ledger, redaction.clone());
        tracing::debug!(step = %self.plan.steps[index].id, ?call, "calling");
        let task = self.tasks.spawn(async move {
            let step = &plan.steps[index];
            let limit = Duration::try_from_secs_f64(step.timeout_seconds).unwrap_or(Duration::MAX).saturating_add(settle);
            match tokio::time::timeout(limit, perform((step, prior), target, call, context, &inputs)).await {
                Ok(result) => redacted(result, &redaction),
                Err(_) => Err(unsure(format!("no answer within {limit:?}"))),
            }
        });
        self.step_of.insert(task.id(), (index, call));
        if matches!(call, Call::Recover | Call::Settle) {
            self.again.insert(index);
        }
    }

    /// Whether a step that failed may have done a part of its change: an earlier call of the attempt came to no known end.
    pub(super) fn may_be_partial(&self, step: StepIndex) -> bool {
        let changes = matches!(self.plan.steps[step].action, Action::Update | Action::ApplyService | Action::RemoveService);
        changes && self.again.contains(&step)
    }

    /// The secrets that somebody who is called for a step may know, and repeat.
    fn redaction(&self, step: &Step, prior: Option<&Object>, inputs: &Value, ledger: &Ledger) -> Arc<Redaction> {
        let written = ledger.written(step);
        let prior = prior.map(|prior| &prior.outputs);
        let settings = step.role.provider().and_then(|alias| self.tools.settings(alias));
        let connection = match &step.role {
            Role::Service { host } => ledger.world.connection(host).ok(),
            Role::Managed { .. } | Role::Lookup { .. } => None,
        };
        let known = [inputs, &written, ledger.world.secrets()].into_iter().chain(prior).chain(settings);
        Arc::new(Redaction::of(known.chain(&connection)))
    }

    fn context(&self, index: StepIndex, ledger: &Ledger, redaction: Arc<Redaction>) -> Context {
        let step = &self.plan.steps[index];
        let status = ledger.progress.status(&step.id);
        let (attempt, object) = status.open().map_or((1, None), |(attempt, object)| (attempt, object.map(str::to_owned)));
        let reporter = StepReporter {
            index,
            step: step.id.clone(),
            run: self.run.clone(),
            identified: self.identified.clone(),
            observer: self.observer.clone(),
            redaction,
        };
        Context {
            workspace: self.workspace.clone(),
            resource: step.resource.clone(),
            token: Token::new(&self.workspace, &self.run, &step.id, attempt),
            object,
            phase: self.phases.get(&index).cloned(),
            reporter: Arc::new(reporter),
        }
    }

    /// The next call that comes back; waits for ever while none runs.
    pub(super) async fn next(&mut self) -> Finished {
        match self.tasks.join_next_with_id().await {
            Some(finished) => finished,
            None => pending().await,
        }
    }

    pub(super) fn try_next(&mut self) -> Option<Finished> {
        self.tasks.try_join_next_with_id()
    }

    /// What the schedule is told about a call that came back.
    pub(super) fn reply(&mut self, finished: Finished, ledger: &mut Ledger) -> Event {
        let (id, result) = match finished {
            Ok((id, result)) => (id, result),
            // What it panicked with may hold a secret.
            Err(broken) => (broken.id(), Err(unsure("the provider panicked".to_owned()))),
        };
        let (step, call) = self.step_of.remove(&id).expect("every task was noted when it was spawned");
        let reply = match result {
            Ok(Effect::Done(object)) => {
                let schema = self.targets.remove(&step).and_then(Result::ok).flatten().map(|target| target.schema());
                let exists = schema.as_ref().is_some_and(|schema| schema.existence != Existence::Stored);
                if let (Action::Create, Some(object), true) = (&self.plan.steps[step].action, &object, exists) {
                    self.unrecorded.push((step, object.id.clone()));
                }
                self.objects.insert(step, ledger.finish(step, schema.as_deref(), object));
                Reply::Done
            }
            Ok(Effect::Wait { after, phase }) => {
                self.phases.insert(step, phase);
                Reply::Wait(after)
            }
            Ok(Effect::Unfinished(message)) => Reply::Unfinished(Failure { kind: ErrorKind::Cancelled, message, hint: None }),
            Ok(Effect::InDoubt(reason)) => Reply::InDoubt(reason),
            Err(error) => Reply::Failed(self.retry(step, call, &error, ledger), Failure::from(&error)),
        };
        tracing::debug!(step = %self.plan.steps[step].id, ?reply, "replied");
        Event::Replied(step, reply)
    }

    /// A create that waits has had its effect, known by identity or not: while it is not, no other attempt may begin.
    fn retry(&self, step: StepIndex, call: Call, error: &Error, ledger: &Ledger) -> Retry {
        let step = &self.plan.steps[step];
        let status = ledger.progress.status(&step.id);
        let unnamed = step.action == Action::Create && status.open().is_some_and(|(_, object)| object.is_none());
        match error.retry() {
            Retry::Later(_) if call == Call::Continue && unnamed => Retry::Unsure,
            retry => retry,
        }
    }

    /// The object of a step that is done, in the form that may be kept.
    pub(super) fn take_object(&mut self, step: StepIndex) -> Option<Object> {
        self.objects.remove(&step).flatten()
    }

    /// What a step waits for.
    pub(super) fn phase(&self, step: StepIndex) -> &str {
        self.phases.get(&step).map_or("", String::as_str)
    }

    /// What the next call that ends came to, where nothing can be recorded any more; `None` when none runs.
    pub(super) async fn learn(&mut self) -> Option<Option<Learned>> {
        let Ok((id, result)) = self.tasks.join_next_with_id().await? else { return Some(None) };
        let Some((step, _)) = self.step_of.remove(&id) else { return Some(None) };
        let Step { id, action, .. } = &self.plan.steps[step];
        Some(match result {
            Ok(Effect::Done(Some(object))) if *action == Action::Create => Some(self.reported(step, object.id)),
            Ok(Effect::Done(_)) => Some(Learned { made: None, what: format!("`{id}` was done") }),
            Ok(Effect::Wait { .. } | Effect::Unfinished(_) | Effect::InDoubt(_)) => None,
            Err(error) => Some(Learned { made: None, what: format!("`{id}`: {error}") }),
        })
    }

    /// That a step made an object, where it cannot be recorded any more.
    pub(super) fn reported(&self, step: StepIndex, object: String) -> Learned {
        let what = format!("`{}` left `{object}`", self.plan.steps[step].id);
        Learned { made: Some((step, object)), what }
    }

    /// Drops what runs; gives what had come back by then.
    pub(super) async fn drop_all(&mut self) -> Vec<Finished> {
        self.tasks.abort_all();
        let mut finished = Vec::new();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            finished.extend((!matches!(&ended, Err(error) if error.is_cancelled())).then_some(ended));
        }
        finished
    }

    /// Forgets what an earlier attempt came to.
    pub(super) fn forget_attempt(&mut self, step: StepIndex) {
        self.phases.remove(&step);
        self.again.remove(&step);
    }
}

/// What came of a call, without the secrets that it was made with: whatever it says goes into the journal, and is shown.
fn redacted(result: Result<Effect>, redaction: &Redaction) -> Result<Effect> {
    match result {
        Ok(Effect::Done(object)) => Ok(Effect::Done(object)),
        Ok(Effect::Wait { after, phase }) => Ok(Effect::Wait { after, phase: redaction.text(&phase) }),
        Ok(Effect::Unfinished(why)) => Ok(Effect::Unfinished(redaction.text(&why))),
        Ok(Effect::InDoubt(why)) => Ok(Effect::InDoubt(redaction.text(&why))),
        Err(error) => Err(error.redacted(&|text| redaction.text(text))),
    }
}

/// How long a search may take that comes before the call.
fn settle_time(target: Option<&Target>, call: Call) -> Duration {
    match (target, call) {
        (Some(target), Call::Recover | Call::Settle) => target.schema().settle_time(),
        _ => Duration::ZERO,
    }
}

struct StepReporter {
    index: StepIndex,
    step: StepId,
    run: RunId,
    identified: mpsc::UnboundedSender<Identified>,
    observer: Observer,
    redaction: Arc<Redaction>,
}

#[async_trait]
impl Reporter for StepReporter {
    async fn identified(&self, object: &str) -> Result<()> {
        let stopped = || Error::new(ErrorKind::Cancelled, "the run stopped before the object's identity was recorded");
        let (durable, heard) = oneshot::channel();
        let report = Identified { step: self.index, object: object.to_owned(), durable };
        self.identified.send(report).map_err(|_| stopped())?;
        heard.await.map_err(|_| stopped())
    }

    fn progress(&self, message: &str) {
        let (run, step, message) = (self.run.clone(), self.step.clone(), self.redaction.text(message));
        self.observer.observe(&Shown::Transient(Transient::Progress { run, step, message }));
    }
}
