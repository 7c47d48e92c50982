//! Kills: of the command in the middle of making and removing servers, of the servers themselves, of what runs in them.
//! Whatever is killed, nothing is made twice, nothing is lost, and in the end nothing stays.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod machine;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use machine::{Person, Workspace, get, is_root, keepers, keepers_of, listed};

/// How many steps the quickstart has.
const STEPS: usize = 8;
/// How long something may take to become so.
const PATIENCE: Duration = Duration::from_secs(20);

/// When a command is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After so many steps were told to be done.
    Steps(usize),
    /// As soon as the first server is written down.
    FirstRecord,
    /// As soon as the first keeper lives.
    FirstKeeper,
}

const MOMENTS: [Moment; 10] = [
    Moment::Steps(1),
    Moment::FirstRecord,
    Moment::FirstKeeper,
    Moment::Steps(2),
    Moment::Steps(3),
    Moment::Steps(4),
    Moment::Steps(5),
    Moment::Steps(6),
    Moment::Steps(7),
    Moment::Steps(8),
];

/// Waits until something is so, looking again and again.
fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what} within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// The folders of the servers of a workspace.
fn servers(workspace: &Workspace) -> Vec<PathBuf> {
    let shown = |path: &PathBuf| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    listed(&workspace.path().join(".provisioning/local/servers")).into_iter().filter(shown).collect()
}

/// The keepers of a workspace.
fn own_keepers(workspace: &Workspace) -> Vec<u32> {
    keepers_of(&workspace.path().canonicalize().expect("exists")).into_iter().collect()
}

/// The keeper of the server with a name.
fn keeper_of(workspace: &Workspace, name: &str) -> u32 {
    let is_its = |process: &u32| {
        let lock = fs::read_link(format!("/proc/{process}/fd/0")).unwrap_or_default();
        lock.parent()
            .and_then(|folder| folder.file_name())
            .is_some_and(|id| id.to_string_lossy().starts_with(&format!("{name}-")))
    };
    own_keepers(workspace).into_iter().find(is_its).unwrap_or_else(|| panic!("`{name}` has no keeper"))
}

fn kill(process: u32) {
    let killed = Command::new("kill").args(["-9", &process.to_string()]).status().expect("`kill` is there");
    assert!(killed.success());
}

/// Begins a command and kills it at a moment; false when it came to its end first.
fn killed_at(workspace: &Workspace, words: &[&str], moment: Moment) -> bool {
    let mut child: Child =
        workspace.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command runs");
    let told = BufReader::new(child.stderr.take().expect("a pipe"));
    match moment {
        Moment::Steps(count) => drop(told.lines().nth(count - 1)),
        Moment::FirstRecord => until("a server is written down", || !servers(workspace).is_empty()),
        Moment::FirstKeeper => until("a keeper lives", || !own_keepers(workspace).is_empty()),
    }
    // One that has ended already is not killed.
    let _ = child.kill();
    child.wait().expect("gone").code().is_none()
}

/// Everything is there once, and works.
fn expect_whole(workspace: &Workspace, told: &str) {
    let outputs = workspace.outputs();
    assert_eq!(outputs.len(), 3, "{told}");
    for (name, url) in &outputs {
        assert!(get(url).contains(&format!("<h1>This is {name}</h1>")), "{told}: {name}");
    }
    assert_eq!((servers(workspace).len(), own_keepers(workspace).len()), (3, 3), "{told}: nothing twice");
    let known = |name: &str| workspace.json(&["show", name])["object"]["id"].as_str().expect("an id").to_owned();
    let folders: Vec<_> = servers(workspace).iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    assert_eq!(folders, ["ada", "grace", "linus"].map(known), "{told}: the state knows every one");
    let ports = PathBuf::from("/sys/class/net").join(known("net")).join("brif");
    if ports.exists() {
        assert_eq!(fs::read_dir(ports).expect("listed").count(), 3, "{told}: no cable twice");
    }
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
    workspace.expect(&["verify"], 0);
}

fn expect_gone(workspace: &Workspace, told: &str) {
    assert!(!workspace.path().join(".provisioning/local").exists(), "{told}: a file is left");
    assert_eq!(own_keepers(workspace), Vec::<u32>::new(), "{told}: a keeper is left");
}

#[test]
fn a_killed_apply_is_gone_on_with_wherever_it_was() {
    for person in [Person::Own, Person::Plain] {
        let mut kills = 0;
        for moment in MOMENTS {
            let told = format!("{person:?} at {moment:?}");
            let workspace = Workspace::example(person, "quickstart");
            kills += usize::from(killed_at(&workspace, &["apply", "--yes"], moment));
            let resumed = workspace.run(&["resume"]);
            // The last kill may come when everything was done.
            assert!(matches!(resumed.status.code(), Some(0 | 66)), "{told}: {}", String::from_utf8_lossy(&resumed.stderr));
            expect_whole(&workspace, &told);
            workspace.expect(&["destroy", "--yes"], 0);
            expect_gone(&workspace, &told);
        }
        assert!(kills >= STEPS - 1, "{person:?}: only {kills} of ten were killed in time");
    }
}

#[test]
fn a_resume_that_is_killed_in_turn_is_gone_on_with() {
    for (first, second) in [
        (Moment::Steps(1), Moment::Steps(1)),
        (Moment::FirstRecord, Moment::FirstKeeper),
        (Moment::FirstKeeper, Moment::Steps(2)),
        (Moment::Steps(4), Moment::Steps(1)),
        (Moment::Steps(5), Moment::Steps(2)),
    ] {
        let told = format!("{first:?}, then {second:?}");
        let workspace = Workspace::example(Person::Own, "quickstart");
        killed_at(&workspace, &["apply", "--yes"], first);
        killed_at(&workspace, &["resume"], second);
        let resumed = workspace.run(&["resume"]);
        assert!(matches!(resumed.status.code(), Some(0 | 66)), "{told}: {}", String::from_utf8_lossy(&resumed.stderr));
        expect_whole(&workspace, &told);
        workspace.expect(&["destroy", "--yes"], 0);
        expect_gone(&workspace, &told);
    }
}

#[test]
fn a_killed_destroy_is_gone_on_with() {
    for count in [1, 2, 3, 4, 5] {
        let workspace = Workspace::example(Person::Own, "quickstart");
        workspace.expect(&["apply", "--yes"], 0);
        killed_at(&workspace, &["destroy", "--yes"], Moment::Steps(count));
        let resumed = workspace.run(&["resume"]);
        assert!(matches!(resumed.status.code(), Some(0 | 66)), "{}", String::from_utf8_lossy(&resumed.stderr));
        expect_gone(&workspace, &format!("after {count} steps"));
    }
}

#[test]
fn servers_that_were_killed_are_started_again_with_their_files() {
    for person in Person::ALL {
        let workspace = Workspace::example(person, "quickstart");
        workspace.expect(&["apply", "--yes"], 0);
        workspace.expect(&["exec", "ada", "--", "sh", "-c", "echo kept > kept.txt"], 0);
        let before = workspace.outputs();

        kill(keeper_of(&workspace, "ada"));
        until("its keeper is gone", || own_keepers(&workspace).len() == 2);
        let plan = workspace.expect(&["plan", "--detailed-exitcode"], 2);
        assert!(plan.contains("~ update server ada  # changed outside"), "{person:?}: {plan}");
        assert!(plan.contains("\"stopped\" -> \"running\""), "{person:?}: {plan}");
        workspace.expect(&["apply", "--yes"], 0);
        assert_eq!(workspace.expect(&["exec", "ada", "--", "cat", "kept.txt"], 0), "kept\n", "{person:?}");
        expect_whole(&workspace, &format!("{person:?}, one killed"));

        // As after a restart of the machine: nothing runs any more.
        own_keepers(&workspace).into_iter().for_each(kill);
        until("every keeper is gone", || own_keepers(&workspace).is_empty());
        workspace.expect(&["apply", "--yes"], 0);
        expect_whole(&workspace, &format!("{person:?}, all killed"));
        assert_eq!(workspace.outputs(), before, "{person:?}: the addresses stay");
        workspace.expect(&["destroy", "--yes"], 0);
        expect_gone(&workspace, &format!("{person:?}"));
    }
}

#[test]
fn a_bridge_that_vanished_is_made_again_and_the_servers_are_plugged_in() {
    if !is_root() {
        // Without root there is no bridge; the test of the levels says what there is instead.
        return;
    }
    let workspace = Workspace::example(Person::Own, "quickstart");
    workspace.expect(&["apply", "--yes"], 0);
    let bridge = workspace.json(&["show", "net"])["object"]["id"].as_str().expect("an id").to_owned();
    let removed = Command::new("ip").args(["link", "delete", &bridge]).status().expect("`ip` of iproute2 is needed");
    assert!(removed.success());
    let plan = workspace.expect(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("\"down\" -> \"up\"") && plan.contains("\"unplugged\" -> \"running\""), "{plan}");
    workspace.expect(&["apply", "--yes"], 0);
    expect_whole(&workspace, "bridge");
    workspace.expect(&["destroy", "--yes"], 0);
    expect_gone(&workspace, "bridge");
}

#[test]
fn a_program_that_was_killed_is_started_again_by_its_keeper() {
    for person in Person::ALL {
        let workspace = Workspace::example(person, "quickstart");
        workspace.expect(&["apply", "--yes"], 0);
        let url = workspace.outputs()["ada"].clone();
        let address = url["http://".len()..url.rfind(':').expect("a port")].to_owned();
        let serves = |line: &&String| line.contains(" web --address ") && line.contains(&address);
        let program = || keepers().into_iter().find(|(_, line)| serves(&line)).map(|(process, _)| process);
        let first = program().expect("it runs");
        kill(first);
        until("another one runs", || program().is_some_and(|process| process != first));
        until("it answers", || std::net::TcpStream::connect((address.as_str(), 8080)).is_ok());
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        workspace.expect(&["destroy", "--yes"], 0);
    }
}

const PROCESS: &str = r#"
[providers.here]
type = "local"

[resources.clock]
kind = "process"
command = ["sh", "-c", "echo up; exec sleep 1000.25"]
"#;

fn sleepers() -> usize {
    let processes = fs::read_dir("/proc").expect("readable").flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|word| word == b"1000.25")).count()
}

#[test]
fn a_process_ends_with_its_keeper_and_is_started_again() {
    let workspace = Workspace::of(Person::Own, &[("main.toml", PROCESS)]);
    workspace.expect(&["apply", "--yes"], 0);
    until("it runs", || sleepers() == 1);
    assert_eq!(workspace.expect(&["logs", "clock"], 0), "up\n");
    kill(own_keepers(&workspace)[0]);
    until("it ends with its keeper", || sleepers() == 0);
    let plan = workspace.expect(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("\"stopped\" -> \"up\""), "{plan}");
    workspace.expect(&["apply", "--yes"], 0);
    until("it runs again", || sleepers() == 1);
    workspace.expect(&["plan", "--detailed-exitcode"], 0);

    // One that hangs makes room for another, and is ended all the same.
    let stop = || {
        let process = own_keepers(&workspace)[0].to_string();
        assert!(Command::new("kill").args(["-STOP", &process]).status().expect("`kill` is there").success());
    };
    stop();
    let plan = workspace.expect(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("\"failing\" -> \"up\""), "{plan}");
    workspace.expect(&["apply", "--yes"], 0);
    assert_eq!((sleepers(), own_keepers(&workspace).len()), (1, 1));
    workspace.expect(&["plan", "--detailed-exitcode"], 0);
    stop();
    workspace.expect(&["destroy", "--yes"], 0);
    assert_eq!(sleepers(), 0);
    expect_gone(&workspace, "process");
}

#[test]
fn a_server_that_hangs_is_removed_with_all_that_runs_in_it() {
    for person in Person::ALL {
        let workspace = Workspace::example(person, "quickstart");
        workspace.expect(&["apply", "--yes"], 0);
        let process = keeper_of(&workspace, "grace").to_string();
        assert!(Command::new("kill").args(["-STOP", &process]).status().expect("`kill` is there").success());
        let begun = Instant::now();
        workspace.expect(&["destroy", "--yes"], 0);
        assert!(begun.elapsed() < 3 * PATIENCE, "{person:?}: it took {:?}", begun.elapsed());
        expect_gone(&workspace, &format!("{person:?}"));
    }
}

#[test]
fn two_workspaces_on_one_machine_do_not_meet() {
    let [one, two] = [Workspace::example(Person::Own, "quickstart"), Workspace::example(Person::Own, "quickstart")];
    let apply =
        |workspace: &Workspace| workspace.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let runs = [apply(&one).expect("runs"), apply(&two).expect("runs")];
    for mut run in runs {
        assert!(run.wait().expect("ends").success());
    }
    expect_whole(&one, "one");
    expect_whole(&two, "two");
    let urls = |workspace: &Workspace| workspace.outputs().into_values().collect::<std::collections::BTreeSet<_>>();
    assert!(urls(&one).is_disjoint(&urls(&two)));
    one.expect(&["destroy", "--yes"], 0);
    expect_whole(&two, "two alone");
    two.expect(&["destroy", "--yes"], 0);
}
