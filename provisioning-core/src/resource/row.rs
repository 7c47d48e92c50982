//! What the state keeps of one resource.

use serde::{Deserialize, Serialize};

use super::{Lifecycle, Role};
use crate::name::{Kind, ResourceName, RunId};
use crate::record::Object;
use crate::value::Value;

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
    /// The present object; `None` while only deposed ones are left.
    pub object: Option<Object>,
    /// Objects that were replaced and are not deleted yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deposed: Vec<Object>,
    /// Whether the present object was identified but never finished: the next plan replaces it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tainted: bool,
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
    /// What references to the resource see: its inputs, and over them what the provider reports.
    pub fn outputs(&self) -> Value {
        match &self.object {
            Some(object) => self.inputs.overlaid(&object.outputs),
            None => self.inputs.clone(),
        }
    }
}
