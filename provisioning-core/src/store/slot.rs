//! Who holds the lease, and who may take it: the rules, without the place where it is kept.

use std::time::Duration;

use super::{Holder, Lease};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

impl Lease {
    /// The error for everybody else, while the lease runs and its holder is not known to be dead.
    pub(crate) fn busy(&self, now: Timestamp) -> Option<Error> {
        let message = || format!("the workspace is held by {} since {}", self.holder, self.acquired_at);
        let hint = "wait until it is done; `provisioning status` shows how far it is";
        (now < self.expires_at && !self.holder.is_dead()).then(|| conflict(message()).with_hint(hint))
    }
}

/// The lease as a store keeps it.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// The epoch of the last lease that was given; it survives a release.
    pub(super) epoch: u64,
    /// The present lease.
    pub(super) present: Option<Lease>,
}

impl Slot {
    /// Refuses a lease that is not the present one.
    pub(super) fn check(&self, lease: &Lease) -> Result<()> {
        if self.holds(lease) {
            return Ok(());
        }
        let message = match &self.present {
            Some(other) => format!("another process took the workspace over: {}, since {}", other.holder, other.acquired_at),
            None if self.epoch > lease.epoch => {
                format!("another process took the workspace over from {}, and is done with it", lease.holder)
            }
            None => format!("the lease of {} was given up", lease.holder),
        };
        Err(conflict(message).with_hint("nothing more was recorded; look at `provisioning status` before going on"))
    }

    /// The lease for a new holder, where the present one is free, has expired, or belongs to a dead process.
    pub(super) fn acquire(&self, holder: &Holder, now: Timestamp, length: Duration) -> Result<Lease> {
        if let Some(busy) = self.present.as_ref().and_then(|present| present.busy(now)) {
            return Err(busy);
        }
        Ok(Lease { epoch: self.epoch + 1, holder: holder.clone(), acquired_at: now, expires_at: after(now, length) })
    }

    /// The present lease with a later end.
    pub(super) fn renew(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<Lease> {
        self.check(lease)?;
        Ok(Lease { expires_at: after(now, length).max(lease.expires_at), ..lease.clone() })
    }

    /// Whether the lease is the present one; an expired lease is, until somebody takes it.
    pub(super) fn holds(&self, lease: &Lease) -> bool {
        self.present.as_ref().is_some_and(|present| present.epoch == lease.epoch)
    }

    /// The slot with a lease in it.
    pub(super) fn taken(lease: Lease) -> Self {
        Self { epoch: lease.epoch, present: Some(lease) }
    }

    /// The slot with no lease in it, where the lease was the present one.
    pub(super) fn released(&self, lease: &Lease) -> Option<Self> {
        self.holds(lease).then_some(Self { epoch: self.epoch, present: None })
    }
}

fn after(now: Timestamp, length: Duration) -> Timestamp {
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_add(millis))
}

fn conflict(message: String) -> Error {
    Error::new(ErrorKind::Conflict, message)
}
