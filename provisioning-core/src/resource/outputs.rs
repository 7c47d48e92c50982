//! The outputs of resources, found by what a reference calls them.

use std::collections::HashMap;

use crate::name::{ResourceName, SECRET};
use crate::value::Value;

/// The outputs of resources by name; a service on one host is also found by its own name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs {
    /// What `${secret.NAME}` stands for, by name.
    secrets: Value,
    resources: HashMap<ResourceName, Value>,
    bases: HashMap<String, ResourceName>,
}

impl Outputs {
    /// Those of no resource yet, and secrets by name.
    pub(crate) fn with_secrets(secrets: Value) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Sets what a resource gives.
    pub(crate) fn set(&mut self, name: &ResourceName, outputs: Value) {
        if name.base() != name.as_str() {
            self.bases.insert(name.base().to_owned(), name.clone());
        }
        self.resources.insert(name.clone(), outputs);
    }

    /// What a resource gives, by its full name; the secrets by the word that stands for them.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        if name == SECRET { Some(&self.secrets) } else { self.resources.get(name) }
    }

    /// The full name that the first word of a reference stands for; the word itself where it stands for nothing here.
    pub(crate) fn name<'n>(&'n self, root: &'n str) -> &'n str {
        if self.resources.contains_key(root) { root } else { self.bases.get(root).map_or(root, ResourceName::as_str) }
    }
}
