//! Every fault at every call, and pairs of faults at two calls: which end each of them is to have.

use std::ops::Range;

use super::case::{Case, Expect};
use super::{Scene, Swept, numbered, search, undisturbed};
use crate::error::{Result, Retry};
use crate::testing::Fault;

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
        let mut dice = Dice(seed);
        let first = dice.one_of(&calls);
        let second = match search(&first.0) {
            Some(search) if dice.roll(4) == 0 => search,
            _ => dice.one_of(&calls),
        };
        let case = Case::set(scene).await?;
        let (mut what, mut contents_only) = (format!("seed {seed}"), false);
        for (call, spared) in [first, second] {
            let fault = dice.one_of(&Fault::ALL);
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

/// Numbers that follow from a seed, by `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("it is less than a usize")
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())].clone()
    }
}
