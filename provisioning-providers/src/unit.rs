//! Programs that are kept running: the fields that declare one, how it does, and the words for what is wrong with it.
//!
//! Shared by everything that declares a [`Unit`]. Which supervisor keeps it is the caller's to know.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Health, Log, Probe, Restart, Stop, Supervisor, Unit, UnitState, UnitStatus};
use provisioning_core::schema::Schema;
use serde::Deserialize;

/// The signals that a program may be stopped with.
const SIGNALS: [&str; 7] = ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"];
/// How often a program may be started again before it counts as one that does not run.
const MAX_RESTARTS: u32 = 2;
/// How much of a log is read to show its end, in bytes.
const SHOWN_BYTES: u64 = 4096;
/// How many of the last lines of a log a failure shows.
const SHOWN_LINES: usize = 3;

/// The fields that declare a program, as a schema gives them: defaults are filled in.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct UnitFields {
    command: Vec<String>,
    #[serde(default)]
    directory: String,
    environment: BTreeMap<String, String>,
    restart: Restart,
    health: Option<HealthFields>,
    stop_signal: String,
    stop_timeout_seconds: f64,
    log_max_bytes: u64,
    log_files: u32,
}

#[derive(Debug, Clone, Deserialize)]
struct HealthFields {
    http: Option<String>,
    tcp: Option<String>,
    command: Option<Vec<String>>,
    interval_seconds: f64,
    timeout_seconds: f64,
    failures: u32,
    start_seconds: f64,
}

/// A schema in TOML, and with it the fields that declare a program.
pub(crate) fn schema_of(toml: &str) -> Schema {
    let parse = |toml| Schema::parse(toml).expect("the shipped schema parses");
    parse(&format!("{toml}\n{}", include_str!("unit.toml")))
}

impl UnitFields {
    /// The unit that they declare.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub(crate) fn unit(&self) -> Result<Unit> {
        demand(self.command.first().is_some_and(|program| !program.is_empty()), || "`command` names no program".into())?;
        demand(SIGNALS.contains(&self.stop_signal.as_str()), || {
            format!("`{}` is no `stop_signal`: expected one of {}", self.stop_signal, SIGNALS.join(", "))
        })?;
        positive("stop_timeout_seconds", self.stop_timeout_seconds)?;
        demand(self.log_max_bytes > 0, || "`log_max_bytes` is 0".into())?;
        demand(self.log_files > 0, || "`log_files` is 0".into())?;
        Ok(Unit {
            arguments: self.command.clone(),
            directory: self.directory.clone(),
            environment: self.environment.clone(),
            restart: self.restart,
            health: self.health.as_ref().map(HealthFields::health).transpose()?,
            stop: Stop { signal: self.stop_signal.clone(), timeout_seconds: self.stop_timeout_seconds },
            log: Log { max_bytes: self.log_max_bytes, files: self.log_files },
        })
    }
}

impl HealthFields {
    fn health(&self) -> Result<Health> {
        positive("health.interval_seconds", self.interval_seconds)?;
        positive("health.timeout_seconds", self.timeout_seconds)?;
        positive("health.start_seconds", self.start_seconds)?;
        demand(self.failures > 0, || "`health.failures` is 0".into())?;
        Ok(Health {
            probe: self.probe()?,
            interval_seconds: self.interval_seconds,
            timeout_seconds: self.timeout_seconds,
            failures: self.failures,
            start_seconds: self.start_seconds,
        })
    }

    fn probe(&self) -> Result<Probe> {
        match (&self.http, &self.tcp, &self.command) {
            (Some(url), None, None) => {
                demand(url.starts_with("http://"), || format!("`health.http` is `{url}`: expected `http://ADDRESS:PORT/PATH`"))?;
                Ok(Probe::Http(url.clone()))
            }
            (None, Some(address), None) => {
                let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                demand(port.is_some(), || format!("`health.tcp` is `{address}`: expected `ADDRESS:PORT`"))?;
                Ok(Probe::Tcp(address.clone()))
            }
            (None, None, Some(command)) => {
                demand(!command.is_empty(), || "`health.command` names no program".into())?;
                Ok(Probe::Command(command.clone()))
            }
            _ => {
                Err(Error::invalid("`health` asks not exactly one question").with_hint("give one of `http`, `tcp` and `command`"))
            }
        }
    }
}

fn demand(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::invalid(message())) }
}

fn positive(field: &str, seconds: f64) -> Result<()> {
    demand(seconds.is_finite() && seconds > 0.0, || format!("`{field}` is {seconds}: expected more than 0 and an end"))
}

/// How a program does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Course {
    /// It runs and works, or ended as it should.
    Works,
    /// It is not known yet.
    Begins,
    /// It does not run, for this reason.
    Fails(String),
}

/// How a program does; one that failed may be started again a few times before it counts as failing.
pub(crate) fn course(status: &UnitStatus) -> Course {
    match &status.state {
        UnitState::Running | UnitState::Ended => Course::Works,
        UnitState::Starting => Course::Begins,
        UnitState::Waiting(_) if status.restarts < MAX_RESTARTS => Course::Begins,
        UnitState::Waiting(why) | UnitState::Failed(why) => Course::Fails(why.clone()),
    }
}

/// The error for a program that does not run, with the end of its log.
pub(crate) async fn failed(what: &str, why: &str, supervisor: &dyn Supervisor, unit: &str) -> Error {
    // Why it fails is known without its log.
    let log = supervisor.log(unit, SHOWN_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join(" / ");
    stopped(what, &if last.is_empty() { why.to_owned() } else { format!("{why}: {last}") })
}

/// The error for a program that does not run and whose log must not be seen.
pub(crate) fn failed_in_secret(what: &str, why: &str) -> Error {
    stopped(what, &format!("{why}: what it wrote is not shown, because an input is secret"))
}

fn stopped(what: &str, how: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what} does not run: {how}")).with_hint("its log tells more")
}
