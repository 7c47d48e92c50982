//! The workflow engine.
#![deny(missing_docs)]

pub mod clock;
pub mod config;
pub mod digest;
pub mod engine;
pub mod error;
pub mod event;
pub mod executor;
pub mod graph;
pub mod host;
pub mod journal;
pub mod name;
pub mod plan;
pub mod planner;
pub mod provider;
pub mod record;
pub mod registry;
pub mod resource;
pub mod schedule;
pub mod schema;
pub mod store;
pub mod task;
pub mod testing;
pub mod value;
