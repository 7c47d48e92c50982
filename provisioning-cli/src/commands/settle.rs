//! `adopt`, `retry`, `abandon` and `unlock`: what a person decides who has looked.

use provisioning_core::name::StepId;

use super::look;
use crate::console::{Console, confirm};
use crate::exit::{DONE, Problem};
use crate::workspace::Start;

pub(super) async fn adopt(console: Console, start: &Start, step: &StepId, object: &str) -> Result<u8, Problem> {
    look(start)?.engine.adopt(step, object).await?;
    let document = serde_json::json!({ "adopted": object, "step": step });
    console.show(&document, || format!("{step} has made `{object}`: `provisioning resume` goes on with it."))?;
    Ok(DONE)
}

pub(super) async fn retry(console: Console, start: &Start, step: &StepId) -> Result<u8, Problem> {
    look(start)?.engine.retry(step).await?;
    let next = "`provisioning resume` begins it anew, `provisioning plan` starts anew with all.";
    console.show(&serde_json::json!({ "retried": step }), || format!("{step} had no effect: {next}"))?;
    Ok(DONE)
}

pub(super) async fn abandon(console: Console, start: &Start, step: &StepId, reason: &str) -> Result<u8, Problem> {
    look(start)?.engine.abandon(step, reason).await?;
    let next = "It counts as failed now: `provisioning resume` tries it again, `provisioning plan` starts anew.";
    console.show(&serde_json::json!({ "abandoned": step }), || format!("Gave up on {step}. {next}"))?;
    Ok(DONE)
}

pub(super) async fn unlock(console: Console, start: &Start, yes: bool) -> Result<u8, Problem> {
    if !yes {
        console.can_ask("unlock")?;
        confirm("Take the workspace from whoever holds it?")?;
    }
    let lease = look(start)?.engine.unlock().await?;
    let next = "What it began is looked for by `provisioning resume` or the next plan.";
    console.show(&lease, || format!("Taken from {}, which can record nothing more. {next}", lease.holder))?;
    Ok(DONE)
}
