//! The outputs of resources, found by what a reference calls them.

use std::collections::HashMap;

use super::{Role, StateRow};
use crate::name::{Kind, ResourceName, SECRET};
use crate::schema::Sealer;
use crate::value::Value;

/// The outputs of resources by name; a service on one host is also found by its own name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs {
    /// What `${secret.NAME}` stands for, by name.
    secrets: Value,
    resources: HashMap<ResourceName, Given>,
    bases: HashMap<String, ResourceName>,
}

/// What a resource gives.
#[derive(Debug, Clone)]
enum Given {
    Known(Value),
    /// What a row keeps, which is put together and opened when somebody refers to it: to most rows nobody does.
    Kept(Kept),
}

/// What a row says that references see: its inputs, over them what the provider reports, and whose fields they are.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    kind: Kind,
    role: Role,
    inputs: Value,
    outputs: Value,
}

impl Kept {
    pub(super) fn of(row: &StateRow) -> Self {
        let outputs = row.object.as_ref().map(|object| object.outputs.clone()).unwrap_or_default();
        Self { kind: row.kind.clone(), role: row.role.clone(), inputs: row.inputs.clone(), outputs }
    }

    pub(super) fn opened(&self, sealer: &Sealer) -> Value {
        self.role.seal(sealer, &self.kind).open(&self.inputs.overlaid(&self.outputs))
    }
}

impl Outputs {
    /// Those of no resource yet, and secrets by name.
    pub(crate) fn with_secrets(secrets: Value) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Sets what a resource gives.
    pub(crate) fn set(&mut self, name: &ResourceName, outputs: Value) {
        self.put(name, Given::Known(outputs));
    }

    /// Sets what a resource gives to what a row says, under a name that may not be its own any more.
    pub(crate) fn set_row(&mut self, name: &ResourceName, row: &StateRow) {
        self.put(name, Given::Kept(Kept::of(row)));
    }

    fn put(&mut self, name: &ResourceName, given: Given) {
        if name.base() != name.as_str() {
            self.bases.insert(name.base().to_owned(), name.clone());
        }
        self.resources.insert(name.clone(), given);
    }

    /// What a resource gives, by its full name, in the clear as far as it can be opened; the secrets by the word that stands
    /// for them.
    pub(crate) fn get(&self, name: &str, sealer: &Sealer) -> Option<Value> {
        if name == SECRET {
            return Some(self.secrets.clone());
        }
        Some(match self.resources.get(name)? {
            Given::Known(outputs) => outputs.clone(),
            Given::Kept(kept) => kept.opened(sealer),
        })
    }

    /// The secrets, by name.
    pub(crate) fn secrets(&self) -> &Value {
        &self.secrets
    }

    /// The full name that the first word of a reference stands for; the word itself where it stands for nothing here.
    pub(crate) fn name<'n>(&'n self, root: &'n str) -> &'n str {
        if self.resources.contains_key(root) { root } else { self.bases.get(root).map_or(root, ResourceName::as_str) }
    }
}
