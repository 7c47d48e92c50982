//! The cloud: this program in another part, on a port of this machine, with its ledger in a file.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use provisioning_core::testing::{CloudClient, serve_cloud};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The word that starts this part.
pub(crate) const PART: &str = "be-the-cloud";

/// Serves a cloud until it is killed, or whoever started it is gone.
pub(crate) fn play(words: &[String]) {
    let [ledger, port] = words else { panic!("a ledger and a port are given: {words:?}") };
    end_with_parent();
    crate::engine::block_on(async {
        let port: u16 = port.parse().expect("a port");
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        println!("{}", listener.local_addr().expect("an address"));
        serve_cloud(listener, Path::new(ledger)).await.expect("it serves");
    });
}

/// Ends this process when its standard input does.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
}

/// This program, started again in a part.
pub(crate) fn start(part: &str, words: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.arg(part).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("this program can be started again");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    (child, lines)
}

/// The cloud as a process.
pub(crate) struct CloudProcess {
    child: Child,
    /// Kept open, since the cloud ends with it; to wait for a child would close it.
    _input: Option<ChildStdin>,
    pub(crate) address: SocketAddr,
    ledger: PathBuf,
}

impl CloudProcess {
    /// Starts it with a new ledger or an old one.
    pub(crate) async fn start(ledger: &Path) -> Self {
        Self::start_at(ledger, 0).await
    }

    async fn start_at(ledger: &Path, port: u16) -> Self {
        let words = [ledger.to_str().expect("a plain path"), &port.to_string()];
        let (mut child, mut lines) = start(PART, &words);
        let line = lines.next_line().await.expect("it can be read").expect("it says where it listens before it ends");
        let address = line.parse().unwrap_or_else(|_| panic!("no address: {line}"));
        let input = child.stdin.take();
        Self { child, _input: input, address, ledger: ledger.to_owned() }
    }

    /// Kills it, as the kernel does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it could be killed");
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn end(&mut self) {
        self.child.wait().await.expect("it ends");
    }

    /// Starts it again on its ledger, where it was.
    pub(crate) async fn start_again(&mut self) {
        *self = Self::start_at(&self.ledger, self.address.port()).await;
    }

    /// Who speaks to it as an engine does.
    pub(crate) fn client(&self) -> CloudClient {
        CloudClient::new(self.address, Duration::from_millis(500)).expect("a client")
    }

    /// Who gives it orders and has time.
    pub(crate) fn patient(&self) -> CloudClient {
        CloudClient::new(self.address, Duration::from_secs(30)).expect("a client")
    }
}
