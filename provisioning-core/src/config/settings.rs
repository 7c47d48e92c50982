//! The settings of the engine. Their defaults stand in `defaults.toml` beside this file, and nowhere else.
//!
//! What keys there are and their types stand in `settings.schema.toml`; how layers merge is in `layers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layers::Layer;
use crate::error::{Error, Result};
use crate::resource::RetryPolicy;
use crate::value::Node;

/// The settings of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How many things may be done at once.
    pub limits: Limits,
    /// How often and how soon a failed call is repeated.
    pub retry: RetryPolicy,
    /// How long one call may take, in seconds.
    pub timeout_seconds: f64,
    /// How long a lease lasts when its holder does not renew it, in seconds.
    pub lease_seconds: f64,
    /// How many objects are read with one call when refreshing.
    pub refresh_page: usize,
    /// What a failed step does to the rest of the run.
    pub on_failure: OnFailure,
    /// The program, with its arguments, that is a shell on a host.
    pub shell: Vec<String>,
    /// How much the command shows where nothing is said.
    pub shown: Shown,
}

/// How much the command shows where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// How many runs.
    pub runs: usize,
    /// How many lines of the log of each program.
    pub log_lines: usize,
}

/// How many calls may run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// In a run.
    pub run: usize,
    /// To one provider, by alias; the run's limit where none is given.
    #[serde(default)]
    pub providers: BTreeMap<String, usize>,
    /// Of one kind; the run's limit where none is given.
    #[serde(default)]
    pub kinds: BTreeMap<String, usize>,
}

/// What a failed step does to the rest of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing new is begun; what runs is finished; the run can be resumed.
    Stop,
    /// Whatever does not need the failed step goes on.
    Continue,
    /// As with stop; then everything that the run did is taken back.
    Rollback,
}

impl Settings {
    /// The shipped defaults.
    pub fn shipped() -> Self {
        let defaults = Layer::shipped().values;
        Self::of(defaults.field("settings").unwrap_or(&defaults)).expect("the shipped defaults are complete")
    }

    /// The settings in a section of the configuration.
    ///
    /// # Errors
    /// `Invalid` where they are not complete.
    pub(super) fn of(section: &Node) -> Result<Self> {
        let settings = section.to_value().expose()?;
        serde_json::from_value(settings).map_err(|error| Error::invalid(format!("the settings do not fit: {error}")))
    }
}
