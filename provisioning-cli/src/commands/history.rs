//! `status`, `runs`, `events` and `verify`: what happened, as the journal has it.

use std::time::Duration;

use provisioning_core::digest::Digest;
use provisioning_core::engine::Engine;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::name::RunId;
use provisioning_core::record::{Entry, Fact};
use provisioning_core::store::Range;

use super::look;
use crate::console::{self, Console};
use crate::exit::{DONE, Problem, of_kind};
use crate::render;
use crate::workspace::Start;

/// How many entries are read at once.
const PAGE: usize = 1_000;
/// How often the journal is looked at while it is followed.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn status(console: Console, start: &Start) -> Result<u8, Problem> {
    let session = look(start)?;
    let status = session.engine.status().await?;
    console.show(&status, || render::state::status(&session.name, &status))?;
    Ok(DONE)
}

pub(super) async fn runs(console: Console, start: &Start, last: usize) -> Result<u8, Problem> {
    let runs = look(start)?.engine.runs().await?;
    console.show(&runs, || render::state::runs(&runs, last))?;
    Ok(DONE)
}

pub(super) async fn verify(console: Console, start: &Start) -> Result<u8, Problem> {
    let verified = look(start)?.engine.verify().await?;
    let head = verified.head.as_ref().map_or("none", Digest::short);
    let whole = || match verified.entries {
        0 => "Whole: the journal is empty.".to_owned(),
        entries => format!("Whole: {entries} entries, head {head}; replaying them gives the state."),
    };
    console.show(&verified, || verified.problem.as_ref().map_or_else(whole, |problem| format!("Damaged: {problem}.")))?;
    Ok(if verified.problem.is_some() { of_kind(ErrorKind::Corrupt).code } else { DONE })
}

pub(super) async fn events(console: Console, start: &Start, run: Option<RunId>, follow: bool) -> Result<u8, Problem> {
    let engine = look(start)?.engine;
    let Some(run) = choose(&engine, run).await? else {
        console.say(render::state::NO_RUN);
        return Ok(DONE);
    };
    let mut after = 0;
    loop {
        let page = engine.entries(Range { run: Some(run.clone()), after, limit: PAGE }).await?;
        page.iter().try_for_each(|entry| print(console, entry))?;
        let more = page.len() == PAGE;
        let ended = page.last().is_some_and(|entry| matches!(entry.record.fact, Fact::RunFinished { .. }));
        after = page.last().map_or(after, |entry| entry.seq);
        match (more, follow && !ended) {
            (true, _) => {}
            (false, true) => tokio::time::sleep(PAUSE).await,
            (false, false) => return Ok(DONE),
        }
    }
}

/// The run that was asked for, or the last one; nothing before the first.
async fn choose(engine: &Engine, run: Option<RunId>) -> Result<Option<RunId>> {
    let runs = engine.runs().await?;
    match run {
        None => Ok(runs.last().map(|last| last.id.clone())),
        Some(run) if runs.iter().any(|known| known.id == run) => Ok(Some(run)),
        Some(run) => {
            Err(Error::new(ErrorKind::NotFound, format!("there is no run `{run}`")).with_hint("`provisioning runs` lists them"))
        }
    }
}

fn print(console: Console, entry: &Entry) -> Result<()> {
    if !console.is_json() {
        return console::print(&render::events::entry(entry));
    }
    let json = serde_json::to_string(entry);
    console::print(&json.map_err(|error| Error::bug(format!("an entry cannot be written as JSON: {error}")))?)
}
