//! The one error of the engine, and the diagnostics of bad input.
//!
//! A caller acts on the [`ErrorKind`]; the executor reads only [`Retry`]. What to do about an error is its
//! [`hint`](Error::hint), never part of the message. How a face prints an error is the face's business.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The input is wrong; changing it helps.
    Invalid,
    /// The thing that was named does not exist.
    NotFound,
    /// Something else holds it, or it changed underneath.
    Conflict,
    /// Credentials or permissions are missing.
    Denied,
    /// This provider, platform or version cannot do it.
    Unsupported,
    /// A quota, a rate or a size limit was reached.
    Limited,
    /// The other side did not answer, or answered that it cannot now.
    Unavailable,
    /// Somebody asked to stop.
    Cancelled,
    /// Stored data is damaged or of an unknown version.
    Corrupt,
    /// An effect may or may not have happened, and nothing can tell which.
    InDoubt,
    /// The engine or a provider broke its own contract.
    Bug,
}

impl ErrorKind {
    /// Every kind, in declaration order; faces test their mapping against it.
    pub const ALL: [ErrorKind; 11] = [
        Self::Invalid,
        Self::NotFound,
        Self::Conflict,
        Self::Denied,
        Self::Unsupported,
        Self::Limited,
        Self::Unavailable,
        Self::Cancelled,
        Self::Corrupt,
        Self::InDoubt,
        Self::Bug,
    ];

    /// The stable lowercase name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
            Self::Corrupt => "corrupt",
            Self::InDoubt => "in_doubt",
            Self::Bug => "bug",
        }
    }
}

/// Whether calling again can help; decided where a vendor's error is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The call failed for good and had no effect.
    #[default]
    Never,
    /// The call had no effect; the same call may work later, not before the duration where one is given.
    Later(Option<Duration>),
    /// The call may have had its effect: look before calling again.
    Unsure,
}

/// Where a value was written. Lines and columns count from one; both are 0 for what has no lines, such as a variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The file as the user names it, relative to the workspace where it lies inside.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Origin {
    /// The place of what has no lines: a variable, a flag.
    pub fn unlined(name: &str) -> Self {
        Self { file: name.into(), line: 0, column: 0 }
    }

    /// Whether it is a place in a file.
    pub fn is_lined(&self) -> bool {
        self.line > 0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_lined() { write!(f, "{}:{}:{}", self.file, self.line, self.column) } else { f.write_str(&self.file) }
    }
}

/// One thing that is wrong with the input, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The place, where one is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    /// The path of the field, such as `resources.web.size_gb`; empty for a whole document.
    pub field: String,
    /// What is wrong: what was found and what was expected.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A diagnostic at a field.
    pub fn new(origin: Option<Origin>, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, field: field.into(), message: message.into(), hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// An error with its kind, its retryability, what it is about and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", .inner.message)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    hint: Option<String>,
    context: Vec<(&'static str, String)>,
    diagnostics: Vec<Diagnostic>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind, not retryable; the message is a lowercase fragment that names the thing in backticks.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            retry: Retry::Never,
            message: message.into(),
            hint: None,
            context: Vec::new(),
            diagnostics: Vec::new(),
            source: None,
        };
        Self { inner: Box::new(inner) }
    }

    /// [`ErrorKind::Invalid`] with a message.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::Bug`] with a message.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Bug, message)
    }

    /// One error for all the diagnostics of an input; `None` when there are none.
    pub fn from_diagnostics(diagnostics: Vec<Diagnostic>) -> Option<Self> {
        let first = diagnostics.first()?;
        let message = match diagnostics.len() {
            1 => first.to_string(),
            count => format!("{count} problems in the input; the first is {first}"),
        };
        let mut error = Self::invalid(message);
        error.inner.hint.clone_from(&first.hint);
        error.inner.diagnostics = diagnostics;
        Some(error)
    }

    /// The same error with its retryability.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.inner.retry = retry;
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// The same error with a named circumstance, such as `("path", "/srv/www")`.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.inner.context.push((key, value.into()));
        self
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same error with every text in it put through a function: its causes, too, of which the texts alone are left.
    #[must_use]
    pub(crate) fn redacted(mut self, redact: &dyn Fn(&str) -> String) -> Self {
        let inner = &mut self.inner;
        let causes = causes(inner.as_ref());
        inner.message = redact(&inner.message);
        inner.hint = inner.hint.as_deref().map(redact);
        inner.context.iter_mut().for_each(|(_, value)| *value = redact(value));
        for diagnostic in &mut inner.diagnostics {
            diagnostic.message = redact(&diagnostic.message);
            diagnostic.hint = diagnostic.hint.as_deref().map(redact);
        }
        if !causes.is_empty() {
            inner.source = Some(redact(&causes.join(": ")).into());
        }
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether calling again can help.
    pub fn retry(&self) -> Retry {
        self.inner.retry
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// Named circumstances, outermost last.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.inner.context
    }

    /// The error as a problem of a field; its place is the error's own where that has one, such as a line of a template.
    #[must_use]
    pub fn at(&self, origin: Option<Origin>, field: impl Into<String>) -> Diagnostic {
        let (own, message) = match self.diagnostics() {
            [only] if only.origin.is_some() => (only.origin.clone(), only.message.clone()),
            _ => (None, self.to_string()),
        };
        Diagnostic { hint: self.hint().map(str::to_owned), ..Diagnostic::new(own.or(origin), field, message) }
    }

    /// The single problems of a bad input.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.inner.diagnostics
    }
}

/// The messages of what caused an error, outermost first.
fn causes(inner: &Inner) -> Vec<String> {
    let first = std::error::Error::source(inner);
    std::iter::successors(first, |cause| cause.source()).map(ToString::to_string).collect()
}

/// An error as it is kept in the journal and printed as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// The message, with the messages of its causes.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let message = [vec![error.to_string()], causes(error.inner.as_ref())].concat().join(": ");
        Self { kind: error.kind(), message, hint: error.hint().map(str::to_owned) }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.kind, failure.message);
        match failure.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
