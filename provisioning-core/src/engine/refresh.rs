//! Reading the world before planning: the objects of the state, and what the planner asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Engine;
use crate::digest::DigestKey;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::{Event, Transient};
use crate::executor::{Target, Tools, World};
use crate::name::{Kind, ProviderName, ResourceName};
use crate::planner::{Need, Seen};
use crate::provider::AnyKind;
use crate::record::Object;
use crate::resource::{Desired, Role, StateRow};
use crate::schema::{Existence, Keep, Schema, concealed};
use crate::task::Condition;
use crate::value::{Map, Value};

/// What a read found of one resource: its object, and those of its texts that the state does not know of.
type Read = (ResourceName, Option<Object>, Value);

/// What is asked of one object: its resource, its identity, and the inputs that it was made with.
type Asked = (ResourceName, String, Value);

/// What planning looks at the world with.
pub(super) struct Eyes {
    tools: Tools,
    world: World,
}

impl Eyes {
    pub(super) fn new(engine: &Engine, desired: &Desired, rows: &BTreeMap<ResourceName, StateRow>) -> Self {
        let world = World::of(rows);
        Self { tools: Tools::new(engine.registry.clone(), desired.providers.clone()), world }
    }

    /// Reads every object of the state that there is something to read of, in pages.
    pub(super) async fn objects(&mut self, engine: &Engine, rows: &BTreeMap<ResourceName, StateRow>) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut groups: BTreeMap<(&ProviderName, &Kind), Vec<&StateRow>> = BTreeMap::new();
        for row in rows.values().filter(|row| row.object.is_some()) {
            if let Role::Managed { provider } = &row.role {
                groups.entry((provider, &row.kind)).or_default().push(row);
            }
        }
        let slots = Arc::new(Semaphore::new(engine.settings.limits.run));
        let (mut reads, mut checked) = (JoinSet::new(), Vec::new());
        for ((alias, kind), rows) in groups {
            let Some(target) = self.reachable(alias, kind, rows[0])? else { continue };
            if !checked.contains(&alias) {
                let provider = self.tools.provider(&self.world, alias)?;
                let checks = within(engine.settings.timeout_seconds, provider.check()).await;
                checks.map_err(|error| error.with_context("provider", alias.as_str()))?;
                checked.push(alias);
            }
            for page in rows.chunks(engine.settings.refresh_page) {
                let page =
                    page.iter().filter_map(|row| Some((row.name.clone(), row.object.as_ref()?.id.clone(), row.inputs.clone())));
                let page = page.collect();
                let read = read_page(target.clone(), page, engine.store.identity().digest_key, engine.settings.timeout_seconds);
                let slots = slots.clone();
                reads.spawn(async move {
                    let _slot = slots.acquire_owned().await.map_err(|_| Error::bug("the slots of a refresh were closed"))?;
                    read.await
                });
            }
        }
        while let Some(read) = reads.join_next().await {
            for (resource, object, texts) in read.map_err(|broken| Error::bug(format!("a provider broke: {broken}")))?? {
                engine.observer.observe(&Event::Transient(Transient::Refreshed { resource: resource.clone() }));
                if texts != Value::Null {
                    seen.texts.insert(resource.clone(), texts);
                }
                seen.objects.insert(resource, object);
            }
        }
        Ok(seen)
    }

    /// The kind to read with; `None` where there is nothing to read, or where the provider is not declared or cannot be
    /// built yet, which is for the planner to report.
    fn reachable(&mut self, alias: &ProviderName, kind: &Kind, row: &StateRow) -> Result<Option<Arc<dyn AnyKind>>> {
        let Ok(declared) = self.tools.declared(alias) else { return Ok(None) };
        if self.world.resolve(&declared.settings).is_err() {
            return Ok(None);
        }
        match self.tools.target(&self.world, &row.role, kind)? {
            Target::Kind(kind) if kind.schema().existence != Existence::Stored => Ok(Some(kind)),
            _ => Ok(None),
        }
    }

    /// Reads what the planner asked for.
    pub(super) async fn answer(&mut self, engine: &Engine, desired: &Desired, needs: Vec<Need>, seen: &mut Seen) -> Result<()> {
        for need in needs {
            match need {
                Need::Answer { name, query } => {
                    let declared = &desired.resources[&name];
                    let Target::Lookup(lookup) = self.tools.target(&self.world, &declared.role, &declared.kind)? else {
                        continue;
                    };
                    let answer = within(engine.settings.timeout_seconds, lookup.read(&query)).await;
                    let answer = answer.map_err(|error| error.with_context("lookup", name.as_str()))?;
                    let answer = query.overlaid(&answer);
                    self.world.set(&name, answer.clone());
                    let kept = lookup.schema().persistable(&answer, &engine.store.identity().digest_key);
                    seen.answers.insert(name, kept);
                }
                Need::Condition { name, connection, inputs, host_changes } => {
                    let (host, service) = (self.tools.host(&connection)?, self.tools.service(&desired.resources[&name].kind)?);
                    let check = service.check(&name, host.as_ref(), &inputs);
                    let condition = within(engine.settings.timeout_seconds, check).await;
                    let condition = match condition {
                        Err(error) if host_changes => Condition::Differs(format!("its host cannot tell now: {error}")),
                        other => other.map_err(|error| error.with_context("service", name.as_str()))?,
                    };
                    let condition = match condition {
                        Condition::InSync(outputs) => {
                            let outputs = concealed(&outputs, &inputs);
                            Condition::InSync(service.schema().persistable(&outputs, &engine.store.identity().digest_key))
                        }
                        other => other,
                    };
                    engine.observer.observe(&Event::Transient(Transient::Refreshed { resource: name.clone() }));
                    seen.conditions.insert(name, condition);
                }
            }
        }
        Ok(())
    }
}

async fn read_page(kind: Arc<dyn AnyKind>, page: Vec<Asked>, key: DigestKey, seconds: f64) -> Result<Vec<Read>> {
    let ids: Vec<_> = page.iter().map(|(_, id, _)| id.clone()).collect();
    let schema = kind.schema();
    let objects = within(seconds, kind.read(&ids)).await.map_err(|error| error.with_context("kind", schema.kind.as_str()))?;
    let kept = |name: ResourceName, object: Option<Object>, inputs: &Value| {
        let Some(object) = object else { return (name, None, Value::Null) };
        let plain = concealed(&object.outputs, inputs);
        let outputs = schema.persistable(&plain, &key);
        let texts = new_texts(&schema, &plain, &outputs, inputs);
        (name, Some(Object { outputs, ..object }), texts)
    };
    Ok(page.into_iter().zip(objects).map(|((name, _, inputs), object)| kept(name, object, &inputs)).collect())
}

/// The texts that are not the ones that the state has digests of: who looks at a plan may see what they became.
fn new_texts(schema: &Schema, plain: &Value, kept: &Value, inputs: &Value) -> Value {
    let is_new = |(name, text): &(&Arc<str>, &Value)| {
        let field = schema.fields.get(name.as_ref());
        let hidden = field.is_some_and(|field| field.keep == Keep::Digest && !field.sensitive && field.has_text());
        hidden && !text.has_secret() && kept.field(name) != inputs.field(name)
    };
    let texts: Map =
        plain.as_map().into_iter().flatten().filter(is_new).map(|(name, text)| (name.clone(), text.clone())).collect();
    if texts.is_empty() { Value::Null } else { Value::Map(Arc::new(texts)) }
}

pub(super) async fn within<T>(seconds: f64, call: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX), call).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Unavailable, format!("no answer within {seconds} s")).with_retry(Retry::Later(None))),
    }
}
