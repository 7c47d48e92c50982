//! The task service `web`: a web site of files on a host.
//!
//! The files are in `files.rs`, the program that serves them in `server.rs`; that program is a unit with the defaults of
//! the service [`program`](super::program).

mod files;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, Result};
use provisioning_core::host::{Host, Unit};
use provisioning_core::name::ResourceName;
use provisioning_core::provider::Context;
use provisioning_core::schema::Schema;
use provisioning_core::task::{Condition, TaskService};
use provisioning_core::value::Value;
use serde::Deserialize;

use super::kept::{Kept, complaint, difference, works};
use super::program::Program;
use files::Site;
use server::{Server, root_of};

/// The page that is asked for to see whether a site works.
const INDEX: &str = "index.html";

/// Web sites on hosts.
#[derive(Debug)]
pub struct Web {
    schema: Arc<Schema>,
    program: Program,
}

/// The inputs.
#[derive(Debug, Deserialize)]
struct Inputs {
    address: String,
    port: u16,
    files: BTreeMap<String, String>,
    root: String,
}

impl Default for Web {
    fn default() -> Self {
        let schema = Schema::parse(include_str!("web.toml")).expect("the shipped schema parses");
        Self { schema: Arc::new(schema), program: Program::default() }
    }
}

#[async_trait]
impl TaskService for Web {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn check(&self, name: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        let wanted = Inputs::parse(inputs)?;
        let status = Kept::new(host, name.base(), inputs)?.status().await?;
        let site = Site::new(host, &wanted.root, name.base())?;
        if status.is_none() && site.written().await?.is_none() {
            return Ok(Condition::Absent);
        }
        if let Some(what) = site.difference(&wanted.files).await? {
            return Ok(Condition::Differs(what));
        }
        let Some(status) = status else { return Ok(Condition::Differs("nothing serves it".into())) };
        let command = &status.unit.arguments;
        if !wanted.server().is_served_by(command) {
            return Ok(Condition::Differs("the program that serves it changed".into()));
        }
        let differs = difference(&status.unit, &self.unit(&wanted, command)?).map(str::to_owned);
        let differs = differs.or_else(|| complaint(&status));
        Ok(differs.map_or_else(|| Condition::InSync(wanted.outputs(command)), Condition::Differs))
    }

    async fn apply(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<Value> {
        let (wanted, name) = (Inputs::parse(inputs)?, context.resource.base());
        let kept = Kept::new(host, name, inputs)?;
        let before = kept.status().await?;
        let serving = before.as_ref().filter(|status| complaint(status).is_none()).map(|status| &status.unit.arguments);
        let command = match serving.filter(|command| wanted.server().is_served_by(command)) {
            Some(command) => command.clone(),
            None => wanted.server().choose(host).await?,
        };
        let site = Site::new(host, &wanted.root, name)?;
        let left = before.as_ref().and_then(|status| root_of(&status.unit.arguments)).filter(|root| *root != wanted.root);
        if let Some(Ok(former)) = left.map(|root| Site::new(host, root, name)) {
            // Before anything is written: it may be the same directory in another spelling.
            former.clear().await?;
        }
        context.progress("writing files");
        site.write(&wanted.files).await?;
        context.progress("starting");
        kept.keep(&self.unit(&wanted, &command)?).await?;
        Ok(wanted.outputs(&command))
    }

    async fn remove(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<()> {
        let name = context.resource.base();
        context.progress("stopping");
        Kept::new(host, name, inputs)?.remove().await?;
        // Of the files the state has a digest alone, and the host the list.
        let root = inputs.field("root").and_then(Value::as_str).ok_or_else(|| Error::invalid("a `web` has no `root`"))?;
        Site::new(host, root, name)?.clear().await
    }

    async fn health(&self, name: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        let wanted = Inputs::parse(inputs)?;
        let status = Kept::new(host, name.base(), inputs)?.status().await?;
        let command = status.as_ref().map(|status| status.unit.arguments.clone()).unwrap_or_default();
        Ok(works(status.as_ref(), wanted.outputs(&command)))
    }
}

impl Web {
    /// The unit that serves the site by a command, asked for its first page where it has one.
    fn unit(&self, wanted: &Inputs, command: &[String]) -> Result<Unit> {
        let place = wanted.server().place();
        let has_index = wanted.files.contains_key(INDEX);
        let question = if has_index { ("http", format!("http://{place}/{INDEX}")) } else { ("tcp", place) };
        let command = Value::list(command.iter().map(|word| Value::from(word.as_str())));
        let health = Value::map([(question.0, question.1.into())]);
        self.program.unit_of(Value::map([("command", command), ("health", health)]))
    }
}

impl Inputs {
    fn parse(inputs: &Value) -> Result<Self> {
        let parsed: Self = serde_json::from_value(inputs.expose()?)
            .map_err(|error| Error::invalid(format!("the inputs of a `web` do not fit: {error}")))?;
        files::check(parsed.files.keys())?;
        if parsed.port == 0 || parsed.address.is_empty() {
            return Err(Error::invalid("a `web` needs an `address` and a `port` from 1 to 65535"));
        }
        Ok(parsed)
    }

    fn server(&self) -> Server<'_> {
        Server { address: &self.address, port: self.port, root: &self.root }
    }

    fn outputs(&self, command: &[String]) -> Value {
        let program = command.first().map_or("", String::as_str);
        Value::map([("url", format!("http://{}/", self.server().place()).into()), ("program", program.into())])
    }
}
