//! What runs and what it writes.

use std::os::unix::ffi::OsStrExt as _;

use provisioning_core::error::ErrorKind;

use super::*;

#[tokio::test]
async fn a_unit_runs_with_its_words_directory_and_environment_and_its_output_is_kept() {
    let (directory, keeper) = stand();
    fs::create_dir(directory.path().join("sub")).expect("makes");
    let line = "pwd; echo $WORD $PROVISIONING_UNIT ${HOME-none} >&2; exec sleep 1000";
    let unit = Unit { directory: "sub".into(), environment: [("WORD".into(), "x".into())].into(), ..unit(line) };
    keeper.put("web", &unit).await;
    let place = directory.path().canonicalize().expect("exists");
    keeper.until_logged("web", &format!("{}/sub\nx web none\n", place.display())).await;
    let status = keeper.until_running("web").await;
    assert_eq!((status.unit, status.restarts), (unit, 0));
}

#[tokio::test]
async fn the_keeper_says_its_level() {
    let (_directory, keeper) = stand();
    let reply = keeper.control.ask(&Request::Status).await.expect("asks").expect("is there");
    assert_eq!(reply, Reply::Status { units: [].into(), level: "none".into() });
}

#[tokio::test]
async fn the_same_unit_again_changes_nothing_and_another_one_takes_its_place() {
    let (_directory, keeper) = stand();
    keeper.put("web", &unit("exec sleep 1000")).await;
    let first = keeper.until_running("web").await;
    keeper.put("web", &unit("exec sleep 1000")).await;
    assert_eq!(keeper.status("web").await, first);
    keeper.put("web", &unit("exec sleep 2000")).await;
    let second = keeper.until_running("web").await;
    assert_ne!(second.process, first.process);
    assert_eq!((second.unit.arguments[2].as_str(), second.restarts), ("exec sleep 2000", 0));
}

#[tokio::test]
async fn what_ended_is_started_again_and_says_why() {
    let (directory, keeper) = stand();
    let pipe = pipe(&directory);
    keeper.put("web", &unit(&format!("read code < {}; exit $code", pipe.display()))).await;
    fs::write(&pipe, "3\n").expect("writes");
    let status = keeper.until("web", |status| matches!(status.state, UnitState::Waiting(_))).await;
    assert_eq!((status.state, status.process), (UnitState::Waiting("it exited with 3".into()), None));
    assert_eq!(keeper.until_running("web").await.restarts, 1);
}

#[tokio::test]
async fn a_program_that_shall_not_be_started_again_stays_as_it_ended() {
    let (_directory, keeper) = stand();
    keeper.put("fails", &Unit { restart: Restart::Never, ..unit("kill -9 $$") }).await;
    keeper.put("ends", &Unit { restart: Restart::OnFailure, ..unit("exit 0") }).await;
    assert_eq!(keeper.until_failed("fails").await, "it was killed by signal 9");
    assert_eq!(keeper.until("ends", |status| status.state == UnitState::Ended).await.process, None);
}

#[tokio::test]
async fn what_cannot_be_started_fails_for_good() {
    let (directory, keeper) = stand();
    let plain = directory.path().join("plain").display().to_string();
    fs::write(&plain, "").expect("writes");
    keeper.put("missing", &Unit { arguments: vec!["/no/such/program".into()], ..unit("") }).await;
    keeper.put("plain", &Unit { arguments: vec![plain.clone()], ..unit("") }).await;
    keeper.put("lost", &Unit { directory: "nowhere".into(), ..unit("") }).await;
    assert_eq!(keeper.until_failed("missing").await, "`/no/such/program` was not found");
    assert_eq!(keeper.until_failed("plain").await, format!("`{plain}` may not be executed"));
    let lost = directory.path().join("nowhere");
    assert_eq!(keeper.until_failed("lost").await, format!("its directory `{}` does not exist", lost.display()));
}

#[tokio::test]
async fn the_words_of_the_surroundings_stand_before_each_command() {
    let directory = TempDir::new().expect("a directory");
    let keeper = Standing::prefixed(directory.path(), "env PREFIXED=yes");
    let probe = Probe::Command(["/bin/sh", "-c", "test $PREFIXED = yes"].map(str::to_owned).into());
    keeper.put("web", &Unit { health: Some(health(probe)), ..unit("echo $PREFIXED; exec sleep 1000") }).await;
    keeper.until_logged("web", "yes\n").await;
    keeper.until_running("web").await;
}

#[tokio::test]
async fn a_log_is_put_aside_while_its_program_goes_on_writing() {
    let (_directory, keeper) = stand();
    let line = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exec sleep 1000";
    keeper.put("web", &Unit { log: Log { max_bytes: 100, files: 3 }, ..unit(line) }).await;
    keeper.until_logged("web", "line 499\n").await;
    let logs = keeper.control.directory.join("logs");
    let mut sizes = Vec::new();
    for entry in fs::read_dir(logs).expect("reads") {
        let entry = entry.expect("an entry");
        sizes.push((entry.file_name().into_string().expect("a text"), entry.metadata().expect("reads").len()));
    }
    sizes.sort();
    assert_eq!(sizes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["web.log", "web.log.1", "web.log.2"]);
    assert!(sizes.iter().all(|(_, size)| *size <= 100), "{sizes:?}");
}

#[tokio::test]
async fn what_is_no_unit_is_refused() {
    let (_directory, keeper) = stand();
    for (name, unit) in [("../web", unit("true")), ("web", Unit { arguments: Vec::new(), ..unit("") })] {
        assert_eq!(keeper.control.put(name, &unit).await.expect_err(name).kind(), ErrorKind::Invalid);
    }
    assert_eq!(keeper.control.remove(".web").await.expect_err("is no name").kind(), ErrorKind::Invalid);
    assert!(keeper.control.units().await.expect("tells").is_empty());
}

#[tokio::test]
async fn a_keeper_answers_nonsense_and_goes_on() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (directory, keeper) = stand();
    let mut stream = tokio::net::UnixStream::connect(directory.path().join("socket")).await.expect("connects");
    stream.write_all(b"\"\"\n{\"dance\":{}}\n\xff\n\"status\"\n").await.expect("asks");
    stream.shutdown().await.expect("ends");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("answers");
    let kinds: Vec<_> = said.lines().map(|line| line.split('"').nth(1).unwrap_or_default()).collect();
    assert_eq!(kinds, ["refused", "refused", "status"], "{said}");
    keeper.put("web", &unit("exec sleep 1000")).await;
}

#[tokio::test]
async fn a_control_directory_may_have_a_long_path() {
    let root = TempDir::new().expect("a directory");
    let directory = root.path().join("long".repeat(20)).join("longer".repeat(20));
    fs::create_dir_all(&directory).expect("makes");
    assert!(directory.as_os_str().as_bytes().len() > 107);
    let keeper = Standing::over(&directory);
    keeper.put("web", &unit("exec sleep 1000")).await;
    keeper.until_running("web").await;
}
