//! The command line: a thin face on the engine.
//!
//! [`run`] is the whole command; [`opening`] is what it opens a workspace with, [`texts`] what it shows of plans. What a
//! command does is in `commands`, what a person sees in `render`, what a script sees of an error in `exit`. No planning and
//! no state is here.
#![deny(missing_docs)]

mod args;
mod commands;
mod console;
mod exit;
pub mod opening;
mod render;
pub mod texts;
mod user;
mod workspace;

use std::ffi::OsString;

use clap::Parser;
use provisioning_providers::local::Keeper;
use tracing_subscriber::EnvFilter;

use args::Arguments;
use console::{Console, Format};

/// Runs the command with its arguments, the program's name first, and gives its exit code.
///
/// The keeper is what the program got from [`enter_if_keeper`](provisioning_providers::local::enter_if_keeper), called
/// before.
pub fn run(arguments: impl IntoIterator<Item = OsString>, keeper: &Keeper) -> u8 {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let format = if words.iter().any(|word| word == "--json") { Format::Json } else { Format::Human };
            return Console::new(format).usage(&error);
        }
    };
    listen(arguments.global.verbose);
    let console = Console::new(arguments.global.format());
    let start = commands::start(&arguments.global, keeper);
    commands::say_where(console, &start, &arguments.verb);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system gives an event queue");
    match runtime.block_on(commands::run(arguments.verb, console, &start)) {
        Ok(code) => code,
        Err(problem) => {
            console.problem(&problem, &workspace::root(&start).unwrap_or_else(|_| start.folder().to_owned()));
            exit::of(&problem)
        }
    }
}

fn listen(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "provisioning=debug",
        _ => "trace",
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_writer(std::io::stderr);
    // A program that calls `run` may have a subscriber of its own: that one stays.
    drop(subscriber.try_init());
}
