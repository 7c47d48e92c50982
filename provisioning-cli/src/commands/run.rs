//! `apply`, `destroy`, `refresh`, `forget` and `resume`: everything that carries out a plan.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;

use provisioning_core::engine::{Control, PlanOptions, Report};
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::name::RunId;
use provisioning_core::plan::{Command, Plan};
use provisioning_core::record::Outcome;
use provisioning_core::schema::UndoClass;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{ApplyArguments, DestroyArguments, Pace, Replace};
use crate::console::{Console, confirm, of_io, print};
use crate::exit::{Problem, of_outcome};
use crate::render;
use crate::render::plan::View;
use crate::render::progress::Progress;
use crate::workspace::{self, Missing, Session, Start};

/// On what terms a plan is carried out.
#[derive(Debug, Default)]
struct Terms {
    /// The most that undoing a step may cost.
    require: Option<UndoClass>,
    /// What is asked before.
    question: Option<&'static str>,
}

pub(super) async fn apply(console: Console, start: &Start, arguments: ApplyArguments) -> Result<u8, Problem> {
    if let Some(file) = &arguments.plan {
        return apply_file(console, start, file, &arguments).await;
    }
    let options = arguments.scope.options(Command::Apply, arguments.replace);
    let terms = Terms { require: arguments.require, question: (!arguments.yes).then_some("Make these changes?") };
    if terms.question.is_some() {
        console.can_ask("apply")?;
    }
    plan_and_run(console, start, &arguments.pace, options, terms).await
}

pub(super) async fn destroy(console: Console, start: &Start, arguments: DestroyArguments) -> Result<u8, Problem> {
    let options = arguments.scope.options(Command::Destroy, Replace::default());
    let terms = Terms { require: None, question: (!arguments.yes).then_some("Remove all of this?") };
    if terms.question.is_some() {
        console.can_ask("destroy")?;
    }
    plan_and_run(console, start, &arguments.pace, options, terms).await
}

pub(super) async fn without_asking(console: Console, start: &Start, pace: &Pace, options: PlanOptions) -> Result<u8, Problem> {
    plan_and_run(console, start, pace, options, Terms::default()).await
}

pub(super) async fn resume(console: Console, start: &Start, run: Option<RunId>, pace: Pace) -> Result<u8, Problem> {
    let progress = Progress::new(console);
    let session = workspace::stored(start, &pace, progress.observer())?;
    let control = Control::new();
    let report = watched(&progress, &control, Box::pin(session.engine.resume(run.as_ref(), &control))).await?;
    finish(console, &session, &report, None).await
}

async fn apply_file(console: Console, start: &Start, file: &Path, arguments: &ApplyArguments) -> Result<u8, Problem> {
    let json = std::fs::read(file).map_err(|error| of_io("read", &file.to_string_lossy(), error))?;
    let plan = Plan::parse(&json).map_err(|error| error.with_context("file", file.to_string_lossy()))?;
    let progress = Progress::new(console);
    demand(&plan, arguments.require)?;
    let session = workspace::stored(start, &arguments.pace, progress.observer())?;
    carry_out(console, &session, &progress, &plan).await
}

async fn plan_and_run(console: Console, start: &Start, pace: &Pace, options: PlanOptions, terms: Terms) -> Result<u8, Problem> {
    let progress = Progress::new(console);
    let missing = if options.command == Command::Apply { Missing::Made } else { Missing::Empty };
    let (session, workspace) = workspace::declared(start, pace, progress.observer(), missing)?;
    let plan = session.engine.plan(&workspace.desired, &options).await;
    progress.clear();
    let plan = plan?;
    if !console.is_json() {
        print(&render::plan::plan(&plan, &session.engine.outputs().await?, View::SHORT))?;
    }
    demand(&plan, terms.require)?;
    if let (Some(question), false) = (terms.question, plan.is_empty()) {
        confirm(question)?;
    }
    carry_out(console, &session, &progress, &plan).await
}

/// Refuses a plan with steps whose undo would cost more than was allowed.
fn demand(plan: &Plan, allowed: Option<UndoClass>) -> Result<()> {
    let Some(allowed) = allowed else { return Ok(()) };
    let costly: Vec<_> = plan.costlier_than(allowed).map(|step| format!("`{}`", step.id)).collect();
    if costly.is_empty() {
        return Ok(());
    }
    let message = format!("undoing {} would cost more than `--require` allows", costly.join(", "));
    Err(Error::new(ErrorKind::Denied, message).with_hint("`plan --rollback` shows what undoing costs, and why"))
}

pub(super) async fn carry_out(console: Console, session: &Session, progress: &Progress, plan: &Plan) -> Result<u8, Problem> {
    let control = Control::new();
    let report = watched(progress, &control, Box::pin(session.engine.apply(plan, &control))).await?;
    finish(console, session, &report, Some(plan)).await
}

/// Drives a run to its end while signals can stop it: the first gently, the second at once.
pub(super) async fn watched(progress: &Progress, control: &Control, run: impl Future<Output = Result<Report>>) -> Result<Report> {
    let listen = |kind| signal(kind).map_err(|error| of_io("listen to", "signals", error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut run = std::pin::pin!(run);
    let mut stopping = false;
    let report = loop {
        tokio::select! {
            report = &mut run => break report,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        control.cancel();
        progress.say(if stopping { "Stopping at once." } else { "Finishing what runs; press again to stop at once." });
        stopping = true;
    };
    progress.clear();
    report
}

pub(super) async fn finish(console: Console, session: &Session, report: &Report, plan: Option<&Plan>) -> Result<u8, Problem> {
    let failures = render::report::failures(report, plan);
    if !failures.is_empty() {
        console.say(&format!("\n{failures}"));
    }
    let gives = report.outcome == Outcome::Completed
        && plan.is_none_or(|plan| matches!(plan.command, Command::Apply | Command::Rollback));
    let outputs = if gives && !console.is_json() { session.engine.outputs().await? } else { BTreeMap::new() };
    console.show(report, || render::report::finished(report, plan, &outputs))?;
    Ok(of_outcome(report.outcome))
}
