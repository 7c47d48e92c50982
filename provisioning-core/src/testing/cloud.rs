//! A cloud that exists in memory, with faults on demand: what engines and providers are tried out against.
//!
//! It keeps the rules of a real one: identities are never given twice, an object bears the token that made it, and a
//! lost reply loses nothing but the reply.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::provider::{AnyKind, AnyLookup, Context, Found, Provider, Reply, ResourceKind, erase, erase_lookup};
use crate::registry::{ProviderFactory, Registry};
use crate::schema::Schema;
use crate::testing::flag::{CloudTransport, FlagService};
use crate::testing::image::ImageLookup;
use crate::value::Value;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused and has no effect.
    Refuse(Retry),
    /// It has its effect and the reply is lost.
    LoseReply,
    /// It never answers.
    Hang,
    /// The provider's own code panics after the effect.
    Panic,
}

/// A cloud in memory; clones are the same cloud.
#[derive(Debug, Clone)]
pub struct FakeCloud {
    inner: Arc<Mutex<Inner>>,
    schemas: Arc<Schemas>,
}

/// What the cloud offers, read once.
#[derive(Debug)]
struct Schemas {
    settings: Arc<Schema>,
    thing: Arc<Schema>,
    image: Arc<Schema>,
    flag: Arc<Schema>,
}

impl Default for FakeCloud {
    fn default() -> Self {
        let read = |text| Arc::new(Schema::parse(text).expect("the schema is valid"));
        let settings =
            "kind = \"fake\"\nsummary = \"A cloud in memory.\"\n[fields.region]\ntype = \"string\"\nsummary = \"Where.\"\n";
        let schemas = Schemas {
            settings: read(settings),
            thing: read(include_str!("thing.toml")),
            image: read(include_str!("image.toml")),
            flag: read(include_str!("flag.toml")),
        };
        Self { inner: Arc::default(), schemas: Arc::new(schemas) }
    }
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, Held>,
    flags: BTreeMap<String, (serde_json::Value, i64)>,
    given: u64,
    calls: Vec<String>,
    regions: Vec<String>,
    faults: Vec<Planned>,
}

/// A fault that waits for its call.
#[derive(Debug)]
struct Planned {
    call: String,
    /// How many calls of the same description go well before.
    spared: usize,
    fault: Fault,
}

#[derive(Debug, Clone)]
struct Held {
    token: String,
    thing: Thing,
    polls: i64,
}

/// What a user sets of a thing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ThingSpec {
    name: String,
    size: Option<i64>,
    zone: Option<String>,
    #[serde(default)]
    from: serde_json::Value,
    #[serde(default)]
    polls: i64,
}

/// What the cloud reports of a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thing {
    id: String,
    name: String,
    size: Option<i64>,
    zone: Option<String>,
    #[serde(default)]
    from: serde_json::Value,
    address: String,
    revision: i64,
    #[serde(default)]
    password: String,
    connection: serde_json::Value,
}

impl FakeCloud {
    /// A registry that offers the cloud as provider `fake`, its flags as service `flag`, and the way to its things.
    pub fn registry(&self) -> Registry {
        let service = FlagService(self.clone());
        Registry::default().with_provider(CloudFactory(self.clone())).with_service(service).with_transport("fake", CloudTransport)
    }

    /// Makes the next call of this description (`create web`) go wrong; several faults of one call come one by one.
    pub fn inject(&self, call: &str, fault: Fault) {
        self.inject_after(0, call, fault);
    }

    /// The same after so many calls of this description have gone well.
    pub fn inject_after(&self, spared: usize, call: &str, fault: Fault) {
        self.inner().faults.push(Planned { call: call.to_owned(), spared, fault });
    }

    /// How many faults have not come yet.
    pub fn faults_left(&self) -> usize {
        self.inner().faults.len()
    }

    /// What exists: the identity of each thing, and the token that made it.
    pub fn tokens(&self) -> BTreeMap<String, String> {
        self.inner().objects.iter().map(|(id, held)| (id.clone(), held.token.clone())).collect()
    }

    /// The regions that providers were built for, in order; empty for one without.
    pub fn regions(&self) -> Vec<String> {
        self.inner().regions.clone()
    }

    /// Every call so far, such as `create web`.
    pub fn calls(&self) -> Vec<String> {
        self.inner().calls.clone()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.inner().calls.clear();
    }

    /// What exists: the name and the size of each thing, and the flags, sorted.
    pub fn contents(&self) -> Vec<String> {
        let inner = self.inner();
        let size = |thing: &Thing| thing.size.map(|size| format!(" size {size}")).unwrap_or_default();
        let things = inner.objects.values().map(|held| format!("{}{}", held.thing.name, size(&held.thing)));
        let flags = inner.flags.iter().map(|(host, (value, _))| format!("flag on {host}: {value}"));
        let mut all: Vec<_> = things.chain(flags).collect();
        all.sort();
        all
    }

    /// Changes a thing behind everybody's back.
    pub fn meddle(&self, name: &str, size: Option<i64>) {
        let mut inner = self.inner();
        for held in inner.objects.values_mut().filter(|held| held.thing.name == name) {
            held.thing.size = size;
        }
    }

    /// Removes a thing behind everybody's back.
    pub fn steal(&self, name: &str) {
        self.inner().objects.retain(|_, held| held.thing.name != name);
    }

    /// Sets the flag on a thing, or takes it away, behind everybody's back.
    pub fn meddle_flag(&self, host: &str, value: Option<serde_json::Value>) {
        self.set_flag(host, value);
    }

    pub(super) fn image_schema(&self) -> Arc<Schema> {
        self.schemas.image.clone()
    }

    pub(super) fn flag_schema(&self) -> Arc<Schema> {
        self.schemas.flag.clone()
    }

    /// Whether there is a thing of a name.
    pub(super) fn has_thing(&self, name: &str) -> bool {
        self.inner().objects.values().any(|held| held.thing.name == name)
    }

    pub(super) fn flag(&self, host: &str) -> Option<(serde_json::Value, i64)> {
        self.inner().flags.get(host).cloned()
    }

    pub(super) fn set_flag(&self, host: &str, value: Option<serde_json::Value>) -> i64 {
        let mut inner = self.inner();
        let raised = inner.flags.get(host).map_or(0, |(_, raised)| *raised) + 1;
        match value {
            Some(value) => inner.flags.insert(host.to_owned(), (value, raised)),
            None => inner.flags.remove(host),
        };
        raised
    }

    /// Notes a call, lets it have its effect, and lets go wrong what was asked for.
    pub(super) async fn call<T>(&self, call: String, effect: impl FnOnce() -> Result<T>) -> Result<T> {
        let fault = {
            let mut inner = self.inner();
            inner.calls.push(call.clone());
            let next = inner.faults.iter().position(|planned| planned.call == call);
            next.and_then(|next| match inner.faults[next].spared.checked_sub(1) {
                Some(fewer) => {
                    inner.faults[next].spared = fewer;
                    None
                }
                None => Some(inner.faults.remove(next).fault),
            })
        };
        match fault {
            None => effect(),
            Some(Fault::Refuse(retry)) => {
                Err(Error::new(ErrorKind::Unavailable, format!("the cloud refused to {call}")).with_retry(retry))
            }
            Some(Fault::LoseReply) => {
                effect()?;
                Err(Error::new(ErrorKind::Unavailable, "the connection was closed").with_retry(Retry::Unsure))
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Panic) => {
                effect()?;
                panic!("the fake provider panics, as it was asked to");
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloudFactory(FakeCloud);

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
        self.0.call("check".into(), || Ok(())).await
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
    fn put(&self, token: &str, spec: &ThingSpec) -> Result<String> {
        let mut inner = self.0.inner();
        if inner.objects.values().any(|held| held.thing.name == spec.name) {
            return Err(Error::new(ErrorKind::Conflict, format!("there is a thing `{}` already", spec.name)));
        }
        inner.given += 1;
        let id = format!("t-{}", inner.given);
        let thing = Thing {
            id: id.clone(),
            name: spec.name.clone(),
            size: spec.size,
            zone: spec.zone.clone(),
            from: spec.from.clone(),
            address: format!("10.0.0.{}", inner.given),
            revision: 0,
            password: format!("hunter{}", inner.given),
            connection: serde_json::json!({ "transport": "fake", "host": spec.name }),
        };
        inner.objects.insert(id.clone(), Held { token: token.to_owned(), thing, polls: spec.polls });
        Ok(id)
    }

    fn poll(&self, id: &str) -> Result<Reply<Thing>> {
        let mut inner = self.0.inner();
        let held = inner.objects.get_mut(id).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("`{id}` is gone")))?;
        if held.polls == 0 {
            return Ok(Reply::Done(held.thing.clone()));
        }
        held.polls -= 1;
        Ok(Reply::Wait { after: Duration::from_millis(1), phase: "starting".into() })
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
        let objects = || ids.iter().map(|id| self.0.inner().objects.get(id).map(|held| held.thing.clone())).collect();
        self.0.call(format!("read {}", ids.len()), || Ok(objects())).await
    }

    async fn find(&self, context: &Context, spec: &ThingSpec) -> Result<Found<Thing>> {
        let bearing = || {
            let inner = self.0.inner();
            let mut bearing = inner.objects.values().filter(|held| held.token == context.token.as_str());
            match (bearing.next(), bearing.count()) {
                (None, _) => Found::None,
                (Some(held), 0) => Found::One(held.thing.clone()),
                (Some(_), more) => Found::Many(format!("{} things", more + 1)),
            }
        };
        self.0.call(format!("find {}", spec.name), || Ok(bearing())).await
    }

    async fn create(&self, context: &Context, spec: ThingSpec) -> Result<Reply<Thing>> {
        if let Some(id) = &context.object {
            return self.0.call(format!("poll {}", spec.name), || self.poll(id)).await;
        }
        let id = self.0.call(format!("create {}", spec.name), || self.put(context.token.as_str(), &spec)).await?;
        context.identified(&id).await?;
        self.poll(&id)
    }

    async fn update(&self, _: &Context, prior: Thing, spec: ThingSpec) -> Result<Reply<Thing>> {
        let change = || {
            let mut inner = self.0.inner();
            let held = inner
                .objects
                .get_mut(&prior.id)
                .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("`{}` is gone", prior.id)))?;
            if held.thing.size != spec.size || held.thing.from != spec.from {
                held.thing.revision += 1;
            }
            (held.thing.size, held.thing.from) = (spec.size, spec.from.clone());
            Ok(Reply::Done(held.thing.clone()))
        };
        self.0.call(format!("update {}", spec.name), change).await
    }

    async fn delete(&self, _: &Context, prior: Thing) -> Result<Reply<()>> {
        let remove = || {
            let mut inner = self.0.inner();
            inner.objects.remove(&prior.id);
            inner.flags.remove(&prior.name);
            Ok(Reply::Done(()))
        };
        self.0.call(format!("delete {}", prior.name), remove).await
    }
}
