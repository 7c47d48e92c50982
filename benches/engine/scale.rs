//! How what the engine takes grows with the number of resources: every shape, ten times as many each time.
//!
//! The exponent between two sizes is that of a power: 1 where ten times as many take ten times as long.

use std::path::Path;

use crate::measure::{self, Applied, Phase, Planned};
use crate::options::Case;
use crate::shape::{Graph, Shape, Source};
use crate::{Process, Result, process};

/// How many resources the smallest graph has.
const FIRST: usize = 100;
/// How often each graph is measured: the small ones take milliseconds.
const ROUNDS: usize = 3;
/// A chain commits once a step, which is the disk's time: there is nothing to learn from more of it.
const LONGEST_CHAIN: usize = 10_000;
/// From how many resources on growth counts: below, what does not depend on the number is most of it.
const COUNTS_FROM: usize = 1_000;

/// What one graph took.
struct Taken {
    count: usize,
    applied: Process<Applied>,
    unchanged: Process<Planned>,
    store_bytes: u64,
}

/// What of it the targets speak of.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// The largest exponent of a plan, an apply or a plan that finds nothing to do, over all sizes that count.
    pub(crate) exponent: f64,
    /// How long it took to load and plan the largest graph that was unchanged, and with how much memory.
    pub(crate) largest_plan: f64,
    pub(crate) largest_plan_bytes: f64,
}

/// Measures every shape, and prints a line for each size and the growth between the sizes.
pub(crate) fn measure(most: usize, folder: &Path) -> Result<Growth> {
    let mut growth = Growth::default();
    for shape in [Shape::Wide, Shape::Layered, Shape::Diamond, Shape::Chain] {
        println!("{shape}\n  resources     load     plan    apply      cpu  no-op plan  peak MiB  bytes/step  syncs/step");
        let longest = if shape == Shape::Chain { most.min(LONGEST_CHAIN) } else { most };
        let sizes = std::iter::successors(Some(FIRST), |size| Some(size * 10)).take_while(|size| *size <= longest);
        let taken = sizes.map(|count| one(shape, count, folder).inspect(show)).collect::<Result<Vec<_>>>()?;
        let counting: Vec<_> = taken.iter().filter(|taken| taken.count >= COUNTS_FROM).collect();
        for pair in counting.windows(2) {
            print_growth(pair[0], pair[1]);
        }
        if let [first, .., last] = counting.as_slice()
            && last.count == most
        {
            let exponents = [APPLIED_PLAN, APPLY, NO_OP].map(|of| exponent(first, last, of));
            growth.exponent = exponents.into_iter().fold(growth.exponent, f64::max);
        }
        if let Some(last) = taken.last().filter(|last| last.count == most) {
            let inside = &last.unchanged.inside;
            growth.largest_plan = growth.largest_plan.max(inside.load + inside.plan);
            growth.largest_plan_bytes = growth.largest_plan_bytes.max(bytes(inside.peak_bytes));
        }
        println!();
    }
    Ok(growth)
}

const APPLIED_PLAN: fn(&Taken) -> f64 = |taken| taken.applied.inside.plan;
const APPLY: fn(&Taken) -> f64 = |taken| taken.applied.inside.apply;
const NO_OP: fn(&Taken) -> f64 = |taken| taken.unchanged.inside.plan;

fn exponent(small: &Taken, large: &Taken, of: fn(&Taken) -> f64) -> f64 {
    (of(large) / of(small)).ln() / (number(large.count) / number(small.count)).ln()
}

/// The round in the middle, by the time of its plans.
fn one(shape: Shape, count: usize, folder: &Path) -> Result<Taken> {
    let mut rounds = (0..ROUNDS).map(|_| round(shape, count, folder)).collect::<Result<Vec<_>>>()?;
    let plans = |taken: &Taken| APPLIED_PLAN(taken) + NO_OP(taken);
    rounds.sort_by(|a, b| plans(a).total_cmp(&plans(b)));
    Ok(rounds.swap_remove(ROUNDS / 2))
}

fn round(shape: Shape, count: usize, folder: &Path) -> Result<Taken> {
    let case = Case { shape, count, source: Source::Json, parallelism: 16, beside_terraform: false };
    let place = folder.join(format!("{shape}-{count}"));
    std::fs::create_dir_all(&place)?;
    Graph::new(shape, count).write(&place, case.source)?;
    let applied = process(Phase::Apply, &place, &case)?;
    let unchanged = process(Phase::Plan, &place, &case)?;
    let store_bytes = std::fs::metadata(measure::store(&place))?.len();
    std::fs::remove_dir_all(&place)?;
    Ok(Taken { count, applied, unchanged, store_bytes })
}

fn show(taken: &Taken) {
    let Taken { count, applied, unchanged, store_bytes } = taken;
    let (inside, steps) = (&applied.inside, number(*count));
    println!(
        "  {count:>9} {:>8} {:>8} {:>8} {:>8} {:>11} {:>9.0} {:>11.0} {:>11.3}",
        seconds(inside.load),
        seconds(inside.plan),
        seconds(inside.apply),
        seconds(inside.cpu),
        seconds(unchanged.inside.plan),
        bytes(inside.peak_bytes.max(unchanged.inside.peak_bytes)) / f64::from(1 << 20),
        bytes(*store_bytes) / steps,
        bytes(inside.commits) / steps,
    );
}

fn print_growth(small: &Taken, large: &Taken) {
    let exponent = |of| exponent(small, large, of);
    println!(
        "  growth from {} to {}: load {:.2}, plan {:.2}, apply {:.2}, no-op plan {:.2}",
        small.count,
        large.count,
        exponent(|taken| taken.applied.inside.load),
        exponent(APPLIED_PLAN),
        exponent(APPLY),
        exponent(NO_OP),
    );
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

#[expect(clippy::cast_precision_loss, reason = "sizes that are shown with a few digits")]
fn bytes(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts that are shown with a few digits")]
fn number(count: usize) -> f64 {
    count as f64
}
