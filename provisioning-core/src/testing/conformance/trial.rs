//! One rule's attempt: an object to make, the calls on it, and what to clean up afterwards.
//!
//! Calls are repeated while they wait, as the engine does; what the store would drop is dropped between calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Case;
use crate::digest::DigestKey;
use crate::error::{Error, Result as CallResult};
use crate::name::{ResourceName, StepId, WorkspaceId};
use crate::provider::{AnyKind, Context, Found, Reply};
use crate::record::Object;
use crate::schema::Sealer;
use crate::testing::{RecordingReporter, context};
use crate::value::Value;

/// How often a call may wait before it counts as endless.
const MAX_CALLS: usize = 1000;

/// One rule's attempt.
pub(super) struct Trial<'a> {
    pub(super) kind: &'a dyn AnyKind,
    pub(super) wanted: Value,
    pub(super) reporter: Arc<RecordingReporter>,
    /// Whether a create waited before it had reported an identity.
    pub(super) waited_unknown: AtomicBool,
    case: &'a Case,
    number: usize,
    made: Mutex<Vec<Object>>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(kind: &'a dyn AnyKind, case: &'a Case, number: usize) -> Self {
        let wanted = (case.wanted)(number);
        Self {
            kind,
            wanted,
            reporter: Arc::default(),
            waited_unknown: AtomicBool::new(false),
            case,
            number,
            made: Mutex::default(),
        }
    }

    /// Another object beside this one.
    pub(super) fn sibling(&self) -> Self {
        Self::new(self.kind, self.case, self.number + 1)
    }

    /// What the object is to be updated to.
    pub(super) fn changed(&self) -> Value {
        self.case.changed.as_ref().map_or_else(|| self.wanted.clone(), |changed| changed(self.number))
    }

    /// The context of one attempt at a verb.
    pub(super) fn context(&self, verb: &str, attempt: u32) -> Context {
        let name = ResourceName::parse(&format!("object{}", self.number)).expect("a word and a number are a name");
        context(&StepId::of(&name, verb), attempt, self.reporter.clone())
    }

    pub(super) async fn create(&self) -> Result<Object, String> {
        self.create_on(None).await
    }

    /// Goes on with a create whose object is known, as after a crash.
    pub(super) async fn create_on(&self, object: Option<&Object>) -> Result<Object, String> {
        let known = object.map(|object| object.id.clone());
        let first = Context { object: known, ..self.context("create", 1) };
        let object = self.settle("create", first, async |context| self.kind.create(&context, &self.wanted).await).await?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(object.clone());
        Ok(object)
    }

    pub(super) async fn update(&self, prior: &Object) -> Result<Object, String> {
        let (prior, changed) = (self.stored(prior), self.changed());
        self.settle("update", self.context("update", 1), async |context| self.kind.update(&context, &prior, &changed).await).await
    }

    pub(super) async fn delete(&self, prior: &Object) -> Result<(), String> {
        let prior = self.stored(prior);
        self.settle("delete", self.context("delete", 1), async |context| self.kind.delete(&context, &prior).await).await
    }

    pub(super) async fn read(&self, ids: &[&str]) -> Result<Vec<Option<Object>>, String> {
        let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
        let answers = self.kind.read(&ids).await.map_err(failed("read"))?;
        if answers.len() == ids.len() {
            Ok(answers)
        } else {
            Err(format!("asked for {} objects, read answered for {}", ids.len(), answers.len()))
        }
    }

    pub(super) async fn read_one(&self, id: &str) -> Result<Option<Object>, String> {
        Ok(self.read(&[id]).await?.pop().flatten())
    }

    /// Searches until an object shows, or until one would have shown.
    pub(super) async fn find_settled(&self, attempt: u32) -> Result<Found<Object>, String> {
        let found = self.find(attempt).await?;
        let settle = self.kind.schema().settle_time();
        if found != Found::None || settle.is_zero() {
            return Ok(found);
        }
        tokio::time::sleep(settle).await;
        self.find(attempt).await
    }

    pub(super) async fn find(&self, attempt: u32) -> Result<Found<Object>, String> {
        self.kind.find(&self.context("create", attempt), &self.wanted).await.map_err(failed("find"))
    }

    /// Deletes what the rule left.
    pub(super) async fn clean_up(&self) {
        let left = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for object in left {
            // What a rule left on purpose or by failing is its finding already.
            let _ = self.delete(&object).await;
        }
    }

    /// The object as it comes back from the store.
    fn stored(&self, object: &Object) -> Object {
        let schema = self.kind.schema();
        let sealer = Sealer::new(WorkspaceId::new(0), DigestKey::new([0; 32]), None);
        let outputs = schema.persistable(&object.outputs, &sealer.of_kind(&schema.kind));
        Object { id: object.id.clone(), outputs }
    }

    async fn settle<T>(
        &self,
        verb: &str,
        mut context: Context,
        call: impl AsyncFn(Context) -> CallResult<Reply<T>>,
    ) -> Result<T, String> {
        for _ in 0..MAX_CALLS {
            match call(context.clone()).await.map_err(failed(verb))? {
                Reply::Done(value) => return Ok(value),
                Reply::Wait { after, phase } => {
                    context.object = self.reporter.identified().pop().or(context.object);
                    self.waited_unknown.fetch_or(context.object.is_none(), Ordering::Relaxed);
                    context.phase = Some(phase);
                    tokio::time::sleep(after).await;
                }
            }
        }
        Err(format!("{verb} still waits after {MAX_CALLS} calls"))
    }
}

/// What a call that failed comes to.
fn failed(verb: &str) -> impl Fn(Error) -> String {
    move |error| format!("{verb} failed: {error}")
}
