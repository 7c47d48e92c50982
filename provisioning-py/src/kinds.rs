//! Kinds and lookups that are written in Python.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::provider::{AnyKind, AnyLookup, Context as CoreContext, Found, Reply};
use provisioning_core::record::Object;
use provisioning_core::schema::Schema;
use provisioning_core::value::{Map, Value};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::calls::{Argument, Target};
use crate::values::{from_python, type_name};

/// A kind, or a lookup, that is written in Python; the target takes and gives plain values.
#[derive(Debug, Clone)]
pub(crate) struct PyKind {
    pub(crate) schema: Arc<Schema>,
    pub(crate) target: Target,
}

impl PyKind {
    /// The object of what a method gave: a map with the identity under `id`.
    fn object(schema: &Schema, given: &Bound<'_, PyAny>) -> Result<Object> {
        let outputs = Self::outputs(schema, given)?;
        match outputs.field("id").and_then(Value::as_str) {
            Some(id) => Ok(Object { id: id.to_owned(), outputs }),
            None => Err(Error::bug(format!("the state of a `{}` has no text `id`", schema.kind))),
        }
    }

    fn outputs(schema: &Schema, given: &Bound<'_, PyAny>) -> Result<Value> {
        match from_python(given) {
            Ok(Value::Map(map)) => {
                let reported = map.iter().filter(|(_, value)| **value != Value::Null);
                let reported: Map = reported.map(|(name, value)| (name.clone(), value.clone())).collect();
                Ok(schema.hidden(&Value::Map(Arc::new(reported))))
            }
            Ok(_) => Err(Error::bug(format!("a `{}` gave a `{}` for its state", schema.kind, type_name(given)))
                .with_hint("give a dict or a dataclass")),
            Err(error) => Err(Error::bug(format!("a `{}` gave a state that cannot be kept: {error}", schema.kind))),
        }
    }

    /// What a changing method gave: the state, or how long to wait and for what.
    fn reply<T>(given: &Bound<'_, PyAny>, done: impl FnOnce(&Bound<'_, PyAny>) -> Result<T>) -> Result<Reply<T>> {
        let Ok((after, phase)) = given.extract::<(f64, String)>() else { return done(given).map(Reply::Done) };
        let after = Duration::try_from_secs_f64(after).map_err(|_| Error::bug(format!("`{after}` is no time to wait")))?;
        Ok(Reply::Wait { after, phase })
    }

    async fn change(&self, method: &'static str, context: &CoreContext, values: Vec<Value>) -> Result<Reply<Object>> {
        let (schema, arguments) = (self.schema.clone(), arguments(context, values));
        let take = move |given: &Bound<'_, PyAny>| Self::reply(given, |state| Self::object(&schema, state));
        self.target.call(method, arguments, take).await
    }
}

/// The context and values as arguments.
fn arguments(context: &CoreContext, values: impl IntoIterator<Item = Value>) -> Vec<Argument> {
    let values = values.into_iter().map(Argument::Value);
    [Argument::Context(context.clone())].into_iter().chain(values).collect()
}

#[async_trait]
impl AnyKind for PyKind {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Object>>> {
        let (count, schema) = (ids.len(), self.schema.clone());
        let take = move |given: &Bound<'_, PyAny>| {
            let Ok(list) = given.cast::<PyList>() else {
                return Err(Error::bug(format!("`read` of a `{}` gave a `{}`", schema.kind, type_name(given)))
                    .with_hint("give a list: one state for every id, and None for what is gone"));
            };
            if list.len() != count {
                return Err(Error::bug(format!("`{}` read {count} objects and answered for {}", schema.kind, list.len())));
            }
            list.iter().map(|state| if state.is_none() { Ok(None) } else { Self::object(&schema, &state).map(Some) }).collect()
        };
        self.target.call("read", vec![Argument::Texts(ids.to_vec())], take).await
    }

    async fn find(&self, context: &CoreContext, spec: &Value) -> Result<Found<Object>> {
        let schema = self.schema.clone();
        let take = move |given: &Bound<'_, PyAny>| {
            if given.is_none() {
                Ok(Found::None)
            } else if let Ok(what) = given.cast::<PyString>() {
                Ok(Found::Many(what.to_string()))
            } else {
                Self::object(&schema, given).map(Found::One)
            }
        };
        self.target.call("find", arguments(context, [spec.clone()]), take).await
    }

    async fn create(&self, context: &CoreContext, spec: &Value) -> Result<Reply<Object>> {
        self.change("create", context, vec![spec.clone()]).await
    }

    async fn update(&self, context: &CoreContext, prior: &Object, spec: &Value) -> Result<Reply<Object>> {
        self.change("update", context, vec![prior.outputs.clone(), spec.clone()]).await
    }

    async fn delete(&self, context: &CoreContext, prior: &Object) -> Result<Reply<()>> {
        let take = |given: &Bound<'_, PyAny>| Self::reply(given, |_| Ok(()));
        self.target.call("delete", arguments(context, [prior.outputs.clone()]), take).await
    }
}

#[async_trait]
impl AnyLookup for PyKind {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn read(&self, query: &Value) -> Result<Value> {
        let schema = self.schema.clone();
        let take = move |given: &Bound<'_, PyAny>| {
            if given.is_none() {
                return Err(Error::new(ErrorKind::NotFound, format!("there is no such `{}`", schema.kind)));
            }
            Self::outputs(&schema, given)
        };
        self.target.call("read", vec![Argument::Value(query.clone())], take).await
    }
}
