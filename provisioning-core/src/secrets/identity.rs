//! The file with the secret keys of one person, outside of every workspace: read, and made when it is needed first.
//!
//! Which file that is, the caller says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::drafts::{self, Draft, failed};
use super::envelope::Identities;
use crate::error::{Error, ErrorKind, Result};

/// The largest file of identities, in bytes.
const LIMIT: usize = 1 << 20;

/// Reads the identities in a file.
///
/// `Denied` when there is none, or others may read it; `Invalid` when something else stands in it.
pub(super) fn read(path: &Path) -> Result<Identities> {
    let shown = path.display();
    let Some(content) = drafts::read(path, LIMIT)? else {
        return Err(Error::new(ErrorKind::Denied, format!("there is no identity to decrypt with: `{shown}` does not exist"))
            .with_hint("`provisioning secrets recipients` makes one, and says who has to add it"));
    };
    let mode = fs::metadata(path).map_err(failed("read", path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("others may read the identity `{shown}`: its mode is {mode:o}, and expected was 600");
        return Err(Error::new(ErrorKind::Denied, message).with_hint(format!("`chmod 600 {shown}`, if nobody has copied it yet")));
    }
    let wrong = |what: String| Error::invalid(what).with_hint("expected lines that `age-keygen` writes: AGE-SECRET-KEY-1…");
    let text = String::from_utf8(content).map_err(|_| wrong(format!("the identity `{shown}` is not text")))?;
    let identities =
        Identities::parse(&text).map_err(|line| wrong(format!("line {line} of `{shown}` is not an identity of age")))?;
    if identities.public().is_empty() { Err(wrong(format!("there is no identity in `{shown}`"))) } else { Ok(identities) }
}

/// Makes a file with a fresh identity where there is none; says whether it did.
pub(super) fn make(path: &Path) -> Result<bool> {
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    match Draft::write(path, Identities::fresh().to_text().as_bytes())?.put_new() {
        // Somebody else made one meanwhile.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        put => put.map(|()| true),
    }
}
