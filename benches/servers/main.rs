//! Measures local servers: from a plan to pages that answer, and back to nothing, at every level that this machine permits.
//!
//! `cargo bench --bench servers` prints a table; what its columns are stands in benches/README.md. The keepers of the
//! servers are this program, started again, as they are the program that embeds the engine anywhere.

mod floor;
mod fleet;
mod measure;
mod memory;

use std::path::Path;
use std::time::Duration;

use provisioning_providers::local::{Keeper, enter_if_keeper};

use floor::Floor;
use measure::Measured;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const HELP: &str = "\
usage: cargo bench --bench servers -- [LEVEL] [options]

LEVEL is namespaces, user_namespaces or confined; without one every level is measured that is permitted here.

  --count N     how many servers are made at once (20)
  --rounds R    do everything R times and show the medians (3)";

/// The levels, as `isolation` has them.
const LEVELS: [&str; 3] = ["namespaces", "user_namespaces", "confined"];

#[derive(Debug)]
struct Options {
    levels: Vec<String>,
    count: usize,
    rounds: usize,
}

fn main() -> Result<()> {
    let keeper = enter_if_keeper();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(options) = Options::parse(&arguments)? else { return Ok(()) };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let count = options.count;
    println!("{} cores; medians of {} rounds\n", std::thread::available_parallelism()?, options.rounds);

    let floor = Floor::measure(count)?;
    println!("{floor}\n");

    println!(
        "| level | 1 server answers | {count} answer | of {count} x 1 | 1 is gone | {count} are gone | command in a server \
        | keeper, resident (share) | web server, resident (share) |\n|---|---|---|---|---|---|---|---|---|"
    );
    let mut refusals = Vec::new();
    for level in &options.levels {
        match rounds(folder.path(), &keeper, level, &options) {
            Ok(measured) => println!("{}", row(level, count, &measured, &floor)),
            Err(error) => refusals.push(format!("{level}: {error}")),
        }
    }
    refusals.iter().for_each(|refusal| println!("\nnot measured: {refusal}"));
    if refusals.len() == options.levels.len() { Err("no level could be measured".into()) } else { Ok(()) }
}

fn rounds(folder: &Path, keeper: &Keeper, level: &str, options: &Options) -> Result<Measured> {
    let mut all = Vec::new();
    for round in 0..options.rounds {
        let place = folder.join(format!("{level}-{round}"));
        std::fs::create_dir(&place)?;
        all.push(measure::round(&place, keeper, level, options.count)?);
    }
    Ok(Measured::median(&all))
}

fn row(level: &str, count: usize, measured: &Measured, floor: &Floor) -> String {
    let Measured { one, many, gone, all_gone, command, keeper, web } = measured;
    let gain = many.as_secs_f64() / (one.as_secs_f64() * f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    format!(
        "| {level} | {} ({:.0} x) | {} ({:.0} x) | {gain:.2} | {} | {} | {} ({:.1} x) | {keeper} | {web} |",
        shown(*one),
        ratio(*one, floor.one),
        shown(*many),
        ratio(*many, floor.many),
        shown(*gone),
        shown(*all_gone),
        shown(*command),
        ratio(*command, floor.one),
    )
}

fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64()
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        1.0.. => format!("{seconds:.2} s"),
        0.1.. => format!("{:.0} ms", seconds * 1000.0),
        _ => format!("{:.1} ms", seconds * 1000.0),
    }
}

/// The middle one; of an even number the later of both.
fn median<T: Ord + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable();
    *values.get(values.len() / 2).expect("something was measured")
}

impl Options {
    /// The options of the command line; `None` when help was all that was asked for.
    fn parse(arguments: &[String]) -> Result<Option<Self>> {
        let mut options = Self { levels: Vec::new(), count: 20, rounds: 3 };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut number = || -> Result<usize> {
                let value = rest.next().ok_or_else(|| format!("`{argument}` needs a value"))?;
                Ok(value.parse::<usize>()?.max(1))
            };
            match argument.as_str() {
                "--help" | "-h" => {
                    println!("{HELP}");
                    return Ok(None);
                }
                "--count" => options.count = number()?,
                "--rounds" => options.rounds = number()?,
                level if LEVELS.contains(&level) => options.levels.push(level.to_owned()),
                other => return Err(format!("`{other}` is no option; `--help` lists them").into()),
            }
        }
        if options.levels.is_empty() {
            options.levels = LEVELS.map(str::to_owned).to_vec();
        }
        Ok(Some(options))
    }
}
