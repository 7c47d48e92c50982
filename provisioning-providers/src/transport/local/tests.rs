//! Real processes. A named pipe tells when the last process that holds it has ended, so that nothing waits on a clock.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

fn shell(line: &str) -> Command {
    Command::shell(line)
}

async fn said(command: &Command) -> (i32, String) {
    let output = LocalHost.run(command).await.expect("runs");
    (output.code, String::from_utf8(output.stdout).expect("a text"))
}

/// A named pipe that `line`'s background process holds open until it ends.
async fn pipe(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("alive");
    let made = said(&Command { arguments: vec!["mkfifo".into(), path.display().to_string()], ..Command::default() }).await;
    assert_eq!(made.0, 0);
    path
}

fn holding(pipe: &Path) -> Command {
    shell(&format!("(echo up; sleep 1000) > {} & wait", pipe.display()))
}

#[tokio::test]
async fn a_command_gets_its_input_directory_and_environment() {
    let directory = TempDir::new().expect("a directory");
    let command = Command {
        directory: directory.path().display().to_string(),
        environment: [("WORD".to_owned(), "x".to_owned())].into(),
        input: b"in".to_vec(),
        ..shell("pwd; echo $WORD; cat; echo err >&2; exit 3")
    };
    let output = LocalHost.run(&command).await.expect("runs");
    let place = directory.path().canonicalize().expect("exists");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\nx\nin", place.display()));
    assert_eq!((output.code, output.stderr.as_slice()), (3, b"err\n".as_slice()));
}

#[tokio::test]
async fn a_signal_is_128_and_its_number() {
    assert_eq!(said(&shell("kill -9 $$")).await.0, 137);
}

#[tokio::test]
async fn output_beyond_the_limit_is_dropped_and_the_command_still_ends() {
    let output = LocalHost.run(&shell("head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2")).await.expect("runs");
    assert_eq!((output.code, output.stdout.len(), output.stderr.len()), (0, MAX_OUTPUT, MAX_OUTPUT));
}

#[tokio::test]
async fn input_that_nobody_reads_is_no_error() {
    let command = Command { input: vec![b'x'; 1 << 20], ..shell("echo ok") };
    assert_eq!(said(&command).await, (0, "ok\n".into()));
}

#[tokio::test]
async fn a_background_process_is_neither_waited_for_nor_killed() {
    let directory = TempDir::new().expect("a directory");
    let (pipe, answer) = (pipe(&directory).await, directory.path().join("answer"));
    let line = format!("(read word < {p}; echo $word > {p}.2) & echo started", p = pipe.display());
    let second = format!("mkfifo {p}.2", p = pipe.display());
    assert_eq!(said(&shell(&second)).await.0, 0);
    assert_eq!(said(&shell(&line)).await, (0, "started\n".into()));
    let ask = format!("echo alive > {p}; cat {p}.2 > {a}", p = pipe.display(), a = answer.display());
    assert_eq!(said(&shell(&ask)).await.0, 0);
    assert_eq!(LocalHost.get(&answer).await.expect("reads").as_deref(), Some(b"alive\n".as_slice()));
}

#[tokio::test]
async fn a_timeout_kills_the_whole_group() {
    let directory = TempDir::new().expect("a directory");
    let pipe = pipe(&directory).await;
    let command = Command { timeout: Some(Duration::from_secs(1)), ..holding(&pipe) };
    let ended = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        File::open(pipe).and_then(|mut file| file.read_to_string(&mut said)).map(|_| said)
    });
    let error = LocalHost.run(&command).await.expect_err("takes too long");
    assert_eq!(error.to_string(), "`/bin/sh` was stopped after 1 s");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Unsure));
    assert_eq!(ended.await.expect("joins").expect("reads to the end"), "up\n");
}

#[tokio::test]
async fn a_call_that_is_dropped_kills_the_whole_group() {
    let directory = TempDir::new().expect("a directory");
    let pipe = pipe(&directory).await;
    let command = holding(&pipe);
    let call = tokio::spawn(async move { LocalHost.run(&command).await });
    let opened = tokio::task::spawn_blocking(move || File::open(pipe)).await.expect("joins");
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    let mut file = opened.expect("the command opened the other end");
    let read = tokio::task::spawn_blocking(move || file.read_to_end(&mut Vec::new())).await.expect("joins");
    assert!(read.is_ok(), "the last holder has ended");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let command = Command { arguments: vec!["no-such-program".into()], ..Command::default() };
    let error = LocalHost.run(&command).await.expect_err("cannot start");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "`no-such-program` could not be started"));
}

#[tokio::test]
async fn a_file_that_is_put_is_got_back_and_put_again() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("file");
    assert_eq!(LocalHost.get(&path).await.expect("reads"), None);
    for content in [b"one".as_slice(), b"two"] {
        LocalHost.put(&path, content, 0o600).await.expect("puts");
        assert_eq!(LocalHost.get(&path).await.expect("reads").as_deref(), Some(content));
    }
    let mode = said(&shell(&format!("stat -c %a {}", path.display()))).await;
    assert_eq!(mode, (0, "600\n".into()));
}

#[test]
fn a_terminal_takes_the_command_as_it_is_and_in_its_directory() {
    let command = Command { arguments: vec!["pwd".into(), "-P".into()], ..Command::default() };
    assert_eq!(LocalHost.terminal(&command).expect("words"), ["pwd", "-P"]);
    let directory = TempDir::new().expect("a directory");
    let place = directory.path().canonicalize().expect("exists").display().to_string();
    let words = LocalHost.terminal(&Command { directory: place.clone(), ..command }).expect("words");
    let output = std::process::Command::new(&words[0]).args(&words[1..]).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{place}\n"));
}
