//! The secrets that a workspace keeps in files for age, as they lie there: `secrets/NAME.age`, the list of those who can
//! read them, and the data keys. What changes any of it is in `changes`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::drafts::{self, failed};
use super::envelope::{self, Identities, PublicKey, Refused};
use super::recipients::{self, Recipient};
use super::source::FOLDER;
use super::{Source, identity};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{SecretName, suggestion};
use crate::seal::Keyring;

/// The largest secret, in bytes.
pub(super) const LIMIT: usize = 1 << 20;
/// The largest file that is decrypted: armor makes a third more of what it holds.
const FILE_LIMIT: usize = 2 * LIMIT;
/// The file of the data keys; a secret's name has no dot, so that none is in its way.
const DATA_KEYS: &str = "data.key.age";
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
        let stems =
            self.stored()?.into_iter().filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        Ok(stems.filter_map(|stem| SecretName::parse(&stem).ok()).chain(self.sources.keys().cloned()).collect())
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
    pub(super) fn read(&self, name: &SecretName, path: &Path) -> Result<Vec<u8>> {
        let again = format!("take it from a copy, or set it anew: `provisioning secrets set {name}`");
        let opened = self.open(&self.root.join(path), &again)?;
        opened.ok_or_else(|| if self.sources.contains_key(name) { self.unset(name, path) } else { self.unknown(name.as_str()) })
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

    fn unset(&self, name: &SecretName, path: &Path) -> Error {
        let message = format!("the secret `{name}` was not set yet: there is no `{}`", self.shown(path));
        Error::new(ErrorKind::NotFound, message).with_hint(format!("`provisioning secrets set {name}` makes it"))
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

    /// Every encrypted file but that of the data keys, at whatever place a secret is declared to lie.
    pub(super) fn encrypted(&self) -> Result<BTreeSet<PathBuf>> {
        let declared = self.sources.values().filter_map(|source| match source {
            Source::Age { path } => Some(self.root.join(path)),
            _ => None,
        });
        Ok(self.stored()?.into_iter().chain(declared.filter(|path| path.exists())).collect())
    }

    /// The encrypted files in the folder of secrets, but that of the data keys.
    fn stored(&self) -> Result<Vec<PathBuf>> {
        let folder = self.folder();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed("read", &folder))?,
        };
        let names = entries.into_iter().map(|entry| entry.file_name()).filter(|name| {
            let name = name.to_string_lossy();
            name.ends_with(".age") && !name.starts_with('.') && name != DATA_KEYS
        });
        Ok(names.map(|name| folder.join(name)).collect())
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
