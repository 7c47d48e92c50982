//! Programs that do not do what they should, as the kind `process` and as the service `program`.

use std::fs;

use super::machine::{Person, Workspace};
use super::{declare, declared, destroy, refusal, said};

/// A program as a process, and as a service at every level of whoever runs the tests.
fn everywhere(fields: &str) -> Vec<(String, &'static str)> {
    let process = format!("[resources.p]\nkind = \"process\"\n{fields}\n");
    let mut all = vec![(process, "p/create: the program")];
    for isolation in ["auto", "confined"] {
        let server = format!("[resources.s]\nkind = \"server\"\nisolation = \"{isolation}\"\n");
        let service = format!("{server}[services.p]\nservice = \"program\"\non = [\"s\"]\n[services.p.config]\n{fields}\n");
        all.push((service, "p@s/apply: program `p`"));
    }
    all
}

#[test]
fn a_program_that_does_not_run_is_told_with_its_reason_and_its_last_words() {
    let workspace = Workspace::of(Person::Own, &[]);
    for (fields, why) in [
        ("command = [\"false\"]", "it exited with 1"),
        ("command = [\"false\"]\nrestart = \"never\"", "it exited with 1"),
        (
            "command = [\"sh\", \"-c\", \"echo a; echo b; echo c; echo d; exit 3\"]\nrestart = \"on_failure\"",
            "it exited with 3: b / c / d",
        ),
        ("command = [\"sh\", \"-c\", \"kill -9 $$\"]", "it was killed by signal 9"),
        ("command = [\"sh\", \"-c\", \"exit 127\"]", "it exited with 127"),
        ("command = [\"no-such-program\"]", "`no-such-program` was not found"),
        ("command = [\"/etc/passwd\"]", "`/etc/passwd` may not be executed"),
        (
            "command = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]\nhealth = { tcp = \"127.0.0.1:1\", start_seconds = 0.2 }",
            "it did not pass its health check within 0.2 s: connection refused: up / up / up",
        ),
    ] {
        for (text, what) in everywhere(fields) {
            declare(&workspace, &text);
            assert_eq!(refusal(&workspace), format!("error: {what} does not run: {why}\nhint: its log tells more"), "{text}");
        }
    }
    destroy(&workspace);
}

#[test]
fn a_program_ends_by_its_signal_and_its_log_has_a_limit() {
    let line = "trap 'echo ended > ended; exit 0' USR1; seq 20000; echo ready; while :; do sleep 0.05; done";
    let workspace = declared(
        Person::Own,
        &format!(
            "[resources.p]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"{line}\"]\nstop_signal = \"USR1\"\nlog_max_bytes = 10000\nlog_files = 2\n"
        ),
    );
    workspace.expect(&["apply", "--yes"], 0);
    super::until("the log ends with its last line", || said(&workspace, &["logs", "p"], 0).ends_with("ready\n"));
    let processes = workspace.path().join(".provisioning/local/processes");
    let place = fs::read_dir(processes).expect("listed").flatten().next().expect("one").path();
    let sizes: Vec<_> = fs::read_dir(place.join("control/logs"))
        .expect("listed")
        .flatten()
        .map(|entry| entry.metadata().expect("there").len())
        .collect();
    assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 10_000), "{sizes:?}");
    destroy(&workspace);
    assert_eq!(fs::read_to_string(workspace.path().join("ended")).expect("it heard the signal"), "ended\n");
}
