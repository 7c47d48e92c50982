//! The keeper: this program re-executed, as the init of a local server or as the supervisor of a process on this machine.
//!
//! What is said to it is in `protocol.rs`, who says it in `client.rs`, what it keeps running in `units`; `web.rs` is a
//! program that it brings along. How a keeper is started and isolated is not told there.

mod client;
mod protocol;
mod units;
mod web;
