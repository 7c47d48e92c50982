//! What the engine is to reach, beside what it does: one line for each, with `met` or `missed`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::measure::{Applied, Phase, Planned, Resumed};
use crate::options::{Case, Options};
use crate::shape::{Graph, Shape, Source};
use crate::{Measured, Process, Result, process, report, round_of, scale, terraform};

/// How many records the journal has that a run dies in.
const RECORDS: usize = 100_000;
/// How many starts of the command the fastest is taken of.
const STARTS: usize = 15;

/// Measures everything, prints each measurement as it comes, and the table at the end.
pub(crate) fn measure(options: &Options, folder: &Path) -> Result<()> {
    let mut table = Table::default();
    layered(options, folder, &mut table)?;
    durable(options, folder, &mut table)?;
    let growth = scale::measure(100_000, folder)?;
    table.most("plan of 100,000 unchanged resources, loaded as data", growth.largest_plan, 1.0, "s");
    table.most("its memory", growth.largest_plan_bytes / GIB, 1.0, "GB");
    table.most("growth from 1,000 to 100,000, the largest exponent", growth.exponent, 1.1, "");
    resumed(folder, &mut table)?;
    started(folder, &mut table)?;
    table.print();
    Ok(())
}

const GIB: f64 = 1e9;

/// The median of the rounds of a case.
fn median(options: &Options, case: &Case, folder: &Path) -> Result<Measured> {
    let mut rounds = rounds(options, case, folder)?;
    Ok(rounds.swap_remove(rounds.len() / 2))
}

/// The rounds of a case, from the quickest to the slowest; the median is shown.
fn rounds(options: &Options, case: &Case, folder: &Path) -> Result<Vec<Measured>> {
    let graph = Graph::new(case.shape, case.count);
    let place = |round: usize| folder.join(format!("{}-{}-{}-{round}", case.shape, case.source, case.parallelism));
    let mut rounds = (0..options.rounds).map(|round| round_of(case, &graph, &place(round))).collect::<Result<Vec<_>>>()?;
    rounds.sort_by(|a, b| a.applied.seconds.total_cmp(&b.applied.seconds));
    report::case(case, &rounds[rounds.len() / 2]);
    println!();
    Ok(rounds)
}

/// The median of what each round says: a limit is measured right after the engine, and both change with the machine.
fn median_of(rounds: &[Measured], share: impl Fn(&Measured) -> f64) -> f64 {
    let mut shares: Vec<_> = rounds.iter().map(share).collect();
    shares.sort_by(f64::total_cmp);
    shares[shares.len() / 2]
}

fn case(shape: Shape, count: usize, source: Source, parallelism: usize) -> Case {
    Case { shape, count, source, parallelism, beside_terraform: true }
}

/// Layered and wide graphs of 1,000, beside Terraform.
fn layered(options: &Options, folder: &Path, table: &mut Table) -> Result<()> {
    for shape in [Shape::Layered, Shape::Wide] {
        let (data, nickel) = (case(shape, 1000, Source::Json, 16), case(shape, 1000, Source::Nickel, 16));
        let (data, nickel) = (median(options, &data, folder)?, median(options, &nickel, folder)?);
        let Some(binary) = &options.terraform else { continue };
        let theirs = terraform::time(binary, &Graph::new(shape, 1000), &folder.join(format!("{shape}-terraform")))?;
        report::beside(&data, &theirs);
        println!();
        let times = |ours: &Measured| (theirs.plan + theirs.apply) / ours.applied.seconds;
        let target = |wanted| if shape == Shape::Layered { wanted } else { 0.0 };
        table.least(&format!("{shape} 1,000 from data, of Terraform's plan and apply"), times(&data), target(400.0), "x");
        table.least(&format!("{shape} 1,000 from Nickel, of Terraform's plan and apply"), times(&nickel), target(150.0), "x");
        let memory = report::bytes(theirs.peak_bytes) / report::bytes(data.applied.inside.peak_bytes);
        table.least(&format!("{shape} 1,000, memory, of Terraform's"), memory, target(5.0), "x less");
    }
    Ok(())
}

/// Durable steps a second, wide and in a chain.
fn durable(options: &Options, folder: &Path, table: &mut Table) -> Result<()> {
    let rate = |measured: &Measured| report::count(measured.applied.inside.steps) / measured.applied.inside.apply;
    let few = median(options, &case(Shape::Wide, 10_000, Source::Json, 16), folder)?;
    table.least("wide 10,000, 16 calls at once, steps a second", rate(&few), 20_000.0, "");
    let many = rounds(options, &case(Shape::Wide, 10_000, Source::Json, 256), folder)?;
    let of_sqlite = median_of(&many, |round| round.replayed.seconds / round.applied.inside.apply);
    table.least("wide 10,000, 256 calls at once, of SQLite alone", of_sqlite, 0.3, "");
    let chain = rounds(options, &case(Shape::Chain, 2000, Source::Json, 16), folder)?;
    let of_pages = median_of(&chain, |round| rate(round) / round.limits.appended);
    table.least("chain 2,000, of pages appended and confirmed a second", of_pages, 0.8, "");
    Ok(())
}

/// A run that died in a long journal.
fn resumed(folder: &Path, table: &mut Table) -> Result<()> {
    let case = case(Shape::Wide, RECORDS * 3 / 5, Source::Json, 256);
    let place = folder.join("dead");
    std::fs::create_dir_all(&place)?;
    Graph::new(case.shape, case.count).write(&place, case.source)?;
    if process::<Applied>(Phase::Die(RECORDS), &place, &case).is_ok() {
        return Err("the run did not die".into());
    }
    let resumed: Process<Resumed> = process(Phase::Resume, &place, &case)?;
    let name = format!("resume in a journal of {RECORDS} records, to its first step");
    table.most(&name, resumed.inside.first_action, 1.0, "s");
    Ok(())
}

/// How fast the command starts, where it was built.
fn started(folder: &Path, table: &mut Table) -> Result<()> {
    let Some(command) = command() else {
        println!("the command was not built beside this program: `cargo build --release` builds it\n");
        return Ok(());
    };
    table.most("`provisioning --version`", fastest(&command, &["--version"], folder)?, 0.015, "s");
    let place = folder.join("ten");
    std::fs::create_dir_all(&place)?;
    let case = case(Shape::Layered, 10, Source::Nickel, 16);
    Graph::new(case.shape, case.count).write(&place, case.source)?;
    let _: Process<Applied> = process(Phase::Apply, &place, &case)?;
    let _: Process<Planned> = process(Phase::Plan, &place, &case)?;
    table.most("`provisioning plan` of ten unchanged resources", fastest(&command, &["plan"], &place)?, 0.060, "s");
    let size = report::bytes(command.metadata()?.len()) / 1e6;
    println!("the command has {size:.1} MB\n");
    Ok(())
}

/// The command of the same build.
fn command() -> Option<PathBuf> {
    let deps = std::env::current_exe().ok()?;
    Some(deps.parent()?.parent()?.join("provisioning")).filter(|path| path.is_file())
}

fn fastest(command: &Path, arguments: &[&str], folder: &Path) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    for _ in 0..STARTS {
        let begun = Instant::now();
        let ended = Command::new(command)
            .args(arguments)
            .current_dir(folder)
            .env("XDG_CONFIG_HOME", folder)
            .stdout(Stdio::null())
            .status()?;
        fastest = fastest.min(begun.elapsed().as_secs_f64());
        if !ended.success() {
            return Err(format!("`provisioning {}` ended with {ended}", arguments.join(" ")).into());
        }
    }
    Ok(fastest)
}

/// The table at the end.
#[derive(Default)]
struct Table(Vec<[String; 4]>);

impl Table {
    fn least(&mut self, what: &str, measured: f64, target: f64, unit: &str) {
        self.line(what, (measured, target), measured >= target, ("at least", unit));
    }

    fn most(&mut self, what: &str, measured: f64, target: f64, unit: &str) {
        self.line(what, (measured, target), measured <= target, ("at most", unit));
    }

    fn line(&mut self, what: &str, (measured, target): (f64, f64), met: bool, (bound, unit): (&str, &str)) {
        let number = |number: f64| match number {
            number if number >= 100.0 => format!("{number:.0} {unit}"),
            number if number >= 1.0 => format!("{number:.2} {unit}"),
            number => format!("{number:.3} {unit}"),
        };
        let (target, met) = match target {
            0.0 => ("none".to_owned(), String::new()),
            target => (format!("{bound} {}", number(target)), if met { "met" } else { "missed" }.to_owned()),
        };
        self.0.push([what.to_owned(), number(measured), target, met]);
    }

    fn print(&self) {
        println!("| what | measured | target | |\n|---|---|---|---|");
        for line in &self.0 {
            println!("| {} |", line.each_ref().map(|cell| cell.trim()).join(" | "));
        }
    }
}
