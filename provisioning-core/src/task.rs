//! The contract of a task service: software on a host, brought into a wanted condition.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::Host;
use crate::name::ResourceName;
use crate::provider::Context;
use crate::schema::Schema;
use crate::value::Value;

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It is as wanted; the outputs are those of the service.
    InSync(Value),
    /// Something differs; the text says what, in one line.
    Differs(String),
    /// Nothing of it is there.
    Absent,
}

/// Software on a host, brought into a wanted condition.
///
/// - The inputs come checked against the schema and with every reference resolved.
/// - `apply` after `apply` changes nothing; `remove` of what is not there succeeds.
/// - A call may be repeated after a crash: `check` decides whether it has to.
/// - What a service makes on a host may bear the service's own name, the part before the `@`: no other service there has
///   it. Every call is told the name, the changing ones in their context.
#[async_trait]
pub trait TaskService: Send + Sync {
    /// What it takes and gives.
    fn schema(&self) -> Arc<Schema>;

    /// Looks whether the host is as wanted, and changes nothing.
    async fn check(&self, name: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition>;

    /// Makes the host as wanted; gives the outputs.
    async fn apply(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<Value>;

    /// Takes away what `apply` made.
    async fn remove(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<()>;

    /// Looks whether what runs there works, beyond being in place; `InSync` where there is nothing more to ask.
    async fn health(&self, name: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        self.check(name, host, inputs).await
    }
}
