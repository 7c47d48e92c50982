//! The records of a run on their way to the disk: one append at a time, and the lease that it is made under.
//!
//! While one is on its way the run goes on, and gathers the next.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

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

/// Something that goes on whenever somebody waits for it.
type Going<T> = Option<Pin<Box<dyn Future<Output = Result<T>> + Send>>>;

pub(super) struct Appender {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    lease: Lease,
    lease_length: Duration,
    renew_at: Instant,
    renewal: Going<Lease>,
    on_its_way: Going<Appended>,
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
            renewal: None,
            on_its_way: None,
        }
    }

    /// Renews the lease where it is time to; nothing else may be on its way.
    pub(super) async fn hold(&mut self) -> Result<()> {
        debug_assert!(self.is_idle(), "some stores do one thing at a time");
        if Instant::now() >= self.renew_at {
            self.begin_renewal();
            let renewed = end(&mut self.renewal).await;
            self.renewed(renewed)?;
        }
        Ok(())
    }

    fn begin_renewal(&mut self) {
        let (store, lease, clock, length) = (self.store.clone(), self.lease.clone(), self.clock.clone(), self.lease_length);
        let renewal = async move { store.renew(&lease, clock.now(), length).await };
        self.renewal.get_or_insert_with(|| Box::pin(renewal));
    }

    fn renewed(&mut self, renewed: Result<Lease>) -> Result<()> {
        self.renewal = None;
        self.lease = renewed?;
        self.renew_at = Instant::now() + self.lease_length / 3;
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

    /// What was on its way, once it is durable; waits for ever while nothing is, and keeps the lease meanwhile.
    ///
    /// A caller that stops waiting can wait again.
    pub(super) async fn next(&mut self) -> Result<Appended> {
        loop {
            tokio::select! {
                biased;
                appended = end(&mut self.on_its_way) => {
                    self.on_its_way = None;
                    return appended;
                }
                renewed = end(&mut self.renewal) => self.renewed(renewed)?,
                () = sleep_until(self.renew_at), if self.renewal.is_none() => self.begin_renewal(),
            }
        }
    }

    /// Waits no longer for what is on its way: it may become durable all the same.
    pub(super) fn give_up(&mut self) {
        self.on_its_way = None;
    }

    /// Leaves what could not be recorded for whoever holds the lease.
    pub(super) async fn leave_late(&mut self, late: Vec<Late>) -> Result<()> {
        self.store.leave_late(late).await
    }
}

/// How something ended that goes on; waits for ever where nothing does.
async fn end<T>(going: &mut Going<T>) -> Result<T> {
    match going {
        Some(going) => going.await,
        None => pending().await,
    }
}
