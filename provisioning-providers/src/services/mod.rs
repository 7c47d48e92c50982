//! Task services: software on hosts, one folder each.
//!
//! A service knows hosts by their contract alone and runs over every transport. What services share of keeping a program
//! running is in `kept.rs`.

pub mod command;
mod kept;
pub mod program;
pub mod web;
