//! Every fault at every call, and pairs of faults at two calls: which end each of them is to have.

use std::ops::Range;

use super::case::{Case, Expect};
use super::{Scene, Swept, numbered, search, undisturbed};
use crate::error::{Result, Retry};
use crate::testing::Fault;
use crate::testing::Random;

/// Lets every call of a run go wrong once in every way there is. The run fails and a resume completes it, or it comes to
/// the same world by itself; what was taken away meanwhile is made anew by a new plan.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn every_fault(scene: &Scene) -> Result<Swept> {
    let (wanted, calls, _) = undisturbed(scene).await?;
    let mut swept = Swept::default();
    for (call, spared) in numbered(calls) {
        for fault in Fault::ALL.into_iter().filter(|fault| fault.concerns(&call)) {
            let case = Case::set(scene).await?;
            case.cloud.inject_after(spared, &call, fault);
            let what = format!("{fault:?} at `{call}` ({})", spared + 1);
            swept.note(&what, case.disturbed(expected(fault, &call), &wanted).await);
        }
    }
    Ok(swept)
}

/// How a run is to end of which one call goes wrong.
fn expected(fault: Fault, call: &str) -> Expect {
    match fault {
        Fault::Refuse(Retry::Never) | Fault::Expired => Expect::Failure,
        Fault::NotFound => match call.split(' ').next() {
            Some("look") => Expect::Failure,
            Some("update" | "poll") => Expect::FailureWithout,
            _ => Expect::SuccessWithout,
        },
        Fault::Refuse(Retry::Later(_) | Retry::Unsure)
        | Fault::LoseReply
        | Fault::LateSuccess(_)
        | Fault::HalfOpen
        | Fault::Hang
        | Fault::TooMany { .. }
        | Fault::ServerError
        | Fault::Malformed
        | Fault::NotReady(_)
        | Fault::Panic => Expect::Success,
    }
}

/// Lets two calls of a run go wrong, which two and how by seed; sometimes the second is the search for what became of the
/// first. Whatever comes of the run, at most two more take it to the same world.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn pairs(scene: &Scene, seeds: Range<u64>) -> Result<Swept> {
    let (wanted, calls, _) = undisturbed(scene).await?;
    let (calls, mut swept) = (numbered(calls), Swept::default());
    if calls.is_empty() {
        return Ok(swept);
    }
    for seed in seeds {
        let mut random = Random::new(seed);
        let first = random.pick(&calls).clone();
        let second = match search(&first.0) {
            Some(search) if random.chance(25) => search,
            _ => random.pick(&calls).clone(),
        };
        let case = Case::set(scene).await?;
        let (mut what, mut contents_only) = (format!("seed {seed}"), false);
        for (call, spared) in [first, second] {
            let fault = *random.pick(&Fault::ALL);
            if fault.concerns(&call) {
                case.cloud.inject_after(spared, &call, fault);
                what = format!("{what}, {fault:?} at `{call}` ({})", spared + 1);
                contents_only |= fault == Fault::NotFound;
            }
        }
        let wanted = if contents_only { super::world::contents(&wanted) } else { wanted.clone() };
        swept.note(&what, case.persevere(2, &wanted).await);
    }
    Ok(swept)
}
