//! `rollback`: takes back what a run did.

use provisioning_core::engine::Control;

use super::look;
use super::run::{carry_out, finish, watched};
use crate::args::{Pace, RollbackArguments};
use crate::console::{Console, confirm, print};
use crate::exit::{DONE, Problem};
use crate::render;
use crate::render::diff::WithTexts;
use crate::render::plan::View;
use crate::render::progress::Progress;
use crate::workspace::{self, Start};

pub(super) async fn run(console: Console, start: &Start, arguments: RollbackArguments) -> Result<u8, Problem> {
    let RollbackArguments { run, preview, to, goes_on, skip, reason, yes, pace } = arguments;
    if let Some(step) = &skip {
        look(start)?.engine.skip_undo(step, &reason.unwrap_or_default()).await?;
    }
    if goes_on || skip.is_some() {
        return go_on(console, start, &pace).await;
    }
    if !yes && !preview {
        console.can_ask("rollback")?;
    }
    let progress = Progress::new(console);
    let session = workspace::stored(start, &pace, progress.observer())?;
    let plan = match &to {
        Some(checkpoint) => session.engine.plan_rollback_to(run.as_ref(), checkpoint).await,
        None => session.engine.plan_rollback(run.as_ref()).await,
    };
    progress.clear();
    let plan = plan?;
    let given = session.engine.outputs().await?;
    if preview {
        console.show(&WithTexts(&plan), || render::plan::plan(&plan, &given, View::SHORT))?;
        return Ok(DONE);
    }
    if !console.is_json() {
        print(&render::plan::plan(&plan, &given, View::SHORT))?;
    }
    if !yes && !plan.is_empty() {
        confirm("Take all of this back?")?;
    }
    carry_out(console, &session, &progress, &plan).await
}

async fn go_on(console: Console, start: &Start, pace: &Pace) -> Result<u8, Problem> {
    let progress = Progress::new(console);
    let session = workspace::stored(start, pace, progress.observer())?;
    let control = Control::new();
    let report = watched(&progress, &control, session.engine.continue_rollback(&control)).await?;
    finish(console, &session, &report, None).await
}
