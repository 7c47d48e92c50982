//! Encrypting to people: the only file that names age.
//!
//! What comes out is a standard file of age in its armor, which the tool `age` reads as well. Which keys are used, and what
//! for, is not known here.

use std::fmt;
use std::io::{Read as _, Write as _};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::ExposeSecret as _;
use age::x25519;
use age::{DecryptError, Decryptor, Encryptor};

use crate::error::{Error, Result};

/// How the text of a secret key begins.
const SECRET_KEY: &str = "AGE-SECRET-KEY-";

/// The keys of low order of X25519 (as libsodium lists them, with both values of the bit that is not looked at): whatever is
/// encrypted to one of them anybody can read, and age panics rather than do so.
const WEAK: [&str; 14] = [
    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqsuwj9m",
    "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya",
    "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqk67yly",
    "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9",
    "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhzqqxqejhu",
    "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz9ts6wm9s8",
    "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz8ts72fzt7",
    "age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m",
    "age1anllllllllllllllllllllllllllllllllllllllllllllllllls3hcv9z",
    "age1ahlllllllllllllllllllllllllllllllllllllllllllllllalsn46ayy",
    "age1ahlllllllllllllllllllllllllllllllllllllllllllllllllsh3g6la",
    "age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv",
    "age1amlllllllllllllllllllllllllllllllllllllllllllllllllsam3fc4",
];

/// Somebody to whom something can be encrypted: a public key of age, `age1…`.
#[derive(Clone)]
pub struct PublicKey(x25519::Recipient);

impl PublicKey {
    /// Parses one.
    ///
    /// # Errors
    /// `Invalid` for anything else, and for a key that keeps nothing secret; a secret key is not repeated in the message.
    pub fn parse(text: &str) -> Result<Self> {
        if text.to_ascii_uppercase().starts_with(SECRET_KEY) {
            let hint = "take the public key, `age1…`: the comment above the secret key in the identity file has it";
            return Err(Error::invalid("this is a secret key, and not for others to see").with_hint(hint));
        }
        let expected = "expected `age1` and 58 letters and digits";
        let key = text.parse().map(Self);
        let key = key.map_err(|_| Error::invalid(format!("`{text}` is not a public key of age: {expected}")))?;
        if WEAK.contains(&key.to_string().as_str()) {
            return Err(Error::invalid(format!("`{key}` is nobody's key: anybody could read what is encrypted to it")));
        }
        Ok(key)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for PublicKey {}

/// The secret keys of one person.
pub(super) struct Identities(Vec<x25519::Identity>);

impl Identities {
    /// One that nobody had before.
    pub(super) fn fresh() -> Self {
        Self(vec![x25519::Identity::generate()])
    }

    /// Reads what [`Identities::to_text`] or `age-keygen` wrote; for anything else gives the number of the line.
    pub(super) fn parse(text: &str) -> Result<Self, usize> {
        let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        lines.map(|(line, number)| line.parse().map_err(|_| number)).collect::<Result<_, _>>().map(Self)
    }

    /// The text of an identity file.
    pub(super) fn to_text(&self) -> String {
        let lines = |key: &x25519::Identity| format!("# public key: {}\n{}\n", key.to_public(), key.to_string().expose_secret());
        self.0.iter().map(lines).collect()
    }

    /// To whom others encrypt what these are to read.
    pub(super) fn public(&self) -> Vec<PublicKey> {
        self.0.iter().map(|key| PublicKey(key.to_public())).collect()
    }
}

/// Why something could not be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is encrypted to others.
    Others,
    /// It is damaged, or was never encrypted by age.
    Damaged,
}

/// Encrypts to each of these keys, of which there is one at least.
pub(super) fn encrypt(keys: &[PublicKey], plain: &[u8]) -> Result<String> {
    let broken = |error: &dyn fmt::Display| Error::bug(format!("age does not encrypt: {error}"));
    let encryptor = Encryptor::with_recipients(keys.iter().map(|key| &key.0 as _)).map_err(|error| broken(&error))?;
    let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).map_err(|error| broken(&error))?;
    let sealed = encryptor.wrap_output(armor).and_then(|mut writer| {
        writer.write_all(plain)?;
        writer.finish()?.finish()
    });
    let sealed = sealed.map_err(|error| broken(&error))?;
    Ok(String::from_utf8(sealed).expect("armor is ASCII"))
}

/// Decrypts with whichever of the identities can.
pub(super) fn decrypt(identities: &Identities, sealed: &[u8]) -> Result<Vec<u8>, Refused> {
    let refused = |error| match error {
        DecryptError::NoMatchingKeys | DecryptError::ExcessiveWork { .. } => Refused::Others,
        _ => Refused::Damaged,
    };
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed)).map_err(refused)?;
    let mut reader = decryptor.decrypt(identities.0.iter().map(|key| key as _)).map_err(refused)?;
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain).map_err(|_| Refused::Damaged)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_keeps_nothing_secret_is_refused() {
        for key in WEAK {
            let weak: x25519::Recipient = key.parse().expect("age takes it for a key");
            assert!(std::panic::catch_unwind(|| age::encrypt(&weak, b"x")).is_err(), "age encrypts to {key}");
            let error = PublicKey::parse(key).expect_err("weak");
            assert_eq!(error.to_string(), format!("`{key}` is nobody's key: anybody could read what is encrypted to it"));
        }
    }
}
