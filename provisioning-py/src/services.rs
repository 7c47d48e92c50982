//! Task services that are written in Python.

use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, Result};
use provisioning_core::host::Host as CoreHost;
use provisioning_core::name::ResourceName;
use provisioning_core::provider::Context as CoreContext;
use provisioning_core::schema::Schema;
use provisioning_core::task::{Condition, TaskService};
use provisioning_core::value::Value;
use pyo3::prelude::*;

use crate::calls::{Argument, Target};
use crate::errors;
use crate::hosts::Host;
use crate::schemas;
use crate::values::{from_python, type_name};

/// A task service that is written in Python; the target takes and gives plain values.
pub(crate) struct PyService {
    schema: Arc<Schema>,
    target: Target,
}

/// Who is called: by a name where nothing is changed, with a context where something is.
enum Call {
    Look(ResourceName),
    Change(CoreContext),
}

impl Call {
    fn into_argument(self) -> Argument {
        match self {
            Self::Look(name) => Argument::Value(name.as_str().into()),
            Self::Change(context) => Argument::Context(context),
        }
    }
}

impl PyService {
    /// The service that an object describes by its `schema`, in JSON.
    pub(crate) fn of(object: &Bound<'_, PyAny>, target: &Target) -> PyResult<Self> {
        let py = object.py();
        let schema: String = object.getattr("schema")?.extract()?;
        let schema = schemas::of_json(&schema).map_err(|error| errors::raised(py, &error))?;
        Ok(Self { schema, target: target.with_object(py, object.clone().unbind()) })
    }

    async fn call<T: Send + 'static>(
        &self,
        method: &'static str,
        (call, host, inputs): (Call, &dyn CoreHost, &Value),
        take: impl FnOnce(&Bound<'_, PyAny>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (handle, mut requests) = Host::new();
        let arguments = vec![call.into_argument(), Argument::Host(handle), Argument::Value(inputs.clone())];
        let mut called = std::pin::pin!(self.target.call(method, arguments, take));
        loop {
            tokio::select! {
                given = &mut called => return given,
                Some(request) = requests.recv() => request.ask(host).await,
            }
        }
    }

    fn outputs(schema: &Schema, given: &Bound<'_, PyAny>) -> Result<Value> {
        match from_python(given) {
            Ok(Value::Null) => Ok(Value::map::<&str>([])),
            Ok(outputs @ Value::Map(_)) => Ok(schema.hidden(&outputs)),
            Ok(_) => Err(Error::bug(format!("the service `{}` gave a `{}` for its outputs", schema.kind, type_name(given)))
                .with_hint("give a dict, a dataclass or None")),
            Err(error) => Err(Error::bug(format!("the service `{}` gave outputs that cannot be kept: {error}", schema.kind))),
        }
    }

    async fn look(&self, method: &'static str, name: &ResourceName, host: &dyn CoreHost, inputs: &Value) -> Result<Condition> {
        let schema = self.schema.clone();
        let take = move |given: &Bound<'_, PyAny>| {
            let told = given.extract::<(String, Bound<'_, PyAny>)>();
            match told.as_ref().map(|(word, what)| (word.as_str(), what)) {
                Ok(("in_sync", outputs)) => Self::outputs(&schema, outputs).map(Condition::InSync),
                Ok(("differs", what)) => Ok(Condition::Differs(what.to_string())),
                Ok(("absent", _)) => Ok(Condition::Absent),
                _ => Err(Error::bug(format!("a check of `{}` gave a `{}`", schema.kind, type_name(given)))
                    .with_hint("give InSync(outputs), Differs(what) or ABSENT")),
            }
        };
        self.call(method, (Call::Look(name.clone()), host, inputs), take).await
    }
}

#[async_trait]
impl TaskService for PyService {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn check(&self, name: &ResourceName, host: &dyn CoreHost, inputs: &Value) -> Result<Condition> {
        self.look("check", name, host, inputs).await
    }

    async fn apply(&self, context: &CoreContext, host: &dyn CoreHost, inputs: &Value) -> Result<Value> {
        let schema = self.schema.clone();
        let take = move |given: &Bound<'_, PyAny>| Self::outputs(&schema, given);
        self.call("apply", (Call::Change(context.clone()), host, inputs), take).await
    }

    async fn remove(&self, context: &CoreContext, host: &dyn CoreHost, inputs: &Value) -> Result<()> {
        self.call("remove", (Call::Change(context.clone()), host, inputs), |_| Ok(())).await
    }

    async fn health(&self, name: &ResourceName, host: &dyn CoreHost, inputs: &Value) -> Result<Condition> {
        self.look("health", name, host, inputs).await
    }
}
