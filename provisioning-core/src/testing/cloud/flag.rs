//! The task service of the fake cloud, and the way to its things.

use std::sync::Arc;

use async_trait::async_trait;

use super::{FakeCloud, Ledger};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::name::ResourceName;
use crate::provider::Context;
use crate::registry::Transport;
use crate::schema::Schema;
use crate::task::{Condition, TaskService};
use crate::testing::named::NamedHost;
use crate::value::Value;

pub(super) struct FlagService(pub(super) FakeCloud);

#[async_trait]
impl TaskService for FlagService {
    fn schema(&self) -> Arc<Schema> {
        self.0.schemas.flag.clone()
    }

    async fn check(&self, _: &ResourceName, host: &dyn Host, inputs: &Value) -> Result<Condition> {
        let name = host.facts().await?.host_name;
        let (call, wanted) = (format!("check flag on {name}"), wanted(inputs)?);
        let look = move |ledger: &mut Ledger, _| {
            Ok(match ledger.flag(&name) {
                None => Condition::Absent,
                Some((value, raised)) if value == wanted => Condition::InSync(Value::map([("raised", raised.into())])),
                Some(_) => Condition::Differs("the flag says something else".into()),
            })
        };
        self.0.call(call, look).await
    }

    async fn apply(&self, _: &Context, host: &dyn Host, inputs: &Value) -> Result<Value> {
        let name = host.facts().await?.host_name;
        let (call, wanted) = (format!("raise flag on {name}"), wanted(inputs)?);
        let raise = move |ledger: &mut Ledger, _| {
            if !ledger.has_thing(&name) {
                return Err(Error::new(ErrorKind::NotFound, format!("nobody answers at `{name}`")));
            }
            Ok(Value::map([("raised", ledger.set_flag(&name, Some(wanted)).into())]))
        };
        self.0.call(call, raise).await
    }

    async fn remove(&self, _: &Context, host: &dyn Host, _: &Value) -> Result<()> {
        let name = host.facts().await?.host_name;
        let call = format!("lower flag on {name}");
        let lower = move |ledger: &mut Ledger, _| {
            ledger.set_flag(&name, None);
            Ok(())
        };
        self.0.call(call, lower).await
    }
}

fn wanted(inputs: &Value) -> Result<serde_json::Value> {
    inputs.field("value").map_or(Ok(serde_json::Value::Null), Value::expose)
}

pub(super) struct CloudTransport;

impl Transport for CloudTransport {
    fn host(&self, connection: &Value) -> Result<Arc<dyn Host>> {
        let name = connection.field("host").and_then(Value::as_str);
        Ok(Arc::new(NamedHost(name.ok_or_else(|| Error::invalid("a fake connection has a `host`"))?.to_owned())))
    }
}
