//! Kinds without their types: what the engine calls.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Context, Found, Lookup, Reply, ResourceKind};
use crate::error::{Error, Result};
use crate::record::Object;
use crate::schema::{FieldType, Schema};
use crate::value::Value;

/// A [`ResourceKind`] whose spec and state are values. Made by [`erase`].
#[async_trait]
pub trait AnyKind: Send + Sync {
    /// What it is made of.
    fn schema(&self) -> Arc<Schema>;

    /// As [`ResourceKind::read`].
    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Object>>>;

    /// As [`ResourceKind::find`].
    async fn find(&self, context: &Context, spec: &Value) -> Result<Found<Object>>;

    /// As [`ResourceKind::create`].
    async fn create(&self, context: &Context, spec: &Value) -> Result<Reply<Object>>;

    /// As [`ResourceKind::update`].
    async fn update(&self, context: &Context, prior: &Object, spec: &Value) -> Result<Reply<Object>>;

    /// As [`ResourceKind::delete`].
    async fn delete(&self, context: &Context, prior: &Object) -> Result<Reply<()>>;
}

/// A [`Lookup`] whose query and answer are values. Made by [`erase_lookup`].
#[async_trait]
pub trait AnyLookup: Send + Sync {
    /// What it asks and answers.
    fn schema(&self) -> Arc<Schema>;

    /// As [`Lookup::read`].
    async fn read(&self, query: &Value) -> Result<Value>;
}

/// Erases a kind's types.
pub fn erase<K: ResourceKind>(kind: K) -> Arc<dyn AnyKind> {
    let schema = Arc::new(kind.schema());
    Arc::new(Erased { schema, inner: kind })
}

/// Erases a lookup's types.
pub fn erase_lookup<L: Lookup>(lookup: L) -> Arc<dyn AnyLookup> {
    let schema = Arc::new(lookup.schema());
    Arc::new(Erased { schema, inner: lookup })
}

struct Erased<T> {
    schema: Arc<Schema>,
    inner: T,
}

impl<T> Erased<T> {
    fn spec<S: DeserializeOwned>(&self, value: &Value) -> Result<S> {
        serde_json::from_value(value.expose()?)
            .map_err(|error| Error::invalid(format!("the fields of a `{}` do not fit: {}", self.schema.kind, why(value, &error))))
    }

    fn prior<S: DeserializeOwned>(&self, object: &Object) -> Result<S> {
        let kept = at_hand(&object.outputs).expose()?;
        let blank = || serde_json::from_value(self.blank(&object.outputs).expose().ok()?).ok();
        serde_json::from_value(kept).or_else(|error| blank().ok_or(error)).map_err(|error| {
            Error::new(
                crate::error::ErrorKind::Corrupt,
                format!("the state of `{}` does not fit a `{}`: {}", object.id, self.schema.kind, why(&object.outputs, &error)),
            )
        })
    }

    /// Has nothing of its type for what is not at hand: any field can be given a secret, also one that the state type must
    /// have, and what follows from it is withheld as well.
    fn blank(&self, outputs: &Value) -> Value {
        let nothing = |name: &str| match self.schema.fields.get(name).map(|field| &field.kind) {
            Some(FieldType::Integer | FieldType::Number) => Value::Integer(0),
            Some(FieldType::Bool) => Value::Bool(false),
            Some(FieldType::List(_)) => Value::list([]),
            Some(FieldType::Map(_) | FieldType::Object) => Value::map::<Arc<str>>([]),
            _ => "".into(),
        };
        let top = outputs.as_map().into_iter().flatten().map(|(name, value)| match value {
            Value::Digest(_) | Value::Sealed(_) => (name.clone(), nothing(name)),
            other => (name.clone(), blank(other)),
        });
        Value::map(top)
    }

    fn object<S: Serialize>(&self, state: &S) -> Result<Object> {
        let outputs = self.outputs(state)?;
        match outputs.field("id").and_then(Value::as_str) {
            Some(id) => Ok(Object { id: id.to_owned(), outputs }),
            None => Err(Error::bug(format!("the state of a `{}` has no string `id`", self.schema.kind))),
        }
    }

    fn outputs<S: Serialize>(&self, state: &S) -> Result<Value> {
        let json = serde_json::to_value(state)
            .map_err(|error| Error::bug(format!("the state of a `{}` does not serialise: {error}", self.schema.kind)))?;
        let Value::Map(map) = Value::try_from(json)? else {
            return Err(Error::bug(format!("the state of a `{}` is not a map", self.schema.kind)));
        };
        let reported = map.iter().filter(|(_, value)| **value != Value::Null);
        Ok(self.schema.hidden(&Value::map(reported.map(|(name, value)| (name.clone(), value.clone())))))
    }
}

/// Leaves out the fields that are not at hand; a state type has a default for what is sensitive.
fn at_hand(outputs: &Value) -> Value {
    match outputs {
        Value::Map(map) => {
            Value::map(map.iter().filter(|(_, value)| !value.is_withheld()).map(|(name, value)| (name.clone(), value.clone())))
        }
        other => other.clone(),
    }
}

/// Has an empty text for what is not at hand in a part.
fn blank(outputs: &Value) -> Value {
    match outputs {
        Value::Digest(_) | Value::Sealed(_) => "".into(),
        Value::List(items) => Value::list(items.iter().map(blank)),
        Value::Map(map) => Value::map(map.iter().map(|(name, value)| (name.clone(), blank(value)))),
        other => other.clone(),
    }
}

#[async_trait]
impl<K: ResourceKind> AnyKind for Erased<K> {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Object>>> {
        let states = self.inner.read(ids).await?;
        if states.len() != ids.len() {
            return Err(Error::bug(format!(
                "`{}` read {} objects and answered for {}",
                self.schema.kind,
                ids.len(),
                states.len()
            )));
        }
        states.iter().map(|state| state.as_ref().map(|state| self.object(state)).transpose()).collect()
    }

    async fn find(&self, context: &Context, spec: &Value) -> Result<Found<Object>> {
        Ok(match self.inner.find(context, &self.spec(spec)?).await? {
            Found::None => Found::None,
            Found::One(state) => Found::One(self.object(&state)?),
            Found::Many(what) => Found::Many(what),
        })
    }

    async fn create(&self, context: &Context, spec: &Value) -> Result<Reply<Object>> {
        match self.inner.create(context, self.spec(spec)?).await? {
            Reply::Done(state) => Ok(Reply::Done(self.object(&state)?)),
            Reply::Wait { after, phase } => Ok(Reply::Wait { after, phase }),
        }
    }

    async fn update(&self, context: &Context, prior: &Object, spec: &Value) -> Result<Reply<Object>> {
        match self.inner.update(context, self.prior(prior)?, self.spec(spec)?).await? {
            Reply::Done(state) => Ok(Reply::Done(self.object(&state)?)),
            Reply::Wait { after, phase } => Ok(Reply::Wait { after, phase }),
        }
    }

    async fn delete(&self, context: &Context, prior: &Object) -> Result<Reply<()>> {
        self.inner.delete(context, self.prior(prior)?).await
    }
}

#[async_trait]
impl<L: Lookup> AnyLookup for Erased<L> {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn read(&self, query: &Value) -> Result<Value> {
        self.outputs(&self.inner.read(self.spec(query)?).await?)
    }
}

/// Why a value does not fit; the reader's message shows what it read, so it is left out where that may be a secret.
fn why(value: &Value, error: &serde_json::Error) -> String {
    if value.has_secret() { "one of them is a secret and not shown".to_owned() } else { error.to_string() }
}
