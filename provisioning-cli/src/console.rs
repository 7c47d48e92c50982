//! The two streams of the command: standard output for data, standard error for everything said to a person.
//!
//! Colours are taken out here, where a stream is not a terminal or `NO_COLOR` is set. What is said is in `render`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::error::ErrorKind as ClapKind;
use provisioning_core::error::{Error, ErrorKind};
use serde::Serialize;

use crate::exit::{DONE, Problem, USAGE};
use crate::render;

/// What form data has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people.
    Human,
    /// JSON for programs.
    Json,
}

/// The command's way to speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    format: Format,
}

impl Console {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Gives data: a document for programs, or its text for people.
    pub(crate) fn show<T: Serialize>(self, document: &T, text: impl FnOnce() -> String) -> Result<(), Error> {
        match self.format {
            Format::Human => print(&text()),
            Format::Json => {
                let json = serde_json::to_string_pretty(document);
                print(&json.map_err(|error| Error::bug(format!("the answer cannot be written as JSON: {error}")))?)
            }
        }
    }

    /// Says something to a person; to a program, nothing.
    pub(crate) fn say(self, text: &str) {
        if self.format == Format::Human {
            complain(text);
        }
    }

    /// Says why the command did not do what it was asked to; a person sees the lines of the files below a folder.
    pub(crate) fn problem(self, problem: &Problem, folder: &Path) {
        match self.format {
            Format::Human => complain(&render::error::problem(problem, folder)),
            Format::Json => complain(&render::error::document(problem).to_string()),
        }
    }

    /// Says what is wrong with the command line, or the help that was asked for; gives the exit code.
    pub(crate) fn usage(self, error: &clap::Error) -> u8 {
        let asked = matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion);
        if self.is_json() && !asked {
            let text = error.to_string();
            let (message, hint) = text.split_once("\n\n").unwrap_or((&text, ""));
            let message = message.trim_start_matches("error: ").to_owned();
            self.problem(&Problem::Usage { message, hint: hint.trim().to_owned() }, Path::new("."));
        } else {
            // Nobody is left to tell when the terminal is gone.
            drop(error.print());
        }
        if asked { DONE } else { USAGE }
    }

    /// Makes sure that somebody can be asked, or need not be.
    pub(crate) fn can_ask(self, verb: &str) -> Result<(), Problem> {
        if self.format == Format::Human && io::stdin().is_terminal() && io::stderr().is_terminal() {
            return Ok(());
        }
        let message = format!("`{verb}` asks before it changes anything, and nobody is here to answer");
        let shows = match verb {
            "apply" | "destroy" => "; `provisioning plan` only shows",
            "rollback" => "; `provisioning rollback --preview` only shows",
            _ => "",
        };
        let hint = format!("`provisioning {verb} --yes` does not ask{shows}");
        Err(Problem::Usage { message, hint })
    }
}

/// Asks; anything but `y` or `yes` is a no.
pub(crate) fn confirm(question: &str) -> Result<(), Error> {
    let mut answer = String::new();
    let asked = write!(anstream::stderr(), "\n{question} [y/N] ").and_then(|()| io::stdin().read_line(&mut answer));
    asked.map_err(|error| of_io("ask on", "the terminal", error))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::new(ErrorKind::Cancelled, "nothing was changed: the answer was not `y`")),
    }
}

/// Writes to standard output and ends the line. A reader that has left, such as `head`, is no error.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    let mut stream = anstream::stdout().lock();
    match writeln!(stream, "{}", text.trim_end_matches('\n')).and_then(|()| stream.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(of_io("write to", "standard output", error)),
        _ => Ok(()),
    }
}

/// Passes on what a program wrote, byte by byte. A reader that has left is no error.
pub(crate) fn pass(mut stream: impl Write, bytes: &[u8]) -> Result<(), Error> {
    match stream.write_all(bytes).and_then(|()| stream.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(of_io("write to", "the output", error)),
        _ => Ok(()),
    }
}

/// The error of the operating system for something that was to be done to a file or a stream.
pub(crate) fn of_io(verb: &str, what: &str, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
        Io::AlreadyExists => ErrorKind::Conflict,
        Io::IsADirectory | Io::NotADirectory | Io::ResourceBusy | Io::InvalidInput | Io::InvalidFilename => ErrorKind::Invalid,
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::Limited,
        _ => ErrorKind::Unavailable,
    };
    let full = kind == ErrorKind::Limited;
    let error = Error::new(kind, format!("cannot {verb} `{what}`")).with_source(error);
    if full { error.with_hint("free some space, and try again") } else { error }
}

fn complain(text: &str) {
    // When standard error is gone there is nobody left to tell.
    drop(writeln!(anstream::stderr().lock(), "{}", text.trim_end_matches('\n')));
}
