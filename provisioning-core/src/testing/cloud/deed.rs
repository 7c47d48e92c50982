//! The calls to the cloud as data, for what is sent to a cloud in another process and for what that one keeps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, Moment, Thing, ThingSpec};
use crate::error::Result;
use crate::provider::{Found, Reply};

/// A call. Names are there for its description alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verb")]
pub(super) enum Deed {
    Create { token: String, spec: ThingSpec },
    Poll { id: String, name: String },
    Update { id: String, spec: ThingSpec },
    Delete { id: String, name: String },
    Read { ids: Vec<String> },
    Find { token: String, name: String },
}

/// What comes of a call that is not refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Made(String),
    Ready(Box<Thing>),
    Waits { after: Duration, phase: String },
    Gone,
    Read(Vec<Option<Thing>>),
    Found(Option<Box<Thing>>),
    FoundMany(String),
}

impl Deed {
    /// Its description, such as `create web`.
    pub(super) fn call(&self) -> String {
        match self {
            Self::Create { spec, .. } => format!("create {}", spec.name),
            Self::Poll { name, .. } => format!("poll {name}"),
            Self::Update { spec, .. } => format!("update {}", spec.name),
            Self::Delete { name, .. } => format!("delete {name}"),
            Self::Read { ids } => format!("read {}", ids.len()),
            Self::Find { name, .. } => format!("find {name}"),
        }
    }

    /// The name of the thing it is about.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Create { .. } | Self::Read { .. } => None,
            Self::Update { spec, .. } => Some(&spec.name),
            Self::Poll { name, .. } | Self::Delete { name, .. } | Self::Find { name, .. } => Some(name),
        }
    }

    /// Whether a caller that hears nothing has to find out what came of it.
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Update { .. } | Self::Delete { .. })
    }

    pub(super) fn perform(&self, ledger: &mut Ledger, when: Moment) -> Result<Answer> {
        let ready = |reply| match reply {
            Reply::Done(thing) => Answer::Ready(Box::new(thing)),
            Reply::Wait { after, phase } => Answer::Waits { after, phase },
        };
        Ok(match self {
            Self::Create { token, spec } => Answer::Made(ledger.create(token, spec, when)?),
            Self::Poll { id, .. } => ready(ledger.poll(id, when)?),
            Self::Update { id, spec } => ready(ledger.update(id, spec, when)?),
            Self::Delete { id, .. } => match ledger.delete(id, when) {
                Reply::Done(()) => Answer::Gone,
                Reply::Wait { after, phase } => Answer::Waits { after, phase },
            },
            Self::Read { ids } => Answer::Read(ids.iter().map(|id| ledger.read(id, when)).collect()),
            Self::Find { token, .. } => match ledger.find(token, when) {
                Found::None => Answer::Found(None),
                Found::One(thing) => Answer::Found(Some(Box::new(thing))),
                Found::Many(what) => Answer::FoundMany(what),
            },
        })
    }
}
