//! Values: documents, secrets, what is unknown until apply, and the references inside strings.
//!
//! A [`Value`] is shared and immutable: cloning one copies a pointer. A [`Node`] is a value that still knows where
//! each of its parts was written. What a value means for a kind is in [`schema`](crate::schema).

mod document;
mod inside;
mod json;
mod map;
mod node;
mod redaction;
mod render;
mod sealed;
mod secret;
mod template;

pub use document::Value;
pub use inside::{Inside, Noted};
pub use map::Map;
pub use node::{Node, NodeValue};
pub(crate) use redaction::Redaction;
pub use render::Render;
pub use sealed::Sealed;
pub use secret::Secret;
pub(crate) use template::withheld;
pub use template::{Reference, Segment, Template};
