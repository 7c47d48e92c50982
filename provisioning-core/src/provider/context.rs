//! What a call knows besides its inputs: its token, how far an earlier call came, and whom to tell.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::Result;
use crate::name::{ResourceName, RunId, StepId, WorkspaceId};

/// What marks an object as made by one attempt of one step: 32 lowercase hexadecimal digits.
///
/// The same attempt has the same token after a crash; another attempt, step, run or workspace has another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// The token of an attempt.
    pub fn new(workspace: &WorkspaceId, run: &RunId, step: &StepId, attempt: u32) -> Self {
        let digest = Digest::of(format!("{workspace} {run} {step} {attempt}").as_bytes());
        Self(digest.as_str()[..32].to_owned())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who hears what a call reports while it runs.
#[async_trait]
pub trait Reporter: Send + Sync {
    /// Makes an external identity durable; returns when it is.
    async fn identified(&self, object: &str) -> Result<()>;

    /// Shows a line.
    fn progress(&self, message: &str);
}

/// What a call knows besides its inputs.
#[derive(Clone)]
pub struct Context {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The resource.
    pub resource: ResourceName,
    /// The attempt's token.
    pub token: Token,
    /// The identity that an earlier call of this attempt reported.
    pub object: Option<String>,
    /// What an earlier call of this attempt waited for.
    pub phase: Option<String>,
    /// Who hears what the call reports.
    pub reporter: Arc<dyn Reporter>,
}

impl Context {
    /// Makes the external identity durable; to be awaited before anything else is waited for.
    ///
    /// # Errors
    /// When it could not be recorded; the call then stops and returns the error.
    pub async fn identified(&self, object: &str) -> Result<()> {
        self.reporter.identified(object).await
    }

    /// Shows a line about what the call is doing.
    pub fn progress(&self, message: &str) {
        self.reporter.progress(message);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("resource", &self.resource).field("token", &self.token).finish_non_exhaustive()
    }
}
