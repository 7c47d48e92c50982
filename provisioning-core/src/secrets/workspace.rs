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
        let found = self.bytes(name, &source).and_then(|bytes| text(&source, bytes));
        match source {
            Source::Age { .. } => found,
            // It is told what is wrong with where it comes from; whoever needs the secret names it.
            _ => found.map_err(|error| error.with_context("secret", name.as_str())),
        }
    }

    fn bytes(&self, name: &SecretName, source: &Source) -> Result<Vec<u8>> {
        let what = source.to_string();
        let surroundings = Surroundings { root: &self.vault.root, variables: &self.variables, time_limit: self.time_limit };
        match source {
            Source::Age { path } => self.vault.read(name, path),
            Source::Env { variable } => surroundings.variable(&what, variable),
            Source::File { path } => surroundings.file(&what, path),
            Source::Command { argv } => surroundings.command(&what, argv),
        }
    }
}

/// The secret that was read.
fn text(source: &Source, bytes: Vec<u8>) -> Result<Secret> {
    if bytes.len() > LIMIT {
        let message = format!("{source} gives more than {} MiB, which is more than a secret takes", LIMIT >> 20);
        return Err(Error::new(ErrorKind::Limited, message).with_hint("what is not secret goes into a file of its own"));
    }
    if bytes.is_empty() {
        let (message, hint) = match source {
            Source::Command { .. } => (format!("{source} printed nothing"), "it has to print the secret to its standard output"),
            Source::Env { .. } => (format!("{source} is empty"), "set it to the secret where the command is started"),
            Source::File { .. } | Source::Age { .. } => (format!("{source} is empty"), "write the secret into it"),
        };
        return Err(Error::invalid(message).with_hint(hint));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::invalid(format!("{source} gives something else than text in UTF-8")).with_hint("encode it, in Base64 for example")
    })?;
    Ok(Secret::new(Value::from(text)))
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
