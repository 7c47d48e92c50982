//! The words of `workspace`.

use std::path::PathBuf;

use clap::Subcommand;
use provisioning_core::name::WorkspaceName;

#[derive(Debug, Subcommand)]
pub(crate) enum WorkspaceVerb {
    /// List the registered workspaces
    List,
    /// Show the workspace that a command works in here, and why that one
    Show,
    /// Let commands work in this one wherever they lie in no workspace
    Use {
        /// The workspace
        #[arg(value_parser = WorkspaceName::parse)]
        name: WorkspaceName,
    },
    /// Write a small workspace that runs, or take one that is there, and register it
    New {
        /// Its name
        #[arg(value_parser = WorkspaceName::parse)]
        name: WorkspaceName,
        /// Where; made if missing; the folder NAME when left out
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}
