//! Transports: how a `connection` value becomes a host.
//!
//! One file each, named as in the connection's `transport`.

#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "local")]
pub mod local_server;
