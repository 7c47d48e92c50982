//! The task service `command`: shell lines that check, apply and remove a condition.
//!
//! The lines run by the host's `/bin/sh`. Running one and wording its failure is in `line.rs`.

mod line;
#[cfg(all(test, feature = "local"))]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::Host;
use provisioning_core::name::ResourceName;
use provisioning_core::provider::Context;
use provisioning_core::schema::Schema;
use provisioning_core::task::{Condition, TaskService};
use provisioning_core::value::Value;
use serde::Deserialize;

use line::Lines;

/// Shell lines on a host.
#[derive(Debug)]
pub struct Command {
    schema: Arc<Schema>,
}

/// The inputs.
#[derive(Debug, Deserialize)]
struct Inputs {
    check: Option<String>,
    creates: Option<String>,
    apply: String,
    remove: Option<String>,
    #[serde(default)]
    directory: String,
    environment: BTreeMap<String, String>,
    timeout_seconds: f64,
}

impl Default for Command {
    fn default() -> Self {
        Self { schema: Arc::new(Schema::parse(include_str!("command.toml")).expect("the shipped schema parses")) }
    }
}

#[async_trait]
impl TaskService for Command {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn check(&self, _: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        let wanted = Inputs::parse(inputs)?;
        condition(&wanted, &Lines::new(host, &wanted, inputs)?).await
    }

    async fn apply(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<Value> {
        let wanted = Inputs::parse(inputs)?;
        let lines = Lines::new(host, &wanted, inputs)?;
        if let Condition::InSync(outputs) = condition(&wanted, &lines).await? {
            return Ok(outputs);
        }
        context.progress("running `apply`");
        lines.demand("apply", &wanted.apply).await?;
        match condition(&wanted, &lines).await? {
            Condition::InSync(outputs) => Ok(outputs),
            Condition::Differs(how) => Err(unmet(&how)),
            Condition::Absent => Err(unmet("the path in `creates` is still missing")),
        }
    }

    async fn remove(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<()> {
        let wanted = Inputs::parse(inputs)?;
        let lines = Lines::new(host, &wanted, inputs)?;
        let Some(remove) = &wanted.remove else { return Ok(()) };
        if let Some(path) = &wanted.creates
            && !lines.exists(path).await?
        {
            return Ok(());
        }
        context.progress("running `remove`");
        lines.demand("remove", remove).await
    }
}

impl Inputs {
    fn parse(inputs: &Value) -> Result<Self> {
        let parsed: Self = serde_json::from_value(inputs.expose()?)
            .map_err(|error| Error::invalid(format!("the inputs of a `command` do not fit: {error}")))?;
        if parsed.check.is_none() && parsed.creates.is_none() {
            return Err(Error::invalid("a `command` has neither `check` nor `creates`").with_hint(
                "give a `check` line that exits with 0 once `apply` has done its work, or the path that it `creates`",
            ));
        }
        Ok(parsed)
    }
}

async fn condition(wanted: &Inputs, lines: &Lines<'_>) -> Result<Condition> {
    if let Some(path) = &wanted.creates
        && !lines.exists(path).await?
    {
        return Ok(Condition::Absent);
    }
    let Some(check) = &wanted.check else { return Ok(Condition::InSync(Value::map::<&str>([]))) };
    let output = lines.run(check).await?;
    Ok(match output.code {
        0 => Condition::InSync(Value::map([("stdout", lines.written(&output))])),
        code => Condition::Differs(format!("`check` exits with {code}{}", lines.complaint(&output, 1))),
    })
}

fn unmet(how: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("`apply` succeeded without bringing about what was wanted: {how}"))
        .with_hint("make `apply` and the check speak of the same thing")
}
