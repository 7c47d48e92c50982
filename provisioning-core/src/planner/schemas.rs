//! Which schema a declaration or a row is under.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::name::{Kind, ProviderName, nearest};
use crate::registry::Registry;
use crate::resource::{ProviderSettings, Role};
use crate::schema::Schema;

/// Finds schemas, each one once.
pub(super) struct Schemas<'a> {
    registry: &'a Registry,
    providers: &'a BTreeMap<ProviderName, ProviderSettings>,
    known: BTreeMap<Key, Arc<Schema>>,
    /// The one that was found last: most declarations stand among others of their kind.
    last: Option<(Key, Arc<Schema>)>,
}

/// By whom, of which kind, and whether it is a lookup.
type Key = (Option<ProviderName>, Kind, bool);

impl<'a> Schemas<'a> {
    pub(super) fn new(registry: &'a Registry, providers: &'a BTreeMap<ProviderName, ProviderSettings>) -> Self {
        Self { registry, providers, known: BTreeMap::new(), last: None }
    }

    /// The schema of a kind in a role.
    pub(super) fn of(&mut self, role: &Role, kind: &Kind) -> Result<Arc<Schema>> {
        let is_lookup = matches!(role, Role::Lookup { .. });
        if let Some(((provider, known, lookup), schema)) = &self.last
            && (provider.as_ref(), known, *lookup) == (role.provider(), kind, is_lookup)
        {
            return Ok(schema.clone());
        }
        let key = (role.provider().cloned(), kind.clone(), is_lookup);
        if let Some(schema) = self.known.get(&key) {
            self.last = Some((key, schema.clone()));
            return Ok(schema.clone());
        }
        let schema = match role {
            Role::Managed { provider } => self.registry.kind(&self.settings(provider)?.kind, kind)?,
            Role::Lookup { provider } => self.registry.lookup(&self.settings(provider)?.kind, kind)?,
            Role::Service { .. } => self.registry.service(kind)?.schema(),
        };
        self.known.insert(key, schema.clone());
        Ok(schema)
    }

    fn settings(&self, provider: &ProviderName) -> Result<&'a ProviderSettings> {
        self.providers.get(provider).ok_or_else(|| {
            let error = Error::invalid(format!("the provider `{provider}` is not declared"));
            let advice = "declare it until everything it made is gone, or drop that from the state with `provisioning forget`";
            let near = nearest(provider.as_str(), self.providers.keys().map(AsRef::as_ref));
            error.with_hint(near.map_or_else(|| advice.to_owned(), |near| format!("did you mean `{near}`? If not, {advice}")))
        })
    }
}
