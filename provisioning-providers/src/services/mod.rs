//! Task services: software on hosts, one folder each.
//!
//! A service knows hosts by their contract alone and runs over every transport.

pub mod command;
