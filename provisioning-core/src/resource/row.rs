//! What the state keeps of one resource.

use serde::{Deserialize, Serialize};

use super::outputs::Kept;
use super::{Lifecycle, Role};
use crate::error::Result;
use crate::name::{Kind, ResourceName, RunId};
use crate::record::Object;
use crate::schema::Sealer;
use crate::value::{Reference, Value};

/// One row of the state: the last thing a run did to a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateRow {
    /// The resource.
    pub name: ResourceName,
    /// Its kind.
    pub kind: Kind,
    /// What it is to the engine.
    pub role: Role,
    /// Its fields as they were written.
    pub written: Value,
    /// Its fields as they were resolved, in the form that may be kept.
    pub inputs: Value,
    /// The present object; `None` while only deposed ones are left, and for a service that was begun and never done.
    pub object: Option<Object>,
    /// Objects that were replaced and are not deleted yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deposed: Vec<Object>,
    /// Whether the present object was identified but never finished: the next plan replaces it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tainted: bool,
    /// Why the object may not be what the row says: a change that was begun and given up. The next plan repairs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconsistent: Option<String>,
    /// What it was made to depend on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceName>,
    /// How it may change, as last declared.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// The run that wrote the row.
    pub run: RunId,
    /// The journal entry that wrote it; it tells two versions of a row apart.
    #[serde(default)]
    pub version: u64,
}

impl StateRow {
    /// Whether it is a service that may have begun to change its host, and is not known to have come to its end.
    pub fn is_begun_service(&self) -> bool {
        matches!(self.role, Role::Service { .. }) && self.object.is_none() && self.deposed.is_empty()
    }

    /// Every object that the row knows of.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.object.iter().chain(&self.deposed)
    }

    /// What references to the resource see: its inputs, and over them what the provider reports.
    pub fn outputs(&self) -> Value {
        match &self.object {
            Some(object) => self.inputs.overlaid(&object.outputs),
            None => self.inputs.clone(),
        }
    }

    /// What a reference to it leads to, with secrets in the clear, as far as they can be opened.
    ///
    /// # Errors
    /// Those of [`Reference::follow`].
    pub(crate) fn follow(&self, reference: &Reference, sealer: &Sealer) -> Result<Value> {
        Kept::of(self).follow(reference, sealer)
    }

    /// One of its outputs, with secrets in the clear, as far as they can be opened.
    pub(crate) fn output(&self, output: &str, sealer: &Sealer) -> Option<Value> {
        Kept::of(self).field(output, sealer)
    }

    /// The same with secrets in the clear, as far as they can be opened.
    pub(crate) fn opened(&self, sealer: &Sealer) -> Value {
        Kept::of(self).opened(sealer)
    }
}
