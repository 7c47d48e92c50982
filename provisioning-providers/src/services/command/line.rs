//! Running one shell line on a host, and what may be said of its output.
//!
//! Where an input is secret, so is everything that the lines write.

use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Command, Host, Output};
use provisioning_core::value::{Secret, Value};

use super::Inputs;

/// How many of the last lines of standard error a failure shows.
const SHOWN_LINES: usize = 3;

/// The lines of one command service on one host.
pub(super) struct Lines<'a> {
    host: &'a dyn Host,
    template: Command,
    /// Whether an input is secret: what a line writes may then hold it, whole or in parts.
    conceal: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(host: &'a dyn Host, wanted: &Inputs, inputs: &Value) -> Result<Self> {
        let timeout = Duration::try_from_secs_f64(wanted.timeout_seconds)
            .map_err(|_| Error::invalid(format!("`{}` is no `timeout_seconds`", wanted.timeout_seconds)))?;
        let template = Command {
            directory: wanted.directory.clone(),
            environment: wanted.environment.clone(),
            timeout: Some(timeout),
            ..Command::default()
        };
        Ok(Self { host, template, conceal: inputs.has_secret() })
    }

    /// Runs a line to its end, whatever that is.
    pub(super) async fn run(&self, line: &str) -> Result<Output> {
        self.host.run(&Command { arguments: Command::shell(line).arguments, ..self.template.clone() }).await
    }

    /// Runs a line that has to succeed.
    pub(super) async fn demand(&self, name: &str, line: &str) -> Result<()> {
        let output = self.run(line).await?;
        if output.code == 0 {
            return Ok(());
        }
        let complaint = self.complaint(&output, SHOWN_LINES);
        Err(Error::new(ErrorKind::Unavailable, format!("`{name}` exits with {}{complaint}", output.code)))
    }

    /// Whether a path exists on the host; a relative one starts at the directory of the lines.
    pub(super) async fn exists(&self, path: &str) -> Result<bool> {
        let mut arguments = Command::shell("test -e \"$1\"").arguments;
        arguments.extend(["sh".to_owned(), path.to_owned()]);
        Ok(self.host.run(&Command { arguments, ..self.template.clone() }).await?.code == 0)
    }

    /// What a line wrote to standard output, trimmed.
    pub(super) fn written(&self, output: &Output) -> Value {
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let value = Value::from(text);
        if self.conceal { Value::Secret(Secret::new(value)) } else { value }
    }

    /// The last lines of standard error, with what joins them to the sentence before; empty when there are none.
    pub(super) fn complaint(&self, output: &Output, count: usize) -> String {
        if self.conceal {
            return ": what it wrote is not shown, because an input is secret".to_owned();
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.get(lines.len().saturating_sub(count)..) {
            Some([]) | None => String::new(),
            Some(last) => format!(": {}", last.join(" / ")),
        }
    }
}
