//! Whom to call: providers built once per alias, kinds, lookups, services and hosts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::name::{Kind, ProviderName, ResourceName};
use crate::provider::{AnyKind, AnyLookup, Provider};
use crate::registry::Registry;
use crate::resource::{Outputs, ProviderSettings, Role, StateRow};
use crate::schema::{Schema, Sealer};
use crate::task::TaskService;
use crate::value::{Reference, Value, withheld};

/// Whom a step calls.
#[derive(Clone)]
pub(crate) enum Target {
    Kind(Arc<dyn AnyKind>),
    Lookup(Arc<dyn AnyLookup>),
    Service(Arc<dyn TaskService>, Arc<dyn Host>),
}

impl Target {
    pub(crate) fn schema(&self) -> Arc<Schema> {
        match self {
            Self::Kind(kind) => kind.schema(),
            Self::Lookup(lookup) => lookup.schema(),
            Self::Service(service, _) => service.schema(),
        }
    }
}

/// What references see: the outputs of every resource, as far as they are known, and secrets; all of it in the clear, as
/// far as it can be opened.
pub(crate) struct World<'r> {
    sealer: Arc<Sealer>,
    outputs: Outputs<'r>,
}

impl<'r> World<'r> {
    /// What the rows of a state say, as far as they have an object, and secrets by name.
    pub(crate) fn of(rows: &'r BTreeMap<ResourceName, StateRow>, sealer: Arc<Sealer>, secrets: Value) -> Self {
        Self { sealer, outputs: Outputs::of(rows, secrets) }
    }

    /// The same of rows that will not stay as they are.
    pub(crate) fn copied(rows: &BTreeMap<ResourceName, StateRow>, sealer: Arc<Sealer>, secrets: Value) -> Self {
        let mut world = Self { sealer, outputs: Outputs::with_secrets(secrets) };
        world.outputs.reserve(rows.len());
        for row in rows.values().filter(|row| row.object.is_some()) {
            world.set_row(&row.name, row);
        }
        world
    }

    /// Makes room for what so many more resources give.
    pub(crate) fn reserve(&mut self, resources: usize) {
        self.outputs.reserve(resources);
    }

    /// What seals and opens what it is made of.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// What a row says, under a name that may not be its own any more.
    pub(crate) fn set_row(&mut self, name: &ResourceName, row: &StateRow) {
        self.outputs.set_row(name, row);
    }

    /// What a lookup answered, as it was kept.
    pub(crate) fn set_answer(&mut self, name: &ResourceName, answer: &Value) {
        let answer = self.sealer.of_lookups().open(answer);
        self.set(name, answer);
    }

    /// The secrets, by name.
    pub(crate) fn secrets(&self) -> &Value {
        self.outputs.secrets()
    }

    pub(crate) fn set(&mut self, name: &ResourceName, outputs: Value) {
        self.outputs.set(name, outputs);
    }

    pub(crate) fn get(&self, reference: &Reference) -> Result<Value> {
        self.outputs.follow(reference, &self.sealer).unwrap_or(Ok(Value::Unknown))
    }

    /// The value with its references replaced; all of them must be known and at hand.
    pub(crate) fn resolve(&self, value: &Value) -> Result<Value> {
        let mut unknown = None;
        let resolved = value.resolve(&mut |reference| {
            let found = self.get(reference)?;
            if found.is_withheld() {
                return Err(withheld(reference, &found));
            }
            if found.has_unknown() {
                unknown.get_or_insert_with(|| reference.clone());
            }
            Ok(found)
        })?;
        match unknown {
            Some(reference) => {
                Err(Error::invalid(format!("`${{{reference}}}` is not known: `{}` does not exist", reference.root))
                    .with_hint("apply the resource that it refers to first"))
            }
            None => Ok(resolved),
        }
    }

    /// The connection to a host.
    pub(crate) fn connection(&self, host: &ResourceName) -> Result<Value> {
        let connection = self.outputs.output(host.as_str(), "connection", &self.sealer);
        let connection = connection.filter(|value| !value.has_unknown());
        connection.ok_or_else(|| {
            Error::invalid(format!("`{host}` has no `connection` now: it does not exist, or no service can run on it"))
        })
    }
}

/// Builds and keeps whom to call.
pub(crate) struct Tools {
    registry: Registry,
    settings: BTreeMap<ProviderName, ProviderSettings>,
    built: HashMap<ProviderName, Built>,
}

struct Built {
    /// What it was built from.
    settings: Value,
    provider: Arc<dyn Provider>,
    kinds: BTreeMap<Kind, Arc<dyn AnyKind>>,
    lookups: BTreeMap<Kind, Arc<dyn AnyLookup>>,
}

impl Tools {
    /// For providers as they are declared, or as they were kept.
    pub(crate) fn new(registry: Registry, kept: &BTreeMap<ProviderName, ProviderSettings>, sealer: &Sealer) -> Self {
        let settings = kept.iter().map(|(alias, provider)| (alias.clone(), provider.opened(sealer))).collect();
        Self { registry, settings, built: HashMap::new() }
    }

    /// Whom to call for a kind in a role.
    pub(crate) fn target(&mut self, world: &World<'_>, role: &Role, kind: &Kind) -> Result<Target> {
        match role {
            Role::Managed { provider } => {
                let found = self.built(world, provider)?.kinds.get(kind).cloned();
                found
                    .map(Target::Kind)
                    .ok_or_else(|| Error::bug(format!("the provider `{provider}` promised the kind `{kind}` and has none")))
            }
            Role::Lookup { provider } => {
                let found = self.built(world, provider)?.lookups.get(kind).cloned();
                found
                    .map(Target::Lookup)
                    .ok_or_else(|| Error::bug(format!("the provider `{provider}` promised the lookup `{kind}` and has none")))
            }
            Role::Service { host } => {
                let service = self.registry.service(kind)?.clone();
                Ok(Target::Service(service, self.registry.host(&world.connection(host)?)?))
            }
        }
    }

    /// A provider, where its settings are known.
    pub(crate) fn provider(&mut self, world: &World<'_>, alias: &ProviderName) -> Result<Arc<dyn Provider>> {
        Ok(self.built(world, alias)?.provider.clone())
    }

    pub(crate) fn host(&self, connection: &Value) -> Result<Arc<dyn Host>> {
        self.registry.host(connection)
    }

    pub(crate) fn service(&self, kind: &Kind) -> Result<Arc<dyn TaskService>> {
        self.registry.service(kind).cloned()
    }

    /// How a provider is declared.
    pub(crate) fn declared(&self, alias: &ProviderName) -> Result<&ProviderSettings> {
        self.settings.get(alias).ok_or_else(|| Error::invalid(format!("the provider `{alias}` is not declared")))
    }

    /// The settings of a provider as it was built with them, or as they are declared.
    pub(crate) fn settings(&self, alias: &ProviderName) -> Option<&Value> {
        let declared = || Some(&self.settings.get(alias)?.settings);
        self.built.get(alias).map(|built| &built.settings).or_else(declared)
    }

    /// The settings of every provider, as declared and as built.
    pub(crate) fn all_settings(&self) -> impl Iterator<Item = &Value> {
        let declared = self.settings.values().map(|provider| &provider.settings);
        declared.chain(self.built.values().map(|built| &built.settings))
    }

    /// Built once, and again when what its settings refer to has changed.
    fn built(&mut self, world: &World<'_>, alias: &ProviderName) -> Result<&Built> {
        let declared = self.declared(alias)?;
        let same = |built: &Built| world.resolve(&declared.settings).is_ok_and(|settings| settings == built.settings);
        let fits = |built: &Built| !declared.settings.has_references() || same(built);
        if !self.built.get(alias).is_some_and(fits) {
            let settings = world.resolve(&declared.settings).map_err(|error| error.with_context("provider", alias.as_str()))?;
            let provider = self.registry.provider(&declared.kind)?.build(&settings)?;
            let kinds = provider.kinds().into_iter().map(|kind| (kind.schema().kind.clone(), kind)).collect();
            let lookups = provider.lookups().into_iter().map(|lookup| (lookup.schema().kind.clone(), lookup)).collect();
            self.built.insert(alias.clone(), Built { settings, provider, kinds, lookups });
        }
        Ok(&self.built[alias])
    }
}
