//! A cloud that exists in memory, with faults on demand: what engines and providers are tried out against.
//!
//! Here is who calls it and what becomes of a call. What it holds is in `ledger`, what can go wrong in `fault`, and how
//! the engine sees it in `kind`, `image` and `flag`. As a process of its own it is in `serve` and `client`.

#[cfg(feature = "cloud-process")]
mod client;
#[cfg(feature = "cloud-process")]
mod deed;
#[cfg(feature = "cloud-process")]
mod durable;
mod fault;
mod flag;
mod image;
mod kind;
mod ledger;
#[cfg(feature = "cloud-process")]
mod serve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "cloud-process")]
pub use client::CloudClient;
pub use fault::Fault;
#[cfg(feature = "cloud-process")]
pub use serve::{CloudReport, serve_cloud};

use fault::Faults;
use flag::{CloudTransport, FlagService};
use kind::CloudFactory;
use ledger::{Ledger, Moment};

use crate::error::Result;
use crate::registry::Registry;
use crate::schema::{Schema, Tokens};

/// A cloud in memory; clones are the same cloud.
#[derive(Debug, Clone)]
pub struct FakeCloud {
    inner: Arc<Mutex<Inner>>,
    schemas: Arc<Schemas>,
    begun: Instant,
    lag: Duration,
}

/// What the cloud offers, read once.
#[derive(Debug, Clone)]
struct Schemas {
    settings: Arc<Schema>,
    thing: Arc<Schema>,
    image: Arc<Schema>,
    flag: Arc<Schema>,
}

#[derive(Debug, Default)]
struct Inner {
    ledger: Ledger,
    calls: Vec<String>,
    regions: Vec<String>,
    faults: Faults,
}

impl Default for FakeCloud {
    fn default() -> Self {
        let read = |text| Arc::new(Schema::parse(text).expect("the schema is valid"));
        let settings =
            "kind = \"fake\"\nsummary = \"A cloud in memory.\"\n[fields.region]\ntype = \"string\"\nsummary = \"Where.\"\n";
        let schemas = Schemas {
            settings: read(settings),
            thing: read(include_str!("thing.toml")),
            image: read(include_str!("image.toml")),
            flag: read(include_str!("flag.toml")),
        };
        Self { inner: Arc::default(), schemas: Arc::new(schemas), begun: Instant::now(), lag: Duration::ZERO }
    }
}

impl FakeCloud {
    /// The same cloud with searches that show a thing only so long after it was made; the kind says how long that takes.
    #[must_use]
    pub fn with_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        let whole = lag.as_secs() + u64::from(lag.subsec_nanos() > 0);
        self.change_kind(|thing| thing.settle_seconds = u32::try_from(whole).unwrap_or(u32::MAX));
        self
    }

    /// The same cloud with another way to find out what a lost call made. With [`Tokens::Native`] a create with a known
    /// token gives the thing that is there; without [`Tokens::Lookup`] a search is a bug of the caller.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Tokens) -> Self {
        self.change_kind(|thing| thing.tokens = tokens);
        self
    }

    /// A registry that offers the cloud as provider `fake`, its flags as service `flag`, and the way to its things.
    pub fn registry(&self) -> Registry {
        let service = FlagService(self.clone());
        Registry::default().with_provider(CloudFactory(self.clone())).with_service(service).with_transport("fake", CloudTransport)
    }

    /// Makes the next call of this description (`create web`) go wrong; several faults of one call come one by one.
    pub fn inject(&self, call: &str, fault: Fault) {
        self.inject_after(0, call, fault);
    }

    /// The same after so many calls of this description have gone well.
    pub fn inject_after(&self, spared: usize, call: &str, fault: Fault) {
        self.inner().faults.add(spared, call, fault);
    }

    /// How many faults have not come yet.
    pub fn faults_left(&self) -> usize {
        self.inner().faults.left()
    }

    /// Forgets the faults that have not come yet.
    pub fn clear_faults(&self) {
        self.inner().faults = Faults::default();
    }

    /// What exists: the identity of each thing, and the token that made it.
    pub fn tokens(&self) -> BTreeMap<String, String> {
        self.inner().ledger.tokens()
    }

    /// The regions that providers were built for, in order; empty for one without.
    pub fn regions(&self) -> Vec<String> {
        self.inner().regions.clone()
    }

    /// Every call so far, such as `create web`.
    pub fn calls(&self) -> Vec<String> {
        self.inner().calls.clone()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.inner().calls.clear();
    }

    /// What exists: the name and the size of each thing, and the flags, sorted.
    pub fn contents(&self) -> Vec<String> {
        self.inner().ledger.contents()
    }

    /// Changes a thing behind everybody's back.
    pub fn meddle(&self, name: &str, size: Option<i64>) {
        self.inner().ledger.resize(name, size);
    }

    /// Removes a thing behind everybody's back.
    pub fn steal(&self, name: &str) {
        self.inner().ledger.remove(name);
    }

    /// Sets the flag on a thing, or takes it away, behind everybody's back.
    pub fn meddle_flag(&self, host: &str, value: Option<serde_json::Value>) {
        self.inner().ledger.set_flag(host, value);
    }

    /// Notes a call, lets it have its effect, and lets go wrong what was asked for.
    async fn call<T: Send + 'static>(
        &self,
        call: String,
        effect: impl FnOnce(&mut Ledger, Moment) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let fault = {
            let mut inner = self.inner();
            inner.calls.push(call.clone());
            inner.faults.take(&call)
        };
        let Some(fault) = fault else { return self.look(effect) };
        match fault {
            Fault::LoseReply | Fault::Malformed => {
                self.look(effect)?;
                Err(fault.error(&call))
            }
            Fault::LateSuccess(after) => {
                let cloud = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    // Nobody is there any more to hear what came of it.
                    cloud.look(effect).ok();
                });
                Err(fault.error(&call))
            }
            Fault::Hang => std::future::pending().await,
            Fault::NotReady(after) => {
                let when = Moment { ready_after: after, ..self.moment() };
                effect(&mut self.inner().ledger, when)
            }
            Fault::NotFound => {
                self.vanish(&call)?;
                self.look(effect)
            }
            Fault::Panic => {
                self.look(effect)?;
                // Like a panic, without its message on the standard error of every test.
                std::panic::resume_unwind(Box::new("the fake provider panics, as it was asked to"))
            }
            Fault::Refuse(_) | Fault::HalfOpen | Fault::TooMany { .. } | Fault::ServerError | Fault::Expired => {
                Err(fault.error(&call))
            }
        }
    }

    /// Does something with what there is, now.
    fn look<T>(&self, effect: impl FnOnce(&mut Ledger, Moment) -> Result<T>) -> Result<T> {
        effect(&mut self.inner().ledger, self.moment())
    }

    /// Takes away what a call is about; of a call about nothing that can be taken away the answer is an error.
    fn vanish(&self, call: &str) -> Result<()> {
        if let Some((_, host)) = call.split_once(" flag on ") {
            self.inner().ledger.set_flag(host, None);
            return Ok(());
        }
        match call.split_once(' ') {
            Some(("poll" | "find" | "update" | "delete", name)) => self.steal(name),
            _ => return Err(Fault::NotFound.error(call)),
        }
        Ok(())
    }

    fn moment(&self) -> Moment {
        Moment { now: self.begun.elapsed(), ready_after: Duration::ZERO, lag: self.lag }
    }

    fn change_kind(&mut self, change: impl FnOnce(&mut Schema)) {
        let schemas = Arc::make_mut(&mut self.schemas);
        change(Arc::make_mut(&mut schemas.thing));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
