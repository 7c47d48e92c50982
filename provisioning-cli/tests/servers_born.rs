//! Kills while a keeper is being born: the process that starts it lives on without the command that wanted it.
//!
//! It is held still at that point, so that what comes after it meets it there for certain.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod machine;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use machine::{Person, Workspace, get, keepers};

/// How long something may take to become so.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is tried to meet a keeper at its birth.
const TRIES: usize = 20;

/// Waits until there is something.
fn until<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

fn signal(name: &str, process: u32) -> bool {
    let sent = Command::new("kill").args([name, &process.to_string()]).stderr(Stdio::null()).status();
    sent.expect("`kill` is there").success()
}

/// The processes that start keepers of the workspace's servers.
fn starters(workspace: &Workspace) -> Vec<u32> {
    let folder = workspace.path().join(".provisioning/local/servers").display().to_string();
    keepers()
        .into_iter()
        .filter(|(_, line)| line.contains(" start ") && line.contains(&folder))
        .map(|(process, _)| process)
        .collect()
}

/// The processes that hold a lock of the workspace's servers.
fn holders(workspace: &Workspace) -> Vec<u32> {
    let folder = workspace.path().canonicalize().expect("exists");
    let holds = |process: &u32| fs::read_link(format!("/proc/{process}/fd/0")).is_ok_and(|lock| lock.starts_with(&folder));
    keepers().into_keys().filter(holds).collect()
}

fn spawn(workspace: &Workspace, words: &[&str]) -> Child {
    workspace.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command runs")
}

/// A workspace whose apply was killed while the process that starts a keeper is held still.
fn killed_at_a_birth(person: Person) -> (Workspace, u32) {
    for _ in 0..TRIES {
        let workspace = Workspace::example(person, "quickstart");
        let mut apply = spawn(&workspace, &["apply", "--yes"]);
        let starter = until("a keeper is started", || starters(&workspace).first().copied());
        let held = signal("-STOP", starter);
        apply.kill().expect("killed");
        apply.wait().expect("gone");
        if held && starters(&workspace).contains(&starter) {
            return (workspace, starter);
        }
    }
    panic!("{TRIES} keepers were born too quickly");
}

fn expect_gone(workspace: &Workspace, told: &str) {
    until("whoever starts keepers ends", || starters(workspace).is_empty().then_some(()));
    assert!(!workspace.path().join(".provisioning/local").exists(), "{told}: a file is left");
    assert_eq!(holders(workspace), Vec::<u32>::new(), "{told}: a keeper is left");
}

fn expect_whole(workspace: &Workspace, told: &str) {
    let outputs = workspace.outputs();
    assert_eq!(outputs.len(), 3, "{told}");
    for (name, url) in outputs {
        assert!(get(&url).contains(&format!("<h1>This is {name}</h1>")), "{told}: {name}");
    }
    until("whoever starts keepers ends", || starters(workspace).is_empty().then_some(()));
    assert_eq!(holders(workspace).len(), 3, "{told}: nothing twice");
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
    workspace.expect(&["destroy", "--yes"], 0);
    expect_gone(workspace, told);
}

#[test]
fn a_resume_waits_for_the_keeper_that_is_being_born() {
    for person in [Person::Own, Person::Plain] {
        let (workspace, starter) = killed_at_a_birth(person);
        let mut resume = spawn(&workspace, &["resume"]);
        // Where the one that is held has not got the lock yet, the other may have come and gone unseen.
        let met = || starters(&workspace).iter().any(|process| *process != starter) || holders(&workspace).len() >= 3;
        until("the resume comes to that keeper", || met().then_some(()));
        signal("-CONT", starter);
        assert!(resume.wait().expect("ends").success(), "{person:?}");
        expect_whole(&workspace, &format!("{person:?}"));
    }
}

#[test]
fn a_keeper_whose_birth_was_cut_off_is_born_by_the_resume() {
    for person in [Person::Own, Person::Plain] {
        let (workspace, starter) = killed_at_a_birth(person);
        signal("-KILL", starter);
        workspace.expect(&["resume"], 0);
        expect_whole(&workspace, &format!("{person:?}"));
    }
}
