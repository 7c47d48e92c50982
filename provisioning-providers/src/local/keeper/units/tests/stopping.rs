//! How units end: with everything that they started.

use super::*;

/// A line after which a process of its own session and one of the group hold a pipe.
fn spreading(pipe: &Path) -> String {
    let pipe = pipe.display();
    format!("(trap '' TERM; setsid sh -c 'echo far; exec sleep 1000') > {pipe} & (echo near; exec sleep 1000) > {pipe} & wait")
}

#[tokio::test]
async fn a_removed_unit_leaves_no_process_and_no_file() {
    let (directory, keeper) = stand();
    let pipe = pipe(&directory);
    let stop = Stop { signal: "TERM".into(), timeout_seconds: 0.2 };
    keeper.put("web", &Unit { stop, ..unit(&spreading(&pipe)) }).await;
    let holders = Holders::of(&pipe, &["far", "near"]);
    keeper.control.remove("web").await.expect("removes");
    holders.ended();
    assert!(keeper.control.units().await.expect("tells").is_empty());
    for folder in ["units", "logs"] {
        assert_eq!(fs::read_dir(directory.path().join(folder)).expect("reads").count(), 0);
    }
    keeper.control.remove("web").await.expect("nothing to remove");
}

#[tokio::test]
async fn a_program_that_ends_takes_along_what_it_left_running() {
    let (directory, keeper) = stand();
    let pipe = pipe(&directory);
    let line = format!("(setsid sh -c 'echo far; exec sleep 1000') > {} & read word < {}.end", pipe.display(), pipe.display());
    assert!(Command::new("mkfifo").arg(format!("{}.end", pipe.display())).status().expect("runs").success());
    keeper.put("web", &Unit { restart: Restart::Never, ..unit(&line) }).await;
    let holders = Holders::of(&pipe, &["far"]);
    fs::write(format!("{}.end", pipe.display()), "end\n").expect("writes");
    keeper.until("web", |status| status.state == UnitState::Ended && status.process.is_none()).await;
    holders.ended();
}

#[tokio::test]
async fn a_unit_is_stopped_with_its_signal_and_may_tidy_up() {
    let (_directory, keeper) = stand();
    let stop = Stop { signal: "USR1".into(), timeout_seconds: 60.0 };
    let line = "trap 'echo tidy; exit 0' USR1; echo ready; while :; do sleep 1000 & wait; done";
    keeper.put("web", &Unit { stop: stop.clone(), ..unit(line) }).await;
    keeper.until_logged("web", "ready\n").await;
    keeper.put("web", &Unit { stop, ..unit("exec sleep 1000") }).await;
    assert_eq!(keeper.control.log("web", 100).await.expect("reads"), b"ready\ntidy\n");
}

#[tokio::test]
async fn a_program_that_does_not_listen_is_killed() {
    let (_directory, keeper) = stand();
    let stop = Stop { signal: "TERM".into(), timeout_seconds: 0.1 };
    keeper.put("web", &Unit { stop, ..unit("trap '' TERM; echo ready; while :; do sleep 1000; done") }).await;
    keeper.until_logged("web", "ready\n").await;
    keeper.control.remove("web").await.expect("removes");
}

#[tokio::test]
async fn a_keeper_that_ends_takes_everything_along() {
    let (directory, keeper) = stand();
    let pipe = pipe(&directory);
    let hidden = format!("env -i setsid sh -c 'echo hidden; exec sleep 1000' > {} & wait", pipe.display());
    keeper.put("hidden", &unit(&hidden)).await;
    keeper.put("plain", &unit("exec sleep 1000")).await;
    let holders = Holders::of(&pipe, &["hidden"]);
    keeper.until_running("plain").await;
    keeper.control.stop().await.expect("stops");
    assert!(keeper.ended().success());
    holders.ended();
    assert!(!directory.path().join("socket").exists());
    assert_eq!(fs::read_dir(directory.path().join("units")).expect("reads").count(), 2, "they are started next time");
}

#[tokio::test]
async fn orphans_are_reaped_and_exit_statuses_are_not_stolen() {
    let (_directory, keeper) = stand();
    let line = "for i in 1 2 3 4 5; do (sh -c 'exec setsid true' &); done; echo $PPID; exec sleep 1000";
    keeper.put("web", &unit(line)).await;
    keeper.until_logged("web", "\n").await;
    for number in 0..10 {
        keeper.put("exits", &Unit { restart: Restart::Never, ..unit(&format!("(setsid true &); exit 3; : {number}")) }).await;
        assert_eq!(keeper.until_failed("exits").await, "it exited with 3");
    }
    let begin = Instant::now();
    while !zombies_of(keeper.process.id()).is_empty() {
        assert!(begin.elapsed() < PATIENCE, "zombies stay");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The children of a process that ended and were not reaped.
fn zombies_of(parent: u32) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("reads").flatten();
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| stat.contains(&format!(") Z {parent} "))).collect()
}
