//! The secrets of one plan or one run: each is read once, and only where something refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::executor::Mode;
use crate::journal::{Progress, Status};
use crate::plan::{Plan, Step};
use crate::planner::{Input, KnownSecrets, SecretUse, needed_secrets, secret_names};
use crate::schema::Sealer;
use crate::seal::Keyring;
use crate::secrets::Secrets;
use crate::value::{Secret, Value};

/// What was read of the secrets of a workspace, and what seals those that are kept.
pub(super) struct Disclosure {
    secrets: Arc<dyn Secrets>,
    pub(super) sealer: Arc<Sealer>,
    read: BTreeMap<String, Result<Secret, Failure>>,
}

impl Engine {
    /// A disclosure of which nothing is read yet but the keys.
    pub(super) async fn disclosure(&self) -> Result<Disclosure> {
        let secrets = self.secrets.clone();
        let ring = blocking(move || secrets.keyring()).await?;
        Ok(self.disclosure_with(ring))
    }

    /// One with such keys as can be had: for looking, which must be possible without any.
    pub(super) async fn disclosure_for_looking(&self) -> Disclosure {
        let secrets = self.secrets.clone();
        self.disclosure_with(blocking(move || secrets.keyring()).await.ok().flatten())
    }

    fn disclosure_with(&self, ring: Option<Keyring>) -> Disclosure {
        let identity = self.store.identity();
        let sealer = Arc::new(Sealer::new(identity.workspace, identity.digest_key, ring));
        Disclosure { secrets: self.secrets.clone(), sealer, read: BTreeMap::new() }
    }

    /// What linking has to know of secrets; reads none, and needs no identity.
    pub(super) fn secret_names(&self) -> KnownSecrets {
        let keys = !matches!(self.secrets.keyring(), Ok(None));
        KnownSecrets { names: self.secrets.names(), keys, values: Value::Null }
    }
}

impl Disclosure {
    /// Reads what a plan has to know.
    ///
    /// # Errors
    /// The one of a secret that cannot be read, with the place that needs it.
    pub(super) async fn read_for_plan(&mut self, input: &Input<'_>) -> Result<KnownSecrets> {
        let names = self.secrets.names();
        // An unknown name is reported by the planner, with everything else that is wrong.
        let needed = if names.is_empty() { BTreeMap::new() } else { needed_secrets(input) };
        let uses: BTreeMap<_, _> = needed.into_iter().filter(|(name, _)| names.contains(name)).collect();
        self.read(uses.keys().cloned()).await?;
        for (name, SecretUse { field, origin }) in uses {
            if let Some(Err(failure)) = self.read.get(&name) {
                let place = origin.map_or_else(String::new, |origin| format!("{origin}: "));
                let message = format!("{place}`{field}`: the secret `{name}` cannot be read: {}", failure.message);
                return Err(Error::from(Failure { message, ..failure.clone() }));
            }
        }
        Ok(KnownSecrets { names, keys: self.sealer.has_keys(), values: self.values() })
    }

    /// Reads what the steps of a plan refer to that are not done, or, where the run is only settled, those that are open.
    ///
    /// # Errors
    /// The one of a secret that cannot be read, with the step that needs it.
    pub(super) async fn read_for_run(&mut self, plan: &Plan, progress: &Progress, mode: Mode) -> Result<()> {
        let is_called = |step: &&Step| match (mode, progress.status(&step.id)) {
            (Mode::CarryOut, status) => !matches!(status, Status::Succeeded | Status::Waived),
            (Mode::Settle, status) => status.open().is_some(),
        };
        let mut uses: BTreeMap<String, String> = BTreeMap::new();
        for step in plan.steps.iter().filter(is_called) {
            let settings = step.role.provider().and_then(|alias| plan.providers.get(alias)).map(|provider| &provider.settings);
            for name in [&step.inputs].into_iter().chain(settings).flat_map(secret_names) {
                uses.entry(name).or_insert_with(|| step.id.to_string());
            }
        }
        self.read(uses.keys().cloned()).await?;
        for (name, step) in uses {
            if let Some(Err(failure)) = self.read.get(&name) {
                let message = format!("the step `{step}` needs the secret `{name}`, which cannot be read: {}", failure.message);
                return Err(Error::from(Failure { message, ..failure.clone() }));
            }
        }
        Ok(())
    }

    /// Reads what can be read of some secrets; one that cannot is left out.
    pub(super) async fn read(&mut self, names: impl IntoIterator<Item = String>) -> Result<()> {
        let wanted: BTreeSet<_> = names.into_iter().filter(|name| !self.read.contains_key(name)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let secrets = self.secrets.clone();
        let read = move || Ok(wanted.into_iter().map(|name| (name.clone(), secrets.read(&name))).collect::<Vec<_>>());
        for (name, found) in blocking(read).await? {
            self.read.insert(name, found.map_err(|error| Failure::from(&error)));
        }
        Ok(())
    }

    /// Digests of what was read, by name, under the key of the workspace.
    pub(super) fn digests(&self) -> BTreeMap<String, Digest> {
        let read = self.read.iter().filter_map(|(name, found)| Some((name, found.as_ref().ok()?)));
        read.map(|(name, secret)| (name.clone(), self.sealer.digest(secret))).collect()
    }

    /// Refuses a plan that was made with other secrets than those that were read.
    ///
    /// # Errors
    /// `Conflict` with the name of one that is another by now.
    pub(super) fn refuse_moved(&self, plan: &Plan) -> Result<()> {
        let moved = self.digests().into_iter().find(|(name, digest)| plan.secrets.get(name).is_some_and(|then| then != digest));
        match moved {
            None => Ok(()),
            Some((name, _)) => {
                let message = format!("the secret `{name}` is not the one that the plan was made with");
                Err(Error::new(ErrorKind::Conflict, message).with_hint("plan again; `resume` goes on with a run that was begun"))
            }
        }
    }

    /// What was read, by name.
    pub(super) fn values(&self) -> Value {
        let read = self.read.iter().filter_map(|(name, found)| Some((name.as_str(), found.as_ref().ok()?)));
        Value::map(read.map(|(name, secret)| (name, Value::Secret(secret.clone()))))
    }
}

/// What may wait for a command, a file or a person, where nothing else has to wait for it.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let read = tokio::task::spawn_blocking(read).await;
    // What it panicked with may hold a secret.
    read.map_err(|_| Error::bug("what gives the secrets panicked"))?
}
