//! A secret as it is kept where there are keys: sealed, and with a digest to compare it by.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A secret that is kept: its keyed digest, and its sealed text. Two are equal when their digests are.
///
/// What seals and opens one is a [`Seal`](crate::schema::Seal).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// What it is compared by.
    pub digest: Digest,
    /// The sealed value, as a [`Keyring`](crate::seal::Keyring) wrote it.
    pub text: Arc<str>,
}

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealed").field(&self.digest.short()).finish()
    }
}
