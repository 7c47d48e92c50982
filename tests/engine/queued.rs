//! A kind that waits before it has an identity: nothing but its phase says that it was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use provisioning_core::clock::System;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use provisioning_core::plan::Command;
use provisioning_core::provider::{Context, Found, Reply, ResourceKind, erase};
use provisioning_core::record::Outcome;
use provisioning_core::registry::Registry;
use provisioning_core::schema::Schema;
use provisioning_core::store::{Identity, MemoryStore};
use provisioning_core::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Default, Clone)]
struct Queue {
    ordered: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

#[derive(Deserialize)]
struct Order {}

#[derive(Serialize, Deserialize)]
struct Goods {
    id: String,
}

#[async_trait]
impl ResourceKind for Queue {
    type Spec = Order;
    type State = Goods;

    fn schema(&self) -> Schema {
        let schema =
            "kind = \"goods\"\nsummary = \"Goods.\"\n[fields.id]\ntype = \"string\"\nsummary = \"It.\"\npresence = \"computed\"";
        Schema::parse(schema).expect("a schema")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Goods>>> {
        Ok(ids.iter().map(|id| Some(Goods { id: id.clone() })).collect())
    }

    async fn find(&self, _: &Context, _: &Order) -> Result<Found<Goods>> {
        Ok(Found::None)
    }

    async fn create(&self, context: &Context, _: Order) -> Result<Reply<Goods>> {
        if context.phase.as_deref() != Some("queued") {
            self.ordered.fetch_add(1, Ordering::SeqCst);
            return Ok(Reply::Wait { after: Duration::from_millis(1), phase: "queued".into() });
        }
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(Error::new(ErrorKind::Limited, "asked too often").with_retry(Retry::Later(None)));
        }
        context.identified("g-1").await?;
        Ok(Reply::Done(Goods { id: "g-1".into() }))
    }

    async fn update(&self, _: &Context, prior: Goods, _: Order) -> Result<Reply<Goods>> {
        Ok(Reply::Done(prior))
    }

    async fn delete(&self, _: &Context, _: Goods) -> Result<Reply<()>> {
        Ok(Reply::Done(()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_without_an_identity_is_not_asked_for_twice() {
    let queue = Queue::default();
    let registry = Registry::default().with_kinds("shop", vec![erase(queue.clone())]).expect("a name");
    let document = json!({ "providers": { "shop": { "type": "shop" } }, "resources": { "a": { "kind": "goods" } } });
    let document = Value::try_from(document).expect("a document");
    let desired = config::desired(document.into(), &registry, &Settings::shipped()).expect("a right document");
    let engine = Engine::builder(registry, Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
    let plan = engine.plan(&desired, &PlanOptions::new(Command::Apply)).await.expect("a plan");
    let report = engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
    assert_eq!(queue.ordered.load(Ordering::SeqCst), 1);
}
