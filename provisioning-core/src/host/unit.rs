//! A unit: a program that a host keeps running, and the contract of what keeps it so.
//!
//! Whoever keeps units decides alone when one is started again; who declares them only reads how they are.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A program that a host keeps running.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// The directory it runs in; the host's own directory when empty.
    #[serde(default)]
    pub directory: String,
    /// Variables added to its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// When it is started again after it ended.
    pub restart: Restart,
    /// How it is asked whether it works; a unit without a probe works while it runs.
    #[serde(default)]
    pub health: Option<Health>,
    /// How it is stopped.
    pub stop: Stop,
    /// What is kept of what it writes.
    pub log: Log,
}

/// When a program is started again after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Whatever it ended with.
    Always,
    /// When it ended with another code than 0, by a signal, or by failing its health check.
    OnFailure,
    /// Never.
    Never,
}

/// How a program is asked whether it works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The question.
    #[serde(flatten)]
    pub probe: Probe,
    /// The time between two questions.
    pub interval_seconds: f64,
    /// How long an answer may take.
    pub timeout_seconds: f64,
    /// How many answers in a row have to be bad for the program to count as failed.
    pub failures: u32,
    /// How long the first good answer may take, from the start of the program.
    pub start_seconds: f64,
}

/// A question whose answer says whether a program works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// `http://ADDRESS:PORT/PATH` answers a GET with a status from 200 to 399.
    Http(String),
    /// `ADDRESS:PORT` takes a connection.
    Tcp(String),
    /// A program ends with 0.
    Command(Vec<String>),
}

/// How a program is stopped: a signal to its process group, then time, then a kill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// The signal, without its `SIG`: `TERM`, `INT`, `QUIT`, `HUP`, `USR1`, `USR2` or `KILL`.
    pub signal: String,
    /// How long it may take to end.
    pub timeout_seconds: f64,
}

/// What is kept of what a program writes: a file and its predecessors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// The size at which a file is put aside and a new one is begun.
    pub max_bytes: u64,
    /// How many files are kept in all.
    pub files: u32,
}

/// How a unit is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// What it was declared as.
    pub unit: Unit,
    /// Its state.
    pub state: UnitState,
    /// The number of its process, as the host itself counts; none while it does not run.
    pub process: Option<u32>,
    /// How often it was started again since it was declared or the host started.
    pub restarts: u32,
}

/// The state of a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitState {
    /// It runs and has not yet passed its health check.
    Starting,
    /// It runs, and works as far as anybody asked.
    Running,
    /// It failed as the text says and will be started again.
    Waiting(String),
    /// It ended with 0 and stays so.
    Ended,
    /// It failed as the text says and stays so.
    Failed(String),
}

/// What keeps units running on a host.
///
/// - A unit stays until it is removed: it outlives this process, and is started with the host.
/// - `put` of the unit that is there changes nothing; of another one under the same name it stops that and starts anew.
/// - `put` returns before the unit works; its status says whether it does.
/// - `remove` returns when no process of the unit is left; what is not there is a success.
#[async_trait]
pub trait Supervisor: Send + Sync {
    /// Starts a unit, or another one in its place.
    async fn put(&self, name: &str, unit: &Unit) -> Result<()>;

    /// How every unit is, by name.
    async fn units(&self) -> Result<BTreeMap<String, UnitStatus>>;

    /// Stops a unit and forgets it.
    async fn remove(&self, name: &str) -> Result<()>;

    /// The last bytes that a unit wrote, at most so many, from the beginning of a line; empty when it wrote nothing.
    async fn log(&self, name: &str, max_bytes: u64) -> Result<Vec<u8>>;
}
