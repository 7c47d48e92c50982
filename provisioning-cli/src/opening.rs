//! What a workspace is opened with: the variables of the process, the files of the user, and what ships.
//!
//! Public for faces that carry this command and open workspaces themselves, so that both see the same.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use provisioning_core::config::{Flag, Location, Overrides};
use provisioning_core::registry::Registry;
use provisioning_core::secrets::{Vault, WorkspaceSecrets};
use provisioning_providers::local::Keeper;
use provisioning_providers::registry_with_keeper;

pub use crate::commands::{Content, make};
use crate::user;

/// What configures a workspace besides its own files: the user's file, the variables of the process, and these flags.
pub fn overrides(flags: Vec<Flag>) -> Overrides {
    // A variable that is not text cannot name a setting.
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let variables: BTreeMap<_, _> = std::env::vars_os().filter_map(text).collect();
    Overrides { user: user::folder().map(|folder| folder.join("config.toml")), variables, flags }
}

/// What a workspace is offered.
pub fn registry(location: &Location, keeper: &Keeper) -> Registry {
    registry_with_keeper(&location.root, &location.site(), keeper)
}

/// The secrets of a workspace: those in its own files, to be changed, and all of them, to be read.
pub fn secrets(location: &Location) -> (Vault, WorkspaceSecrets) {
    let vault = Vault { root: location.root.clone(), sources: location.secrets.clone(), identity: user::identity() };
    let time_limit = Duration::from_secs_f64(location.settings.timeout_seconds);
    let secrets = WorkspaceSecrets::new(vault.clone(), std::env::vars_os().collect(), time_limit);
    (vault, secrets)
}
