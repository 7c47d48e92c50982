//! The records of a run on their way to the disk: one append at a time, and the lease that it is made under.
//!
//! While one is on its way the run goes on, and gathers the next.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::Job;
use crate::clock::Clock;
use crate::error::{ErrorKind, Result};
use crate::record::Entry;
use crate::store::{Draft, Late, Lease, Store};

/// What is appended at once, and whom to tell when that is durable.
#[derive(Default)]
pub(super) struct Turn {
    pub drafts: Vec<Draft>,
    pub acknowledge: Vec<oneshot::Sender<()>>,
    /// How many objects it holds the first record of.
    pub objects: usize,
}

/// What is durable now.
pub(super) struct Appended {
    pub entries: Vec<Arc<Entry>>,
    pub acknowledge: Vec<oneshot::Sender<()>>,
    pub objects: usize,
}

type Append = Pin<Box<dyn Future<Output = Result<Appended>> + Send>>;

pub(super) struct Appender {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    lease: Lease,
    lease_length: Duration,
    renew_at: Instant,
    on_its_way: Option<Append>,
}

impl Appender {
    pub(super) fn new(job: &Job) -> Self {
        let lease_length = Duration::from_secs_f64(job.settings.lease_seconds);
        Self {
            store: job.store.clone(),
            clock: job.clock.clone(),
            lease: job.lease.clone(),
            lease_length,
            renew_at: Instant::now() + lease_length / 3,
            on_its_way: None,
        }
    }

    /// When the lease is to be renewed.
    pub(super) fn renew_at(&self) -> Instant {
        self.renew_at
    }

    /// Renews the lease where it is time to.
    pub(super) async fn hold(&mut self) -> Result<()> {
        if Instant::now() >= self.renew_at {
            self.lease = self.store.renew(&self.lease, self.clock.now(), self.lease_length).await?;
            self.renew_at = Instant::now() + self.lease_length / 3;
        }
        Ok(())
    }

    /// Keeps the lease for as long as it can be kept: nobody may take over while calls of this run are under way. Without
    /// it there is nothing to wait for any longer.
    pub(super) async fn keep(&mut self) {
        let mut lease = self.lease.clone();
        loop {
            sleep(self.lease_length / 3).await;
            match self.store.renew(&lease, self.clock.now(), self.lease_length).await {
                Ok(renewed) => lease = renewed,
                Err(error) if error.kind() == ErrorKind::Conflict => return,
                Err(_) => {}
            }
        }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.on_its_way.is_none()
    }

    /// Sends records on their way; nothing else may be.
    pub(super) fn send(&mut self, turn: Turn) {
        debug_assert!(self.is_idle(), "one append at a time");
        let (store, lease) = (self.store.clone(), self.lease.clone());
        let Turn { drafts, acknowledge, objects } = turn;
        self.on_its_way = Some(Box::pin(async move {
            let entries = store.append(&lease, drafts).await?;
            Ok(Appended { entries, acknowledge, objects })
        }));
    }

    /// What was on its way, once it is durable; waits for ever while nothing is.
    ///
    /// A caller that stops waiting can wait again.
    pub(super) async fn next(&mut self) -> Result<Appended> {
        let Some(append) = &mut self.on_its_way else { return pending().await };
        let appended = append.await;
        self.on_its_way = None;
        appended
    }

    /// Leaves what could not be recorded for whoever holds the lease.
    pub(super) async fn leave_late(&mut self, late: Vec<Late>) -> Result<()> {
        self.store.leave_late(late).await
    }
}
