//! A world that keeps the rules of every schema of a registry and is otherwise made up: what a workspace is tried out in
//! when nothing real may be touched.
//!
//! The fakes know nothing but schemas. What exists is in `ledger`, what a provider would report in `invention`.

mod invention;
mod kind;
mod ledger;
mod provider;
mod service;
mod shape;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::Ledger;
use provider::FakeFactory;
use service::{FakeService, FakeTransport};
use shape::Shapes;

use super::Fault;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::registry::Registry;
use crate::resource::Desired;
use crate::value::Value;

/// The transport of the connections that fakes make up.
const TRANSPORT: &str = "fake";

/// Fakes of everything that a registry offers, over one world in memory; clones are the same world.
///
/// - An identity is given once: `web#1`, and `web#2` for the next object of the resource `web`.
/// - An object bears the token that made it; `create` never looks for one that is there already.
/// - A `unique` field has its value once among the objects of one kind of one provider.
/// - Deleting a host takes its services along. What exists anyway is not deleted.
/// - What a provider would report follows from the schema, the identity and the fields that an output `follows`.
#[derive(Debug, Clone)]
pub struct Fakes {
    like: Registry,
    shapes: Arc<Shapes>,
    tokens: Tokens,
    ledger: Arc<Mutex<Ledger>>,
}

/// Whether an object can be found by the token that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tokens {
    Kept,
    Forgotten,
}

impl Fakes {
    /// Fakes of what a registry offers, in an empty world.
    pub fn of(registry: &Registry) -> Self {
        Self { like: registry.clone(), shapes: Arc::default(), tokens: Tokens::Kept, ledger: Arc::default() }
    }

    /// Fakes whose outputs also have those parts that a document refers to and no schema tells of, such as a key in a map.
    #[must_use]
    pub fn shaped_by(mut self, desired: &Desired) -> Self {
        self.shapes = Arc::new(Shapes::of(desired));
        self
    }

    /// Fakes of providers that find nothing by its token: what an engine cannot be right on.
    #[must_use]
    pub fn without_tokens(mut self) -> Self {
        self.tokens = Tokens::Forgotten;
        self
    }

    /// The same fakes in an empty world of their own.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self { ledger: Arc::default(), ..self.clone() }
    }

    /// A registry that offers the same by the same names, faked; its transports take every connection.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::default().with_transport(TRANSPORT, FakeTransport);
        for name in self.like.transports() {
            registry = registry.with_transport(name, FakeTransport);
        }
        for (_, service) in self.like.services() {
            registry = registry.with_service(FakeService { fakes: self.clone(), schema: service.schema() });
        }
        for (_, factory) in self.like.providers() {
            registry = registry.with_provider(FakeFactory { fakes: self.clone(), like: factory.clone() });
        }
        registry
    }

    /// Makes the next call of this description (`create web`, `apply site@web`) go wrong; several faults of one call come
    /// one by one.
    pub fn inject(&self, call: &str, fault: Fault) {
        self.inject_after(0, call, fault);
    }

    /// The same after so many calls of this description have gone well.
    pub fn inject_after(&self, spared: usize, call: &str, fault: Fault) {
        self.ledger().await_fault(spared, call, fault);
    }

    /// How many faults have not come yet.
    pub fn faults_left(&self) -> usize {
        self.ledger().faults_left()
    }

    /// Every call so far, such as `create web`.
    pub fn calls(&self) -> Vec<String> {
        self.ledger().calls().to_vec()
    }

    /// What was made and exists: the identity of each object, and the token that made it.
    pub fn tokens(&self) -> BTreeMap<String, String> {
        self.ledger().tokens()
    }

    /// Which service is on which host: the names of the services by the identity of the host.
    pub fn services(&self) -> Vec<(String, String)> {
        self.ledger().services()
    }

    /// What exists, sorted: each object and service in words, and its fields. The identities of what exists stand there
    /// without their number, and secrets as stars.
    pub fn contents(&self) -> Vec<(String, Value)> {
        self.ledger().contents()
    }

    /// A value with the identities of what exists without their number, so that two worlds can be compared.
    pub fn unnumbered(&self, value: &Value) -> Value {
        self.ledger().unnumbered(value)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, lets it have its effect, and lets go wrong what was asked for.
    async fn call<T: Send>(&self, call: String, effect: impl FnOnce(&mut Ledger) -> Result<T> + Send) -> Result<T> {
        let fault = self.ledger().note(&call);
        let Some(fault) = fault else { return effect(&mut self.ledger()) };
        if let Fault::Refuse(retry) = fault {
            return Err(Error::new(ErrorKind::Unavailable, format!("the fake refused to {call}")).with_retry(retry));
        }
        if matches!(fault, Fault::Hang) {
            return pending().await;
        }
        effect(&mut self.ledger())?;
        assert!(!matches!(fault, Fault::Panic), "the fake panics, as it was asked to");
        Err(Error::new(ErrorKind::Unavailable, "the connection was closed").with_retry(Retry::Unsure))
    }
}

/// Refuses what no provider could make anything of: values that are not known, or of which only a digest was kept.
fn refuse_digests(inputs: &Value) -> Result<()> {
    inputs.expose().map(drop)
}

/// A value as text, with nothing secret in it.
pub(super) fn shown(value: &Value) -> String {
    serde_json::to_string(&plain(value)).unwrap_or_else(|error| error.to_string())
}

/// A value without what is secret and without what is kept in place of it.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        Value::Secret(_) | Value::Sealed(_) | Value::Digest(_) => "***".into(),
        Value::List(items) => Value::list(items.iter().map(plain)),
        Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), plain(item)))),
        other => other.clone(),
    }
}
