//! The contract of a provider and of the kinds it has.
//!
//! A kind is written with its own types ([`ResourceKind`]) and erased to values once, by [`erase`]; the engine only
//! sees [`AnyKind`].

mod context;
mod erased;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use context::{Context, Reporter, Token};
pub use erased::{AnyKind, AnyLookup, erase, erase_lookup};

use crate::error::Result;
use crate::schema::Schema;

/// What a mutating call came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply<T> {
    /// The effect stands.
    Done(T),
    /// The object is not ready; the call is to be repeated.
    Wait {
        /// Not before this.
        after: Duration,
        /// What it waits for; the repeated call finds it in [`Context::phase`].
        phase: String,
    },
}

/// What a search by token found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<T> {
    /// No object bears the token.
    None,
    /// One does.
    One(T),
    /// Several do, described in a line for the person who has to settle it.
    Many(String),
}

/// An account, an endpoint or a machine, built once per alias from its settings.
///
/// - Building one makes no call; `check` makes the first.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Checks that credentials and region work.
    async fn check(&self) -> Result<()>;

    /// The kinds of resources it has.
    fn kinds(&self) -> Vec<Arc<dyn AnyKind>>;

    /// The kinds of things it can look up.
    fn lookups(&self) -> Vec<Arc<dyn AnyLookup>> {
        Vec::new()
    }
}

/// One kind of resource.
///
/// - The state serialises to a map that has the external identity under `id`; fields of the same name as in the spec
///   are compared with it to find drift.
/// - `create`, `update` and `delete` may be called again with the same token, after a crash or a [`Reply::Wait`]: they
///   go on where they were and make nothing twice.
/// - The external identity is reported with [`Context::identified`] as soon as it is known, before any waiting; a call
///   that waits for nothing reports it by returning [`Reply::Done`].
/// - An identity is reported only once the object is certainly this call's own.
/// - A call may be cancelled at any await by dropping it.
/// - An error says with [`Retry`](crate::error::Retry) whether it had an effect.
#[async_trait]
pub trait ResourceKind: Send + Sync + 'static {
    /// What the user sets.
    type Spec: DeserializeOwned + Send + Sync;
    /// What the provider reports.
    type State: Serialize + DeserializeOwned + Send + Sync;

    /// What it is made of.
    fn schema(&self) -> Schema;

    /// Reads objects by identity, one answer per identity in the same order; `None` for one that is gone.
    ///
    /// - Never called for a kind whose schema says `existence = "stored"`: its state is the object.
    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Self::State>>>;

    /// Searches for the object that a `create` with this token made; called after a crash, before calling again.
    async fn find(&self, context: &Context, spec: &Self::Spec) -> Result<Found<Self::State>>;

    /// Makes the object.
    async fn create(&self, context: &Context, spec: Self::Spec) -> Result<Reply<Self::State>>;

    /// Changes the object to what the spec says.
    async fn update(&self, context: &Context, prior: Self::State, spec: Self::Spec) -> Result<Reply<Self::State>>;

    /// Removes the object; one that is gone is a success.
    async fn delete(&self, context: &Context, prior: Self::State) -> Result<Reply<()>>;
}

/// One kind of thing that exists already and is only read.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// What the user asks for.
    type Query: DeserializeOwned + Send + Sync;
    /// What the provider answers.
    type Answer: Serialize + Send + Sync;

    /// What it asks and answers.
    fn schema(&self) -> Schema;

    /// Reads it; an answer that is not there is an error of kind `NotFound`.
    async fn read(&self, query: Self::Query) -> Result<Self::Answer>;
}
