//! Whether programs work, as they are asked in three ways.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn asked(probe: Probe) -> Unit {
    Unit { health: Some(health(probe)), ..unit("exec sleep 1000") }
}

fn command(line: &str) -> Probe {
    Probe::Command(["/bin/sh", "-c", line].map(str::to_owned).into())
}

/// Answers each connection with a status.
async fn answering(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address.to_string()
}

/// An address where nobody listens.
async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    listener.local_addr().expect("has one").to_string()
}

#[tokio::test]
async fn a_unit_runs_when_its_first_answer_is_good() {
    let (_directory, keeper) = stand();
    keeper.put("ok", &asked(Probe::Http(format!("http://{}/health", answering("200 OK").await)))).await;
    keeper.put("moved", &asked(Probe::Http(format!("http://{}/", answering("302 Found").await)))).await;
    keeper.put("tcp", &asked(Probe::Tcp(answering("503 No").await))).await;
    keeper.put("command", &asked(command("test $PROVISIONING_UNIT = command"))).await;
    for name in ["ok", "moved", "tcp", "command"] {
        keeper.until_running(name).await;
    }
}

#[tokio::test]
async fn a_unit_is_starting_until_it_passed() {
    let (directory, keeper) = stand();
    let flag = directory.path().join("flag");
    keeper.put("web", &asked(command(&format!("test -e {}", flag.display())))).await;
    keeper.until("web", |status| status.state == UnitState::Starting && status.process.is_some()).await;
    fs::write(flag, "").expect("writes");
    keeper.until_running("web").await;
}

#[tokio::test]
async fn a_start_without_a_good_answer_fails_with_the_last_one() {
    let (_directory, keeper) = stand();
    let http = |address: String| Probe::Http(format!("http://{address}/"));
    let cases = [
        ("status", http(answering("503 No").await), "status 503"),
        ("nonsense", http(answering("x y").await), "not an answer in HTTP"),
        ("closed", http(closed().await), "connection refused"),
        ("tcp", Probe::Tcp(closed().await), "connection refused"),
        ("command", command("exit 7"), "exited with 7"),
        ("killed", command("kill -9 $$"), "was killed by signal 9"),
    ];
    for (name, probe, _) in &cases {
        let health = Health { start_seconds: 2.0, interval_seconds: 1.0, ..health(probe.clone()) };
        keeper.put(name, &Unit { restart: Restart::Never, health: Some(health), ..unit("exec sleep 1000") }).await;
    }
    for (name, _, answer) in cases {
        assert_eq!(keeper.until_failed(name).await, format!("it did not pass its health check within 2 s: {answer}"));
    }
}

#[tokio::test]
async fn three_starts_without_a_good_answer_are_enough() {
    let (_directory, keeper) = stand();
    let health = Health { start_seconds: 0.05, ..health(command("false")) };
    keeper.put("web", &Unit { health: Some(health), ..unit("exec sleep 1000") }).await;
    let reason = keeper.until_failed("web").await;
    assert!(reason.starts_with("it did not pass its health check within 0.05 s: "), "{reason}");
    assert_eq!(keeper.until("web", |status| status.process.is_none()).await.restarts, 2);
}

#[tokio::test]
async fn bad_answers_after_good_ones_start_it_again() {
    let (directory, keeper) = stand();
    let flag = directory.path().join("flag");
    fs::write(&flag, "").expect("writes");
    keeper.put("web", &asked(command(&format!("test -e {}", flag.display())))).await;
    let first = keeper.until_running("web").await;
    fs::remove_file(&flag).expect("removes");
    let failing = keeper.until("web", |status| matches!(status.state, UnitState::Waiting(_))).await;
    assert_eq!(failing.state, UnitState::Waiting("it failed its health check 2 times in a row: exited with 1".into()));
    fs::write(&flag, "").expect("writes");
    let second = keeper.until_running("web").await;
    assert_eq!(second.restarts, 1);
    assert_ne!(second.process, first.process);
}

#[tokio::test]
async fn a_question_without_an_answer_ends_with_its_processes() {
    let (directory, keeper) = stand();
    let pipe = pipe(&directory);
    let line = format!("(echo asked; sleep 1000) > {} & wait", pipe.display());
    let health = Health { timeout_seconds: 1.0, start_seconds: 2.5, ..health(command(&line)) };
    let unit = Unit { restart: Restart::Never, health: Some(health), ..unit("exec sleep 1000") };
    keeper.put("web", &unit).await;
    let holders = Holders::of(&pipe, &["asked"]);
    let reason = keeper.until_failed("web").await;
    assert_eq!(reason, "it did not pass its health check within 2.5 s: no answer within 1 s");
    holders.ended();
}
