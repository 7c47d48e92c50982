//! Where the secrets of a workspace come from, and the keys under which secrets are sealed that have to be kept.
//!
//! The engine sees [`Secrets`] alone: it asks for what `${secret.NAME}` stands for when a plan is made and again when it is
//! carried out. Nothing that is read here is written anywhere.
//!
//! A workspace keeps them in files for age (`vault`, `changes`), or is told where each of them comes from (`source`). In
//! which file that is declared is not known here.

#[cfg(feature = "age")]
mod changes;
#[cfg(feature = "age")]
mod drafts;
#[cfg(feature = "age")]
mod envelope;
#[cfg(feature = "age")]
mod identity;
#[cfg(feature = "age")]
mod outside;
#[cfg(feature = "age")]
mod recipients;
mod source;
#[cfg(feature = "age")]
mod vault;
#[cfg(feature = "age")]
mod workspace;

use std::fmt;

#[cfg(feature = "age")]
pub use changes::{
    Before, Done, add_recipient, change, existing, init, introduce, place, recipient_called, remove, remove_recipient, rotate,
    set,
};
#[cfg(feature = "age")]
pub use envelope::PublicKey;
#[cfg(feature = "age")]
pub use recipients::Recipient;
pub use source::{Source, StoredPath};
#[cfg(feature = "age")]
pub use vault::Vault;
#[cfg(feature = "age")]
pub use workspace::WorkspaceSecrets;

use crate::error::{Error, ErrorKind, Result};
use crate::seal::Keyring;
use crate::value::Secret;

/// The secrets of a workspace, by name.
pub trait Secrets: Send + Sync + fmt::Debug {
    /// The names that can be asked for, in order, as far as they are known without reading any.
    fn names(&self) -> Vec<String>;

    /// Reads one; it may block, on a command or a file.
    ///
    /// - `NotFound` for a name that is not declared and not stored.
    /// - `Denied` when it is there and cannot be decrypted: the hint says whose identity is needed.
    fn read(&self, name: &str) -> Result<Secret>;

    /// The keys that seal what the state has to keep; `None` where the workspace has none, and digests are kept instead.
    ///
    /// - `Denied` when there are keys and none of the identities at hand opens them.
    fn keyring(&self) -> Result<Option<Keyring>>;
}

/// A workspace without secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn read(&self, name: &str) -> Result<Secret> {
        Err(Error::new(ErrorKind::NotFound, format!("there is no secret `{name}`")))
    }

    fn keyring(&self) -> Result<Option<Keyring>> {
        Ok(None)
    }
}

#[cfg(all(test, feature = "age"))]
mod tests;
