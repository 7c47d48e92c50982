//! The `provisioning` command.
//!
//! Everything it does is in the library, so that other packages can carry the same command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(provisioning_cli::run(std::env::args_os()))
}
