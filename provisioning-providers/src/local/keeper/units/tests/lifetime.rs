//! What a keeper remembers from one process to the next.

use super::*;

#[tokio::test]
async fn a_keeper_that_was_killed_is_followed_by_one_that_starts_the_units_anew() {
    let (directory, keeper) = stand();
    let pipe = pipe(&directory);
    let line =
        format!("[ -e {d}/second ] || exec > {p}; echo up; exec sleep 1000", d = directory.path().display(), p = pipe.display());
    keeper.put("web", &unit(&line)).await;
    let holders = Holders::of(&pipe, &["up"]);
    let first = keeper.until_running("web").await;
    fs::write(directory.path().join("second"), "").expect("writes");
    keeper.signal(Signal::KILL);
    assert!(!keeper.ended().success());
    let second = Standing::over(directory.path());
    // The first program does not stand beside the second.
    holders.ended();
    assert_ne!(second.until_running("web").await.process, first.process);
    second.until_logged("web", "up\n").await;
}

#[tokio::test]
async fn a_file_that_says_nothing_is_a_failed_unit_and_stops_no_other() {
    let directory = TempDir::new().expect("a directory");
    fs::create_dir(directory.path().join("units")).expect("makes");
    let file = |name: &str, text: &str| fs::write(directory.path().join("units").join(name), text).expect("writes");
    file("cut.json", "{\"arguments\": [");
    file("empty.json", &serde_json::to_string(&Unit { arguments: Vec::new(), ..unit("") }).expect("writes"));
    file("good.json", &serde_json::to_string(&unit("exec sleep 1000")).expect("writes"));
    file(".draft.json", "{}");
    file("notes.txt", "{}");
    let keeper = Standing::over(directory.path());
    keeper.until_running("good").await;
    assert!(keeper.until_failed("cut").await.contains("cut.json` cannot be used: EOF"));
    assert!(keeper.until_failed("empty").await.ends_with("a unit has no program"));
    assert_eq!(keeper.control.units().await.expect("tells").len(), 3);
    keeper.put("cut", &unit("exec sleep 1000")).await;
    keeper.until_running("cut").await;
    keeper.control.remove("empty").await.expect("removes");
}
