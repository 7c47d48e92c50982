//! `rollback`: takes back what a run did.

use super::run::carry_out;
use crate::args::RollbackArguments;
use crate::console::{Console, confirm, print};
use crate::exit::{DONE, Problem};
use crate::render;
use crate::render::progress::Progress;
use crate::workspace::{self, Start};

pub(super) async fn run(console: Console, start: &Start, arguments: RollbackArguments) -> Result<u8, Problem> {
    let RollbackArguments { run, preview, yes, pace } = arguments;
    if !yes && !preview {
        console.can_ask("rollback")?;
    }
    let progress = Progress::new(console);
    let session = workspace::stored(start, &pace, progress.observer())?;
    let plan = session.engine.plan_rollback(run.as_ref()).await;
    progress.clear();
    let plan = plan?;
    let given = session.engine.outputs().await?;
    if preview {
        console.show(&plan, || render::plan::plan(&plan, &given))?;
        return Ok(DONE);
    }
    if !console.is_json() {
        print(&render::plan::plan(&plan, &given))?;
    }
    if !yes && !plan.is_empty() {
        confirm("Take all of this back?")?;
    }
    carry_out(console, &session, &progress, &plan).await
}
