//! The durable facts of a run: what the journal is made of.
//!
//! A record says what happened, never what to do. What a sequence of them means is in [`journal`](crate::journal).

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::error::Failure;
use crate::name::{RunId, StepId};
use crate::value::Value;

/// One fact of one run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// The run.
    pub run: RunId,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened: to the run, or to one of its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The run began to carry out a plan.
    RunStarted {
        /// The hash of the plan.
        plan: Digest,
        /// What the run was asked to do: `apply`, `destroy`, `refresh`, `forget`, `rollback`.
        command: String,
        /// The run that it takes back, for a rollback.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        undoes: Option<RunId>,
    },
    /// Another process took the run up again.
    RunResumed {
        /// Who, as `user@host pid 123`.
        by: String,
    },
    /// The run ended, or stopped where it can be resumed.
    RunFinished {
        /// How.
        outcome: Outcome,
    },
    /// Everything that a checkpoint of the plan names has been done: a rollback can stop here.
    Checkpoint {
        /// Its name.
        name: String,
    },
    /// Something happened to a step.
    Step {
        /// The step.
        id: StepId,
        /// What happened to it.
        #[serde(flatten)]
        fact: StepFact,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step succeeded.
    Completed,
    /// A step failed; what does not depend on it may have been done. It can be resumed.
    Failed,
    /// Somebody asked it to stop. It can be resumed.
    Cancelled,
    /// A newer run took its place; it cannot be resumed.
    Superseded,
}

/// What happened to a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepFact {
    /// The provider is about to be called.
    Started {
        /// The attempt, from 1; it grows only after a definite failure.
        attempt: u32,
        /// The resolved inputs, in the form that may be kept.
        inputs: Value,
    },
    /// The object exists under this external identity.
    Identified {
        /// The identity.
        object: String,
    },
    /// The provider waits for the object.
    Waiting {
        /// What it waits for, in the provider's own words.
        phase: String,
    },
    /// The effect stands.
    Succeeded {
        /// What is there now; `None` when nothing is left.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        object: Option<Object>,
    },
    /// The attempt failed and had no effect beyond what was recorded.
    Failed {
        /// Why.
        failure: Failure,
        /// When the next attempt may begin; `None` when there is none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        retry_after: Option<Duration>,
        /// Whether a part of the effect may stand: the row is marked inconsistent then, until it is repaired.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        partial: bool,
    },
    /// It was not begun, because a step that it needs did not succeed.
    Skipped {
        /// The step that failed.
        because: StepId,
    },
    /// Whether the effect happened cannot be told.
    InDoubt {
        /// What is known.
        reason: String,
    },
    /// Somebody decided to go on without it: what needs it may begin, and its row is marked inconsistent.
    Waived {
        /// Why.
        reason: String,
    },
    /// An object that an attempt made has come to light, after another process had taken the run over.
    Surfaced {
        /// Its external identity.
        object: String,
    },
}

impl StepFact {
    /// The word for people.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Identified { .. } => "identified",
            Self::Waiting { .. } => "waiting",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::InDoubt { .. } => "in doubt",
            Self::Waived { .. } => "waived",
            Self::Surfaced { .. } => "surfaced",
        }
    }
}

/// An object as a provider reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its external identity.
    pub id: String,
    /// Its fields, computed ones included.
    pub outputs: Value,
}

impl Object {
    /// An object of which nothing but its identity is known.
    pub fn bare(id: &str) -> Self {
        Self { id: id.to_owned(), outputs: Value::map([("id", Value::from(id))]) }
    }

    /// Whether nothing but its identity is known.
    pub fn is_bare(&self) -> bool {
        self.outputs.as_map().is_some_and(|outputs| outputs.keys().all(|field| field.as_ref() == "id"))
    }
}

/// A record with its place in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The place, from 1, without gaps, over all runs of the workspace.
    pub seq: u64,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// The hash of the entry before and of this one.
    pub hash: Digest,
}

/// The form of every record: the fact beside what all have. Writing one so makes a copy of it first.
#[derive(Serialize)]
struct Plain<'a> {
    run: &'a RunId,
    at: Timestamp,
    #[serde(flatten)]
    fact: &'a Fact,
}

/// The same of a step, for the facts that every step has.
#[derive(Serialize)]
struct OfStep<'a, F> {
    run: &'a RunId,
    at: Timestamp,
    step: F,
}

#[derive(Serialize)]
struct Started<'a> {
    id: &'a StepId,
    started: Attempt<'a>,
}

#[derive(Serialize)]
struct Attempt<'a> {
    attempt: u32,
    inputs: &'a Value,
}

#[derive(Serialize)]
struct Succeeded<'a> {
    id: &'a StepId,
    succeeded: Effect<'a>,
}

#[derive(Serialize)]
struct Effect<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a Object>,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { run, at, fact } = self;
        match fact {
            Fact::Step { id, fact: StepFact::Started { attempt, inputs } } => {
                let step = Started { id, started: Attempt { attempt: *attempt, inputs } };
                OfStep { run, at: *at, step }.serialize(serializer)
            }
            Fact::Step { id, fact: StepFact::Succeeded { object } } => {
                let step = Succeeded { id, succeeded: Effect { object: object.as_ref() } };
                OfStep { run, at: *at, step }.serialize(serializer)
            }
            fact => Plain { run, at: *at, fact }.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_without_a_copy_reads_the_same() {
        let object = Object { id: "srv-1".into(), outputs: Value::map([("id", Value::from("srv-1"))]) };
        let facts = [
            StepFact::Started { attempt: 2, inputs: Value::map([("size", Value::from(1))]) },
            StepFact::Succeeded { object: Some(object) },
            StepFact::Succeeded { object: None },
        ];
        for fact in facts {
            let (run, id) = (RunId::parse("20261122-051522-3fa9").expect("a run"), StepId::parse("web/create").expect("a step"));
            let record = Record { run, at: Timestamp::from_millis(7), fact: Fact::Step { id, fact } };
            let plain = Plain { run: &record.run, at: record.at, fact: &record.fact };
            let (written, plain) = (serde_json::to_string(&record), serde_json::to_string(&plain));
            assert_eq!(written.expect("written"), plain.expect("written"));
        }
    }
}
