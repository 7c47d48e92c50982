//! Whether a program works: a question over HTTP, a connection, or a command, and how long it is asked for.
//!
//! An answer is nothing when it is good, and a short text when it is bad.

use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use provisioning_core::error::{Error, Result};
use provisioning_core::host::{Health, Probe};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::HEALTH_AGENT;
use super::check::seconds;
use super::course::Ending;

/// The port of a URL without one (RFC 9110, section 4.2.1).
const HTTP_PORT: u16 = 80;

/// The first pause between two questions to a program that is starting; it doubles up to the declared interval.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What a program answered: nothing when it works, or what is wrong.
pub(super) type Answer = Result<(), String>;

/// Where a question goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Parses `ADDRESS:PORT`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refused = || Error::invalid(format!("`{}` is not `ADDRESS:PORT`", text.escape_debug()));
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        match port.parse() {
            Ok(port) if !host.is_empty() => Ok(Self { host: host.to_owned(), port }),
            _ => Err(refused()),
        }
    }

    /// The address in `http://ADDRESS:PORT/PATH`; without a port it is 80.
    pub(super) fn of_url(text: &str) -> Result<Self> {
        let refused = || Error::invalid(format!("`{}` is not `http://ADDRESS:PORT/PATH`", text.escape_debug()));
        let url: Uri = text.parse().map_err(|_| refused())?;
        let authority = url.authority().filter(|_| url.scheme_str() == Some("http")).ok_or_else(refused)?;
        Self::parse(&format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(HTTP_PORT))).map_err(|_| refused())
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| error.kind().to_string())
    }
}

/// Asks again and again; returns when the program counts as failed.
///
/// `command` runs a program to its end; `passed` is called at the first good answer.
pub(super) async fn watch(health: &Health, command: impl AsyncFn(&[String]) -> Answer, passed: impl FnOnce()) -> Ending {
    let mut last = "no answer".to_owned();
    let start = seconds(health.start_seconds);
    if timeout(start, until_good(health, &command, &mut last)).await.is_err() {
        return Ending::NeverHealthy(format!("it did not pass its health check within {} s: {last}", health.start_seconds));
    }
    passed();
    let mut bad = 0;
    loop {
        tokio::time::sleep(seconds(health.interval_seconds)).await;
        match ask(health, &command).await {
            Ok(()) => bad = 0,
            Err(answer) => {
                bad += 1;
                if bad >= health.failures {
                    return Ending::Unhealthy(format!("it failed its health check {bad} times in a row: {answer}"));
                }
            }
        }
    }
}

async fn until_good(health: &Health, command: &impl AsyncFn(&[String]) -> Answer, last: &mut String) {
    let mut pause = FIRST_PAUSE;
    while let Err(answer) = ask(health, command).await {
        *last = answer;
        pause = pause.min(seconds(health.interval_seconds));
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

async fn ask(health: &Health, command: &impl AsyncFn(&[String]) -> Answer) -> Answer {
    let asked = async {
        match &health.probe {
            Probe::Http(url) => ask_http(url).await,
            Probe::Tcp(address) => Address::parse(address).map_err(|error| error.to_string())?.connect().await.map(drop),
            Probe::Command(arguments) => command(arguments).await,
        }
    };
    let answered = timeout(seconds(health.timeout_seconds), asked).await;
    answered.unwrap_or_else(|_| Err(format!("no answer within {} s", health.timeout_seconds)))
}

async fn ask_http(url: &str) -> Answer {
    let stream = Address::of_url(url).map_err(|error| error.to_string())?.connect().await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| no_answer(&error))?;
    let request = request(url).ok_or_else(|| format!("`{url}` is not a question"))?;
    let response = sender.send_request(request);
    tokio::pin!(response);
    let answered = tokio::select! {
        answered = &mut response => answered,
        // A connection that ends may have brought the response just before.
        _ = connection => response.await,
    };
    let status = answered.map_err(|error| no_answer(&error))?.status();
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
}

fn no_answer(error: &hyper::Error) -> String {
    if error.is_parse() { "not an answer in HTTP".to_owned() } else { "the connection was closed".to_owned() }
}

fn request(url: &str) -> Option<Request<Empty<Bytes>>> {
    let url: Uri = url.parse().ok()?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let host = url.authority()?.as_str();
    Request::get(path)
        .header("host", host)
        .header("user-agent", HEALTH_AGENT)
        .header("connection", "close")
        .body(Empty::new())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let address = |host: &str, port| Address { host: host.into(), port };
        assert_eq!(Address::parse("127.0.0.1:80").expect("parses"), address("127.0.0.1", 80));
        assert_eq!(Address::parse("[::1]:80").expect("parses"), address("::1", 80));
        assert_eq!(Address::of_url("http://localhost:8080/x?y").expect("parses"), address("localhost", 8080));
        assert_eq!(Address::of_url("http://[::1]").expect("parses"), address("::1", 80));
        for bad in ["", "80", ":80", "a:", "a:65536"] {
            Address::parse(bad).expect_err(bad);
        }
        for bad in ["", "localhost", "https://a/", "http:///x", "/x"] {
            Address::of_url(bad).expect_err(bad);
        }
    }
}
