//! The keeper: this program started again, as the init of a local server or the supervisor of a process.
//!
//! A namespace cannot be made in a threaded program, and what is to outlive the command needs a process of its own. So
//! the program that embeds the engine calls [`enter_if_keeper`] before anything else and hands the [`Keeper`] it gets to
//! the provider. `launch.rs` starts one, `start.rs` and `init.rs` are its birth, `isolation` separates it, `units` is
//! what it does from then on; `enter.rs` does one deed in a machine, `child.rs` becomes a program, `web.rs` serves files.
//! What is said to a keeper is in `protocol.rs`, who says it in `client.rs`.

mod child;
mod client;
mod enter;
mod init;
mod isolation;
mod launch;
mod order;
mod procfs;
mod protocol;
mod start;
mod units;
mod web;

use std::ffi::OsString;

use provisioning_core::error::{Error, Failure, Result};

pub(crate) use client::Control;
pub(crate) use enter::{Deed, content, outcome};

/// The first argument of a program that is to be a keeper.
const VERB: &str = "provisioning-keeper";
/// The number of the first open file that is none of the standard streams.
const FIRST_OTHER: i32 = 3;
/// How a keeper names itself when it asks a program over HTTP whether it works.
const HEALTH_AGENT: &str = "provisioning-health";
/// How a program starts itself again, whatever became of its file meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The right to start keepers: a program that can be started as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    words: Vec<String>,
}

/// Becomes a keeper, and never returns, when this program was started as one; to be called first in `main`.
///
/// What it returns otherwise is for the local provider: it may start this program again.
pub fn enter_if_keeper() -> Keeper {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((first, rest)) if first == VERB => std::process::exit(keep(rest).into()),
        _ => Keeper::command([THIS_PROGRAM.to_owned(), VERB.to_owned()]),
    }
}

/// Does what a keeper was started for and gives its exit code; for programs whose arguments do not begin with the
/// program, such as a module of an interpreter.
pub fn keep(arguments: &[OsString]) -> u8 {
    // What whoever runs the command has open is nothing for what is started from here on.
    close_fds::set_fds_cloexec(FIRST_OTHER, &[]);
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (verb, rest) = words.split_first().map_or(("", &[][..]), |(verb, rest)| (verb.as_str(), rest));
    let done = match verb {
        "start" => start::run(rest),
        "init" => init::run(),
        "enter" => Ok(enter::run(rest)),
        "terminal" => enter::terminal(rest),
        "child" => child::run(rest),
        // Asked by services whether this program can be started on a host.
        "web" if rest == ["--probe"] => Ok(0),
        "web" => web::serve(arguments[1..].iter().cloned()).map(|()| 0),
        _ => Err(Error::invalid("a keeper is started by the engine, and not by hand")),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{}", Failure::from(&error).message);
        1
    })
}

impl Keeper {
    /// A command that calls [`keep`] with the arguments that are put behind it.
    pub fn command(words: impl IntoIterator<Item = String>) -> Self {
        Self { words: words.into_iter().collect() }
    }
}

/// The only argument of a verb.
fn argument<'a>(verb: &str, arguments: &'a [String]) -> Result<&'a str> {
    match arguments {
        [argument] => Ok(argument),
        _ => Err(Error::bug(format!("`{verb}` takes one argument"))),
    }
}
