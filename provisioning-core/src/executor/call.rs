//! One call of one step: which method of the contract, in which situation.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::tools::Target;
use crate::error::{Error, ErrorKind, Failure, Result, Retry};
use crate::plan::{Action, Step};
use crate::provider::{AnyKind, Context, Found, Reply};
use crate::record::Object;
use crate::schedule::Call;
use crate::schema::{Existence, Tokens};
use crate::task::Condition;
use crate::value::Value;

/// How often an object is looked for while it may take time to show.
const LOOKS: u32 = 8;

/// What a call came to.
#[derive(Debug)]
pub(super) enum Effect {
    Done(Option<Object>),
    Wait {
        after: Duration,
        phase: String,
    },
    /// What was begun did not come to its end, and is not gone on with.
    Unfinished(String),
    InDoubt(String),
}

/// Makes the call, on the object that the step is about, where there is one; it is the caller's to bound its time.
pub(super) async fn perform(
    (step, prior): (&Step, Option<Object>),
    target: Result<Option<Target>>,
    call: Call,
    context: Context,
    inputs: &Value,
) -> Result<Effect> {
    let target = match target {
        Err(error) if has_effect(&step.action) => return undecided(call, error),
        target => target?,
    };
    match (&step.action, target) {
        (Action::Create, Some(Target::Kind(kind))) => create(kind.as_ref(), call, context, inputs).await,
        (Action::Update, Some(Target::Kind(kind))) => update(known(step, prior)?, kind.as_ref(), call, context, inputs).await,
        (Action::Delete, Some(Target::Kind(kind))) => delete(known(step, prior)?, kind.as_ref(), call, context).await,
        (Action::Refresh, Some(Target::Kind(kind))) if kind.schema().existence == Existence::Stored => Ok(Effect::Done(prior)),
        (Action::Refresh, Some(Target::Kind(kind))) => {
            let prior = known(step, prior)?;
            let read = kind.read(std::slice::from_ref(&prior.id)).await?;
            Ok(Effect::Done(read.into_iter().next().flatten()))
        }
        (Action::ApplyService, Some(Target::Service(service, host))) => {
            let outputs = match service.check(&step.resource, host.as_ref(), inputs).await {
                Err(error) => return undecided(call, error),
                Ok(Condition::InSync(outputs)) => outputs,
                Ok(_) if call == Call::Settle => return Ok(interrupted()),
                Ok(Condition::Differs(_) | Condition::Absent) => service.apply(&context, host.as_ref(), inputs).await?,
            };
            Ok(Effect::Done(Some(Object { id: step.resource.to_string(), outputs })))
        }
        (Action::RemoveService, Some(Target::Service(..))) if call == Call::Settle => Ok(interrupted()),
        (Action::RemoveService, Some(Target::Service(service, host))) => {
            service.remove(&context, host.as_ref(), inputs).await?;
            Ok(Effect::Done(None))
        }
        (Action::Read, Some(Target::Lookup(lookup))) => {
            let outputs = lookup.read(inputs).await?;
            Ok(Effect::Done(Some(Object { id: step.resource.to_string(), outputs })))
        }
        (Action::Refresh, Some(Target::Service(..))) => Ok(Effect::Done(prior)),
        (Action::Forget | Action::Reinstate { .. } | Action::Rename { .. }, _) => Ok(Effect::Done(None)),
        (action, _) => Err(Error::bug(format!("`{}` cannot be done to a `{}`", action.verb(), step.kind))),
    }
}

/// After a crash the object is searched for by its token before it is made; one that is found is gone on with.
async fn create(kind: &dyn AnyKind, call: Call, mut context: Context, inputs: &Value) -> Result<Effect> {
    if looks(call) && context.object.is_none() {
        let tokens = kind.schema().tokens;
        if tokens == Tokens::None || tokens == Tokens::Native && call == Call::Settle {
            return Ok(Effect::InDoubt(format!("a `{}` cannot be searched for by what made it", kind.schema().kind)));
        }
        match search(kind, &context, inputs).await {
            Err(error) => return undecided(call, error),
            Ok(Found::None) if call == Call::Settle => return Ok(Effect::Unfinished("nothing had been made yet".to_owned())),
            Ok(Found::None) => {}
            Ok(Found::One(object)) => {
                context.identified(&object.id).await?;
                context.object = Some(object.id);
            }
            Ok(Found::Many(what)) => {
                return Ok(Effect::InDoubt(format!("several objects bear the token {}: {what}", context.token)));
            }
        }
    }
    Ok(with_object(kind.create(&context, inputs).await?))
}

/// Searches until an object shows, or until one would have shown. Where the provider itself makes one object per token,
/// calling again is the search.
async fn search(kind: &dyn AnyKind, context: &Context, inputs: &Value) -> Result<Found<Object>> {
    let schema = kind.schema();
    if schema.tokens == Tokens::Native {
        return Ok(Found::None);
    }
    let until = Instant::now() + schema.settle_time();
    loop {
        let found = kind.find(context, inputs).await?;
        if found != Found::None || Instant::now() >= until {
            return Ok(found);
        }
        sleep((schema.settle_time() / LOOKS).min(until - Instant::now())).await;
    }
}

async fn update(prior: Object, kind: &dyn AnyKind, call: Call, context: Context, inputs: &Value) -> Result<Effect> {
    match present(kind, call, prior).await {
        Err(error) => undecided(call, error),
        Ok(Some(_)) if call == Call::Settle => Ok(interrupted()),
        Ok(Some(prior)) => Ok(with_object(kind.update(&context, &prior, inputs).await?)),
        Ok(None) => Err(Error::new(ErrorKind::NotFound, "the object is gone").with_hint("plan again: it will be made anew")),
    }
}

async fn delete(prior: Object, kind: &dyn AnyKind, call: Call, context: Context) -> Result<Effect> {
    match present(kind, call, prior).await {
        Err(error) => undecided(call, error),
        Ok(None) => Ok(Effect::Done(None)),
        Ok(Some(_)) if call == Call::Settle => Ok(interrupted()),
        Ok(Some(prior)) => Ok(match kind.delete(&context, &prior).await? {
            Reply::Done(()) => Effect::Done(None),
            Reply::Wait { after, phase } => Effect::Wait { after, phase },
        }),
    }
}

/// The object to change or delete: as planned, and read again after a crash or where only its identity is known.
async fn present(kind: &dyn AnyKind, call: Call, prior: Object) -> Result<Option<Object>> {
    let known = !looks(call) && !prior.is_bare();
    if known || kind.schema().existence == Existence::Stored {
        return Ok(Some(prior));
    }
    Ok(kind.read(std::slice::from_ref(&prior.id)).await?.into_iter().next().flatten())
}

/// What becomes of a call that failed before it could have an effect: when it was to look for the effect of an earlier
/// one, that may still be there, and the failure is not the step's.
fn undecided(call: Call, error: Error) -> Result<Effect> {
    match (call, error.retry()) {
        (Call::Begin | Call::Continue, _) => Err(error),
        (Call::Recover | Call::Settle, Retry::Never) => Ok(Effect::InDoubt(Failure::from(&error).message)),
        (Call::Recover | Call::Settle, Retry::Later(_) | Retry::Unsure) => Err(error.with_retry(Retry::Unsure)),
    }
}

/// Whether the effect of an earlier call may be there.
fn looks(call: Call) -> bool {
    matches!(call, Call::Recover | Call::Settle)
}

fn interrupted() -> Effect {
    Effect::Unfinished("it was interrupted, and may have been done in part".to_owned())
}

fn has_effect(action: &Action) -> bool {
    matches!(action, Action::Create | Action::Update | Action::Delete | Action::ApplyService | Action::RemoveService)
}

fn known(step: &Step, prior: Option<Object>) -> Result<Object> {
    prior.ok_or_else(|| Error::bug(format!("the step `{}` has no object to work on", step.id)))
}

fn with_object(reply: Reply<Object>) -> Effect {
    match reply {
        Reply::Done(object) => Effect::Done(Some(object)),
        Reply::Wait { after, phase } => Effect::Wait { after, phase },
    }
}

/// What a call that did not end in time, or broke, is taken for: it may have had its effect.
pub(super) fn unsure(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, message).with_retry(Retry::Unsure)
}
