//! A kind and a lookup of a fake provider, on values and by their schemas alone.

use std::sync::Arc;

use async_trait::async_trait;

use super::invention::{Source, version};
use super::ledger::{Held, Ledger};
use super::{Fakes, Tokens, refuse_digests, shape, shown};
use crate::error::Result;
use crate::provider::{AnyKind, AnyLookup, Context, Found, Reply};
use crate::record::Object;
use crate::schema::{Existence, Schema};
use crate::value::Value;

/// One kind or one lookup.
pub(super) struct Fake {
    pub(super) fakes: Fakes,
    /// The type and the settings of the provider.
    pub(super) provider: String,
    pub(super) schema: Arc<Schema>,
}

impl Fake {
    fn outputs(&self, name: &str, id: &str, inputs: &Value, before: Option<&Value>) -> Value {
        Source { schema: &self.schema, id, name, inputs, before }.outputs(&self.fakes.shapes)
    }

    fn make(&self, ledger: &mut Ledger, context: &Context, inputs: &Value) -> Result<Object> {
        let owner = context.resource.as_str();
        match self.schema.existence {
            Existence::Stored => Ok(Object { id: owner.to_owned(), outputs: self.outputs(owner, owner, inputs, None) }),
            Existence::Existing => ledger.put(owner, self.held(context, owner, inputs)),
            Existence::Managed => {
                let id = ledger.next_id(owner);
                ledger.put(&id, self.held(context, &id, inputs))
            }
        }
    }

    fn held(&self, context: &Context, id: &str, inputs: &Value) -> Held {
        let owner = context.resource.to_string();
        Held {
            outputs: self.outputs(&owner, id, inputs, None),
            owner,
            token: context.token.to_string(),
            provider: self.provider.clone(),
            schema: self.schema.clone(),
        }
    }

    fn change(&self, ledger: &mut Ledger, context: &Context, prior: &Object, inputs: &Value) -> Result<Object> {
        let outputs = |before: &Value| self.outputs(context.resource.as_str(), &prior.id, inputs, Some(before));
        if self.schema.existence == Existence::Stored {
            return Ok(Object { id: prior.id.clone(), outputs: outputs(&prior.outputs) });
        }
        let held = ledger.held(&prior.id)?.clone();
        ledger.put(&prior.id, Held { outputs: outputs(&held.outputs), ..held })
    }
}

#[async_trait]
impl AnyKind for Fake {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Object>>> {
        let call = match ids {
            [id] => format!("read {}", self.fakes.ledger().owner(id).unwrap_or(id)),
            _ => format!("read {} of {}", ids.len(), self.schema.kind),
        };
        self.fakes.call(call, |ledger| Ok(ids.iter().map(|id| ledger.object(id).ok()).collect())).await
    }

    async fn find(&self, context: &Context, _: &Value) -> Result<Found<Object>> {
        let keeps = self.fakes.tokens == Tokens::Kept && self.schema.existence == Existence::Managed;
        let look = |ledger: &mut Ledger| Ok(if keeps { ledger.bearing(context.token.as_str()) } else { Found::None });
        self.fakes.call(format!("find {}", context.resource), look).await
    }

    async fn create(&self, context: &Context, spec: &Value) -> Result<Reply<Object>> {
        refuse_digests(spec)?;
        if let Some(id) = &context.object {
            let object = self.fakes.call(format!("poll {}", context.resource), |ledger| ledger.object(id)).await?;
            return Ok(Reply::Done(object));
        }
        let object = self.fakes.call(format!("create {}", context.resource), |ledger| self.make(ledger, context, spec)).await?;
        if self.schema.existence == Existence::Managed {
            context.identified(&object.id).await?;
        }
        Ok(Reply::Done(object))
    }

    async fn update(&self, context: &Context, prior: &Object, spec: &Value) -> Result<Reply<Object>> {
        refuse_digests(spec)?;
        let change = |ledger: &mut Ledger| self.change(ledger, context, prior, spec);
        self.fakes.call(format!("update {}", context.resource), change).await.map(Reply::Done)
    }

    async fn delete(&self, context: &Context, prior: &Object) -> Result<Reply<()>> {
        let remove = |ledger: &mut Ledger| {
            ledger.remove(&prior.id);
            Ok(Reply::Done(()))
        };
        self.fakes.call(format!("delete {}", context.resource), remove).await
    }
}

#[async_trait]
impl AnyLookup for Fake {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn read(&self, query: &Value) -> Result<Value> {
        let (kind, asked) = (self.schema.kind.as_str(), shown(query));
        let id = format!("{kind}-{}", version(std::slice::from_ref(query)));
        let answer = || self.outputs(&shape::lookup(kind), &id, query, None);
        self.fakes.call(format!("look up {kind} {asked}"), |_| Ok(answer())).await
    }
}
