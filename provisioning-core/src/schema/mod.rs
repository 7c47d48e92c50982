//! The schema of a kind: what each field is, who sets it, what changing it does, and what undoing costs.
//!
//! A schema is data. It stands in one TOML file beside its kind, and everything else that describes the kind
//! (contracts, checks, documentation) is derived from it. Diffing under a schema is in [`resource`](crate::resource).

mod check;
mod field;
mod persist;
mod sealer;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use field::{Change, Field, FieldType, Keep, Presence};
pub(crate) use persist::hide_written;
pub use sealer::{Seal, Sealer};

use crate::error::{Error, Result};
use crate::name::Kind;

/// What a kind of resource or a task service is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The name of the kind.
    pub kind: Kind,
    /// One sentence for people.
    pub summary: String,
    /// What stands behind the state of one.
    #[serde(default)]
    pub existence: Existence,
    /// How an object is found again that a call made whose answer was lost.
    #[serde(default)]
    pub tokens: Tokens,
    /// How long a new object may take to show in a search by token.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settle_seconds: u32,
    /// The fields, by name.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
    /// What undoing each effect costs.
    #[serde(default)]
    pub undo: UndoTable,
}

/// What stands behind the state of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existence {
    /// An object that the provider makes, reads and deletes.
    #[default]
    Managed,
    /// Something that is there anyway: it is read, and deleting it leaves it as it is.
    Existing,
    /// Nothing: the state is the object, and there is nothing to read.
    Stored,
}

/// How an object is found again that a call made whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// The provider itself makes one object per token, however often it is asked: the call is repeated.
    Native,
    /// An object bears its token and can be searched for by it.
    #[default]
    Lookup,
    /// Nothing tells: a person has to look.
    None,
}

/// What undoing each effect of a kind costs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UndoTable {
    /// Undoing a create.
    pub create: Undo,
    /// Undoing an update.
    pub update: Undo,
    /// Undoing a delete.
    pub delete: Undo,
}

/// How well one effect can be undone, and why not better.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The class.
    pub class: UndoClass,
    /// Why it is not reversible; empty where it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How well an effect can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoClass {
    /// The inverse restores what was.
    #[default]
    Reversible,
    /// The inverse restores the object but not its data or its identity.
    Lossy,
    /// There is no inverse.
    Irreversible,
}

impl Schema {
    /// A schema without fields.
    pub fn bare(kind: Kind, summary: impl Into<String>) -> Self {
        Self {
            kind,
            summary: summary.into(),
            existence: Existence::default(),
            tokens: Tokens::default(),
            settle_seconds: 0,
            fields: BTreeMap::new(),
            undo: UndoTable::default(),
        }
    }

    /// How long a new object may take to show in a search by token.
    pub fn settle_time(&self) -> Duration {
        Duration::from_secs(self.settle_seconds.into())
    }

    /// Reads a schema from its TOML file.
    ///
    /// # Errors
    /// `Bug` when the file is not a schema: it ships with the kind.
    pub fn parse(toml: &str) -> Result<Self> {
        toml::from_str(toml).map_err(|error| Error::bug(format!("a schema does not parse: {error}")))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}
