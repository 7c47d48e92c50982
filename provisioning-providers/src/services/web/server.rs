//! The program that serves a site: the first that the host has, so that nothing needs to be installed.

use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Command, Host};

/// Where a server of ours puts the program that keeps it, which can serve files.
const KEEPER: &str = "/run/provisioning/keeper";
/// What makes that program a keeper, and the keeper a web server.
const VERB: [&str; 2] = ["provisioning-keeper", "web"];
/// Prints where a keeper is that its host keeps elsewhere.
const ELSEWHERE: &str = "printf %s \"$PROVISIONING_KEEPER\"";
/// How long a program may take to say whether it is there.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// What is to be served where.
pub(super) struct Server<'a> {
    pub(super) address: &'a str,
    pub(super) port: u16,
    pub(super) root: &'a str,
}

impl Server<'_> {
    /// `ADDRESS:PORT`, as it stands in a URL.
    pub(super) fn place(&self) -> String {
        let address = if self.address.contains(':') { format!("[{}]", self.address) } else { self.address.to_owned() };
        format!("{address}:{}", self.port)
    }

    /// Whether a command serves this, by whatever program.
    pub(super) fn is_served_by(&self, command: &[String]) -> bool {
        let keeper = command.first().is_some_and(|program| command == self.keeper(program));
        keeper || command == self.busybox() || command == self.python()
    }

    /// The command of the first program that the host has.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub(super) async fn choose(&self, host: &dyn Host) -> Result<Vec<String>> {
        if probe(host, &[KEEPER, VERB[0], VERB[1], "--probe"]).await? {
            return Ok(self.keeper(KEEPER));
        }
        let elsewhere = keeper_elsewhere(host).await?;
        if !elsewhere.is_empty() && probe(host, &[&elsewhere, VERB[0], VERB[1], "--probe"]).await? {
            return Ok(self.keeper(&elsewhere));
        }
        if probe(host, &["busybox", "httpd", "--help"]).await? {
            return Ok(self.busybox());
        }
        if probe(host, &["python3", "-c", "import http.server"]).await? {
            return Ok(self.python());
        }
        let looked = format!("looked for `{KEEPER}`, `$PROVISIONING_KEEPER`, `busybox httpd` and `python3`");
        Err(Error::new(ErrorKind::Unsupported, format!("the host has no program that serves files: {looked}"))
            .with_hint("put one of them on the host, or serve the files with a `program` of your own"))
    }

    fn keeper(&self, program: &str) -> Vec<String> {
        let port = self.port.to_string();
        words(&[program, VERB[0], VERB[1], "--address", self.address, "--port", &port, "--root", self.root])
    }

    fn busybox(&self) -> Vec<String> {
        words(&["busybox", "httpd", "-f", "-p", &self.place(), "-h", self.root])
    }

    fn python(&self) -> Vec<String> {
        let port = self.port.to_string();
        words(&["python3", "-m", "http.server", &port, "--bind", self.address, "--directory", self.root])
    }
}

/// The directory that a command serves: the last word of every one above.
pub(super) fn root_of(command: &[String]) -> Option<&str> {
    command.last().map(String::as_str)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

async fn keeper_elsewhere(host: &dyn Host) -> Result<String> {
    let found = answer(host, Command::shell(ELSEWHERE).arguments).await?;
    Ok(found.map(|output| String::from_utf8_lossy(&output).into_owned()).unwrap_or_default())
}

async fn probe(host: &dyn Host, command: &[&str]) -> Result<bool> {
    Ok(answer(host, words(command)).await?.is_some())
}

/// What a command wrote; `None` where it is not there or fails.
async fn answer(host: &dyn Host, arguments: Vec<String>) -> Result<Option<Vec<u8>>> {
    match host.run(&Command { arguments, timeout: Some(PROBE_TIME), ..Command::default() }).await {
        Ok(output) => Ok((output.code == 0).then_some(output.stdout)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) => Ok(None),
        Err(error) => Err(error),
    }
}
