//! How long a workspace takes to load: what it declares evaluated anew, and read from the cache.
//!
//! `cargo bench --bench config -- [RESOURCES]...` writes a workspace in Nickel for each size, and prints the median and the
//! fastest of several loads of each sort.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use provisioning_core::config::{Location, Overrides, Workspace};
use provisioning_providers::registry;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// How often each is measured.
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000] } else { sizes };
    println!("{:>9}  {:>22}  {:>22}  {:>6}", "resources", "evaluated (median)", "cached (median)", "ratio");
    for size in sizes {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("provisioning.toml"), "")?;
        fs::write(folder.path().join("main.ncl"), program(size))?;
        // A workspace that was applied: before, nothing is kept.
        fs::create_dir(folder.path().join(".provisioning"))?;
        let cold = measure(|| {
            // Without a cache there is nothing to delete.
            drop(fs::remove_dir_all(folder.path().join(".provisioning/cache")));
            load(folder.path(), size)
        })?;
        load(folder.path(), size)?;
        let cached = measure(|| load(folder.path(), size))?;
        let show = |[median, least]: [Duration; 2]| format!("{:.3} s (least {:.3})", median.as_secs_f64(), least.as_secs_f64());
        let ratio = cold[0].as_secs_f64() / cached[0].as_secs_f64();
        println!("{size:>9}  {:>22}  {:>22}  {ratio:>6.1}", show(cold), show(cached));
    }
    Ok(())
}

/// Resources in groups of a hundred: each refers to the one before it, as written by hand.
fn program(size: usize) -> String {
    let mut text =
        String::from("let p = import \"provisioning.ncl\" in {\n  providers = { lab = p.local {} },\n  resources = {\n");
    for number in 0..size {
        let from = if number % 100 == 0 { "none".to_owned() } else { format!("${{r{}.id}}", number - 1) };
        writeln!(
            text,
            "    r{number} = p.value {{ input = {{ name = \"r{number}\", size_gb = {number}, from = \"{from}\" }} }},"
        )
        .expect("writing to a string cannot fail");
    }
    text + "  },\n} | p.Infrastructure\n"
}

fn load(folder: &Path, size: usize) -> Result<()> {
    let location = Location::open(folder, &Overrides::default())?;
    let workspace = Workspace::load(location, &registry(folder))?;
    if workspace.desired.resources.len() == size { Ok(()) } else { Err("not everything was declared".into()) }
}

/// The median and the least time of several runs.
fn measure(mut run: impl FnMut() -> Result<()>) -> Result<[Duration; 2]> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        run()?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok([times[ROUNDS / 2], times[0]])
}
