//! The secrets that a workspace keeps in files for age, as they lie there: `secrets/NAME.age`, the list of those who can
//! read them, and the data keys. What changes any of it is in `changes`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::drafts::{self, ends_with, is_hidden};
use super::envelope::{self, Identities, PublicKey, Refused};
use super::recipients::{self, Recipient};
use super::source::{DATA_KEYS, DEPTH, ENDING, FOLDER, StoredPath};
use super::{Source, identity};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{SecretName, suggestion};
use crate::seal::Keyring;

/// The largest secret, in bytes.
pub(super) const LIMIT: usize = 1 << 20;
/// The largest file that is decrypted: armor makes a third more of what it holds.
const FILE_LIMIT: usize = 2 * LIMIT;
const RECIPIENTS: &str = "recipients.txt";

/// A workspace's folder with what it says of its secrets, and who asks.
#[derive(Debug, Clone)]
pub struct Vault {
    /// The folder of the workspace.
    pub root: PathBuf,
    /// Where the secrets come from of which the workspace says so; the others lie in `secrets/NAME.age`.
    pub sources: BTreeMap<SecretName, Source>,
    /// The file with the user's own secret keys, outside of the workspace; `None` where the user has no place for one.
    pub identity: Option<PathBuf>,
}

impl Vault {
    /// The names of all secrets, those that are declared and those that lie here.
    pub fn names(&self) -> Result<BTreeSet<SecretName>> {
        let stored = drafts::listed(&self.folder())?.into_iter().filter(|path| self.is_secret(path) && !path.is_dir());
        // That of the data keys has a dot, and is no name.
        let names = stored.filter_map(|path| SecretName::parse(path.file_stem()?.to_str()?).ok());
        Ok(names.chain(self.sources.keys().cloned()).collect())
    }

    /// Where a secret comes from, whether it is there or not.
    pub fn source(&self, name: &SecretName) -> Source {
        self.sources.get(name).cloned().unwrap_or_else(|| Source::stored(name))
    }

    /// Those who can read the secrets, as far as they have been encrypted since; empty before the first was set.
    pub fn recipients(&self) -> Result<Vec<Recipient>> {
        recipients::parse(&self.list()?.unwrap_or_default(), &self.shown(&self.list_path()))
    }

    /// Reads a secret that lies in a file for age.
    pub(super) fn read(&self, name: &SecretName, path: &StoredPath) -> Result<Vec<u8>> {
        let again = format!("take it from a copy, or set it anew: `provisioning secrets set {name}`");
        self.open(&self.root.join(path), &again)?.ok_or_else(|| self.missing(name))
    }

    /// The error for a secret whose file is not there.
    pub(super) fn missing(&self, name: &SecretName) -> Error {
        let Some(Source::Age { path }) = self.sources.get(name) else { return self.unknown(name.as_str()) };
        let message = format!("the secret `{name}` was not set yet: there is no `{}`", path.as_ref().display());
        Error::new(ErrorKind::NotFound, message).with_hint(format!("`provisioning secrets set {name}` makes it"))
    }

    /// The data keys, if the workspace has any.
    pub(super) fn keyring(&self) -> Result<Option<Keyring>> {
        let again = "take it from a copy: without it, nobody reads what was sealed";
        let Some(plain) = self.open(&self.data_path(), again)? else { return Ok(None) };
        let text = String::from_utf8(plain).unwrap_or_default();
        Keyring::parse(&text).map(Some).map_err(|error| {
            let message = format!("`{}` holds something else than data keys", self.shown(&self.data_path()));
            Error::new(ErrorKind::Corrupt, message).with_source(error).with_hint(again)
        })
    }

    /// The error for a name that nothing has.
    pub(super) fn unknown(&self, name: &str) -> Error {
        let names = self.names().unwrap_or_default();
        let near = suggestion(name, names.iter().map(SecretName::as_str));
        let hint = near.unwrap_or_else(|| "`provisioning secrets set NAME` sets one".to_owned());
        Error::new(ErrorKind::NotFound, format!("there is no secret `{name}`")).with_hint(hint)
    }

    /// Decrypts a file; `None` when it does not exist.
    pub(super) fn open(&self, path: &Path, when_damaged: &str) -> Result<Option<Vec<u8>>> {
        let Some(sealed) = drafts::read(path, FILE_LIMIT)? else { return Ok(None) };
        let identities = identity::read(self.identity_path()?)?;
        envelope::decrypt(&identities, &sealed).map(Some).map_err(|refused| match refused {
            Refused::Others => self.denied(path, &identities),
            Refused::Damaged => {
                let message = format!("`{}` is damaged, or was not encrypted by age", self.shown(path));
                Error::new(ErrorKind::Corrupt, message).with_hint(when_damaged)
            }
        })
    }

    fn denied(&self, path: &Path, identities: &Identities) -> Error {
        let own = identities.public();
        let listed = self.recipients().unwrap_or_default();
        let hint = match own.iter().find(|key| listed.iter().any(|listed| listed.key == **key)) {
            Some(key) => format!(
                "`{key}` stands in `{}`: somebody who can read it has to run `provisioning secrets rotate`",
                self.shown(&self.list_path())
            ),
            None => format!(
                "ask somebody who can read it for `provisioning secrets recipients add {}`",
                own.first().map(PublicKey::to_string).unwrap_or_default()
            ),
        };
        let whose = self.identity.as_deref().unwrap_or(Path::new("")).display();
        let message = format!("`{}` is not encrypted to an identity in `{whose}`", self.shown(path));
        Error::new(ErrorKind::Denied, message).with_hint(hint)
    }

    /// Every encrypted file but that of the data keys, whether the chosen environment declares it or not.
    pub(super) fn encrypted(&self) -> Result<BTreeSet<PathBuf>> {
        Ok(drafts::files(&self.folder(), DEPTH)?.into_iter().filter(|path| self.is_secret(path)).collect())
    }

    fn is_secret(&self, path: &Path) -> bool {
        ends_with(path, ENDING) && !is_hidden(path) && path != self.data_path()
    }

    /// Waits until nobody else changes anything.
    pub(super) fn hold(&self) -> Result<File> {
        drafts::hold(&self.folder(), DEPTH)
    }

    /// The text of the list of recipients, if there is one.
    pub(super) fn list(&self) -> Result<Option<String>> {
        let path = self.list_path();
        let Some(content) = drafts::read(&path, LIMIT)? else { return Ok(None) };
        String::from_utf8(content).map(Some).map_err(|_| Error::invalid(format!("`{}` is not text", self.shown(&path))))
    }

    /// How a path is called in messages.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(FOLDER)
    }

    pub(super) fn list_path(&self) -> PathBuf {
        self.folder().join(RECIPIENTS)
    }

    pub(super) fn data_path(&self) -> PathBuf {
        self.folder().join(DATA_KEYS)
    }

    pub(super) fn identity_path(&self) -> Result<&Path> {
        self.identity.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Denied, "there is no identity to decrypt with, since this user has no home folder")
                .with_hint("name its file in the variable `PROVISIONING_IDENTITY`")
        })
    }
}
