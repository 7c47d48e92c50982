//! The status of a step, and the one function that moves it.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::record::StepFact;

/// Where a step stands, by its last record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Status {
    /// No record yet.
    #[default]
    Pending,
    /// The provider was, or was about to be, called.
    Started {
        /// The attempt.
        attempt: u32,
    },
    /// The object exists and is not known to be finished.
    Identified {
        /// The attempt.
        attempt: u32,
        /// Its external identity.
        object: String,
    },
    /// The provider waits.
    Waiting {
        /// The attempt.
        attempt: u32,
        /// Its external identity, where it was reported.
        object: Option<String>,
        /// What it waits for.
        phase: String,
    },
    /// The effect stands.
    Succeeded,
    /// The last attempt failed.
    Failed {
        /// The attempt.
        attempt: u32,
        /// The external identity, where an object was left.
        object: Option<String>,
    },
    /// It was not begun, because a step it needs failed.
    Skipped,
    /// Somebody decided to go on without it.
    Waived,
    /// Whether the effect happened cannot be told.
    InDoubt {
        /// The attempt.
        attempt: u32,
        /// The external identity, where it was reported.
        object: Option<String>,
    },
}

impl Status {
    /// The status after one more record.
    ///
    /// # Errors
    /// `Corrupt` for a record that cannot follow: the journal was not written by this engine.
    pub fn next(&self, fact: &StepFact) -> Result<Self> {
        let illegal =
            || Err(Error::new(ErrorKind::Corrupt, format!("a step that is {self:?} cannot be recorded as {}", fact.word())));
        Ok(match (self, fact) {
            (Self::Pending | Self::Skipped, StepFact::Started { attempt: 1, .. }) => Self::Started { attempt: 1 },
            (Self::Pending | Self::Skipped, StepFact::Skipped { .. }) => Self::Skipped,
            (Self::Failed { attempt: last, object: None }, StepFact::Started { attempt, .. }) if *attempt == last + 1 => {
                Self::Started { attempt: *attempt }
            }
            (Self::Failed { attempt: last, object: Some(object) }, StepFact::Started { attempt, .. }) if *attempt == last + 1 => {
                Self::Identified { attempt: *attempt, object: object.clone() }
            }
            (Self::Failed { .. } | Self::InDoubt { .. } | Self::Waived, StepFact::Waived { .. }) => Self::Waived,
            (_, StepFact::Surfaced { .. }) => self.clone(),
            _ => match (self.open(), fact) {
                (Some((attempt, _)), StepFact::Identified { object }) => Self::Identified { attempt, object: object.clone() },
                (Some((attempt, object)), StepFact::Waiting { phase }) => {
                    Self::Waiting { attempt, object: object.map(str::to_owned), phase: phase.clone() }
                }
                (Some(_), StepFact::Succeeded { .. }) => Self::Succeeded,
                (Some((attempt, object)), StepFact::Failed { .. }) => Self::Failed { attempt, object: object.map(str::to_owned) },
                (Some((attempt, object)), StepFact::InDoubt { .. }) => {
                    Self::InDoubt { attempt, object: object.map(str::to_owned) }
                }
                _ => return illegal(),
            },
        })
    }

    /// The attempt and the object of a step that was begun and has not ended: its effect may exist.
    pub fn open(&self) -> Option<(u32, Option<&str>)> {
        match self {
            Self::Started { attempt } => Some((*attempt, None)),
            Self::Identified { attempt, object } => Some((*attempt, Some(object))),
            Self::Waiting { attempt, object, .. } | Self::InDoubt { attempt, object } => Some((*attempt, object.as_deref())),
            Self::Pending | Self::Succeeded | Self::Failed { .. } | Self::Skipped | Self::Waived => None,
        }
    }

    /// The word for people and for counts.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Started { .. } => "started",
            Self::Identified { .. } => "identified",
            Self::Waiting { .. } => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Skipped => "skipped",
            Self::Waived => "waived",
            Self::InDoubt { .. } => "in doubt",
        }
    }
}
