//! The list of those who can read the secrets of a workspace: `recipients.txt`, which `age -R` takes as well.
//!
//! A line is a public key; a comment right above it is the name of whose key it is. All functions go from text to text.

use super::envelope::PublicKey;
use crate::error::{Error, Result};

/// What stands at the top of a new list.
const HEAD: &str = "# Who can read the secrets of this workspace: public keys of age, one a line, a name above each.\n\
                    # After a change by hand: `provisioning secrets rotate`\n";
/// The longest name, in bytes.
const MAX_NAME: usize = 256;

/// Somebody who can read the secrets of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// To which key they are encrypted.
    pub key: PublicKey,
    /// Whose key it is, for people.
    pub name: Option<String>,
}

impl Recipient {
    /// Parses a key, and the name of whose it is.
    ///
    /// # Errors
    /// `Invalid` when it is no public key, or the name is not one line.
    pub fn parse(key: &str, name: Option<&str>) -> Result<Self> {
        let key = PublicKey::parse(key.trim())?;
        let name = name.map(str::trim);
        if let Some(name) = name.filter(|name| name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control)) {
            let expected = "expected one line of at most 256 bytes";
            return Err(Error::invalid(format!("`{}` is not the name of a recipient: {expected}", name.escape_debug())));
        }
        Ok(Self { key, name: name.map(str::to_owned) })
    }
}

/// Who stands in a list, which is called `shown` in messages.
pub(super) fn parse(text: &str, shown: &str) -> Result<Vec<Recipient>> {
    let mut found: Vec<Recipient> = Vec::new();
    let mut above = None;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let comment = line.strip_prefix('#').map(str::trim).filter(|comment| !comment.is_empty());
        if !line.is_empty() && !line.starts_with('#') {
            // The line is not repeated: it may be a secret key that was put there by mistake.
            let recipient = Recipient::parse(line, None).map_err(|_| {
                Error::invalid(format!("line {number} of `{shown}` is not a public key of age"))
                    .with_hint("expected `age1` and 58 letters and digits, or a comment after `#`")
            })?;
            if !found.iter().any(|known| known.key == recipient.key) {
                found.push(Recipient { name: above.take().map(str::to_owned), ..recipient });
            }
        }
        above = comment;
    }
    Ok(found)
}

/// A list with one more, at its end.
pub(super) fn with(text: &str, recipient: &Recipient) -> String {
    let text = if text.is_empty() { HEAD.to_owned() } else { text.trim_end().to_owned() + "\n" };
    let name = recipient.name.as_ref().map(|name| format!("# {name}\n")).unwrap_or_default();
    format!("{text}\n{name}{}\n", recipient.key)
}

/// A list without a key and the name above it; everything else stays as it was written.
pub(super) fn without(text: &str, key: &PublicKey) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        if Recipient::parse(line, None).is_ok_and(|recipient| recipient.key == *key) {
            kept.pop_if(|above| above.trim_start().starts_with('#'));
        } else {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::envelope::Identities;
    use super::*;

    fn somebody(name: Option<&str>) -> Recipient {
        Recipient { key: Identities::fresh().public().remove(0), name: name.map(str::to_owned) }
    }

    #[test]
    fn a_list_keeps_what_was_written_by_hand() {
        let (ada, bob, cleo) = (somebody(Some("Ada <ada@example.org>")), somebody(None), somebody(Some("Cleo")));
        let list = with(&with("", &ada), &bob);
        assert_eq!(parse(&list, "list").expect("parses"), [ada.clone(), bob.clone()]);
        let by_hand = format!("{list}\n# two of them\n\n#Cleo\n  {}  \n{}\n", cleo.key, bob.key);
        assert_eq!(parse(&by_hand, "list").expect("parses"), [ada.clone(), bob.clone(), cleo.clone()]);
        assert_eq!(without(&by_hand, &cleo.key), format!("{list}\n# two of them\n\n{}\n", bob.key));
        assert_eq!(parse(&without(&by_hand, &bob.key), "list").expect("parses"), [ada, cleo]);
    }

    #[test]
    fn a_line_that_is_no_key_is_told_and_not_repeated() {
        let secret = Identities::fresh().to_text();
        let error = parse(&format!("{HEAD}\n{secret}"), "secrets/recipients.txt").expect_err("a secret key");
        assert_eq!(error.to_string(), "line 5 of `secrets/recipients.txt` is not a public key of age");
        let secret = secret.lines().last().expect("a key");
        let error = PublicKey::parse(secret).expect_err("a secret key");
        assert_eq!(error.to_string(), "this is a secret key, and not for others to see");
        let error = PublicKey::parse("age1x").expect_err("too short");
        assert_eq!(error.to_string(), "`age1x` is not a public key of age: expected `age1` and 58 letters and digits");
        let key = somebody(None).key.to_string();
        let error = Recipient::parse(&key, Some("two\nlines")).expect_err("two lines");
        assert_eq!(error.to_string(), r"`two\nlines` is not the name of a recipient: expected one line of at most 256 bytes");
    }
}
