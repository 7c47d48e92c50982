//! What a keeper is told when it is started, and what it answers: JSON each.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use provisioning_core::error::{Error, Failure, Result};
use serde::{Deserialize, Serialize};

use super::super::machine::{self, Place, Standing};

/// The file of an order.
const FILE: &str = "order.json";

/// What a keeper is told when it is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    /// The folder of the machine.
    pub(super) place: PathBuf,
    /// The command that starts a keeper.
    pub(super) words: Vec<String>,
    /// Whether it only has to try whether it can, and then ends.
    pub(super) trial: bool,
    /// What the machine should have and has not, as far as it is known.
    pub(super) limits: Vec<String>,
}

/// What it answers once it stands, or cannot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// It stands.
    Ready(Standing),
    /// It cannot stand.
    Refused(Failure),
}

impl Order {
    pub(super) fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| Error::bug("a keeper was given no order").with_source(error))
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::invalid("the path of the workspace is not UTF-8").with_source(error))
    }

    /// Writes it into the machine's folder, where the keeper stands when it begins.
    pub(super) fn put(&self, place: &Place) -> Result<()> {
        machine::write(&place.as_path().join(FILE), self)
    }

    /// Reads it there.
    pub(super) fn found() -> Result<Self> {
        machine::read(Path::new(FILE))?.ok_or_else(|| Error::bug("a keeper was given no order"))
    }
}

impl Answer {
    /// Says it to whoever started this keeper.
    pub(super) fn say(&self) {
        // Who started it may be gone by now, and will ask the next time.
        let _ = writeln!(std::io::stdout(), "{}", serde_json::json!(self));
    }
}
