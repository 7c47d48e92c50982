//! `logs`: what programs wrote, and what they go on writing.

use std::collections::BTreeMap;
use std::time::Duration;

use provisioning_core::engine::Logs;
use provisioning_core::error::Result;
use provisioning_core::host::{appended, last_lines};

use super::look;
use crate::console::Console;
use crate::exit::{DONE, Problem};
use crate::render::log::Headed;
use crate::workspace::Start;

/// The most that is read of one log at once, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// How often the logs are looked at while they are followed.
const PAUSE: Duration = Duration::from_millis(200);

/// Which logs, and how much of them.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) unit: Option<&'a str>,
    pub(super) lines: usize,
}

pub(super) async fn run(console: Console, start: &Start, wanted: Wanted<'_>, follow: bool) -> Result<u8, Problem> {
    let engine = look(start)?.engine;
    let mut seen = engine.logs(wanted.name, wanted.unit, MAX_BYTES).await?;
    let mut headed = Headed::new(seen.len());
    let last = seen.iter().map(|(name, text)| (name.clone(), last_lines(text, wanted.lines).to_vec())).collect();
    show(console, &mut headed, &last)?;
    if !follow {
        return Ok(DONE);
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = engine.logs(wanted.name, wanted.unit, MAX_BYTES).await?;
        let before = |name: &String| seen.get(name).map_or(&[][..], Vec::as_slice);
        let more = now.iter().map(|(name, text)| (name.clone(), appended(before(name), text).to_vec()));
        let more: Logs = more.filter(|(_, text)| !text.is_empty()).collect();
        if !more.is_empty() {
            show(console, &mut headed, &more)?;
        }
        seen = now;
    }
}

fn show(console: Console, headed: &mut Headed, logs: &Logs) -> Result<()> {
    let texts: BTreeMap<_, _> = logs.iter().map(|(name, text)| (name, String::from_utf8_lossy(text))).collect();
    console.show(&texts, || headed.texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_ref()))))
}
