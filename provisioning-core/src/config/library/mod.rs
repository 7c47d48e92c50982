//! What can be declared, told to others than the engine: the Nickel library, a JSON Schema and a reference for people.
//!
//! All of it is written from the schemas of a registry and from the sections that `document` reads, so that nothing here
//! knows a kind by name. What a document means is decided by `document` alone.

mod catalog;
mod export;
mod json_schema;
mod nickel;
mod pages;
mod rows;
mod shape;

pub use catalog::{Entry, Sort, entries, entries_named};
pub use export::{export, files};
pub use json_schema::{json_schema, object_schema};
pub(super) use nickel::{Weight, library};
pub use pages::pages;
pub use rows::{Row, rows};

/// What stands at the beginning of every file that is written here.
const MARKER: &str = "Written by `provisioning schema export`, which also overwrites it.";
