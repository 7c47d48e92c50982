//! Secrets in memory, for whatever is tried out with some.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::seal::Keyring;
use crate::secrets::Secrets;
use crate::value::{Secret, Value};

/// Secrets in memory, and keys to seal with; clones are the same secrets.
#[derive(Debug, Clone, Default)]
pub struct FakeSecrets {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    values: BTreeMap<String, Secret>,
    ring: Option<Keyring>,
    locked: bool,
    reads: Vec<String>,
}

impl FakeSecrets {
    /// Sets a secret, or gives it another value.
    pub fn set(&self, name: &str, value: impl Into<Value>) {
        self.inner().values.insert(name.to_owned(), Secret::new(value.into()));
    }

    /// Takes a secret away.
    pub fn remove(&self, name: &str) {
        self.inner().values.remove(name);
    }

    /// The same with keys that seal what is kept, from now on.
    #[must_use]
    pub fn with_keys(self, ring: Keyring) -> Self {
        self.inner().ring = Some(ring);
        self
    }

    /// From now on the identity is missing that opens anything: every read is denied, also of the keys.
    pub fn lock(&self) {
        self.inner().locked = true;
    }

    /// The identity is there again.
    pub fn unlock(&self) {
        self.inner().locked = false;
    }

    /// The names that were read so far, in order; forgets them.
    pub fn take_reads(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().reads)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn denied() -> Error {
    Error::new(ErrorKind::Denied, "no identity opens it").with_hint("bring the right identity")
}

impl Secrets for FakeSecrets {
    fn names(&self) -> Vec<String> {
        self.inner().values.keys().cloned().collect()
    }

    fn read(&self, name: &str) -> Result<Secret> {
        let mut inner = self.inner();
        inner.reads.push(name.to_owned());
        let found = inner.values.get(name).cloned();
        let found = found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no secret `{name}`")))?;
        if inner.locked { Err(denied()) } else { Ok(found) }
    }

    fn keyring(&self) -> Result<Option<Keyring>> {
        let inner = self.inner();
        if inner.locked && inner.ring.is_some() { Err(denied()) } else { Ok(inner.ring.clone()) }
    }
}
