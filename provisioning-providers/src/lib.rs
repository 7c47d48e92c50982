//! What ships with Provisioning: providers, task services and host transports, one folder each.
//!
//! A provider's folder is compiled with the cargo feature of its name. Contracts stand in `provisioning_core`; nothing
//! here is known to the engine by anything but the [`registry`].
#![deny(missing_docs)]

use std::path::Path;

use provisioning_core::registry::Registry;

#[cfg(feature = "local")]
pub mod local;
pub mod services;
pub mod transport;
mod unit;

/// Everything that ships but servers and processes on this machine, which take a [`Keeper`](local::Keeper); relative
/// paths of the local provider start at `base`, the workspace's directory.
pub fn registry(base: &Path) -> Registry {
    let registry = Registry::default()
        .with_service(services::command::Command::default())
        .with_service(services::program::Program::default())
        .with_service(services::web::Web::default());
    #[cfg(feature = "local")]
    let registry =
        registry.with_provider(local::LocalFactory::new(base, None)).with_transport("local", transport::local::LocalTransport);
    #[cfg(not(feature = "local"))]
    let _ = base;
    registry
}

/// Everything that ships, for a program that called [`enter_if_keeper`](local::enter_if_keeper) first in its `main`; in
/// `kept` is what there is to keep of servers, networks and processes.
#[cfg(feature = "local")]
pub fn registry_with_keeper(base: &Path, kept: &Path, keeper: &local::Keeper) -> Registry {
    registry(base)
        .with_provider(local::LocalFactory::keeping(base, kept, Some(keeper.clone())))
        .with_transport("local_server", transport::local_server::LocalServerTransport::new(keeper.clone()))
}
