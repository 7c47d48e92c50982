//! Provider types that are written in Python.

use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, Result};
use provisioning_core::provider::{AnyKind, AnyLookup, Provider};
use provisioning_core::registry::ProviderFactory;
use provisioning_core::schema::Schema;
use provisioning_core::value::Value;
use pyo3::prelude::*;

use crate::calls::Target;
use crate::errors::{self, Foreign};
use crate::kinds::PyKind;
use crate::schemas;
use crate::values::to_python;

/// A provider type that is written in Python. The target's `build` makes a provider of settings.
pub(crate) struct PyFactory {
    settings: Arc<Schema>,
    kinds: Vec<Arc<Schema>>,
    lookups: Vec<Arc<Schema>>,
    target: Target,
}

impl PyFactory {
    /// The type that an object describes by its `settings`, `kinds` and `lookups`, schemas in JSON.
    pub(crate) fn of(object: &Bound<'_, PyAny>, target: &Target) -> PyResult<Self> {
        let py = object.py();
        let schema = |json: String| schemas::of_json(&json).map_err(|error| errors::raised(py, &error));
        let all = |name: &str| -> PyResult<Vec<_>> {
            object.getattr(name)?.extract::<Vec<String>>()?.into_iter().map(schema).collect()
        };
        Ok(Self {
            settings: schema(object.getattr("settings")?.extract()?)?,
            kinds: all("kinds")?,
            lookups: all("lookups")?,
            target: target.with_object(py, object.clone().unbind()),
        })
    }
}

impl ProviderFactory for PyFactory {
    fn settings(&self) -> Arc<Schema> {
        self.settings.clone()
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        self.kinds.clone()
    }

    fn lookups(&self) -> Vec<Arc<Schema>> {
        self.lookups.clone()
    }

    fn build(&self, settings: &Value) -> Result<Arc<dyn Provider>> {
        let built = |py: Python<'_>| -> PyResult<PyProvider> {
            let provider = self.target.object().bind(py).call_method1("build", (to_python(py, settings)?,))?;
            let all = |name: &str, schemas: &[Arc<Schema>]| -> PyResult<Vec<PyKind>> {
                let objects: Vec<Py<PyAny>> = provider.getattr(name)?.extract()?;
                let pairs = schemas.iter().cloned().zip(objects);
                Ok(pairs.map(|(schema, object)| PyKind { schema, target: self.target.with_object(py, object) }).collect())
            };
            let (kinds, lookups) = (all("kinds", &self.kinds)?, all("lookups", &self.lookups)?);
            Ok(PyProvider { kinds, lookups, target: self.target.with_object(py, provider.unbind()) })
        };
        Python::attach(|py| match built(py) {
            Ok(provider) => Ok(Arc::new(provider) as Arc<dyn Provider>),
            Err(error) => {
                let error = errors::caught(py, &error, Foreign::Failed);
                let message = format!("the provider type `{}` cannot be built: {error}", self.settings.kind);
                Err(Error::new(error.kind(), message).with_retry(error.retry()))
            }
        })
    }
}

struct PyProvider {
    kinds: Vec<PyKind>,
    lookups: Vec<PyKind>,
    target: Target,
}

#[async_trait]
impl Provider for PyProvider {
    async fn check(&self) -> Result<()> {
        self.target.call("check", Vec::new(), |_| Ok(())).await
    }

    fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        self.kinds.iter().map(|kind| Arc::new(kind.clone()) as Arc<dyn AnyKind>).collect()
    }

    fn lookups(&self) -> Vec<Arc<dyn AnyLookup>> {
        self.lookups.iter().map(|lookup| Arc::new(lookup.clone()) as Arc<dyn AnyLookup>).collect()
    }
}
