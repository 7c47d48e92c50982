//! The same graph through Terraform, with a local state and its own defaults.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::measure::peak_of;
use crate::shape::Graph;

/// How often a running process is asked for its peak memory.
const LOOK: Duration = Duration::from_millis(5);

/// The times of its commands in seconds, and the most memory that one of them had.
pub(crate) struct Timed {
    pub(crate) plan: f64,
    pub(crate) apply: f64,
    pub(crate) plan_again: f64,
    pub(crate) peak_bytes: u64,
    pub(crate) state_bytes: u64,
}

/// Plans, applies and plans again; `init` is not counted.
pub(crate) fn time(binary: &Path, graph: &Graph, folder: &Path) -> Result<Timed> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("main.tf"), graph.terraform())?;
    run(binary, folder, &["init"])?;
    let (plan, first) = run(binary, folder, &["plan", "-out=planned"])?;
    let (apply, second) = run(binary, folder, &["apply", "planned"])?;
    let (plan_again, third) = run(binary, folder, &["plan", "-detailed-exitcode"])?;
    let state_bytes = std::fs::metadata(folder.join("terraform.tfstate"))?.len();
    Ok(Timed { plan, apply, plan_again, peak_bytes: first.max(second).max(third), state_bytes })
}

/// Runs one command to its end: how long it took, and the most memory it had.
fn run(binary: &Path, folder: &Path, arguments: &[&str]) -> Result<(f64, u64)> {
    let begun = Instant::now();
    let (verb, rest) = arguments.split_first().ok_or("no command")?;
    let mut child = Command::new(binary)
        .args([verb, "-input=false", "-no-color"])
        .args(rest)
        .current_dir(folder)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_IN_AUTOMATION", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let (process, mut peak) = (child.id().to_string(), 0);
    let status = loop {
        peak = peak_of(&process).unwrap_or(0).max(peak);
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    if status.success() {
        return Ok((seconds, peak));
    }
    let told = std::io::read_to_string(child.stderr.take().ok_or("no standard error")?)?;
    Err(format!("`terraform {verb}` ended with {status}: {told}").into())
}
