//! What a program offers to its workspaces: provider types, task services and transports, by name.
//!
//! A registry is a value that the caller builds; there is no global one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::name::{Kind, suggestion};
use crate::provider::{AnyKind, Provider};
use crate::schema::Schema;
use crate::task::TaskService;
use crate::value::Value;

/// Builds the providers of one type.
///
/// - The schemas are those of every provider it builds; they are asked for without building one.
pub trait ProviderFactory: Send + Sync {
    /// What its settings are.
    fn settings(&self) -> Arc<Schema>;

    /// The kinds of its resources.
    fn kinds(&self) -> Vec<Arc<Schema>>;

    /// The kinds of its lookups.
    fn lookups(&self) -> Vec<Arc<Schema>> {
        Vec::new()
    }

    /// Builds a provider from checked settings; makes no call.
    fn build(&self, settings: &Value) -> Result<Arc<dyn Provider>>;
}

/// Makes hosts out of `connection` values.
pub trait Transport: Send + Sync {
    /// The host that a connection leads to; the connection is opened by the host's first call.
    fn host(&self, connection: &Value) -> Result<Arc<dyn Host>>;
}

/// Provider types, task services and transports, by name.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<Kind, Arc<dyn ProviderFactory>>,
    services: BTreeMap<Kind, Arc<dyn TaskService>>,
    transports: BTreeMap<String, Arc<dyn Transport>>,
}

impl Registry {
    /// Adds a provider type under the name in its settings' schema.
    #[must_use]
    pub fn with_provider(mut self, factory: impl ProviderFactory + 'static) -> Self {
        self.providers.insert(factory.settings().kind.clone(), Arc::new(factory));
        self
    }

    /// Adds a provider type without settings that has these kinds.
    ///
    /// # Errors
    /// `Invalid` when the name is not one.
    pub fn with_kinds(self, name: &str, kinds: Vec<Arc<dyn AnyKind>>) -> Result<Self> {
        let kind = Kind::parse(name)?;
        let settings = Schema::bare(kind, format!("The provider `{name}`."));
        Ok(self.with_provider(Fixed { settings: Arc::new(settings), kinds }))
    }

    /// Adds a task service under the name in its schema.
    #[must_use]
    pub fn with_service(mut self, service: impl TaskService + 'static) -> Self {
        self.services.insert(service.schema().kind.clone(), Arc::new(service));
        self
    }

    /// Adds a transport under the name that `connection` values give in `transport`.
    #[must_use]
    pub fn with_transport(mut self, name: &str, transport: impl Transport + 'static) -> Self {
        self.transports.insert(name.to_owned(), Arc::new(transport));
        self
    }

    /// The provider types, by name.
    pub fn providers(&self) -> impl Iterator<Item = (&Kind, &Arc<dyn ProviderFactory>)> {
        self.providers.iter()
    }

    /// The task services, by name.
    pub fn services(&self) -> impl Iterator<Item = (&Kind, &Arc<dyn TaskService>)> {
        self.services.iter()
    }

    /// The names of the transports.
    pub fn transports(&self) -> impl Iterator<Item = &str> {
        self.transports.keys().map(String::as_str)
    }

    /// The provider type of a name.
    ///
    /// # Errors
    /// `NotFound`, with the nearest name.
    pub fn provider(&self, kind: &Kind) -> Result<&Arc<dyn ProviderFactory>> {
        self.providers.get(kind).ok_or_else(|| unknown("provider type", kind.as_str(), self.providers.keys().map(AsRef::as_ref)))
    }

    /// The task service of a name.
    ///
    /// # Errors
    /// `NotFound`, with the nearest name.
    pub fn service(&self, kind: &Kind) -> Result<&Arc<dyn TaskService>> {
        self.services.get(kind).ok_or_else(|| unknown("task service", kind.as_str(), self.services.keys().map(AsRef::as_ref)))
    }

    /// The schema of a kind of a provider type.
    ///
    /// # Errors
    /// `NotFound`, with the nearest kind.
    pub fn kind(&self, provider: &Kind, kind: &Kind) -> Result<Arc<Schema>> {
        find(&self.provider(provider)?.kinds(), "kind", kind)
    }

    /// The schema of a lookup of a provider type.
    ///
    /// # Errors
    /// `NotFound`, with the nearest lookup.
    pub fn lookup(&self, provider: &Kind, kind: &Kind) -> Result<Arc<Schema>> {
        find(&self.provider(provider)?.lookups(), "lookup", kind)
    }

    /// The host that a `connection` value leads to.
    ///
    /// # Errors
    /// `Invalid` when it names no transport, `NotFound` for an unknown one.
    pub fn host(&self, connection: &Value) -> Result<Arc<dyn Host>> {
        let name = connection.field("transport").and_then(Value::as_str).ok_or_else(|| {
            Error::invalid("a `connection` names no `transport`")
                .with_hint("a service runs on a resource that has a `connection` output")
        })?;
        let transport = self.transports.get(name);
        transport.ok_or_else(|| unknown("transport", name, self.transports.keys().map(String::as_str)))?.host(connection)
    }
}

/// A provider type without settings: every alias of it is the same provider.
#[derive(Clone)]
struct Fixed {
    settings: Arc<Schema>,
    kinds: Vec<Arc<dyn AnyKind>>,
}

impl ProviderFactory for Fixed {
    fn settings(&self) -> Arc<Schema> {
        self.settings.clone()
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        self.kinds.iter().map(|kind| kind.schema()).collect()
    }

    fn build(&self, _: &Value) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Provider for Fixed {
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        self.kinds.clone()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (providers, services): (Vec<_>, Vec<_>) = (self.providers.keys().collect(), self.services.keys().collect());
        f.debug_struct("Registry").field("providers", &providers).field("services", &services).finish_non_exhaustive()
    }
}

fn find(schemas: &[Arc<Schema>], what: &str, kind: &Kind) -> Result<Arc<Schema>> {
    let found = schemas.iter().find(|schema| schema.kind == *kind).cloned();
    found.ok_or_else(|| unknown(what, kind.as_str(), schemas.iter().map(|schema| schema.kind.as_str())))
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("there is no {what} `{name}`"));
    match suggestion(name, known) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
