//! One round at one level: one server, then many, each in a workspace of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use provisioning_core::host::Command;
use provisioning_providers::local::Keeper;

use crate::fleet::Fleet;
use crate::memory::{Memory, memory};
use crate::{Result, median};

/// How often a command is run in a server.
const COMMANDS: usize = 50;

/// What a round measured, or the medians of some.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// From a plan to one page.
    pub(crate) one: Duration,
    /// From a plan to many pages.
    pub(crate) many: Duration,
    /// Until one server is destroyed.
    pub(crate) gone: Duration,
    /// Until many are.
    pub(crate) all_gone: Duration,
    /// A command in a server, from the call to its output.
    pub(crate) command: Duration,
    /// What the keeper of a server takes, while there are many.
    pub(crate) keeper: Memory,
    /// What its web server takes.
    pub(crate) web: Memory,
}

impl Measured {
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |time: fn(&Self) -> Duration| median(all.iter().map(time));
        let size = |memory: fn(&Self) -> Memory| median(all.iter().map(memory));
        Self {
            one: of(|round| round.one),
            many: of(|round| round.many),
            gone: of(|round| round.gone),
            all_gone: of(|round| round.all_gone),
            command: of(|round| round.command),
            keeper: size(|round| round.keeper),
            web: size(|round| round.web),
        }
    }
}

/// What is seen while servers stand.
type Seen = (Duration, Memory, Memory);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn round(folder: &Path, keeper: &Keeper, level: &str, count: usize) -> Result<Measured> {
    let (one, gone, (command, ..)) = life(&folder.join("one"), keeper, level, 1).await?;
    let (many, all_gone, (_, keeper, web)) = life(&folder.join("many"), keeper, level, count).await?;
    Ok(Measured { one, many, gone, all_gone, command, keeper, web })
}

async fn life(folder: &Path, keeper: &Keeper, level: &str, count: usize) -> Result<(Duration, Duration, Seen)> {
    std::fs::create_dir(folder)?;
    let fleet = Fleet::new(folder, keeper, level, count)?;
    let begun = Instant::now();
    let made = fleet.make().await;
    let standing = begun.elapsed();
    let seen = match made {
        Ok(()) => look(&fleet, folder).await,
        Err(error) => Err(error),
    };
    // Whatever went wrong before, no server stays.
    let begun = Instant::now();
    fleet.destroy().await?;
    Ok((standing, begun.elapsed(), seen?))
}

async fn look(fleet: &Fleet, folder: &Path) -> Result<Seen> {
    let (keeper, web) = memory(folder)?;
    let host = fleet.engine.host("server_0").await?;
    let nothing = Command { arguments: vec!["true".to_owned()], ..Command::default() };
    let mut times = Vec::new();
    for _ in 0..COMMANDS {
        let begun = Instant::now();
        let output = host.run(&nothing).await?;
        times.push(begun.elapsed());
        if output.code != 0 {
            return Err(format!("`true` ended with {}", output.code).into());
        }
    }
    Ok((median(times), keeper, web))
}
