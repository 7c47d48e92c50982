//! The task service `program`: a program that a host keeps running.
//!
//! The fields that declare it are in `unit.rs`; waiting for it is in `services/kept.rs`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, Result};
use provisioning_core::host::{Host, Unit};
use provisioning_core::name::ResourceName;
use provisioning_core::provider::Context;
use provisioning_core::schema::Schema;
use provisioning_core::task::{Condition, TaskService};
use provisioning_core::value::{Node, Value};

use super::kept::{Kept, complaint, difference, works};
use crate::unit::{UnitFields, schema_of};

/// Programs that hosts keep running.
#[derive(Debug)]
pub struct Program {
    schema: Arc<Schema>,
}

impl Default for Program {
    fn default() -> Self {
        Self { schema: Arc::new(schema_of(include_str!("program.toml"))) }
    }
}

impl Program {
    /// The unit that some of the inputs declare, with the defaults of the others.
    pub(super) fn unit_of(&self, given: Value) -> Result<Unit> {
        let mut problems = Vec::new();
        let filled = self.schema.check(&Node::from(given), "program", &mut problems);
        Error::from_diagnostics(problems).map_or_else(|| unit(&filled), Err)
    }
}

#[async_trait]
impl TaskService for Program {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn check(&self, name: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        let wanted = unit(inputs)?;
        let Some(status) = Kept::new(host, name.base(), inputs)?.status().await? else { return Ok(Condition::Absent) };
        let differs = difference(&status.unit, &wanted).map(str::to_owned).or_else(|| complaint(&status));
        Ok(differs.map_or_else(|| Condition::InSync(outputs(name)), Condition::Differs))
    }

    async fn apply(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<Value> {
        let wanted = unit(inputs)?;
        let kept = Kept::new(host, context.resource.base(), inputs)?;
        context.progress("starting");
        kept.keep(&wanted).await?;
        Ok(outputs(&context.resource))
    }

    async fn remove(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<()> {
        context.progress("stopping");
        Kept::new(host, context.resource.base(), inputs)?.remove().await
    }

    async fn health(&self, name: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        Ok(works(Kept::new(host, name.base(), inputs)?.status().await?.as_ref(), outputs(name)))
    }
}

fn unit(inputs: &Value) -> Result<Unit> {
    let fields: UnitFields = serde_json::from_value(inputs.expose()?)
        .map_err(|error| Error::invalid(format!("the inputs of a `program` do not fit: {error}")))?;
    fields.unit()
}

fn outputs(name: &ResourceName) -> Value {
    Value::map([("unit", name.base().into())])
}
