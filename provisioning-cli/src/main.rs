//! The `provisioning` command.
//!
//! Everything it does is in the library, so that other packages can carry the same command.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use provisioning_providers::local::enter_if_keeper;

/// Plans and runs are made of many small values.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // Servers and processes are kept by this program, started again: then it is no command.
    let keeper = enter_if_keeper();
    ExitCode::from(provisioning_cli::run(std::env::args_os(), &keeper))
}
