//! A disk that is full, a folder that may not be written: what was recorded stays, and the rest goes on later.
//!
//! A limit on the size of files stands for the disk: it needs no rights, and fails as a disk does.

use std::fmt::Write as _;
use std::fs;
use std::process::Output;

use super::workspace::Workspace;
use super::{SMALL, said};

/// 60 values of two kilobytes.
fn large() -> Workspace {
    let mut text = "providers.lab.type = \"local\"\n".to_owned();
    for index in 0..60 {
        write!(text, "[resources.r{index}]\nkind = \"value\"\ninput = \"{}\"\n", "x".repeat(2_000)).expect("written");
    }
    Workspace::of(&[("main.toml", &text)])
}

/// Runs a command that can write no file beyond so many blocks of 512 bytes.
fn limited(workspace: &Workspace, blocks: u32, words: &str) -> Output {
    let binary = env!("CARGO_BIN_EXE_provisioning");
    let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec {binary} {words}");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line]).current_dir(workspace.path()).env_clear().env("PATH", "/usr/bin:/bin");
    command.output().expect("sh runs")
}

#[test]
fn a_run_on_a_full_disk_loses_nothing_that_it_recorded() {
    let mut cut_off = 0;
    for blocks in [500, 700, 900, 1_100] {
        let workspace = large();
        let output = limited(&workspace, blocks, "apply --yes");
        let told = said(&workspace, &output);
        assert_eq!(output.status.code(), Some(69), "at {blocks}: {told}");
        let expect = "error: the store cannot be read or written: disk I/O error\nhint: the disk may be full (`df`) or broken (the \
                      kernel's log); then `provisioning resume` goes on with a run that was cut off\n";
        assert!(told.ends_with(expect), "at {blocks}: {told}");
        assert!(workspace.expect(&["verify"], 0).starts_with("Whole: "));
        let runs = workspace.expect(&["runs", "--json"], 0);
        if runs.trim() == "[]" {
            workspace.expect(&["apply", "--yes"], 0);
        } else {
            cut_off += 1;
            workspace.expect(&["resume"], 0);
        }
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        assert!(workspace.expect(&["verify"], 0).starts_with("Whole: "));
    }
    assert!(cut_off > 0, "no limit fell into a run");
}

#[test]
fn a_store_that_cannot_be_begun_leaves_nothing_behind() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    for blocks in [0, 20] {
        assert_eq!(limited(&workspace, blocks, "apply --yes").status.code(), Some(69));
        let left = fs::read_dir(workspace.path().join(".provisioning")).expect("a folder").count();
        assert_eq!(left, 0, "at {blocks}");
    }
    workspace.expect(&["apply", "--yes"], 0);
}

#[test]
fn a_full_disk_leaves_neither_half_a_plan_nor_half_a_workspace() {
    let workspace = large();
    workspace.expect(&["plan", "--out", "earlier"], 0);
    let output = limited(&workspace, 100, "plan --out saved");
    let expect = "error: cannot write `saved`: File too large (os error 27)\nhint: free some space, and try again\n";
    assert_eq!((said(&workspace, &output).as_str(), output.status.code()), (expect, Some(72)));
    assert!(fs::read_dir(workspace.path()).expect("listed").all(|entry| {
        let name = entry.expect("an entry").file_name();
        !name.to_string_lossy().starts_with("saved")
    }));
    let output = limited(&workspace, 0, "init new");
    let expect =
        "error: cannot write `ROOT/new/provisioning.toml`: File too large (os error 27)\nhint: free some space, and try again\n";
    assert_eq!((said(&workspace, &output).as_str(), output.status.code()), (expect, Some(72)));
    workspace.expect(&["init", "new"], 0);
}

#[test]
fn standard_output_that_is_full_is_an_error_and_one_that_is_closed_is_none() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    workspace.expect(&["apply", "--yes"], 0);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there");
    let output = workspace.command(&["show"]).stdout(full).output().expect("it runs");
    let expect =
        "error: cannot write to `standard output`: No space left on device (os error 28)\nhint: free some space, and try again\n";
    assert_eq!((said(&workspace, &output).as_str(), output.status.code()), (expect, Some(72)));
    for words in [&["show"][..], &["show", "--json"], &["events"], &["plan"], &["completions", "bash"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = workspace.command(words).stdout(writer).output().expect("it runs");
        assert_eq!((said(&workspace, &output).as_str(), output.status.code()), ("", Some(0)), "{words:?}");
    }
}
