//! Sealing: what must be kept and must not be read is encrypted under a data key of the workspace.
//!
//! The only file that names the cipher. Where the keys are kept, and who may have them, is in
//! `secrets`; which values are sealed is said in `schema`.
//!
//! A sealed text is `KEY:HEX`: the name of the key, then nonce and ciphertext (XChaCha20-Poly1305). The nonce is made from the
//! plaintext and its place under the key (a synthetic nonce, as in RFC 5297), so that sealing twice gives one text.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use crate::clock::Ids;
use crate::digest::{Digest, DigestKey, hex};
use crate::error::{Error, ErrorKind, Result};

/// The bytes of a nonce.
const NONCE: usize = 24;

/// The data keys of a workspace, the newest first: that one seals, any of them opens.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring(Vec<[u8; 32]>);

impl Keyring {
    /// A ring of one fresh key.
    pub fn fresh(ids: &dyn Ids) -> Self {
        Self(vec![fresh_key(ids)])
    }

    /// The same ring with a fresh key in front.
    #[must_use]
    pub fn rotated(&self, ids: &dyn Ids) -> Self {
        Self(std::iter::once(fresh_key(ids)).chain(self.0.iter().copied()).collect())
    }

    /// Reads what [`Keyring::to_text`] wrote.
    ///
    /// # Errors
    /// `Corrupt` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let keys: Option<Vec<_>> = text.split_whitespace().map(|line| from_hex(line)?.try_into().ok()).collect();
        let keys = keys.filter(|keys| !keys.is_empty());
        keys.map(Self).ok_or_else(|| Error::new(ErrorKind::Corrupt, "these are not the data keys of a workspace"))
    }

    /// The keys, one a line, the newest first: for encrypting, never for keeping or showing.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|key| hex(key) + "\n").collect()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none; a ring never is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Seals some bytes for a place: nothing opens them at another one.
    pub fn seal(&self, place: &str, plain: &[u8]) -> String {
        let key = self.0.first().expect("a ring has a key");
        let mut bound = place.as_bytes().to_vec();
        bound.push(0);
        bound.extend_from_slice(plain);
        let nonce = from_hex(Digest::keyed(&DigestKey::new(*key), &bound).hex()).expect("a digest is hexadecimal");
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = cipher(key).encrypt(XNonce::from_slice(&nonce[..NONCE]), payload).expect("a value fits into memory");
        format!("{}:{}{}", name(key), hex(&nonce[..NONCE]), hex(&sealed))
    }

    /// Opens what was sealed for a place.
    ///
    /// # Errors
    /// `Denied` when the key is not in the ring; `Corrupt` when the text was changed or sealed for another place.
    pub fn open(&self, place: &str, sealed: &str) -> Result<Vec<u8>> {
        let corrupt = || Error::new(ErrorKind::Corrupt, "a sealed value is damaged, or was sealed for another place");
        let (key, text) = sealed.split_once(':').ok_or_else(corrupt)?;
        let known = self.0.iter().find(|known| name(known) == key);
        let key = known.ok_or_else(|| Error::new(ErrorKind::Denied, format!("the data key `{key}` is not there")))?;
        let bytes = from_hex(text).filter(|bytes| bytes.len() > NONCE).ok_or_else(corrupt)?;
        let payload = Payload { msg: &bytes[NONCE..], aad: place.as_bytes() };
        cipher(key).decrypt(XNonce::from_slice(&bytes[..NONCE]), payload).map_err(|_| corrupt())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.0.len())
    }
}

fn fresh_key(ids: &dyn Ids) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&ids.random().to_le_bytes());
    key[16..].copy_from_slice(&ids.random().to_le_bytes());
    key
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

/// What a key is called: it tells keys apart and nothing about them.
fn name(key: &[u8; 32]) -> String {
    Digest::keyed(&DigestKey::new(*key), b"name").hex()[..8].to_owned()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededIds;

    #[test]
    fn what_is_sealed_opens_at_its_place_alone() {
        let ring = Keyring::fresh(&SeededIds::new(1));
        let sealed = ring.seal("w/file/content", b"hunter2");
        assert_eq!(sealed, ring.seal("w/file/content", b"hunter2"));
        assert!(!sealed.contains("hunter2"));
        assert_eq!(ring.open("w/file/content", &sealed).expect("opens"), b"hunter2");
        assert_eq!(ring.open("w/file/path", &sealed).expect_err("another place").kind(), ErrorKind::Corrupt);
        let mut changed = sealed.clone();
        changed.pop();
        changed.push(if sealed.ends_with('0') { '1' } else { '0' });
        assert_eq!(ring.open("w/file/content", &changed).expect_err("changed").kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_rotated_ring_opens_what_was_sealed_before() {
        let ids = SeededIds::new(2);
        let (old, other) = (Keyring::fresh(&ids), Keyring::fresh(&ids));
        let (sealed, new) = (old.seal("p", b"x"), old.rotated(&ids));
        assert_eq!(new.open("p", &sealed).expect("opens"), b"x");
        assert_ne!(new.seal("p", b"x"), sealed);
        assert_eq!(other.open("p", &sealed).expect_err("no such key").kind(), ErrorKind::Denied);
        assert_eq!(Keyring::parse(&new.to_text()).expect("parses"), new);
        assert!(Keyring::parse("").is_err() && Keyring::parse("abc").is_err());
    }
}
