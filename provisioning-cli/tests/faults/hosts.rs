//! `exec`, `shell` and `logs` on the one host that is everywhere: this machine.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value as Json;

use super::workspace::Workspace;
use super::{SMALL, fails, said};

fn applied() -> Workspace {
    let workspace = Workspace::of(&[("main.toml", &format!("{SMALL}[resources.machine]\nkind = \"host\"\n"))]);
    workspace.expect(&["apply", "--yes"], 0);
    workspace
}

#[test]
fn a_command_runs_on_a_host_with_its_own_streams_and_code() {
    let workspace = applied();
    let output = workspace.run(&["exec", "machine", "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((output.stdout.as_slice(), said(&workspace, &output).as_str()), (&b"out\n"[..], "err\n"));
    assert_eq!(output.status.code(), Some(7));
    let json = workspace.expect(&["--json", "exec", "machine", "--", "/bin/sh", "-c", "printf out; exit 7"], 7);
    let json: Json = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json, serde_json::json!({ "code": 7, "stdout": "out", "stderr": "", "cut": false }));
}

#[test]
fn a_command_reads_what_is_piped_in() {
    let workspace = applied();
    let mut command = workspace.command(&["exec", "machine", "--", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(b"\x00\xffbytes").expect("written");
    assert_eq!(child.wait_with_output().expect("ends").stdout, b"\x00\xffbytes");
}

#[test]
fn a_shell_has_the_streams_of_the_command_and_gives_its_code() {
    let workspace = applied();
    let mut command = workspace.command(&["shell", "machine"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(b"echo in the shell; exit 3\n").expect("written");
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"in the shell\n"[..], Some(3)));
    assert_eq!(workspace.expect(&["shell", "machine", "--", "/bin/sh", "-c", "kill -9 $$"], 137), "");
}

#[test]
fn what_is_no_host_is_told() {
    let workspace = applied();
    let known = "hint: did you mean `machine`?\n";
    let host = "hint: name a resource that is a host, such as a server; a service runs on the host after its `@`\n";
    let keeps = "hint: only what a host keeps running has a log there; a server keeps programs\n";
    for words in ["exec machin -- true", "shell machin", "logs machin"] {
        fails(&workspace, words, 66, &format!("error: there is no resource `machin`\n{known}"));
    }
    for words in ["exec a -- true", "shell a", "logs a"] {
        fails(&workspace, words, 65, &format!("error: `a` has no `connection`\n{host}"));
    }
    fails(&workspace, "logs machine", 71, &format!("error: `machine` keeps no programs running\n{keeps}"));
    fails(
        &workspace,
        "exec machine -- no-such-program",
        66,
        "error: `no-such-program` could not be started: No such file or directory (os error 2)\n",
    );
    assert_eq!(workspace.run(&["exec", "machine"]).status.code(), Some(64), "a command is needed");
}
