//! A unit that a service keeps on a host: how it compares with what is wanted, and bringing it there.

use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Host, Supervisor, Unit, UnitState, UnitStatus};
use provisioning_core::task::Condition;
use provisioning_core::value::Value;
use tokio::time::{Instant, sleep};

use crate::unit::{Course, course, failed, failed_in_secret};

/// The time before the first look at a unit with a health check; it doubles up to [`PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The time between two looks at a unit, and before the first: a program that cannot run ends within it, mostly.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a unit may take beyond what its health check allows: for stopping a former one, and for restarts.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// The unit of one service on one host.
pub(super) struct Kept<'a> {
    supervisor: &'a dyn Supervisor,
    name: &'a str,
    /// Whether what the program writes must not be seen.
    conceal: bool,
}

impl<'a> Kept<'a> {
    /// The unit of a name, made from inputs: where one of them is secret, so is what the program writes.
    ///
    /// # Errors
    /// `Unsupported` where the host keeps no programs running.
    pub(super) fn new(host: &'a dyn Host, name: &'a str, inputs: &Value) -> Result<Self> {
        let supervisor = host.supervisor().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, format!("the host of `{name}` keeps no programs running"))
                .with_hint("put it on a host that does, such as a server")
        })?;
        Ok(Self { supervisor, name, conceal: inputs.has_secret() })
    }

    /// How it is; `None` where it is not there.
    pub(super) async fn status(&self) -> Result<Option<UnitStatus>> {
        Ok(self.supervisor.units().await?.remove(self.name))
    }

    /// Starts it, or another one in its place, and waits until it works.
    pub(super) async fn keep(&self, unit: &Unit) -> Result<()> {
        // The same unit put again would be left as it is, failed or far down its list of restarts.
        if self.status().await?.is_some_and(|status| complaint(&status).is_some()) {
            self.supervisor.remove(self.name).await?;
        }
        self.supervisor.put(self.name, unit).await?;
        let start = unit.health.as_ref().map_or(0.0, |health| health.start_seconds);
        let seconds = [start, unit.stop.timeout_seconds].map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT));
        let end = Instant::now() + seconds.map(|time| time.min(MAX_WAIT)).iter().sum::<Duration>() + MARGIN;
        // A health check tells when it works; without one it is given the time in which it would end.
        let mut pause = if unit.health.is_some() { FIRST_PAUSE } else { PAUSE };
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
            let Some(status) = self.status().await? else { return Err(self.failure("it was removed").await) };
            match course(&status) {
                Course::Works => return Ok(()),
                Course::Begins if Instant::now() < end => {}
                Course::Begins => {
                    let why = complaint(&status).unwrap_or_else(|| "it did not begin to work in time".to_owned());
                    return Err(self.failure(&why).await);
                }
                Course::Fails(why) => return Err(self.failure(&why).await),
            }
        }
    }

    /// Stops it and forgets it.
    pub(super) async fn remove(&self) -> Result<()> {
        self.supervisor.remove(self.name).await
    }

    async fn failure(&self, why: &str) -> Error {
        let what = format!("program `{}`", self.name);
        if self.conceal { failed_in_secret(&what, why) } else { failed(&what, why, self.supervisor, self.name).await }
    }
}

/// What is wrong with a unit that does not run, in one line.
pub(super) fn complaint(status: &UnitStatus) -> Option<String> {
    match &status.state {
        UnitState::Waiting(why) | UnitState::Failed(why) => Some(why.clone()),
        UnitState::Starting | UnitState::Running | UnitState::Ended => None,
    }
}

/// What differs between a unit that is there and the one that is wanted, in one line.
pub(super) fn difference(found: &Unit, wanted: &Unit) -> Option<&'static str> {
    let parts = [
        (found.arguments == wanted.arguments, "its command changed"),
        (found.directory == wanted.directory, "its directory changed"),
        (found.environment == wanted.environment, "its environment changed"),
        (found.restart == wanted.restart, "when it is started again changed"),
        (found.health == wanted.health, "its health check changed"),
        (found.stop == wanted.stop, "how it is stopped changed"),
        (found.log == wanted.log, "what is kept of its log changed"),
    ];
    parts.into_iter().find(|(same, _)| !same).map(|(_, what)| what)
}

/// What a look at a unit that runs as declared says about whether it works.
pub(super) fn works(status: Option<&UnitStatus>, outputs: Value) -> Condition {
    match status {
        None => Condition::Absent,
        Some(status) => match (complaint(status), &status.state) {
            (Some(why), _) => Condition::Differs(why),
            (None, UnitState::Starting) => Condition::Differs("it has not passed its health check yet".to_owned()),
            (None, _) => Condition::InSync(outputs),
        },
    }
}
