//! The provider of a cloud in another process, with the one mapping of what goes wrong on the way there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};

use super::deed::{Answer, Deed};
use super::fault::Fault;
use super::ledger::{Thing, ThingSpec};
use super::serve::{CloudReport, Order};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::provider::{AnyKind, Context, Found, Provider, Reply, ResourceKind, erase};
use crate::registry::{ProviderFactory, Registry};
use crate::schema::Schema;
use crate::value::Value;

/// A cloud in another process, which runs [`serve_cloud`](super::serve_cloud). Clones speak to the same one.
#[derive(Debug, Clone)]
pub struct CloudClient {
    http: reqwest::Client,
    address: SocketAddr,
    schema: Arc<Schema>,
}

impl CloudClient {
    /// Speaks to the cloud at an address; a call is given up after a time.
    ///
    /// # Errors
    /// `Bug` where there is no client to be had.
    pub fn new(address: SocketAddr, timeout: Duration) -> Result<Self> {
        // No connection is kept: one that a dead cloud left behind says nothing about the next call.
        let http = reqwest::Client::builder().timeout(timeout).pool_max_idle_per_host(0).no_proxy().build();
        let http = http.map_err(|error| Error::bug("there is no HTTP client").with_source(error))?;
        Ok(Self { http, address, schema: Arc::new(Schema::parse(include_str!("thing.toml"))?) })
    }

    /// A registry that offers the things of the cloud as provider `fake`.
    pub fn registry(&self) -> Registry {
        Registry::default().with_provider(Remote(self.clone()))
    }

    /// Makes a call of this description go wrong, after so many have gone well.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub async fn inject_after(&self, spared: usize, call: &str, fault: Fault) -> Result<()> {
        self.order(&Order::Inject { call: call.to_owned(), spared, fault }).await.map(drop)
    }

    /// Returns when the cloud has heard a call of this description.
    ///
    /// # Errors
    /// When the cloud does not answer, or hears none in the time that a call has.
    pub async fn heard(&self, call: &str) -> Result<()> {
        self.heard_after(0, call).await
    }

    /// The same after so many that it has heard before.
    ///
    /// # Errors
    /// Those of [`heard`](Self::heard).
    pub async fn heard_after(&self, before: usize, call: &str) -> Result<()> {
        self.order(&Order::Await { call: call.to_owned(), before }).await.map(drop)
    }

    /// What the cloud tells of itself.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub async fn report(&self) -> Result<CloudReport> {
        self.order(&Order::Tell).await
    }

    async fn order(&self, order: &Order) -> Result<CloudReport> {
        let sent = self.http.post(format!("http://{}/order", self.address)).json(order).send().await;
        let answered = sent.map_err(|error| lost(error, Retry::Later(None)))?;
        answered.json().await.map_err(|error| lost(error, Retry::Later(None)))
    }

    async fn call(&self, deed: &Deed) -> Result<Answer> {
        // Of a read nothing is left behind: it can always be repeated.
        let unsure = if deed.changes() { Retry::Unsure } else { Retry::Later(None) };
        let sent = self.http.post(format!("http://{}/call", self.address)).json(deed).send().await;
        let answered = sent.map_err(|error| lost(error, unsure))?;
        if answered.status().is_success() {
            return answered.json().await.map_err(|error| lost(error, unsure));
        }
        Err(refused(answered, unsure).await)
    }
}

/// What came of a call without an answer: what could not connect sent nothing.
fn lost(error: reqwest::Error, unsure: Retry) -> Error {
    let (message, retry) = match &error {
        error if error.is_connect() => ("the cloud cannot be reached", Retry::Later(None)),
        error if error.is_timeout() => ("the cloud does not answer", unsure),
        error if error.is_decode() => ("the answer of the cloud cannot be read", unsure),
        _ => ("the connection to the cloud was lost", unsure),
    };
    Error::new(ErrorKind::Unavailable, message).with_retry(retry).with_source(error)
}

/// What came of a call that the cloud answered with a refusal.
async fn refused(response: Response, unsure: Retry) -> Error {
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
    let later = Retry::Later(wait.map(Duration::from_secs));
    let (kind, retry) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (ErrorKind::Denied, Retry::Never),
        StatusCode::NOT_FOUND => (ErrorKind::NotFound, Retry::Never),
        StatusCode::CONFLICT => (ErrorKind::Conflict, Retry::Never),
        StatusCode::TOO_MANY_REQUESTS => (ErrorKind::Limited, later),
        // The cloud says so before it has done anything.
        StatusCode::SERVICE_UNAVAILABLE => (ErrorKind::Unavailable, later),
        status if status.is_server_error() => (ErrorKind::Unavailable, unsure),
        _ => (ErrorKind::Invalid, Retry::Never),
    };
    let message = response.text().await.unwrap_or_default();
    Error::new(kind, format!("the cloud says {}: {message}", status.as_u16())).with_retry(retry)
}

struct Remote(CloudClient);

impl ProviderFactory for Remote {
    fn settings(&self) -> Arc<Schema> {
        let kind = crate::name::Kind::parse("fake").expect("a plain word is a kind");
        Arc::new(Schema::bare(kind, "A cloud in another process."))
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        vec![self.0.schema.clone()]
    }

    fn build(&self, _: &Value) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Remote(self.0.clone())))
    }
}

#[async_trait]
impl Provider for Remote {
    async fn check(&self) -> Result<()> {
        self.0.report().await.map(drop)
    }

    fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        vec![erase(RemoteThing(self.0.clone()))]
    }
}

struct RemoteThing(CloudClient);

impl RemoteThing {
    async fn ready(&self, deed: Deed) -> Result<Reply<Thing>> {
        match self.0.call(&deed).await? {
            Answer::Ready(thing) => Ok(Reply::Done(*thing)),
            Answer::Waits { after, phase } => Ok(Reply::Wait { after, phase }),
            other => Err(unfit(&deed, &other)),
        }
    }
}

/// An answer to another question; what came of the call is not known.
fn unfit(deed: &Deed, answer: &Answer) -> Error {
    let message = format!("`{}` was answered with {answer:?}", deed.call());
    Error::new(ErrorKind::Bug, message).with_retry(Retry::Unsure)
}

#[async_trait]
impl ResourceKind for RemoteThing {
    type Spec = ThingSpec;
    type State = Thing;

    fn schema(&self) -> Schema {
        self.0.schema.as_ref().clone()
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Thing>>> {
        let deed = Deed::Read { ids: ids.to_vec() };
        match self.0.call(&deed).await? {
            Answer::Read(things) => Ok(things),
            other => Err(unfit(&deed, &other)),
        }
    }

    async fn find(&self, context: &Context, spec: &ThingSpec) -> Result<Found<Thing>> {
        let deed = Deed::Find { token: context.token.to_string(), name: spec.name.clone() };
        match self.0.call(&deed).await? {
            Answer::Found(None) => Ok(Found::None),
            Answer::Found(Some(thing)) => Ok(Found::One(*thing)),
            Answer::FoundMany(what) => Ok(Found::Many(what)),
            other => Err(unfit(&deed, &other)),
        }
    }

    async fn create(&self, context: &Context, spec: ThingSpec) -> Result<Reply<Thing>> {
        let name = spec.name.clone();
        if let Some(id) = context.object.clone() {
            return self.ready(Deed::Poll { id, name }).await;
        }
        let deed = Deed::Create { token: context.token.to_string(), spec };
        let id = match self.0.call(&deed).await? {
            Answer::Made(id) => id,
            other => return Err(unfit(&deed, &other)),
        };
        context.identified(&id).await?;
        self.ready(Deed::Poll { id, name }).await
    }

    async fn update(&self, _: &Context, prior: Thing, spec: ThingSpec) -> Result<Reply<Thing>> {
        self.ready(Deed::Update { id: prior.id, spec }).await
    }

    async fn delete(&self, _: &Context, prior: Thing) -> Result<Reply<()>> {
        let deed = Deed::Delete { id: prior.id, name: prior.name };
        match self.0.call(&deed).await? {
            Answer::Gone => Ok(Reply::Done(())),
            Answer::Waits { after, phase } => Ok(Reply::Wait { after, phase }),
            other => Err(unfit(&deed, &other)),
        }
    }
}
