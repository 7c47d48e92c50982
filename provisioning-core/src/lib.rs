//! Declare servers, networks, storage and the software on them; plan the difference to what exists; carry it out as a
//! graph: in parallel, journaled, resumable after a crash.
//!
//! This crate is the whole engine. The command line, the server and the Python package only show what it does, and so
//! can your program. An [`Engine`](engine::Engine) needs a [`Registry`](registry::Registry) of what your program offers,
//! and a [`Store`](store::Store) for the journal and the state:
//!
//! ```
//! use std::sync::Arc;
//! use provisioning_core::config::{self, Settings};
//! use provisioning_core::engine::{Control, Engine, PlanOptions};
//! use provisioning_core::plan::Command;
//! use provisioning_core::clock::System;
//! use provisioning_core::store::{Identity, MemoryStore};
//! use provisioning_core::testing::FakeCloud;
//! use provisioning_core::value::Value;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> provisioning_core::error::Result<()> {
//! let cloud = FakeCloud::default(); // your own providers, or those of `provisioning-providers`
//! let engine = Engine::builder(cloud.registry(), Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
//!
//! let document = Value::try_from(serde_json::json!({
//!     "providers": { "lab": { "type": "fake" } },
//!     "resources": {
//!         "net": { "kind": "thing", "name": "net" },
//!         "web": { "kind": "thing", "name": "web", "size": 2, "from": "${net.id}" },
//!     },
//!     "outputs": { "address": "${web.address}" },
//! }))?;
//! let desired = config::desired(document.into(), &cloud.registry(), &Settings::shipped())?;
//!
//! let plan = engine.plan(&desired, &PlanOptions::new(Command::Apply)).await?;
//! assert_eq!(plan.steps.len(), 2);
//! let report = engine.apply(&plan, &Control::new()).await?;
//! assert_eq!(report.succeeded, 2);
//! assert_eq!(engine.outputs().await?["address"].value, Value::from("10.0.0.2"));
//! # Ok(())
//! # }
//! ```
//!
//! Where to go from here: [`provider`] and [`task`] are the contracts to implement, [`plan`] is what a plan says,
//! [`event`] what an observer sees, [`testing`] what to try a provider out with.
//!
//! The modules below stand in an order, and each uses only those before it.
#![deny(missing_docs)]

// words
pub mod error;
mod parallel;
pub mod digest;
pub mod clock;
pub mod seal;
pub mod name;
pub mod value;
pub mod schema;
pub mod record;
// nouns
pub mod resource;
pub mod graph;
pub mod host;
pub mod event;
// contracts
pub mod provider;
pub mod task;
pub mod secrets;
pub mod plan;
// facts
pub mod journal;
pub mod store;
pub mod registry;
pub mod config;
// thinking
pub mod planner;
pub mod schedule;
// doing
pub mod executor;
pub mod engine;
// trying out
pub mod testing;
