//! What happens to one resource, as a person reads it.

use serde::{Deserialize, Serialize};

use crate::error::Origin;
use crate::name::{Kind, ResourceName};
use crate::resource::{FieldChange, Role};
use crate::schema::Undo;

/// What happens to one resource, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// The resource.
    pub name: ResourceName,
    /// Its kind.
    pub kind: Kind,
    /// What it is to the engine.
    pub role: Role,
    /// What happens.
    pub change: ChangeKind,
    /// Why, where it is not the declaration alone: `tainted`, `gone`, `asked for with --replace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The fields that change; all that are set for a create.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// What undoing it costs.
    pub undo: Undo,
    /// Where it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted, then made again.
    Replace,
    /// It is made again, then the old one is deleted.
    ReplaceBefore,
    /// It is removed.
    Delete,
    /// It is read when its query is known.
    Read,
    /// The state takes in what changed outside.
    Refresh,
    /// The state drops it.
    Forget,
    /// The object that was replaced is the present one again.
    Reinstate,
    /// The state gives it another name.
    Rename,
}

impl ChangeKind {
    /// The word for people and for counts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace | Self::ReplaceBefore => "replace",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Refresh => "refresh",
            Self::Forget => "forget",
            Self::Reinstate => "reinstate",
            Self::Rename => "rename",
        }
    }
}
