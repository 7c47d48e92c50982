//! What can go wrong with a call to the cloud, and the faults that wait for their call.
//!
//! What a fault does to the effect of a call is decided where calls are made; here is what it is and what a caller sees.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Retry};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is refused and has no effect.
    Refuse(Retry),
    /// It has its effect and the reply is lost.
    LoseReply,
    /// The connection is lost, and so long after that it has its effect all the same.
    LateSuccess(Duration),
    /// The connection is lost before the request was read: it has no effect, and the caller cannot know.
    HalfOpen,
    /// It never answers.
    Hang,
    /// It is one call too many for now; the cloud may say when the next one is welcome.
    TooMany {
        /// When, where it says so.
        retry_after: Option<Duration>,
    },
    /// The cloud is broken and says so: no effect, but of a change the caller cannot know.
    ServerError,
    /// It has its effect and the reply cannot be read.
    Malformed,
    /// It has its effect, and for so long the object is not ready: a new one is known by its identity, but not found.
    NotReady(Duration),
    /// What it is about was taken away just before.
    NotFound,
    /// The credentials have expired: no effect.
    Expired,
    /// The provider's own code panics after the effect; of a cloud in another process, that process ends.
    Panic,
}

impl Fault {
    /// One or more of every variant, for whoever tries all of them. Late is earlier here than the shipped settings look
    /// again.
    pub const ALL: [Fault; 15] = [
        Self::Refuse(Retry::Never),
        Self::Refuse(Retry::Later(None)),
        Self::Refuse(Retry::Unsure),
        Self::LoseReply,
        Self::LateSuccess(Duration::from_millis(100)),
        Self::HalfOpen,
        Self::Hang,
        Self::TooMany { retry_after: None },
        Self::TooMany { retry_after: Some(Duration::from_secs(7)) },
        Self::ServerError,
        Self::Malformed,
        Self::NotReady(Duration::from_secs(2)),
        Self::NotFound,
        Self::Expired,
        Self::Panic,
    ];

    /// Whether a call of this description can go wrong in this way: only what there is can be gone or not ready yet.
    pub fn concerns(self, call: &str) -> bool {
        let verbs: &[&str] = match self {
            Self::NotReady(_) => &["create", "update", "delete"],
            Self::NotFound => &["poll", "find", "update", "delete", "check flag", "lower", "look up"],
            _ => return true,
        };
        verbs.iter().any(|verb| call.strip_prefix(verb).is_some_and(|rest| rest.starts_with(' ')))
    }

    /// What a caller sees, as a provider maps it.
    pub(super) fn error(self, call: &str) -> Error {
        let unavailable = |message: String, retry| Error::new(ErrorKind::Unavailable, message).with_retry(retry);
        match self {
            Self::Refuse(retry) => unavailable(format!("the cloud refused to {call}"), retry),
            Self::LoseReply | Self::HalfOpen | Self::LateSuccess(_) | Self::Hang | Self::Panic | Self::NotReady(_) => {
                unavailable("the connection was closed".to_owned(), Retry::Unsure)
            }
            Self::TooMany { retry_after } => {
                Error::new(ErrorKind::Limited, format!("too many calls to {call}")).with_retry(Retry::Later(retry_after))
            }
            Self::ServerError if changes(call) => unavailable(format!("the cloud broke at `{call}`"), Retry::Unsure),
            Self::ServerError => unavailable(format!("the cloud broke at `{call}`"), Retry::Later(None)),
            Self::Malformed => unavailable(format!("the reply to `{call}` cannot be read"), Retry::Unsure),
            Self::NotFound => Error::new(ErrorKind::NotFound, format!("there is nothing to {call}")),
            Self::Expired => Error::new(ErrorKind::Denied, "the credentials have expired"),
        }
    }
}

/// Whether a call of this description changes anything.
fn changes(call: &str) -> bool {
    ["create ", "update ", "delete ", "raise ", "lower "].iter().any(|verb| call.starts_with(verb))
}

/// Faults that wait for their calls.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Planned>);

#[derive(Debug)]
struct Planned {
    call: String,
    /// How many calls of the same description go well before.
    spared: usize,
    fault: Fault,
}

impl Faults {
    pub(super) fn add(&mut self, spared: usize, call: &str, fault: Fault) {
        self.0.push(Planned { call: call.to_owned(), spared, fault });
    }

    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    /// The fault of a call that is made now.
    pub(super) fn take(&mut self, call: &str) -> Option<Fault> {
        let next = self.0.iter().position(|planned| planned.call == call)?;
        match self.0[next].spared.checked_sub(1) {
            Some(fewer) => {
                self.0[next].spared = fewer;
                None
            }
            None => Some(self.0.remove(next).fault),
        }
    }
}
