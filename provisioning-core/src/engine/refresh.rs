//! Reading the world before planning: the objects of the state, and what the planner asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Disclosure, Engine};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::{Event, Transient};
use crate::executor::{Target, Tools, World};
use crate::name::{Kind, ProviderName, ResourceName};
use crate::planner::{Need, Seen};
use crate::provider::AnyKind;
use crate::record::Object;
use crate::resource::{Declared, Desired, Role, StateRow};
use crate::schema::{Existence, Keep, Schema, Sealer};
use crate::task::Condition;
use crate::value::{Map, Redaction, Value};

/// What a read found of one resource: its object, and those of its texts that the state does not know of.
type Read = (ResourceName, Option<Object>, Value);

/// What is asked of one object: its resource, the object as the state has it, and the inputs that it was made with.
type Asked = (ResourceName, Object, Value);

/// What planning looks at the world with.
pub(super) struct Eyes<'r> {
    tools: Tools,
    world: World<'r>,
    sealer: Arc<Sealer>,
}

impl<'r> Eyes<'r> {
    pub(super) fn new(
        engine: &Engine,
        desired: &Desired,
        rows: &'r BTreeMap<ResourceName, StateRow>,
        disclosure: &Disclosure,
    ) -> Self {
        let sealer = disclosure.sealer.clone();
        let world = World::of(rows, sealer.clone(), disclosure.values());
        Self { tools: Tools::new(engine.registry.clone(), &desired.providers, &sealer), world, sealer }
    }

    /// An error without the secrets that somebody who was asked may know, and repeat.
    fn redacted(&self, error: Error, also: &[&Value]) -> Error {
        let known = also.iter().copied().chain([self.world.secrets()]).chain(self.tools.all_settings());
        let redaction = Redaction::of(known);
        error.redacted(&|text| redaction.text(text))
    }

    /// Reads every object of the state that there is something to read of.
    pub(super) async fn objects(&mut self, engine: &Engine, rows: &BTreeMap<ResourceName, StateRow>) -> Result<Seen> {
        self.pages(engine, rows).await.map_err(|error| self.redacted(error, &[]))
    }

    async fn pages(&mut self, engine: &Engine, rows: &BTreeMap<ResourceName, StateRow>) -> Result<Seen> {
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
                let page = page.iter().filter_map(|row| Some((row.name.clone(), row.object.clone()?, row.inputs.clone())));
                let page = page.collect();
                let read = read_page(target.clone(), page, self.sealer.clone(), engine.settings.timeout_seconds);
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
                    let answer = self.look_up(engine, &desired.resources[&name], &query).await;
                    let answer = answer.map_err(|error| self.redacted(error, &[&query]).with_context("lookup", name.as_str()))?;
                    seen.answers.extend(answer.map(|answer| (name, answer)));
                }
                Need::Condition { name, connection, inputs, host_changes } => {
                    let kind = &desired.resources[&name].kind;
                    let checked = self.check(engine, (&name, kind), &connection, &inputs).await;
                    let checked = checked.map_err(|error| self.redacted(error, &[&inputs, &connection]));
                    let condition = match checked {
                        Err(error) if host_changes => Condition::Differs(format!("its host cannot tell now: {error}")),
                        other => other.map_err(|error| error.with_context("service", name.as_str()))?,
                    };
                    engine.observer.observe(&Event::Transient(Transient::Refreshed { resource: name.clone() }));
                    seen.conditions.insert(name, condition);
                }
            }
        }
        Ok(())
    }

    /// What a lookup answers, in the form that may be kept.
    async fn look_up(&mut self, engine: &Engine, declared: &Declared, query: &Value) -> Result<Option<Value>> {
        let Target::Lookup(lookup) = self.tools.target(&self.world, &declared.role, &declared.kind)? else { return Ok(None) };
        let answer = within(engine.settings.timeout_seconds, lookup.read(query)).await?;
        let answer = query.overlaid(&lookup.schema().concealed(&answer, query));
        let kept = lookup.schema().persistable(&answer, &self.sealer.of_lookups());
        self.world.set(&declared.name, answer);
        Ok(Some(kept))
    }

    /// The condition of a service, with its outputs in the form that may be kept.
    async fn check(&self, engine: &Engine, service: (&ResourceName, &Kind), way: &Value, inputs: &Value) -> Result<Condition> {
        let (name, kind) = service;
        let (host, service) = (self.tools.host(way)?, self.tools.service(kind)?);
        let condition = within(engine.settings.timeout_seconds, service.check(name, host.as_ref(), inputs)).await?;
        Ok(match condition {
            Condition::InSync(outputs) => {
                let outputs = service.schema().concealed(&outputs, inputs);
                Condition::InSync(service.schema().persistable(&outputs, &self.sealer.of_kind(kind)))
            }
            Condition::Differs(what) => Condition::Differs(Redaction::of([inputs, self.world.secrets()]).text(&what)),
            Condition::Absent => Condition::Absent,
        })
    }
}

async fn read_page(kind: Arc<dyn AnyKind>, page: Vec<Asked>, sealer: Arc<Sealer>, seconds: f64) -> Result<Vec<Read>> {
    let ids: Vec<_> = page.iter().map(|(_, known, _)| known.id.clone()).collect();
    let schema = kind.schema();
    let seal = sealer.of_kind(&schema.kind);
    let objects = within(seconds, kind.read(&ids)).await.map_err(|error| error.with_context("kind", schema.kind.as_str()))?;
    let kept = |(name, known, inputs): Asked, object: Option<Object>| {
        let Some(object) = object else { return (name, None, Value::Null) };
        let plain = schema.concealed(&object.outputs, &inputs);
        let outputs = schema.remembered(&schema.persistable(&plain, &seal), &known.outputs);
        let texts = new_texts(&schema, &plain, &outputs, &inputs);
        (name, Some(Object { outputs, ..object }), texts)
    };
    Ok(page.into_iter().zip(objects).map(|(asked, object)| kept(asked, object)).collect())
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
