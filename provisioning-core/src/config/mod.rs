//! What a workspace says: its settings, and the desired state from Nickel, TOML, JSON or a program.
//!
//! Everything that a user wrote enters here, and leaves checked, with the place of every value. Nothing here reads the
//! environment or a state.

mod settings;

pub use settings::{Limits, OnFailure, Settings};
