//! Keepers as processes of their own, with real programs. Nothing waits on a clock: a state is asked for until it is
//! there, and a named pipe tells when the last process that holds it has ended.

mod lifetime;
mod running;
mod stopping;
mod watching;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use provisioning_core::host::{Health, Log, Probe, Restart, Stop, Supervisor as _, Unit, UnitState, UnitStatus};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::super::client::Control;
use super::super::protocol::{Reply, Request};
use super::{Surroundings, keep};

/// The variable that makes the test below a keeper.
const KEEPER: &str = "PROVISIONING_TEST_KEEPER";
/// The variable that holds the words which that keeper puts before each command.
const PREFIX: &str = "PROVISIONING_TEST_PREFIX";
/// How long a state may take to be there.
const PATIENCE: Duration = Duration::from_mins(1);

/// A keeper that ends with the test.
pub(super) struct Standing {
    process: Child,
    /// Open for as long as the process has something to say.
    _stdout: Lines<BufReader<ChildStdout>>,
    control: Control,
}

impl Standing {
    /// Starts a keeper and waits until it is ready.
    fn over(directory: &Path) -> Self {
        Self::prefixed(directory, "")
    }

    /// Starts a keeper that puts words before each command.
    fn prefixed(directory: &Path, prefix: &str) -> Self {
        let mut command = Command::new(env::current_exe().expect("is a program"));
        let test = "local::keeper::units::tests::a_keeper_stands_until_a_signal_ends_it";
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(KEEPER, directory).env(PREFIX, prefix);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut said = BufReader::new(process.stdout.take().expect("is piped")).lines();
        assert!(said.any(|line| line.expect("a line").ends_with("keeper is ready")), "it ended before it was ready");
        Self { process, _stdout: said, control: Control { directory: directory.to_owned() } }
    }

    async fn put(&self, name: &str, unit: &Unit) {
        self.control.put(name, unit).await.expect("puts");
    }

    async fn status(&self, name: &str) -> UnitStatus {
        self.control.units().await.expect("tells").remove(name).expect("is there")
    }

    /// Waits until a unit is as wanted.
    async fn until(&self, name: &str, wanted: impl Fn(&UnitStatus) -> bool) -> UnitStatus {
        let begin = Instant::now();
        loop {
            let status = self.status(name).await;
            if wanted(&status) {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "still {status:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_running(&self, name: &str) -> UnitStatus {
        self.until(name, |status| status.state == UnitState::Running && status.process.is_some()).await
    }

    async fn until_failed(&self, name: &str) -> String {
        match self.until(name, |status| matches!(status.state, UnitState::Failed(_))).await.state {
            UnitState::Failed(reason) => reason,
            other => unreachable!("{other:?}"),
        }
    }

    async fn until_logged(&self, name: &str, wanted: &str) {
        let begin = Instant::now();
        loop {
            let text = String::from_utf8_lossy(&self.control.log(name, 1 << 20).await.expect("reads")).into_owned();
            if text.contains(wanted) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "still {text:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("is there");
    }

    fn ended(mut self) -> ExitStatus {
        self.process.wait().expect("ends")
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // Nothing to end when the test has ended it.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

fn stand() -> (TempDir, Standing) {
    let directory = TempDir::new().expect("a directory");
    let standing = Standing::over(directory.path());
    (directory, standing)
}

/// A unit that runs a line in a shell.
pub(super) fn unit(line: &str) -> Unit {
    Unit {
        arguments: ["/bin/sh", "-c", line].map(str::to_owned).into(),
        directory: String::new(),
        environment: [].into(),
        restart: Restart::Always,
        health: None,
        stop: Stop { signal: "TERM".into(), timeout_seconds: 30.0 },
        log: Log { max_bytes: 1 << 20, files: 2 },
    }
}

/// A question that is asked often.
pub(super) fn health(probe: Probe) -> Health {
    Health { probe, interval_seconds: 0.02, timeout_seconds: 30.0, failures: 2, start_seconds: 60.0 }
}

/// A named pipe in a directory.
fn pipe(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("alive");
    assert!(Command::new("mkfifo").arg(&path).status().expect("runs").success());
    path
}

/// Waits for the lines that the holders of a named pipe say first, and for the last one to let go.
struct Holders(std::thread::JoinHandle<()>);

impl Holders {
    fn of(pipe: &Path, lines: &[&str]) -> Self {
        let mut pipe = BufReader::new(fs::File::open(pipe).expect("opens"));
        let mut said: Vec<_> = lines.iter().map(|_| String::new()).collect();
        for line in &mut said {
            pipe.read_line(line).expect("reads");
        }
        said.sort();
        assert_eq!(said.iter().map(|line| line.trim_end()).collect::<Vec<_>>(), lines);
        let rest = move || assert!(pipe.read_to_end(&mut Vec::new()).is_ok());
        Self(std::thread::spawn(rest))
    }

    fn ended(self) {
        self.0.join().expect("reads to the end");
    }
}

#[test]
fn a_keeper_stands_until_a_signal_ends_it() {
    if let Some(control) = env::var_os(KEEPER) {
        return keep_as_process(control.into());
    }
    for signal in [Signal::TERM, Signal::INT] {
        let (directory, keeper) = stand();
        assert!(directory.path().join("socket").exists());
        keeper.signal(signal);
        assert!(keeper.ended().success());
        assert!(!directory.path().join("socket").exists());
    }
}

/// What the other side of [`Standing::over`] does.
fn keep_as_process(control: PathBuf) {
    set_child_subreaper(Some(getpid())).expect("is allowed to everybody");
    let surroundings = Surroundings {
        key: String::new(),
        home: control.clone(),
        control,
        environment: [("PATH".to_owned(), env::var("PATH").unwrap_or_default())].into(),
        prefix: env::var(PREFIX).expect("is set").split_whitespace().map(Into::into).collect(),
        level: "none".into(),
    };
    keep(surroundings, || {
        let mut stdout = std::io::stdout();
        stdout.write_all(b"keeper is ready\n").and_then(|()| stdout.flush()).expect("somebody listens");
    })
    .expect("keeps");
}
