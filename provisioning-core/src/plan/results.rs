//! What a plan gives back, apart from what it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Action, Plan};
use crate::name::{ResourceName, StepId};
use crate::resource::Output;
use crate::value::Value;

/// What is asked of a plan long after it was carried out; a plan itself may be very long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// What the workspace gives back.
    pub outputs: BTreeMap<String, Output>,
    /// What the lookups answered when it was made.
    pub lookups: BTreeMap<ResourceName, Value>,
    /// The steps that read other lookups.
    pub reads: BTreeMap<StepId, ResourceName>,
}

impl Plan {
    /// What it gives back.
    pub fn results(&self) -> Results {
        let reads = self.steps.iter().filter(|step| step.action == Action::Read);
        Results {
            outputs: self.outputs.clone(),
            lookups: self.lookups.clone(),
            reads: reads.map(|step| (step.id.clone(), step.resource.clone())).collect(),
        }
    }
}
