//! Names that are parsed once, at the edge, and passed on as types.
//!
//! Cloning a name copies a pointer. What a name refers to lives elsewhere.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The longest name, in bytes.
pub const MAX_NAME_LENGTH: usize = 128;

/// The first word of a reference to a secret.
pub const SECRET: &str = "secret";

/// The first word of a reference to the run itself, which outputs alone can have.
pub const RUN: &str = "run";

/// First words of references that are not resources, and so cannot name one.
pub const RESERVED: [&str; 6] = ["config", "env", SECRET, "input", "workspace", RUN];

/// How many words a thread keeps in mind.
const WORDS: usize = 1024;

thread_local! {
    static KNOWN: RefCell<HashSet<Arc<str>>> = RefCell::default();
}

/// A word that stands in thousands of places, such as the key of a field: the same few are kept once, not in each place.
pub(crate) fn shared(word: &str) -> Arc<str> {
    KNOWN.with_borrow_mut(|known| {
        if let Some(word) = known.get(word) {
            return word.clone();
        }
        if known.len() == WORDS {
            known.clear();
        }
        let word = Arc::from(word);
        known.insert(Arc::clone(&word));
        word
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $check:path, $keep:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $type(Arc<str>);

        impl $type {
            #[doc = concat!("Parses ", $what, ".\n\n# Errors\n`Invalid` when it is not one.")]
            pub fn parse(text: &str) -> Result<Self> {
                match $check(text) {
                    Ok(()) => Ok(Self($keep(text))),
                    Err(rule) => Err(Error::invalid(format!(concat!("`{}` is not ", $what, ": {}"), text, rule))),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::parse(&text)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Reader(Self::parse, $what))
            }
        }
    };
}

/// Reads a name without a copy of its text.
struct Reader<T>(fn(&str) -> Result<T>, &'static str);

impl<T> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

name!(
    /// The name of a declared resource (`web`), or of a service on one of its hosts (`nginx@web`).
    ResourceName,
    "a resource name",
    check_resource,
    Arc::from
);
name!(
    /// The name of a resource kind or of a task service: `server`, `file`, `command`.
    Kind,
    "a kind",
    check_word,
    shared
);
name!(
    /// The alias under which a provider is declared: `eu`, `lab`.
    ProviderName,
    "a provider alias",
    check_word,
    shared
);
name!(
    /// The name of a secret, as in `${secret.db_password}`; no dot stands in it, so that it can name a file.
    SecretName,
    "a secret's name",
    check_word,
    shared
);
name!(
    /// The name under which a user registered a workspace.
    WorkspaceName,
    "a workspace name",
    check_word,
    shared
);
name!(
    /// The name of a step in a plan: the resource and what happens to it, `web/create`.
    StepId,
    "a step",
    check_step,
    Arc::from
);
name!(
    /// The name of a run: its start in UTC and four random digits, `20261122-051522-3fa9`.
    RunId,
    "a run",
    check_run,
    shared
);
name!(
    /// The identity of a workspace: 32 hexadecimal digits, made once with its store.
    WorkspaceId,
    "a workspace identity",
    check_hex,
    Arc::from
);

impl ResourceName {
    /// The name of a service on one host.
    #[must_use]
    pub fn on_host(&self, host: &ResourceName) -> Self {
        Self(format!("{}@{}", self.0, host.0).into())
    }

    /// The name before the `@`, which is the whole name of a resource.
    pub fn base(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(base, _)| base)
    }
}

impl StepId {
    /// The step that does something to a resource.
    pub fn of(resource: &ResourceName, verb: &str) -> Self {
        Self([resource.as_str(), "/", verb].concat().into())
    }

    /// The resource part.
    pub fn resource(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(resource, _)| resource)
    }
}

impl StepId {
    /// The verb: what is done to the resource.
    pub fn verb(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, verb)| verb)
    }
}

impl RunId {
    /// The name of a run that starts at an instant; the random bits tell runs of one second apart.
    pub fn new(start: Timestamp, bits: u64) -> Self {
        Self(format!("{}-{:04x}", start.compact(), bits & 0xffff).into())
    }
}

impl WorkspaceId {
    /// An identity from 128 random bits.
    pub fn new(bits: u128) -> Self {
        Self(format!("{bits:032x}").into())
    }
}

fn check_word(text: &str) -> Result<(), &'static str> {
    let mut letters = text.chars();
    if !letters.next().is_some_and(|first| first.is_ascii_alphabetic()) {
        return Err("it must begin with a letter");
    }
    if text.len() > MAX_NAME_LENGTH {
        return Err("it is longer than 128 bytes");
    }
    if !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-') {
        return Err("only letters, digits, `_` and `-` may stand in it");
    }
    Ok(())
}

fn check_resource(text: &str) -> Result<(), &'static str> {
    let (base, host) = text.split_once('@').map_or((text, None), |(base, host)| (base, Some(host)));
    if RESERVED.contains(&base) {
        return Err("the word is reserved for references");
    }
    check_word(base)?;
    host.map_or(Ok(()), check_word)
}

fn check_step(text: &str) -> Result<(), &'static str> {
    match text.split_once('/') {
        Some((resource, verb)) => check_resource(resource).and_then(|()| check_word(verb)),
        None => Err("it must be a resource, `/` and a verb"),
    }
}

fn check_run(text: &str) -> Result<(), &'static str> {
    let plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if plain && !text.is_empty() && text.len() <= MAX_NAME_LENGTH {
        Ok(())
    } else {
        Err("expected a run such as `20261122-051522-3fa9`")
    }
}

fn check_hex(text: &str) -> Result<(), &'static str> {
    let hex = text.len() == 32 && text.chars().all(|digit| digit.is_ascii_hexdigit());
    if hex { Ok(()) } else { Err("expected 32 hexadecimal digits") }
}

/// The candidate that a misspelt word most likely meant, if any is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// How many candidates are listed.
const SHOWN: usize = 12;

/// "did you mean" with the nearest candidate, or the list of them when nothing is near.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let known: BTreeSet<_> = candidates.into_iter().collect();
    let more = if known.len() > SHOWN { format!(" and {} more", known.len() - SHOWN) } else { String::new() };
    let shown: Vec<_> = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    (!known.is_empty()).then(|| format!("known here: {}{more}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_once_however_many_others_come() {
        let first = shared("zone");
        assert!(Arc::ptr_eq(&first, &shared("zone")));
        (0..2 * WORDS).for_each(|number| drop(shared(&format!("word{number}"))));
        assert_eq!(first, shared("zone"));
    }

    #[test]
    fn names_are_checked_where_they_enter() {
        assert!(ResourceName::parse("web-1").is_ok());
        assert!(ResourceName::parse("nginx@web").is_ok());
        for wrong in ["", "1web", "we b", "run", "a@", "web/1"] {
            assert!(ResourceName::parse(wrong).is_err(), "{wrong}");
        }
        let error = ResourceName::parse("run").expect_err("reserved");
        assert_eq!(error.to_string(), "`run` is not a resource name: the word is reserved for references");
    }

    #[test]
    fn a_misspelling_finds_its_neighbour() {
        assert_eq!(nearest("sevrer", ["network", "server"]), Some("server"));
        assert_eq!(nearest("qqqq", ["network", "server"]), None);
    }
}
