//! How many instructions the engine executes for one more step, by callgrind: a time would hang on the machine, this does not.
//!
//! The program starts itself again under valgrind, with few resources and with more; the difference is what one resource takes.
//! It may not take a tenth more than it did when the numbers were written down. `PROVISIONING_WRITE_GOLDEN=1` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use provisioning_core::clock::System;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::plan;
use provisioning_core::store::{Identity, MemoryStore};
use provisioning_core::value::Value;
use provisioning_providers::registry;
use serde_json::{Map, Value as Json, json};

const NAME: &str = "a_step_takes_no_more_instructions_than_it_did";

/// What is counted, each with what comes before it.
const PARTS: [&str; 4] = ["declare", "plan", "apply", "plan again"];
/// How many resources there are, few and more.
const SIZES: [u64; 2] = [50, 250];
/// By how much a count may grow.
const ALLOWED: f64 = 1.1;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/instructions.txt");

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [part, count] = words.as_slice()
        && let (Some(last), Ok(count)) = (PARTS.iter().position(|known| known == part), count.parse())
    {
        work(last, count);
        return ExitCode::SUCCESS;
    }
    if words.iter().any(|word| word == "--list") {
        println!("{NAME}: test");
        return ExitCode::SUCCESS;
    }
    let mut filters = words.iter().filter(|word| !word.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|filter| NAME.contains(filter.as_str())) {
        return ExitCode::SUCCESS;
    }
    let problems = compare(&measured());
    println!("test {NAME} ... {}", if problems.is_empty() { "ok" } else { "FAILED" });
    problems.iter().for_each(|problem| println!("{problem}"));
    let (passed, failed) = if problems.is_empty() { (1, 0) } else { (0, 1) };
    println!("\ntest result: {passed} passed; {failed} failed; 0 ignored");
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one more resource takes, part by part.
fn measured() -> BTreeMap<String, u64> {
    let whole = |part: &str| {
        let [few, more] = SIZES.map(|count| instructions(part, count));
        more.saturating_sub(few) / (SIZES[1] - SIZES[0])
    };
    let mut before = 0;
    let parts = PARTS.iter().map(|part| {
        let whole = whole(part);
        let own = whole.saturating_sub(before);
        before = whole;
        ((*part).to_owned(), own)
    });
    parts.collect()
}

/// The instructions of a process that does everything up to a part.
fn instructions(part: &str, count: u64) -> u64 {
    let program = std::env::current_exe().expect("the program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([part, &count.to_string()])
        .stdout(Stdio::null())
        .output()
        .expect("valgrind is there: the package has that name (apt-get install valgrind)");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let line = told.lines().find_map(|line| line.split_once("Collected :")).expect("callgrind tells what it counted");
    line.1.trim().parse().expect("a number")
}

/// What takes more than it did; writes down what was measured where that is asked for.
fn compare(measured: &BTreeMap<String, u64>) -> Vec<String> {
    if std::env::var_os("PROVISIONING_WRITE_GOLDEN").is_some() {
        let text = measured.iter().fold(String::new(), |mut text, (part, count)| {
            writeln!(text, "{part}: {count}").expect("writing to a string cannot fail");
            text
        });
        std::fs::write(GOLDEN, text).expect("written");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("the numbers are there");
    let golden: BTreeMap<_, f64> = golden
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(part, count)| (part, count.parse().expect("a number")))
        .collect();
    let mut problems = Vec::new();
    for (part, count) in measured {
        let ratio = shown(*count) / golden.get(part.as_str()).copied().unwrap_or(f64::MIN_POSITIVE);
        println!("{part}: {count} instructions for a resource, {ratio:.3} of what it was");
        if ratio > ALLOWED {
            problems.push(format!("{part}: {ratio:.2} times as many instructions as it was"));
        }
    }
    problems
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is shown with three digits")]
fn shown(count: u64) -> f64 {
    count as f64
}

/// Does everything up to a part.
fn work(last: usize, count: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = registry(folder.path());
    let document = Value::try_from(document(count)).expect("a document").into();
    let desired = config::desired(document, &registry, &Settings::shipped()).expect("declared");
    if last == 0 {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let engine = Engine::builder(registry, Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
        for again in [false, true] {
            let plan = engine.plan(&desired, &PlanOptions::new(plan::Command::Apply)).await.expect("planned");
            if last == 1 || again {
                assert_eq!(plan.is_empty(), again);
                return;
            }
            engine.apply(&plan, &Control::new()).await.expect("applied");
            if last == 2 {
                return;
            }
        }
    });
}

/// Resources that each refer to the one ten before.
fn document(count: u64) -> Json {
    let resources: Map<String, Json> = (0..count)
        .map(|number| {
            let from = number.checked_sub(10).map(|from| format!("${{r{from}.id}}"));
            (format!("r{number}"), json!({ "kind": "value", "input": { "name": format!("r{number}"), "from": from } }))
        })
        .collect();
    json!({ "providers": { "lab": { "type": "local" } }, "resources": resources })
}
