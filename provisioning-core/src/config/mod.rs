//! What a workspace says: its settings, and the desired state from Nickel, TOML, JSON or a program.
//!
//! Everything that a user wrote enters here, and leaves checked, with the place of every value. Nothing here reads the
//! environment or a state.

mod contracts;
mod document;
mod json;
mod layers;
mod nickel;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod toml;
mod workspace;

pub use document::{ReadFile, desired, desired_with_files};
pub use layers::Layer;
pub use settings::{Limits, OnFailure, Settings};
pub use source::MAX_FILE_BYTES;
pub use workspace::{Location, MANIFEST, Workspace};
