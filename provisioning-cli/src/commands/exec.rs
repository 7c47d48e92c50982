//! `exec`: one command on a host, from its input to its exit code.

use std::io::{self, IsTerminal, Read};

use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Command, Output};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::look;
use crate::console::{Console, of_io, pass};
use crate::exit::{Problem, of_program};
use crate::workspace::Start;

/// The most that is read to be the input of a command, in bytes.
const MAX_INPUT: u64 = 64 << 20;

/// What is said when not all of what a command wrote is shown.
const CUT: &str =
    "note: it wrote more than is kept, and the rest is not shown; `provisioning shell` keeps nothing, and shows all";

pub(super) async fn run(console: Console, start: &Start, name: &str, arguments: Vec<String>) -> Result<u8, Problem> {
    let host = look(start)?.engine.host(name).await?;
    let command = Command { arguments, input: input()?, ..Command::default() };
    let listen = |kind| signal(kind).map_err(|error| of_io("listen to", "signals", error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    // A call that is dropped is ended by its host; this process alone would leave the command running.
    let Output { code, stdout, stderr, cut } = tokio::select! {
        output = host.run(&command) => output?,
        _ = interrupt.recv() => return Err(stopped().into()),
        _ = terminate.recv() => return Err(stopped().into()),
    };
    if console.is_json() {
        let [stdout, stderr] = [&stdout, &stderr].map(|text| String::from_utf8_lossy(text));
        console.show(&json!({ "code": code, "stdout": stdout, "stderr": stderr, "cut": cut }), String::new)?;
    } else {
        pass(io::stdout(), &stdout)?;
        pass(io::stderr(), &stderr)?;
        if cut {
            console.say(CUT);
        }
    }
    Ok(of_program(code))
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the command was stopped before its end")
}

/// What is piped in; a person at a terminal is not waited for.
fn input() -> Result<Vec<u8>> {
    let mut input = Vec::new();
    if io::stdin().is_terminal() {
        return Ok(input);
    }
    let read = io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut input);
    let length = read.map_err(|error| of_io("read", "standard input", error))?;
    if length as u64 > MAX_INPUT {
        return Err(Error::new(ErrorKind::Limited, format!("the input has more than {MAX_INPUT} bytes"))
            .with_hint("put it into a file on the host, and name that"));
    }
    Ok(input)
}
