//! The fake cloud as a process of its own, and engines with stores on disk that speak to it: every fault for real, and
//! deaths of the one and of the other.
//!
//! The program starts itself again in the part of the cloud or of an engine, and has therefore its own `main`.

mod cloud;
mod deaths;
mod engine;
mod faults;

use std::process::ExitCode;

/// The tests, by name.
const TESTS: [(&str, fn()); 6] = [
    ("every_fault_comes_to_one_end_over_the_network", faults::every_fault_comes_to_one_end_over_the_network),
    ("a_cloud_that_nobody_reaches_is_a_definite_failure", faults::a_cloud_that_nobody_reaches_is_a_definite_failure),
    ("a_cloud_killed_during_a_call_is_found_again", deaths::a_cloud_killed_during_a_call_is_found_again),
    ("a_cloud_that_dies_after_an_effect_keeps_it", deaths::a_cloud_that_dies_after_an_effect_keeps_it),
    ("an_engine_killed_after_any_record_is_gone_on_with", deaths::an_engine_killed_after_any_record_is_gone_on_with),
    ("an_engine_killed_during_a_call_is_gone_on_with", deaths::an_engine_killed_during_a_call_is_gone_on_with),
];

/// The options of a test program that take a value.
const VALUED: [&str; 5] = ["--test-threads", "--format", "--color", "--logfile", "--skip"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some(cloud::PART) => cloud::play(&words[1..]),
        Some(engine::PART) => engine::play(&words[1..]),
        _ => return run(&words),
    }
    ExitCode::SUCCESS
}

/// Runs the tests whose names hold one of the words, or all of them; each in a thread, so that one may fail.
fn run(words: &[String]) -> ExitCode {
    let is_value = |place: usize| place > 0 && VALUED.contains(&words[place - 1].as_str());
    let filters: Vec<_> = words
        .iter()
        .enumerate()
        .filter(|(place, word)| !word.starts_with('-') && !is_value(*place))
        .map(|(_, word)| word)
        .collect();
    let wanted = TESTS.iter().filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter)));
    let mut failed = 0;
    for (name, test) in wanted {
        if words.iter().any(|word| word == "--list") {
            println!("{name}: test");
            continue;
        }
        let ended = std::thread::Builder::new().name((*name).to_owned()).spawn(test).expect("a thread").join();
        println!("test {name} ... {}", if ended.is_ok() { "ok" } else { "FAILED" });
        failed += usize::from(ended.is_err());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
