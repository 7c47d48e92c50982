//! A reporter that remembers, and contexts around it.
//!
//! The engine's own reporter writes to the journal; this one writes to memory.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::error::Result;
use crate::name::{ResourceName, RunId, StepId, WorkspaceId};
use crate::provider::{Context, Reporter, Token};

/// Remembers what calls report.
#[derive(Debug, Default)]
pub struct RecordingReporter {
    identified: Mutex<Vec<String>>,
    progress: Mutex<Vec<String>>,
}

impl RecordingReporter {
    /// The identities that were reported, in order.
    pub fn identified(&self) -> Vec<String> {
        lock(&self.identified).clone()
    }

    /// The lines that were shown, in order.
    pub fn progress(&self) -> Vec<String> {
        lock(&self.progress).clone()
    }
}

#[async_trait]
impl Reporter for RecordingReporter {
    async fn identified(&self, object: &str) -> Result<()> {
        lock(&self.identified).push(object.to_owned());
        Ok(())
    }

    fn progress(&self, message: &str) {
        lock(&self.progress).push(message.to_owned());
    }
}

/// The context of one attempt at a step such as `web/create`, in a workspace and run made for tests.
///
/// The token depends on both arguments and on nothing else.
pub fn context(step: &StepId, attempt: u32, reporter: Arc<dyn Reporter>) -> Context {
    let workspace = WorkspaceId::new(0);
    let run = RunId::parse("testing").expect("a plain word is a run");
    let resource = ResourceName::parse(step.resource()).expect("a step begins with a resource");
    let token = Token::new(&workspace, &run, step, attempt);
    Context { workspace, resource, token, object: None, phase: None, reporter }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
