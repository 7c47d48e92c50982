//! Values: documents, secrets, what is unknown until apply, and the references inside strings.
//!
//! A [`Value`] is shared and immutable: cloning one copies a pointer. A [`Node`] is a value that still knows where
//! each of its parts was written. What a value means for a kind is in [`schema`](crate::schema).

mod document;
mod json;
mod node;
mod render;
mod secret;
mod template;

pub use document::{Map, Value};
pub use node::{Node, NodeValue};
pub use render::Render;
pub use secret::Secret;
pub use template::{Reference, Segment, Template};
