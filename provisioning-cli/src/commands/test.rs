//! `test`: tries out what is declared, on fakes.

use std::thread;

use provisioning_core::config::Workspace;
use provisioning_core::error::{Error, Result};
use provisioning_core::registry::Registry;
use provisioning_core::testing::{self, Chaos};

use crate::console::Console;
use crate::exit::{DONE, FINDINGS, Problem};
use crate::render;
use crate::workspace::{self, Start};

pub(super) fn chaos(console: Console, start: &Start) -> Result<u8, Problem> {
    let (registry, workspace) = workspace::written(start)?;
    console.say("Trying it out on fakes of its providers: nothing real is called, and nothing is kept.\n");
    let tried = thread::scope(|scope| {
        let tried = scope.spawn(|| in_no_time(&registry, &workspace)).join();
        tried.unwrap_or_else(|_| Err(Error::bug("trying the workspace out broke off")))
    })?;
    console.show(&tried, || render::chaos::chaos(&tried))?;
    Ok(if tried.findings.is_empty() { DONE } else { FINDINGS })
}

/// On a runtime of its own, whose clock moves on by itself when nothing is left to do but wait.
fn in_no_time(registry: &Registry, workspace: &Workspace) -> Result<Chaos> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| Error::bug("the system gives no event queue").with_source(error))?;
    runtime.block_on(testing::chaos(&workspace.desired, registry, &workspace.location.settings))
}
