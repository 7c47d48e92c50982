//! What was measured, for people: one block per case.

use std::path::Path;

use crate::options::Case;
use crate::terraform::Timed;
use crate::{Measured, Result};

const MIB: f64 = 1024.0 * 1024.0;

/// Says what was measured on; a file system in memory is refused, since nothing on it is durable.
pub(crate) fn machine(folder: &Path) -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    let system = file_system(folder)?;
    if matches!(system.as_str(), "tmpfs" | "ramfs") {
        return Err(format!("`{}` lies on {system}: put the target directory on a disk", folder.display()).into());
    }
    println!("{cores} cores, {system}\n");
    Ok(())
}

/// The type of the file system that a path lies on, by proc(5).
fn file_system(path: &Path) -> Result<String> {
    let path = path.canonicalize()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(point, _)| path.starts_with(point)).max_by_key(|(point, _)| point.len());
    Ok(holding.map_or("an unknown file system", |(_, system)| system).to_owned())
}

/// Shows one round of a case.
pub(crate) fn case(case: &Case, measured: &Measured) {
    let Measured { applied, unchanged, limits, replayed } = measured;
    let inside = &applied.inside;
    let rate = count(inside.steps) / inside.apply;
    println!("{} {} from {}, parallelism {}", case.shape, case.count, case.source, case.parallelism);
    line("load", &seconds(inside.load));
    line("plan", &seconds(inside.plan));
    line(
        "apply",
        &format!("{}  {rate:.0} steps/s, {} records in {} commits", seconds(inside.apply), replayed.records, inside.commits),
    );
    line("whole process", &seconds(applied.seconds));
    line(
        "plan again",
        &format!(
            "{}  load {}, plan {}",
            seconds(unchanged.seconds),
            seconds(unchanged.inside.load),
            seconds(unchanged.inside.plan)
        ),
    );
    line("peak memory", &format!("{}  plan again {}", mib(inside.peak_bytes), mib(unchanged.inside.peak_bytes)));
    line(
        "store",
        &format!("{}  {:.0} bytes a step", mib(replayed.store_bytes), bytes(replayed.store_bytes) / count(inside.steps)),
    );
    let alone = count(inside.steps) / replayed.seconds;
    line("SQLite alone", &format!("{alone:.0} steps/s with the same rows; the engine has {:.2} of it", rate / alone));
    let (appended, overwritten) = (limits.appended, limits.overwritten);
    let shares = (rate / appended, rate / overwritten);
    line(
        "fdatasync",
        &format!(
            "{appended:.0}/s appended, {overwritten:.0}/s overwritten; steps/s are {:.2} and {:.2} of it",
            shares.0, shares.1
        ),
    );
}

/// Shows what Terraform took for the same graph.
pub(crate) fn beside(measured: &Measured, timed: &Timed) {
    let (plan, apply, again) = (seconds(timed.plan), seconds(timed.apply), seconds(timed.plan_again));
    line(
        "terraform",
        &format!(
            "plan {plan}, apply {apply}, plan again {again}, peak {}, state {}",
            mib(timed.peak_bytes),
            mib(timed.state_bytes)
        ),
    );
    let applied = (timed.plan + timed.apply) / measured.applied.seconds;
    let again = timed.plan_again / measured.unchanged.seconds;
    let memory = bytes(timed.peak_bytes) / bytes(measured.applied.inside.peak_bytes);
    line("ratio", &format!("plan and apply {applied:.0} x, plan again {again:.0} x, memory {memory:.1} x"));
}

fn line(name: &str, text: &str) {
    println!("  {name:<14} {text}");
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

fn mib(count: u64) -> String {
    format!("{:.1} MiB", bytes(count) / MIB)
}

#[expect(clippy::cast_precision_loss, reason = "sizes that are shown with a few digits")]
pub(crate) fn bytes(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts that are shown with a few digits")]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}
