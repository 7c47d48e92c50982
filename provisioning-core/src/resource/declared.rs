//! What a user declares.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Origin;
use crate::name::{Kind, ProviderName, ResourceName};
use crate::schema::{Seal, Sealer};
use crate::value::{Map, Value};

/// Everything a workspace declares, checked and with defaults filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// The providers, by alias.
    pub providers: BTreeMap<ProviderName, ProviderSettings>,
    /// Resources, lookups and services on their hosts, by name.
    pub resources: BTreeMap<ResourceName, Declared>,
    /// Where a rollback of a run can stop.
    pub checkpoints: BTreeMap<String, Checkpoint>,
    /// What the workspace gives back.
    pub outputs: BTreeMap<String, Output>,
}

impl Desired {
    /// Whether a secret is written into it.
    pub fn has_secret(&self) -> bool {
        let fields = self.resources.values().map(|declared| &declared.inputs);
        let settings = self.providers.values().map(|provider| &provider.settings);
        fields.chain(settings).chain(self.outputs.values().map(|output| &output.value)).any(Value::has_secret)
    }
}

/// A provider as it is declared: its type and its settings, references included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderSettings {
    /// The type: `local`, `aws`, `upcloud`, or what a program registered.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The settings.
    pub settings: Value,
    /// Where it is declared.
    #[serde(skip)]
    pub origin: Option<Origin>,
    /// Where each of its settings was written.
    #[serde(skip)]
    pub origins: Map<Origin>,
}

impl ProviderSettings {
    /// The same with its secrets sealed.
    pub(crate) fn closed(&self, sealer: &Sealer) -> Self {
        Self { settings: sealer.of_provider(&self.kind).close(&self.settings), ..self.clone() }
    }

    /// The same with its secrets in the clear, as far as they can be opened.
    pub(crate) fn opened(&self, sealer: &Sealer) -> Self {
        Self { settings: sealer.of_provider(&self.kind).open(&self.settings), ..self.clone() }
    }
}

/// One declared resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: ResourceName,
    /// Its kind, or the task service's name.
    pub kind: Kind,
    /// What it is to the engine.
    pub role: Role,
    /// Its fields as written, references included, defaults filled in.
    pub inputs: Value,
    /// Where it is declared.
    pub origin: Option<Origin>,
    /// Where each of its fields was written.
    pub origins: Map<Origin>,
    /// What it needs besides what it refers to.
    pub depends_on: Vec<String>,
    /// What it comes after when that is part of the run, without needing it.
    pub after: Vec<String>,
    /// How it may change.
    pub lifecycle: Lifecycle,
    /// How often and how soon a failed call is repeated.
    pub retry: RetryPolicy,
    /// How long one call may take.
    pub timeout: Duration,
}

/// What a declared thing is to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An object that a provider makes, changes and deletes.
    Managed {
        /// The provider's alias.
        provider: ProviderName,
    },
    /// Something that exists and is only read.
    Lookup {
        /// The provider's alias.
        provider: ProviderName,
    },
    /// A task service on a host.
    Service {
        /// The resource whose `connection` output leads to the host.
        host: ResourceName,
    },
}

impl Role {
    /// The provider's alias, where there is one.
    pub fn provider(&self) -> Option<&ProviderName> {
        match self {
            Self::Managed { provider } | Self::Lookup { provider } => Some(provider),
            Self::Service { .. } => None,
        }
    }

    /// What seals the fields of something in this role.
    pub(crate) fn seal<'a>(&self, sealer: &'a Sealer, kind: &Kind) -> Seal<'a> {
        match self {
            Self::Managed { .. } | Self::Service { .. } => sealer.of_kind(kind),
            Self::Lookup { .. } => sealer.of_lookups(),
        }
    }
}

/// How a resource may change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifecycle {
    /// A plan that would delete or replace it is refused.
    pub prevent_destroy: bool,
    /// When it is replaced, the new object is made before the old one is deleted.
    pub create_before_destroy: bool,
    /// Fields whose changes are not acted on; `*` for all.
    pub ignore_changes: Vec<String>,
    /// The name it had before.
    pub moved_from: Option<ResourceName>,
}

/// How often and how soon a failed call is repeated: exponential backoff with jitter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How many attempts in all, at least 1.
    pub attempts: u32,
    /// The wait after the first failure.
    pub initial_seconds: f64,
    /// The longest wait.
    pub max_seconds: f64,
}

/// A place in a run where a rollback can stop: when everything has been done that the run does to some resources.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The names of the resources, as in `depends_on`.
    pub after: Vec<String>,
    /// Where it is declared.
    pub origin: Option<Origin>,
}

/// Something the workspace gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its value as written, references included.
    pub value: Value,
    /// Whether it is masked unless asked for.
    pub sensitive: bool,
    /// Where it is declared.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

impl Output {
    /// The same, under its name, with its secrets sealed.
    pub(crate) fn closed(&self, name: &str, sealer: &Sealer) -> Self {
        self.each(name, |value| sealer.of_outputs().close(value))
    }

    /// The same, under its name, with its secrets in the clear, as far as they can be opened.
    pub(crate) fn opened(&self, name: &str, sealer: &Sealer) -> Self {
        self.each(name, |value| sealer.of_outputs().open(value))
    }

    fn each(&self, name: &str, change: impl Fn(&Value) -> Value) -> Self {
        let changed = change(&Value::map([(name, self.value.clone())]));
        Self { value: changed.field(name).cloned().unwrap_or_default(), ..self.clone() }
    }
}
