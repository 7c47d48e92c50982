//! The provider of the cloud in memory, with its one kind of resource.

use std::sync::Arc;

use async_trait::async_trait;

use super::FakeCloud;
use super::image::ImageLookup;
use super::ledger::{Thing, ThingSpec};
use crate::error::{Error, Result};
use crate::provider::{AnyKind, AnyLookup, Context, Found, Provider, Reply, ResourceKind, erase, erase_lookup};
use crate::registry::ProviderFactory;
use crate::schema::{Schema, Tokens};
use crate::value::Value;

pub(super) struct CloudFactory(pub(super) FakeCloud);

impl ProviderFactory for CloudFactory {
    fn settings(&self) -> Arc<Schema> {
        self.0.schemas.settings.clone()
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        vec![self.0.schemas.thing.clone()]
    }

    fn lookups(&self) -> Vec<Arc<Schema>> {
        vec![self.0.schemas.image.clone()]
    }

    fn build(&self, settings: &Value) -> Result<Arc<dyn Provider>> {
        let region = settings.field("region").and_then(Value::as_str).unwrap_or_default();
        self.0.inner().regions.push(region.to_owned());
        Ok(Arc::new(Cloud(self.0.clone())))
    }
}

struct Cloud(FakeCloud);

#[async_trait]
impl Provider for Cloud {
    async fn check(&self) -> Result<()> {
        self.0.call("check".into(), |_, _| Ok(())).await
    }

    fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        vec![erase(ThingKind(self.0.clone()))]
    }

    fn lookups(&self) -> Vec<Arc<dyn AnyLookup>> {
        vec![erase_lookup(ImageLookup(self.0.clone()))]
    }
}

struct ThingKind(FakeCloud);

impl ThingKind {
    fn tokens(&self) -> Tokens {
        self.0.schemas.thing.tokens
    }
}

#[async_trait]
impl ResourceKind for ThingKind {
    type Spec = ThingSpec;
    type State = Thing;

    fn schema(&self) -> Schema {
        self.0.schemas.thing.as_ref().clone()
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Thing>>> {
        let call = format!("read {}", ids.len());
        let ids = ids.to_vec();
        self.0.call(call, move |ledger, when| Ok(ids.iter().map(|id| ledger.read(id, when)).collect())).await
    }

    async fn find(&self, context: &Context, spec: &ThingSpec) -> Result<Found<Thing>> {
        if self.tokens() != Tokens::Lookup {
            return Err(Error::bug("a search for a thing that bears no token to search for"));
        }
        let token = context.token.clone();
        self.0.call(format!("find {}", spec.name), move |ledger, when| Ok(ledger.find(token.as_str(), when))).await
    }

    async fn create(&self, context: &Context, spec: ThingSpec) -> Result<Reply<Thing>> {
        if let Some(id) = context.object.clone() {
            return self.0.call(format!("poll {}", spec.name), move |ledger, when| ledger.poll(&id, when)).await;
        }
        let call = format!("create {}", spec.name);
        let (token, native) = (context.token.clone(), self.tokens() == Tokens::Native);
        let make = move |ledger: &mut super::Ledger, when| match ledger.made_by(token.as_str()).filter(|_| native) {
            Some(id) => Ok(id),
            None => ledger.create(token.as_str(), &spec, when),
        };
        let id = self.0.call(call, make).await?;
        context.identified(&id).await?;
        self.0.look(|ledger, when| ledger.poll(&id, when))
    }

    async fn update(&self, _: &Context, prior: Thing, spec: ThingSpec) -> Result<Reply<Thing>> {
        let call = format!("update {}", spec.name);
        self.0.call(call, move |ledger, when| ledger.update(&prior.id, &spec, when)).await
    }

    async fn delete(&self, _: &Context, prior: Thing) -> Result<Reply<()>> {
        let call = format!("delete {}", prior.name);
        self.0.call(call, move |ledger, when| Ok(ledger.delete(&prior.id, when))).await
    }
}
