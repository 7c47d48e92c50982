//! Fake task services, and hosts on which they are only noted.

use std::sync::Arc;

use async_trait::async_trait;

use super::invention::Source;
use super::ledger::Ledger;
use super::{Fakes, TRANSPORT, refuse_digests, shown};
use crate::error::Result;
use crate::host::Host;
use crate::name::ResourceName;
use crate::provider::Context;
use crate::registry::Transport;
use crate::schema::Schema;
use crate::task::{Condition, TaskService};
use crate::testing::named::NamedHost;
use crate::value::Value;

pub(super) struct FakeService {
    pub(super) fakes: Fakes,
    pub(super) schema: Arc<Schema>,
}

impl FakeService {
    fn outputs(&self, name: &ResourceName, inputs: &Value) -> Value {
        let source = Source { schema: &self.schema, id: name.as_str(), name: name.base(), inputs, before: None };
        let outputs = source.outputs(&self.fakes.shapes);
        let computed = outputs.as_map().into_iter().flatten().filter(|(name, _)| inputs.field(name).is_none());
        let told = computed.filter(|(name, _)| self.schema.fields.contains_key(name.as_ref()));
        Value::map(told.map(|(name, value)| (name.clone(), value.clone())))
    }
}

#[async_trait]
impl TaskService for FakeService {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn check(&self, name: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        let host = host.facts().await?.host_name;
        let found = |placed: Option<&Value>| match placed {
            None => Condition::Absent,
            // Of a secret the state has a digest: it cannot be compared.
            Some(placed) if shown(placed) == shown(inputs) => Condition::InSync(self.outputs(name, inputs)),
            Some(_) => Condition::Differs("it was applied with another configuration".into()),
        };
        self.fakes.call(format!("check {name}"), |ledger| Ok(found(ledger.placed(&host, name.as_str())))).await
    }

    async fn apply(&self, context: &Context, host: &dyn Host, inputs: &Value) -> Result<Value> {
        refuse_digests(inputs)?;
        let (host, name) = (host.facts().await?.host_name, &context.resource);
        let outputs = self.outputs(name, inputs);
        let place = |ledger: &mut Ledger| {
            ledger.place(&host, name.as_str(), self.schema.kind.as_str(), inputs);
            Ok(outputs)
        };
        self.fakes.call(format!("apply {name}"), place).await
    }

    async fn remove(&self, context: &Context, host: &dyn Host, _: &Value) -> Result<()> {
        let (host, name) = (host.facts().await?.host_name, &context.resource);
        let displace = |ledger: &mut Ledger| {
            ledger.displace(&host, name.as_str());
            Ok(())
        };
        self.fakes.call(format!("remove {name}"), displace).await
    }
}

/// Takes every connection.
pub(super) struct FakeTransport;

impl Transport for FakeTransport {
    fn host(&self, connection: &Value) -> Result<Arc<dyn Host>> {
        let fake = connection.field("transport").and_then(Value::as_str) == Some(TRANSPORT);
        let id = connection.field("host").and_then(Value::as_str).filter(|_| fake);
        Ok(Arc::new(NamedHost(id.map_or_else(|| shown(connection), str::to_owned))))
    }
}
