//! What a workspace says: its settings, and the desired state from Nickel, TOML, JSON or a program.
//!
//! Everything that a user wrote enters here, and leaves checked, with the place of every value. Nothing here reads the
//! environment or a state.

mod cache;
mod configuration;
mod document;
mod explained;
mod inputs;
mod json;
mod known;
mod layers;
pub mod library;
mod nickel;
mod overrides;
mod settings;
mod source;
mod stored;
#[cfg(test)]
mod tests;
mod toml;
mod workspace;

pub use configuration::{Configuration, MANIFEST, Setting, environments};
pub use document::desired;
pub use explained::{Explained, ExplainedField};
pub use layers::{Layer, Level};
pub use overrides::{Flag, Overrides};
pub use settings::{Limits, OnFailure, Settings, Shown};
pub use source::MAX_FILE_BYTES;
pub use workspace::{Location, Workspace};
