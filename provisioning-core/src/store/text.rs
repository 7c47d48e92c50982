//! The JSON texts that every store keeps, with their limits and what is checked when they are read.
//!
//! The records themselves are in [`chain`](super::chain), where their hashes are made.

use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::name::ResourceName;
use crate::plan::Plan;
use crate::resource::StateRow;

/// The largest record and the largest state row, in bytes of JSON.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// The largest plan, in bytes of JSON.
pub const MAX_PLAN_BYTES: usize = 512 << 20;

/// How many steps a plan has that takes longer to write than another thread to begin.
const LARGE: usize = 1000;

/// A state row as it is kept.
#[derive(Debug, Clone)]
pub(super) struct RowText {
    /// The entry that wrote it.
    pub(super) version: u64,
    /// Its JSON.
    pub(super) body: Vec<u8>,
}

impl RowText {
    /// The text of a row.
    pub(super) fn new(row: &StateRow) -> Result<Self> {
        let body = write(row, MAX_RECORD_BYTES, || format!("the state of `{}`", row.name))?;
        Ok(Self { version: row.version, body })
    }

    /// The row that is kept under a name.
    ///
    /// # Errors
    /// `Corrupt` when it is not one.
    pub(super) fn parse(&self, name: &str) -> Result<(ResourceName, StateRow)> {
        let row: StateRow = read(&self.body, || format!("the state of `{name}`"))?;
        if row.name.as_str() != name || row.version != self.version {
            return Err(corrupt(format!("the state of `{name}` is filed under another name or version than its own")));
        }
        Ok((row.name.clone(), row))
    }
}

/// The hash of a plan and what is made of its text: both go through all of it, so that they are made at once where it is large.
pub(super) fn write_plan<T: Send>(plan: &Plan, make: impl FnOnce(Vec<u8>) -> T + Send) -> Result<(Digest, T)> {
    let body = || write(plan, MAX_PLAN_BYTES, || "the plan".to_owned()).map(make);
    if plan.steps.len() < LARGE {
        return Ok((plan.hash(), body()?));
    }
    thread::scope(|scope| {
        let body = scope.spawn(body);
        let hash = plan.hash();
        let body = body.join().map_err(|_| Error::bug("writing the plan broke"))?;
        Ok((hash, body?))
    })
}

/// The plan that is kept under a hash; `NotFound` where nothing is.
pub(super) fn read_plan(hash: &Digest, body: Option<&[u8]>) -> Result<Plan> {
    let Some(body) = body else {
        let message = format!("there is no plan `{}` in the store", hash.short());
        return Err(Error::new(ErrorKind::NotFound, message).with_hint("`provisioning runs` lists the runs with their plans"));
    };
    let plan = Plan::parse(body).map_err(|error| match error.kind() {
        ErrorKind::Corrupt => corrupt(format!("the plan `{}` cannot be read: {error}", hash.short())),
        _ => error,
    })?;
    if plan.hash() != *hash {
        return Err(corrupt(format!("the plan `{}` was changed: its content has another hash", hash.short())));
    }
    Ok(plan)
}

/// Reads a text.
///
/// # Errors
/// `Corrupt`, with what was to be read, when it does not parse.
pub(super) fn read<T: DeserializeOwned>(body: &[u8], what: impl Fn() -> String) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| corrupt(format!("{} cannot be read: {error}", what())))
}

/// Writes a text.
///
/// # Errors
/// `Limited`, with what was to be written, when it is too large; `Bug` when it has no written form, as a secret.
pub(super) fn write<T: Serialize>(value: &T, limit: usize, what: impl Fn() -> String) -> Result<Vec<u8>> {
    let body = serde_json::to_vec(value).map_err(|error| Error::bug(format!("{} cannot be written: {error}", what())))?;
    if body.len() > limit {
        let message = format!("{} takes {} bytes, the limit is {limit}", what(), body.len());
        return Err(Error::new(ErrorKind::Limited, message).with_hint("keep large content in a file and refer to it"));
    }
    Ok(body)
}

/// An error about something that is kept.
pub(super) fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}
