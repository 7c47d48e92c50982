//! The engine: the one door to everything this crate does.
//!
//! A face (command line, server, Python, your program) holds an [`Engine`] and nothing below it. The engine itself
//! only joins the modules: what to do is decided in [`planner`](crate::planner), how it is carried out in
//! [`executor`](crate::executor).

mod control;
mod options;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use control::Control;
pub use options::{Builder, PlanOptions, Refresh};
pub use report::{OutputValue, Report, Status, StepStatus};

use crate::clock::{Clock, Ids};
use crate::config::Settings;
use crate::error::Result;
use crate::event::Observer;
use crate::graph::Graph;
use crate::journal::RunSummary;
use crate::name::{ResourceName, RunId};
use crate::plan::Plan;
use crate::record::Entry;
use crate::registry::Registry;
use crate::resource::{Desired, StateRow};
use crate::store::{Holder, Range, Store, Verified};

/// The engine over one workspace's store.
#[derive(Clone)]
pub struct Engine {
    registry: Registry,
    store: Arc<dyn Store>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    holder: Holder,
    observer: Observer,
}

impl Engine {
    /// An engine over a store, with what a registry offers.
    pub fn builder(registry: Registry, store: Arc<dyn Store>) -> Builder {
        Builder::new(registry, store)
    }

    /// Links the declarations and gives their graph; needs no state and makes no call.
    ///
    /// # Errors
    /// `Invalid`, with a diagnostic for every unknown name and for a cycle.
    pub fn validate(&self, desired: &Desired) -> Result<Graph<ResourceName>> {
        unimplemented!()
    }

    /// Reads what exists and plans the difference.
    pub async fn plan(&self, desired: &Desired, options: &PlanOptions) -> Result<Plan> {
        unimplemented!()
    }

    /// Carries out a plan.
    ///
    /// A failed step is not an error here: the report says so.
    ///
    /// # Errors
    /// `Conflict` when another run holds the workspace, or when a row that the plan touches has moved.
    pub async fn apply(&self, plan: &Plan, control: &Control) -> Result<Report> {
        unimplemented!()
    }

    /// Goes on with a run that failed, was stopped or died; the last one where none is named.
    ///
    /// # Errors
    /// `NotFound` when there is nothing to resume, `Conflict` when another run holds the workspace.
    pub async fn resume(&self, run: Option<&RunId>, control: &Control) -> Result<Report> {
        unimplemented!()
    }

    /// The rows of the state.
    pub async fn state(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        self.store.rows().await
    }

    /// What the workspace gives back, by the last plan that was applied.
    pub async fn outputs(&self) -> Result<BTreeMap<String, OutputValue>> {
        unimplemented!()
    }

    /// Who holds the workspace, how the last run ended, and what it left to do.
    pub async fn status(&self) -> Result<Status> {
        unimplemented!()
    }

    /// Every run, oldest first.
    pub async fn runs(&self) -> Result<Vec<RunSummary>> {
        self.store.runs().await
    }

    /// Entries of the journal, in order.
    pub async fn entries(&self, range: Range) -> Result<Vec<Entry>> {
        self.store.entries(range).await
    }

    /// Checks the journal's hash chain and that replaying it gives the state.
    pub async fn verify(&self) -> Result<Verified> {
        self.store.verify().await
    }
}
