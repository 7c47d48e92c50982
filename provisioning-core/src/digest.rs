//! Content hashes: what two things are compared by when the things themselves are not kept.
//!
//! The only file that names the hash functions. Plain digests identify public content; keyed digests stand for
//! secrets, so that a short secret cannot be guessed from its digest.

use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What stands before the digits of a keyed digest.
const KEYED: &str = "keyed:";
/// How much of a stream is held at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// A SHA-256 digest as 64 lowercase hexadecimal digits, the form that `sha256sum` prints; `keyed:` stands before one
/// that was made under a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(Arc<str>);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)).into())
    }

    /// The digest of the JSON of something, which is nowhere put together for that.
    ///
    /// # Errors
    /// The one of what has no such form.
    pub fn of_json(value: &impl Serialize) -> serde_json::Result<Self> {
        let mut writer = BufWriter::with_capacity(CHUNK, Hashed(Sha256::new()));
        serde_json::to_writer(&mut writer, value)?;
        let Hashed(hasher) = writer.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
        Ok(Self(hex(&hasher.finalize()).into()))
    }

    /// The digest of everything that a reader still gives, of any length.
    ///
    /// # Errors
    /// The reader's own.
    pub fn of_stream(mut reader: impl Read) -> io::Result<Self> {
        let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(Self(hex(&hasher.finalize()).into())),
                Ok(length) => hasher.update(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest of a chain link: what came before, then these bytes.
    pub fn chained(previous: &Digest, bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(previous.0.as_bytes());
        hasher.update(bytes);
        Self(hex(&hasher.finalize()).into())
    }

    /// The digest under a key (HMAC-SHA-256, RFC 2104), for content that must not be guessed from it.
    pub fn keyed(key: &DigestKey, bytes: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes keys of every length");
        mac.update(bytes);
        Self(format!("{KEYED}{}", hex(&mac.finalize().into_bytes())).into())
    }

    /// Whether it was made under a key: it then stands for something secret.
    pub fn is_keyed(&self) -> bool {
        self.0.starts_with(KEYED)
    }

    /// The digest as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix(KEYED).unwrap_or(&self.0)
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or(self.hex())
    }
}

/// Takes what is written into a digest.
struct Hashed(Sha256);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<&str> for Digest {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a workspace's secret digests; it never leaves the store.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// A key from random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store that keeps them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(***)")
    }
}

/// Bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_the_digest_of_its_bytes() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * CHUNK + 7).collect();
        assert_eq!(Digest::of_stream(bytes.as_slice()).expect("reads"), Digest::of(&bytes));
    }

    #[test]
    fn what_is_written_as_json_has_the_digest_of_that_text() {
        let value: Vec<u64> = (0..100_000).collect();
        let text = serde_json::to_vec(&value).expect("written");
        assert!(text.len() > 2 * CHUNK);
        assert_eq!(Digest::of_json(&value).expect("written"), Digest::of(&text));
    }

    #[test]
    fn digests_agree_with_sha256sum_and_rfc_4231() {
        assert_eq!(Digest::of(b"abc").short(), "ba7816bf8f01");
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let keyed = Digest::keyed(&DigestKey::new(key), b"what do ya want for nothing?");
        assert_eq!(keyed.short(), "5bdcc146bf60");
        assert!(keyed.is_keyed() && !Digest::of(b"abc").is_keyed());
    }
}
