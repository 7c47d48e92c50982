//! What changes the secrets in a workspace's files: set and remove one, let somebody read them or no longer, encrypt anew.
//!
//! Of two changes at once, the second waits. A change writes all that it needs as drafts before it puts the first in place:
//! what fails by then has changed nothing, and what is cut off later leaves files that whoever made the change can read.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::drafts::{self, Draft};
use super::envelope::{self, PublicKey};
use super::recipients::{self, Recipient};
use super::vault::{LIMIT, Vault};
use super::{Source, StoredPath, identity};
use crate::clock::Ids;
use crate::error::{Error, ErrorKind, Result};
use crate::name::SecretName;
use crate::seal::Keyring;

/// Makes what is missing before there can be secrets: an identity, the list of recipients with it alone, data keys.
///
/// Gives the files that it made.
///
/// # Errors
/// `Corrupt` when there were secrets, and the list of who may read them or the data keys are lost.
pub fn init(vault: &Vault, ids: &dyn Ids) -> Result<Vec<PathBuf>> {
    let _held = vault.hold()?;
    begin(vault, ids)
}

/// The user's own public keys; an identity is made if missing, and its file told then.
pub fn introduce(vault: &Vault) -> Result<(Vec<PublicKey>, Option<PathBuf>)> {
    let path = vault.identity_path()?;
    let made = identity::make(path)?.then(|| path.to_owned());
    Ok((identity::read(path)?.public(), made))
}

/// What came of setting a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The files that were made for it, but its own.
    pub made: Vec<PathBuf>,
    /// What was there before.
    pub before: Before,
}

/// What was there before a secret was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// A secret that whoever set the new one can read.
    Readable,
    /// A secret that is encrypted to others, or damaged.
    Unreadable,
}

/// Sets a secret, whatever was there, and makes what is missing for it.
///
/// # Errors
/// `Invalid` for an empty one, `Limited` for one larger than 1 MiB, `Conflict` for one that comes from elsewhere;
/// `Corrupt` when there were secrets, and what belongs to them is lost.
pub fn set(vault: &Vault, name: &SecretName, value: &str, ids: &dyn Ids) -> Result<Done> {
    check(name, value)?;
    let path = vault.root.join(place(vault, name)?);
    let _held = vault.hold()?;
    let made = begin(vault, ids)?;
    let before = match vault.open(&path, "") {
        Ok(None) => Before::Nothing,
        Ok(Some(_)) => Before::Readable,
        Err(_) => Before::Unreadable,
    };
    write(vault, &path, value)?;
    Ok(Done { made, before })
}

/// Makes something else of a secret, provided that it still is what it was when somebody looked at it.
///
/// # Errors
/// `Conflict` when it is not, and for one that comes from elsewhere; otherwise as [`set`].
pub fn change(vault: &Vault, name: &SecretName, old: &str, new: &str) -> Result<()> {
    check(name, new)?;
    let path = vault.root.join(place(vault, name)?);
    let _held = vault.hold()?;
    ring(vault)?;
    let now = vault.open(&path, "take it from a copy; nothing was changed")?;
    if now.is_none_or(|now| now != old.as_bytes()) {
        let hint = format!("nothing was written; `provisioning secrets edit {name}` begins with what it is now");
        return Err(Error::new(ErrorKind::Conflict, format!("`{name}` was changed meanwhile")).with_hint(hint));
    }
    write(vault, &path, new)
}

/// Removes a secret, for good.
///
/// # Errors
/// `NotFound` when there is none; `Conflict` for one that comes from elsewhere.
pub fn remove(vault: &Vault, name: &SecretName) -> Result<()> {
    let place = existing(vault, name)?;
    let _held = vault.hold()?;
    drafts::remove(&vault.root.join(place))
}

/// Where a secret lies that can be set here, whether it is there or not.
///
/// # Errors
/// `Conflict` for one that comes from elsewhere.
pub fn place(vault: &Vault, name: &SecretName) -> Result<StoredPath> {
    match vault.source(name) {
        Source::Age { path } => Ok(path),
        elsewhere => Err(Error::new(ErrorKind::Conflict, format!("the secret `{name}` comes from {elsewhere}"))
            .with_hint("change it there; or say nothing of it in `provisioning.toml`, and it lies in the workspace")),
    }
}

/// Where a secret lies that can be changed or removed here.
///
/// # Errors
/// `NotFound` when there is none; `Conflict` for one that comes from elsewhere.
pub fn existing(vault: &Vault, name: &SecretName) -> Result<StoredPath> {
    let place = place(vault, name)?;
    if vault.root.join(&place).exists() { Ok(place) } else { Err(vault.missing(name)) }
}

fn check(name: &SecretName, value: &str) -> Result<()> {
    if value.is_empty() {
        return Err(Error::invalid(format!("the value of `{name}` is empty")).with_hint("nothing was changed"));
    }
    if value.len() > LIMIT {
        let message = format!("the value of `{name}` has {} bytes, and {LIMIT} are the most", value.len());
        return Err(Error::new(ErrorKind::Limited, message).with_hint("encrypt it by itself, and make its key the secret"));
    }
    Ok(())
}

fn write(vault: &Vault, path: &Path, value: &str) -> Result<()> {
    let sealed = envelope::encrypt(&readers(vault)?, value.as_bytes())?;
    drafts::put_all(&[Draft::write(path, sealed.as_bytes())?])
}

/// Lets somebody read all secrets, and makes what is missing for it, which it gives.
///
/// # Errors
/// `Conflict` for whoever is on the list; `Denied` when whoever asks cannot read them all.
pub fn add_recipient(vault: &Vault, recipient: &Recipient, ids: &dyn Ids) -> Result<Vec<PathBuf>> {
    let _held = vault.hold()?;
    let made = begin(vault, ids)?;
    if vault.recipients()?.iter().any(|known| known.key == recipient.key) {
        let message = format!("`{}` is a recipient already", recipient.key);
        return Err(Error::new(ErrorKind::Conflict, message).with_hint("`provisioning secrets rotate` encrypts anew"));
    }
    let list = recipients::with(&vault.list()?.unwrap_or_default(), recipient);
    drafts::put_all(&renewed(vault, &list, &ring(vault)?)?)?;
    Ok(made)
}

/// The recipient that somebody means, by key or, where just one has it, by name.
///
/// # Errors
/// `Invalid` when nobody or more than one is meant.
pub fn recipient_called(vault: &Vault, text: &str) -> Result<PublicKey> {
    // A key comes first: another's name may look like one.
    let error = match PublicKey::parse(text.trim()) {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    let mut named: Vec<_> = vault.recipients()?.into_iter().filter(|known| known.name.as_deref() == Some(text.trim())).collect();
    match (named.len(), named.pop()) {
        (1, Some(recipient)) => Ok(recipient.key),
        (0, _) if error.hint().is_some() => Err(error),
        (0, _) => Err(error.with_hint("nor is it a recipient's name: `provisioning secrets recipients` lists them")),
        (count, _) => Err(Error::invalid(format!("`{text}` is the name of {count} recipients"))
            .with_hint("name the one by its key: `provisioning secrets recipients` lists them")),
    }
}

/// Lets somebody read no longer what is encrypted from now on: all secrets, and values under a new data key.
///
/// What they could read until now they may have kept: the secrets themselves have to be changed as well.
///
/// # Errors
/// `NotFound` when the key is not on the list; `Invalid` when nobody here could read the secrets afterwards.
pub fn remove_recipient(vault: &Vault, key: &PublicKey, ids: &dyn Ids) -> Result<()> {
    let (_held, list) = hold_begun(vault)?;
    if !vault.recipients()?.iter().any(|known| known.key == *key) {
        return Err(Error::new(ErrorKind::NotFound, format!("`{key}` is no recipient"))
            .with_hint("`provisioning secrets recipients` lists them"));
    }
    drafts::put_all(&renewed(vault, &recipients::without(&list, key), &next_ring(vault, ids)?)?)
}

/// Puts a new data key in front of the old ones and encrypts everything anew, to those who are on the list now.
///
/// # Errors
/// `NotFound` when there are no secrets yet; `Invalid` when nobody here could read them afterwards.
pub fn rotate(vault: &Vault, ids: &dyn Ids) -> Result<()> {
    let (_held, list) = hold_begun(vault)?;
    drafts::put_all(&renewed(vault, &list, &next_ring(vault, ids)?)?)
}

/// Waits for other changes where there are secrets, and gives the list of who reads them.
fn hold_begun(vault: &Vault) -> Result<(File, String)> {
    let missing = || {
        Error::new(ErrorKind::NotFound, format!("there is no `{}`", vault.shown(&vault.list_path())))
            .with_hint("`provisioning secrets set NAME` sets a first secret")
    };
    // Looked at before as well, since waiting makes the folder.
    vault.list()?.ok_or_else(missing)?;
    let held = vault.hold()?;
    Ok((held, vault.list()?.ok_or_else(missing)?))
}

pub(super) fn next_ring(vault: &Vault, ids: &dyn Ids) -> Result<Keyring> {
    Ok(ring(vault)?.rotated(ids))
}

/// The data keys of a workspace that has secrets.
fn ring(vault: &Vault) -> Result<Keyring> {
    vault.keyring()?.ok_or_else(|| keyless(vault))
}

fn keyless(vault: &Vault) -> Error {
    let message = format!("there is no `{}`, though the workspace had one", vault.shown(&vault.data_path()));
    Error::new(ErrorKind::Corrupt, message)
        .with_hint("take it from a copy, such as version control: without it, nobody reads what was sealed")
}

/// Everything encrypted to a list, as drafts. The list itself comes last: until it stands there, the change can be made again.
pub(super) fn renewed(vault: &Vault, list: &str, ring: &Keyring) -> Result<Vec<Draft>> {
    let keys = keys(&recipients::parse(list, &vault.shown(&vault.list_path()))?);
    let own = identity::read(vault.identity_path()?)?.public();
    if !own.iter().any(|own| keys.contains(own)) {
        let hint = "add another key of yours first, or let another recipient do it; nothing was changed";
        return Err(
            Error::invalid("you could not read the secrets any more: no key of yours would be a recipient").with_hint(hint)
        );
    }
    let mut drafts = Vec::new();
    for path in vault.encrypted()? {
        let again = "take it from a copy, or remove it; nothing was changed";
        if let Some(plain) = vault.open(&path, again)? {
            drafts.push(Draft::write(&path, envelope::encrypt(&keys, &plain)?.as_bytes())?);
        }
    }
    let sealed = envelope::encrypt(&keys, ring.to_text().as_bytes())?;
    drafts.push(Draft::write(&vault.data_path(), sealed.as_bytes())?);
    drafts.push(Draft::write(&vault.list_path(), list.as_bytes())?);
    Ok(drafts)
}

/// What [`init`] does, while nobody else changes anything.
fn begin(vault: &Vault, ids: &dyn Ids) -> Result<Vec<PathBuf>> {
    let (list_path, data_path) = (vault.list_path(), vault.data_path());
    let (has_list, has_keys) = (vault.list()?.is_some(), data_path.exists());
    let is_fresh = !has_list && !has_keys && vault.encrypted()?.is_empty();
    if !is_fresh && !has_list {
        let message = format!("there is no `{}`, though there are secrets", vault.shown(&list_path));
        return Err(Error::new(ErrorKind::Corrupt, message)
            .with_hint("take it from a copy, or write into it who can read them: public keys of age, one a line"));
    }
    if !is_fresh && !has_keys {
        return Err(keyless(vault));
    }
    let (own, made) = introduce(vault)?;
    let made = made.into_iter();
    if !is_fresh {
        return readers(vault).map(|_| made.collect());
    }
    let first = own.first().ok_or_else(|| Error::bug("an identity without a key was read"))?;
    let list = recipients::with("", &Recipient { key: first.clone(), name: None });
    let sealed = envelope::encrypt(std::slice::from_ref(first), Keyring::fresh(ids).to_text().as_bytes())?;
    // The list comes last: where only the keys got there, somebody writes it and nothing is lost.
    drafts::put_all(&[Draft::write(&data_path, sealed.as_bytes())?, Draft::write(&list_path, list.as_bytes())?])?;
    Ok(made.chain([list_path, data_path]).collect())
}

/// The keys of those who are to read what is encrypted now.
fn readers(vault: &Vault) -> Result<Vec<PublicKey>> {
    let keys = keys(&vault.recipients()?);
    if keys.is_empty() {
        return Err(Error::invalid(format!("there is no public key in `{}`", vault.shown(&vault.list_path())))
            .with_hint("write into it who can read the secrets: public keys of age, one a line"));
    }
    Ok(keys)
}

fn keys(recipients: &[Recipient]) -> Vec<PublicKey> {
    recipients.iter().map(|recipient| recipient.key.clone()).collect()
}
