//! The secrets of a workspace as the engine asks for them: from wherever each is said to come, and each read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::outside::Surroundings;
use super::vault::{LIMIT, Vault};
use super::{Secrets, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::name::SecretName;
use crate::seal::Keyring;
use crate::value::{Secret, Value};

/// The secrets of a workspace in a folder.
pub struct WorkspaceSecrets {
    vault: Vault,
    variables: BTreeMap<OsString, OsString>,
    time_limit: Duration,
    read: Mutex<BTreeMap<SecretName, Secret>>,
}

impl WorkspaceSecrets {
    /// Those of a vault, with the environment of the process and how long a command may take.
    pub fn new(vault: Vault, variables: BTreeMap<OsString, OsString>, time_limit: Duration) -> Self {
        Self { vault, variables, time_limit, read: Mutex::default() }
    }

    fn find(&self, name: &SecretName) -> Result<Secret> {
        let source = self.vault.source(name);
        let what = format!("the secret `{name}` from {source}");
        let surroundings = Surroundings { root: &self.vault.root, variables: &self.variables, time_limit: self.time_limit };
        let bytes = match &source {
            Source::Age { path } => self.vault.read(name, path),
            Source::Env { variable } => surroundings.variable(&what, variable),
            Source::File { path } => surroundings.file(&what, path),
            Source::Command { argv } => surroundings.command(&what, argv),
        }?;
        if bytes.len() > LIMIT {
            return Err(Error::new(ErrorKind::Limited, format!("{what} is larger than {} MiB", LIMIT >> 20)));
        }
        if bytes.is_empty() {
            return Err(Error::invalid(format!("{what} is empty")));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::invalid(format!("{what} is not text in UTF-8")).with_hint("encode it, in Base64 for example"))?;
        Ok(Secret::new(Value::from(text)))
    }
}

impl Secrets for WorkspaceSecrets {
    fn names(&self) -> Vec<String> {
        let names = self.vault.names().unwrap_or_else(|_| self.vault.sources.keys().cloned().collect());
        names.iter().map(ToString::to_string).collect()
    }

    fn read(&self, name: &str) -> Result<Secret> {
        let Ok(name) = SecretName::parse(name) else { return Err(self.vault.unknown(name)) };
        // Held while one is read, so that a command is run once whoever asks.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(secret) = read.get(&name) {
            return Ok(secret.clone());
        }
        let secret = self.find(&name)?;
        read.insert(name, secret.clone());
        Ok(secret)
    }

    fn keyring(&self) -> Result<Option<Keyring>> {
        self.vault.keyring()
    }
}

/// Without the environment and without what was read, which may both be secret.
impl fmt::Debug for WorkspaceSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkspaceSecrets")
            .field("vault", &self.vault)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}
