//! A holder of the lease that is stopped, and goes on when another process has taken the workspace over: it appends nothing,
//! says why, and spoils nothing.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::chance::{Chance, seeds};
use super::disk::{self, Deed, EVERY, Fault};
use super::kills::{APPLY, count};
use super::reference::{PATIENCE, SETTINGS, Scenario, World, by_seed, compare, ends};
use super::workspace::Workspace;

/// A lease so short that it has run out soon after its holder was stopped.
fn settings() -> String {
    format!("{SETTINGS}lease_seconds = 0.2\n")
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status().expect("sh runs");
    assert!(sent.success(), "SIG{name} cannot be sent");
}

/// Waits until every thread of a process is stopped, or the process is at its end; says whether it is stopped.
fn is_stopped(child: &Child) -> bool {
    let begun = Instant::now();
    loop {
        let threads = fs::read_dir(format!("/proc/{}/task", child.id())).expect("a process that nobody waited for");
        // A thread may end between the two looks.
        let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        let letters: Vec<_> = stats.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next()).collect();
        if !letters.is_empty() && letters.iter().all(|letter| *letter == letters[0] && "TZ".contains(*letter)) {
            return letters[0] == 'T';
        }
        assert!(begun.elapsed() < PATIENCE, "the threads of the process are in {letters:?}");
        std::thread::yield_now();
    }
}

/// Whether a process keeps others from the store: it writes, or it opens or closes the store.
fn keeps_others_out(child: &Child) -> bool {
    let (pid, locks) = (child.id().to_string(), fs::read_to_string("/proc/locks").expect("the system's locks"));
    let words = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.get(3) == Some(&"WRITE")).any(|words| words.get(4) == Some(&pid.as_str()))
}

/// An apply that is stopped before one of its calls; `None` where it came to its end first.
fn stopped(workspace: &Workspace, at: usize) -> (Child, bool) {
    let mut apply = disk::command(workspace, APPLY, Fault { calls: EVERY, at, deed: Deed::Stop });
    let child = apply.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let stopped = is_stopped(&child);
    (child, stopped)
}

/// Lets a process that was stopped amid a transaction go on until it is stopped between two of them.
fn stopped_between_transactions(workspace: &Workspace, at: usize) -> (Child, bool) {
    let (child, mut stopped) = stopped(workspace, at);
    while stopped && keeps_others_out(&child) {
        signal(&child, "CONT");
        signal(&child, "STOP");
        stopped = is_stopped(&child);
    }
    (child, stopped)
}

/// Does what is left as soon as the lease allows it; gives how often it was refused, or nothing where the holder was stopped
/// amid a transaction after all, and keeps the store locked.
fn take_over(workspace: &Workspace) -> Result<Option<usize>, String> {
    let (begun, mut refusals, mut words) = (Instant::now(), 0, &["resume"][..]);
    while begun.elapsed() < PATIENCE {
        let output = workspace.run(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => return Ok(Some(refusals)),
            Some(67) if said.contains("error: another process keeps the store locked") => return Ok(None),
            Some(66) => words = APPLY,
            Some(67) if said.contains("error: the workspace is held by process ") => refusals += 1,
            _ => return Err(format!("`{}` ended with {}: {said}", words.join(" "), output.status)),
        }
    }
    Err("the lease does not run out".to_owned())
}

/// What a process says when it goes on and is too late, by what it still wanted to do.
const TOO_LATE: [&str; 4] = [
    "error: another process took the workspace over: ",
    "error: another process took the workspace over from ",
    "error: the plan was carried out already, by the run ",
    "error: the plan is out of date: ",
];

/// Whether a process that went on too late told so, or had nothing to do any more.
fn told_it_was_late(woken: &Output, was_done: bool) -> Result<usize, String> {
    let said = String::from_utf8_lossy(&woken.stderr).into_owned();
    if was_done && woken.status.success() {
        return Ok(TOO_LATE.len());
    }
    let told = TOO_LATE.iter().position(|words| said.contains(words)).filter(|_| woken.status.code() == Some(67));
    told.ok_or_else(|| format!("it went on and ended with {}: {said}", woken.status))
}

/// Stops an apply, takes over, lets it go on; gives what it said, or nothing where it was not stopped in time.
fn overtaken(seed: usize, calls: usize, wanted: &World, refused: &AtomicUsize) -> Result<Option<usize>, String> {
    let workspace = Scenario::Second.begin_with(&settings());
    let (child, stopped) = stopped_between_transactions(&workspace, Chance::of(seed).up_to(calls));
    if !stopped {
        let output = child.wait_with_output().expect("ends");
        compare(&workspace, wanted)?;
        return if output.status.success() { Ok(None) } else { Err(format!("it ended with {}", output.status)) };
    }
    let was_done = ends(&workspace, &["events", "--json"], 0)?.lines().last().is_some_and(|last| last.contains("run_finished"));
    let taken = take_over(&workspace).and_then(|refusals| {
        let Some(refusals) = refusals else { return Ok(None) };
        refused.fetch_add(refusals, Ordering::Relaxed);
        compare(&workspace, wanted)?;
        ends(&workspace, &["events", "--json"], 0).map(Some)
    });
    signal(&child, "CONT");
    let woken = child.wait_with_output().expect("ends");
    let Some(before) = taken? else {
        compare(&workspace, wanted)?;
        return Ok(None);
    };
    let said = told_it_was_late(&woken, was_done)?;
    if ends(&workspace, &["events", "--json"], 0)? != before {
        return Err("it appended something after another process had taken over".to_owned());
    }
    compare(&workspace, wanted)?;
    Ok(Some(said))
}

#[test]
fn a_stopped_holder_that_goes_on_after_a_takeover_appends_nothing_and_says_so() {
    let (wanted, calls) = (Scenario::Second.undisturbed(), count(Scenario::Second, EVERY));
    let (refused, said) = (AtomicUsize::new(0), Mutex::new([0; TOO_LATE.len() + 1]));
    let tally = by_seed(seeds(60), |seed| {
        let late = overtaken(seed, calls, &wanted, &refused).map_err(|error| format!("seed {seed}: {error}"))?;
        late.into_iter().for_each(|which| said.lock().expect("no panic")[which] += 1);
        Ok(late.is_some())
    });
    let said = said.into_inner().expect("no panic");
    for (words, count) in TOO_LATE.iter().chain([&"(it had nothing to do any more)"]).zip(said) {
        println!("stopped: {count} said `{words}`");
    }
    println!("stopped: {} attempts were refused while the lease ran", refused.into_inner());
    tally.close_loosely("stopped past its lease", "overtaken");
}

/// An apply that was stopped while it writes to the log: from half of the way through, where most writes are such.
fn stopped_amid_a_transaction() -> (Workspace, Child) {
    let calls = count(Scenario::Second, " pwrite64 ");
    for at in calls / 2..calls {
        let workspace = Scenario::Second.begin_with(&settings());
        let mut apply = disk::command(&workspace, APPLY, Fault { calls: " pwrite64 ", at, deed: Deed::Stop });
        let mut child = apply.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
        if is_stopped(&child) && keeps_others_out(&child) {
            return (workspace, child);
        }
        child.kill().and_then(|()| child.wait()).expect("killed");
    }
    panic!("no write of {calls} was amid a transaction");
}

#[test]
fn beside_a_holder_that_was_stopped_amid_a_transaction_others_say_that_the_store_is_locked() {
    let (workspace, child) = stopped_amid_a_transaction();
    let refused = loop {
        let output = workspace.run(&["resume"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // While the lease runs that alone is a reason.
        if !said.contains("is held by process") {
            break (output.status.code(), said);
        }
    };
    let says = "error: another process keeps the store locked: database is locked\n\
                hint: wait until it is done; `provisioning status` shows who it is\n";
    let status = workspace.expect(&["status"], 0);
    signal(&child, "CONT");
    assert_eq!(refused, (Some(67), says.to_owned()));
    assert!(status.contains(&format!("process {} on ", child.id())), "{status}");
    // Nobody took over, so that it goes on as if nothing had been.
    assert!(child.wait_with_output().expect("ends").status.success());
    compare(&workspace, &Scenario::Second.undisturbed()).expect("the undisturbed world");
}
