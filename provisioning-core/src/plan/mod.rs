//! The plan as data: what a run will do, in steps, and what a person reads before it.
//!
//! A plan is made by [`planner`](crate::planner) and carried out by [`executor`](crate::executor), which cannot make
//! one. It holds everything a run needs: applying it reads no configuration.

mod change;
mod results;
#[cfg(test)]
pub(crate) mod sample;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use change::{ChangeKind, ResourceChange};
pub use results::Results;

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Kind, ProviderName, ResourceName, RunId, StepId, WorkspaceId};
use crate::record::Object;
use crate::resource::{Lifecycle, Output, ProviderSettings, RetryPolicy, Role};
use crate::schema::{Undo, UndoClass};
use crate::value::Value;

/// The version of the plan format that this crate writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the format.
    pub format: u32,
    /// The workspace it was made in, and the only one it can be applied in.
    pub workspace: WorkspaceId,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was asked for.
    pub command: Command,
    /// The run that it takes back, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunId>,
    /// What changes, resource by resource, for people; unchanged resources are only counted.
    pub changes: Arc<Vec<ResourceChange>>,
    /// How many resources stay as they are.
    pub unchanged: usize,
    /// How many of them had to be compared field by field, and of those that change; the others are declared as they were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub compared: usize,
    /// What is done, step by step, every step after those it depends on.
    pub steps: Arc<Vec<Step>>,
    /// The providers that the steps use.
    pub providers: BTreeMap<ProviderName, ProviderSettings>,
    /// What the lookups answered.
    pub lookups: BTreeMap<ResourceName, Value>,
    /// What the workspace will give back.
    pub outputs: BTreeMap<String, Output>,
    /// The outputs whose definition is not the one that was last applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_outputs: Vec<String>,
    /// The steps after which each checkpoint is reached.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checkpoints: BTreeMap<String, Vec<StepId>>,
    /// Digests, under the workspace's key, of the secrets that it was made with, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Digest>,
    /// The version of every state row that the plan touches or reads; 0 for a row that is not there.
    pub basis: BTreeMap<ResourceName, u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What a run was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Make the world as declared.
    Apply,
    /// Remove everything.
    Destroy,
    /// Take into the state what changed outside.
    Refresh,
    /// Drop resources from the state and leave the objects alone.
    Forget,
    /// Make the world and the state as they were before a run.
    Rollback,
}

impl Command {
    /// Whether it changes the world, and not only what is known of it.
    pub(crate) fn acts(self) -> bool {
        matches!(self, Self::Apply | Self::Destroy | Self::Rollback)
    }

    /// Whether a word of the journal is that of a command that changes the world.
    pub(crate) fn is_acting(word: &str) -> bool {
        let commands = [Self::Apply, Self::Destroy, Self::Refresh, Self::Forget, Self::Rollback];
        commands.iter().any(|command| command.acts() && command.as_str() == word)
    }

    /// The word for people and for the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Destroy => "destroy",
            Self::Refresh => "refresh",
            Self::Forget => "forget",
            Self::Rollback => "rollback",
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// What is done.
    pub action: Action,
    /// To what.
    pub resource: ResourceName,
    /// Of which kind.
    pub kind: Kind,
    /// By whom.
    pub role: Role,
    /// The fields as written; references are resolved when the step starts.
    pub inputs: Value,
    /// The object as it is: what is changed or deleted; for a create, the object that the new one replaces and that is
    /// deleted after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Object>,
    /// Steps that must have succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<StepId>,
    /// Steps that must have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
    /// The resources it depends on, for the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceName>,
    /// How the resource may change, for the state.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// How often and how soon it is repeated.
    pub retry: RetryPolicy,
    /// How long one call may take.
    pub timeout_seconds: f64,
    /// What undoing it costs.
    pub undo: Undo,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make an object.
    Create,
    /// Change it in place.
    Update,
    /// Remove it.
    Delete,
    /// Bring a service into its wanted condition.
    ApplyService,
    /// Take a service away.
    RemoveService,
    /// Read a lookup whose query is known only now.
    Read,
    /// Take an object's present condition into the state.
    Refresh,
    /// Drop it from the state.
    Forget,
    /// Make an object that was replaced, and is there still, the present one again: the step's prior object.
    Reinstate {
        /// The fields that it was made with, as they were resolved.
        inputs: Value,
    },
    /// Give the state row another name.
    Rename {
        /// The name it had.
        from: ResourceName,
    },
}

impl Action {
    /// The verb in a step's name.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::ApplyService => "apply",
            Self::RemoveService => "remove",
            Self::Read => "read",
            Self::Refresh => "refresh",
            Self::Forget => "forget",
            Self::Reinstate { .. } => "reinstate",
            Self::Rename { .. } => "rename",
        }
    }
}

impl Step {
    /// The name of the row that the step finds: for a rename, the one it had.
    pub fn row(&self) -> &ResourceName {
        match &self.action {
            Action::Rename { from } => from,
            _ => &self.resource,
        }
    }
}

impl Plan {
    /// The hash of what the plan does: how it was made, when and from what text, does not count.
    pub fn hash(&self) -> Digest {
        let mut plain = self.clone();
        plain.created_at = Timestamp::from_millis(0);
        plain.compared = 0;
        for change in Arc::make_mut(&mut plain.changes) {
            change.origin = None;
            change.fields.iter_mut().for_each(|field| field.origin = None);
        }
        Digest::of_json(&plain).expect("a plan serialises: its secrets were refused")
    }

    /// The steps whose undo would cost more than a class says.
    pub fn costlier_than(&self, class: UndoClass) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.undo.class > class)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.changed_outputs.is_empty()
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// `Unsupported` for a newer format, `Corrupt` for anything that is not a plan.
    pub fn parse(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let corrupt = |error: serde_json::Error| {
            Error::new(ErrorKind::Corrupt, format!("this is not a plan: {error}"))
                .with_hint("make one with `provisioning plan --out FILE`")
        };
        // What a newer format holds besides its number cannot be known.
        let parsed = serde_json::from_slice::<Self>(json);
        let format = parsed.as_ref().map_or_else(|_| serde_json::from_slice(json), |plan| Ok(Header { format: plan.format }));
        match format {
            Ok(Header { format }) if format > FORMAT => {
                let message = format!("the plan has format {format}, this version reads up to {FORMAT}");
                Err(Error::new(ErrorKind::Unsupported, message).with_hint("use the version that made it, or plan again"))
            }
            _ => parsed.map_err(corrupt),
        }
    }
}
