//! Random lives by seed: whatever happens, the promises of the engine hold.
//!
//! `PROVISIONING_SEEDS=N` lives N lives instead of the usual number, `PROVISIONING_FIRST_SEED=S` begins with another one,
//! `PROVISIONING_MINUTES=M` lives as many as so much time gives, and `PROVISIONING_SEED=S` lives one life and tells its story.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use provisioning_core::testing::{Lived, simulate};
use tokio::runtime::Builder;

/// How many lives are lived where nobody says otherwise.
const SEEDS: u64 = 10_000;

/// How many failing seeds are told.
const SHOWN: usize = 5;

fn live(seed: u64) -> Lived {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(simulate(seed))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a whole number, and not `{text}`")))
}

#[test]
fn the_promises_hold_in_every_life() {
    if let Some(seed) = number("PROVISIONING_SEED") {
        let lived = live(seed);
        println!("{}", lived.story.join("\n"));
        assert!(lived.findings.is_empty(), "seed {seed}:\n{}", lived.findings.join("\n"));
        return;
    }
    let first = number("PROVISIONING_FIRST_SEED").unwrap_or(0);
    let end = number("PROVISIONING_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let last = if end.is_some() { u64::MAX } else { first + number("PROVISIONING_SEEDS").unwrap_or(SEEDS) };
    let [next, count] = [first, 0].map(AtomicU64::new);
    let [runs, crashes] = [0, 0].map(AtomicUsize::new);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last || end.is_some_and(|end| Instant::now() >= end) {
                return failed;
            }
            let lived = live(seed);
            count.fetch_add(1, Ordering::Relaxed);
            runs.fetch_add(lived.runs, Ordering::Relaxed);
            crashes.fetch_add(lived.crashes, Ordering::Relaxed);
            if !lived.findings.is_empty() {
                failed.push((seed, lived));
            }
        }
    };
    let mut failed = thread::scope(|scope| {
        let workers: Vec<_> = (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("whole")).collect::<Vec<_>>()
    });
    failed.sort_by_key(|(seed, _)| *seed);
    let [runs, crashes] = [runs.into_inner(), crashes.into_inner()];
    println!("{} lives, {runs} runs, {crashes} crashes, {} failed", count.into_inner(), failed.len());
    let told = failed.iter().take(SHOWN).map(|(seed, lived)| {
        let again = format!("PROVISIONING_SEED={seed} cargo test -p provisioning --test simulation -- --nocapture");
        format!("seed {seed}: {}\n  again: {again}", lived.findings.join("; "))
    });
    assert!(failed.is_empty(), "{} lives failed\n{}", failed.len(), told.collect::<Vec<_>>().join("\n"));
}
