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
mod registered;
mod rules;
mod secrets;
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
pub use registered::{Registered, choose, is_workspace, register};
pub use settings::{Limits, OnFailure, Settings, Shown};
pub use source::MAX_FILE_BYTES;
pub use workspace::{Location, Workspace};

use crate::error::{Error, Result};
use crate::value::Node;

/// Reads a document that is data: TOML or JSON, by how its name ends. Messages call it by the name.
///
/// # Errors
/// `Invalid`, with a diagnostic for every mistake in the syntax, or for a name that ends otherwise.
pub fn document(name: &str, text: &str) -> Result<Node> {
    let source = source::Source::new(name, text);
    match name.rsplit_once('.') {
        Some((_, "toml")) => toml::parse(&source),
        Some((_, "json")) => json::parse(&source),
        _ => Err(Error::invalid(format!("`{name}` is neither TOML nor JSON by its name"))
            .with_hint("call it `NAME.toml` or `NAME.json`; Nickel takes a workspace")),
    }
}
