//! What changes the secrets in a workspace's files: set and remove one, let somebody read them or no longer, encrypt anew.
//!
//! Of two changes at once, the second waits. A change writes all that it needs as drafts before it puts the first in place:
//! what fails by then has changed nothing, and what is cut off later leaves files that whoever made the change can read.

use std::fs::File;
use std::path::PathBuf;

use super::drafts::{self, Draft};
use super::envelope::{self, PublicKey};
use super::recipients::{self, Recipient};
use super::vault::{LIMIT, Vault};
use super::{Source, identity};
use crate::clock::Ids;
use crate::error::{Error, ErrorKind, Result};
use crate::name::SecretName;
use crate::seal::Keyring;

/// Makes what is missing before there can be secrets: an identity, the list of recipients with it alone, data keys.
///
/// Gives the files that it made.
///
/// # Errors
/// `Corrupt` when there are secrets without a list of who may read them.
pub fn init(vault: &Vault, ids: &dyn Ids) -> Result<Vec<PathBuf>> {
    let _held = drafts::hold(&vault.folder())?;
    begin(vault, ids)
}

/// The user's own public keys; an identity is made if missing, and its file told then.
pub fn introduce(vault: &Vault) -> Result<(Vec<PublicKey>, Option<PathBuf>)> {
    let path = vault.identity_path()?;
    let made = identity::make(path)?.then(|| path.to_owned());
    Ok((identity::read(path)?.public(), made))
}

/// Sets a secret, and makes what is missing for it, which it gives.
///
/// # Errors
/// `Invalid` for an empty one, `Limited` for one larger than 1 MiB, `Conflict` for one that comes from elsewhere.
pub fn set(vault: &Vault, name: &SecretName, value: &str, ids: &dyn Ids) -> Result<Vec<PathBuf>> {
    if value.is_empty() {
        return Err(Error::invalid(format!("the value of `{name}` is empty")).with_hint("nothing was changed"));
    }
    if value.len() > LIMIT {
        let message = format!("the value of `{name}` has {} bytes, and {LIMIT} are the most", value.len());
        return Err(Error::new(ErrorKind::Limited, message).with_hint("encrypt it by itself, and make its key the secret"));
    }
    let path = place(vault, name)?;
    let _held = drafts::hold(&vault.folder())?;
    let made = begin(vault, ids)?;
    let sealed = envelope::encrypt(&keys(&vault.recipients()?), value.as_bytes())?;
    drafts::put_all(&[Draft::write(&path, sealed.as_bytes())?])?;
    Ok(made)
}

/// Removes a secret, for good.
///
/// # Errors
/// `NotFound` when there is none; `Conflict` for one that comes from elsewhere.
pub fn remove(vault: &Vault, name: &SecretName) -> Result<()> {
    let path = place(vault, name)?;
    if !path.exists() {
        return Err(vault.unknown(name.as_str()));
    }
    let _held = drafts::hold(&vault.folder())?;
    drafts::remove(&path)
}

/// Lets somebody read all secrets, and makes what is missing for it, which it gives.
///
/// # Errors
/// `Conflict` for whoever is on the list; `Denied` when whoever asks cannot read them all.
pub fn add_recipient(vault: &Vault, recipient: &Recipient, ids: &dyn Ids) -> Result<Vec<PathBuf>> {
    let _held = drafts::hold(&vault.folder())?;
    let made = begin(vault, ids)?;
    if vault.recipients()?.iter().any(|known| known.key == recipient.key) {
        let message = format!("`{}` is a recipient already", recipient.key);
        return Err(Error::new(ErrorKind::Conflict, message).with_hint("`provisioning secrets rotate` encrypts anew"));
    }
    let list = recipients::with(&vault.list()?.unwrap_or_default(), recipient);
    let ring = vault.keyring()?.unwrap_or_else(|| Keyring::fresh(ids));
    drafts::put_all(&renewed(vault, &list, &ring)?)?;
    Ok(made)
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
    let held = drafts::hold(&vault.folder())?;
    Ok((held, vault.list()?.ok_or_else(missing)?))
}

pub(super) fn next_ring(vault: &Vault, ids: &dyn Ids) -> Result<Keyring> {
    Ok(vault.keyring()?.map_or_else(|| Keyring::fresh(ids), |ring| ring.rotated(ids)))
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
    let mut drafts = Vec::new();
    let (own, made) = introduce(vault)?;
    let mut made: Vec<_> = made.into_iter().collect();
    let list = match vault.list()? {
        Some(list) => list,
        None if !vault.encrypted()?.is_empty() || data_path.exists() => {
            let message = format!("there is no `{}`, though there are secrets", vault.shown(&list_path));
            return Err(Error::new(ErrorKind::Corrupt, message)
                .with_hint("take it from a copy, or write into it who can read them: public keys of age, one a line"));
        }
        None => {
            let first = own.first().ok_or_else(|| Error::bug("an identity without a key was read"))?;
            let list = recipients::with("", &Recipient { key: first.clone(), name: None });
            drafts.push(Draft::write(&list_path, list.as_bytes())?);
            made.push(list_path.clone());
            list
        }
    };
    let keys = keys(&recipients::parse(&list, &vault.shown(&list_path))?);
    if keys.is_empty() {
        return Err(Error::invalid(format!("there is no public key in `{}`", vault.shown(&list_path)))
            .with_hint("write into it who can read the secrets: public keys of age, one a line"));
    }
    if !data_path.exists() {
        let sealed = envelope::encrypt(&keys, Keyring::fresh(ids).to_text().as_bytes())?;
        drafts.push(Draft::write(&data_path, sealed.as_bytes())?);
        made.push(data_path);
    }
    drafts::put_all(&drafts)?;
    Ok(made)
}

fn keys(recipients: &[Recipient]) -> Vec<PublicKey> {
    recipients.iter().map(|recipient| recipient.key.clone()).collect()
}

/// The file of a secret that can be changed here.
fn place(vault: &Vault, name: &SecretName) -> Result<PathBuf> {
    match vault.source(name) {
        Source::Age { path } => Ok(vault.root.join(path)),
        elsewhere => Err(Error::new(ErrorKind::Conflict, format!("the secret `{name}` comes from {elsewhere}"))
            .with_hint("change it there; or say nothing of it in `provisioning.toml`, and it lies in the workspace")),
    }
}
