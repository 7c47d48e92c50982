//! Measures the engine on graphs of `value` resources, beside the limits of this machine and beside Terraform.
//!
//! `cargo bench --bench engine` runs the standard cases, `cargo bench --bench engine -- --help` says what else there is.
//! Every measurement runs in a process of its own, so that it begins cold and its peak memory is its own.

mod limits;
mod measure;
mod options;
mod paced;
mod report;
mod scale;
mod shape;
mod targets;
mod terraform;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use limits::{Limits, Replayed};
use measure::{Applied, Phase, Planned};
use mimalloc::MiMalloc;
use options::{Case, Options};
use shape::{Graph, Shape};

/// The allocator of the command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a process measured of itself, and how long it took as seen from outside.
struct Process<T> {
    seconds: f64,
    inside: T,
}

/// One round of a case.
struct Measured {
    applied: Process<Applied>,
    unchanged: Process<Planned>,
    limits: Limits,
    replayed: Replayed,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(("measure", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return measure::main(rest);
    }
    let Some(options) = Options::parse(&arguments)? else { return Ok(()) };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    report::machine(folder.path())?;
    if let Some(most) = options.scale {
        return scale::measure(most, folder.path()).map(drop);
    }
    if options.paced {
        return paced::measure(folder.path());
    }
    if options.targets {
        return targets::measure(&options, folder.path());
    }
    let mut terraform: HashMap<(Shape, usize), terraform::Timed> = HashMap::new();
    for (number, case) in options.cases.iter().enumerate() {
        let graph = Graph::new(case.shape, case.count);
        let rounds = (0..options.rounds).map(|round| round_of(case, &graph, &folder.path().join(format!("{number}-{round}"))));
        let mut rounds = rounds.collect::<Result<Vec<_>>>()?;
        rounds.sort_by(|a, b| a.applied.seconds.total_cmp(&b.applied.seconds));
        report::case(case, &rounds[rounds.len() / 2]);
        if let Some(binary) = options.terraform.as_deref().filter(|_| case.beside_terraform) {
            let timed = match terraform.entry((case.shape, case.count)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => {
                    free.insert(terraform::time(binary, &graph, &folder.path().join(format!("{number}-terraform")))?)
                }
            };
            report::beside(&rounds[rounds.len() / 2], timed);
        }
        println!();
    }
    Ok(())
}

fn round_of(case: &Case, graph: &Graph, place: &Path) -> Result<Measured> {
    std::fs::create_dir_all(place)?;
    graph.write(place, case.source)?;
    let limits = Limits::measure(place)?;
    let applied = process(Phase::Apply, place, case)?;
    let unchanged = process(Phase::Plan, place, case)?;
    let replayed = limits::replay(&measure::store(place), &place.join("replayed.db"), case.parallelism)?;
    std::fs::remove_dir_all(place)?;
    Ok(Measured { applied, unchanged, limits, replayed })
}

/// Runs one phase in a process of its own.
fn process<T: serde::de::DeserializeOwned>(phase: Phase, place: &Path, case: &Case) -> Result<Process<T>> {
    let begun = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", &phase.word(), &case.parallelism.to_string()])
        .arg(place)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let seconds = begun.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("the process that measures `{}` ended with {}", phase.word(), output.status).into());
    }
    Ok(Process { seconds, inside: serde_json::from_slice(&output.stdout)? })
}
