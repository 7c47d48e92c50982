//! The cloud as a process: its ledger in a file, its calls over HTTP, its faults for real.
//!
//! What a call does to the ledger is in `deed`, and how that is kept in `durable`. Who speaks to it is `client`.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::deed::{Answer, Deed};
use super::durable::Durable;
use super::fault::{Fault, Faults};
use super::ledger::Moment;
use crate::clock::{Clock, System};
use crate::error::{Error, ErrorKind, Result, Retry};

/// The longest request, in bytes.
const LONGEST: usize = 1 << 20;

/// What somebody asks the cloud to do besides its calls.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// A fault for a call to come.
    Inject { call: String, spared: usize, fault: Fault },
    /// To answer once more calls of this description were heard than so many.
    Await { call: String, before: usize },
    /// To tell what there is.
    Tell,
}

/// What a cloud in another process tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudReport {
    /// The identity of each thing, and the token that made it.
    pub tokens: BTreeMap<String, String>,
    /// The name and the size of each thing, sorted.
    pub contents: Vec<String>,
    /// Every call that this process heard.
    pub calls: Vec<String>,
    /// How many faults have not come yet.
    pub faults_left: usize,
}

/// Serves a cloud with its ledger in a file. Returns when a [`Fault::Panic`] has come, by which the whole cloud ends after
/// the effect and before the reply.
///
/// # Errors
/// Those of the file and of the listener.
pub async fn serve_cloud(listener: TcpListener, ledger: &Path) -> Result<()> {
    let held = Held { ledger: Durable::open(ledger)?, faults: Faults::default(), calls: Vec::new() };
    let served = Arc::new(Served { held: Mutex::new(held), heard: watch::Sender::new(()), end: Notify::new() });
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => {
                accepted.map_err(|error| Error::new(ErrorKind::Unavailable, format!("nobody can be heard: {error}")))?.0
            }
            () = served.end.notified() => return Ok(()),
        };
        let served = served.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| served.clone().answer(request));
            // A caller that went away, or one that was left without an answer on purpose.
            http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await.ok();
        });
    }
}

struct Served {
    held: Mutex<Held>,
    heard: watch::Sender<()>,
    end: Notify,
}

struct Held {
    ledger: Durable,
    faults: Faults,
    calls: Vec<String>,
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct Closed;

impl Served {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Text>, Closed> {
        let path = request.uri().path().to_owned();
        let Ok(body) = Limited::new(request.into_body(), LONGEST).collect().await else { return Err(Closed) };
        let body = body.to_bytes();
        let unreadable = |error: serde_json::Error| Ok(refusal(StatusCode::BAD_REQUEST, &error.to_string()));
        match path.as_str() {
            "/call" => match serde_json::from_slice(&body) {
                Ok(deed) => self.call(deed).await,
                Err(error) => unreadable(error),
            },
            "/order" => match serde_json::from_slice(&body) {
                Ok(order) => Ok(self.obey(order).await),
                Err(error) => unreadable(error),
            },
            _ => Ok(refusal(StatusCode::NOT_FOUND, "there is nothing here")),
        }
    }

    async fn obey(&self, order: Order) -> Response<Text> {
        match order {
            Order::Inject { call, spared, fault } => self.held().faults.add(spared, &call, fault),
            Order::Await { call, before } => {
                let mut heard = self.heard.subscribe();
                let count = || self.held().calls.iter().filter(|heard| **heard == call).count();
                // The sender lives as long as the cloud.
                drop(heard.wait_for(|()| count() > before).await);
            }
            Order::Tell => {}
        }
        json(&self.report())
    }

    fn report(&self) -> CloudReport {
        let held = self.held();
        let ledger = &held.ledger.ledger;
        CloudReport {
            tokens: ledger.tokens(),
            contents: ledger.contents(),
            calls: held.calls.clone(),
            faults_left: held.faults.left(),
        }
    }

    async fn call(self: Arc<Self>, deed: Deed) -> Result<Response<Text>, Closed> {
        let call = deed.call();
        let fault = {
            let mut held = self.held();
            held.calls.push(call.clone());
            held.faults.take(&call)
        };
        self.heard.send_replace(());
        let Some(fault) = fault else { return Ok(reply(self.perform(&deed, Duration::ZERO))) };
        Ok(match fault {
            Fault::LoseReply => reply(self.perform(&deed, Duration::ZERO)).map(Text::cut_short),
            Fault::Malformed => reply(self.perform(&deed, Duration::ZERO)).map(Text::unreadable),
            Fault::Panic => {
                drop(self.perform(&deed, Duration::ZERO));
                self.end.notify_one();
                return pending().await;
            }
            Fault::LateSuccess(after) => {
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    drop(self.perform(&deed, Duration::ZERO));
                });
                return Err(Closed);
            }
            Fault::HalfOpen => return Err(Closed),
            Fault::Hang => return pending().await,
            Fault::NotReady(after) => reply(self.perform(&deed, after)),
            Fault::NotFound => {
                let removed = deed.name().map_or(Ok(()), |name| self.held().ledger.remove(name));
                reply(removed.and_then(|()| self.perform(&deed, Duration::ZERO)))
            }
            Fault::Refuse(Retry::Never) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &format!("the cloud refused to {call}")),
            Fault::Refuse(Retry::Later(after)) => {
                later(refusal(StatusCode::SERVICE_UNAVAILABLE, "not now"), after.unwrap_or_default())
            }
            Fault::Refuse(Retry::Unsure) => refusal(StatusCode::BAD_GATEWAY, "somebody behind the cloud is gone"),
            Fault::TooMany { retry_after } => {
                let refused = refusal(StatusCode::TOO_MANY_REQUESTS, &format!("too many calls to {call}"));
                match retry_after {
                    Some(after) => later(refused, after),
                    None => refused,
                }
            }
            Fault::ServerError => refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("the cloud broke at `{call}`")),
            Fault::Expired => refusal(StatusCode::UNAUTHORIZED, "the credentials have expired"),
        })
    }

    fn perform(&self, deed: &Deed, ready_after: Duration) -> Result<Answer> {
        let now = u64::try_from(System.now().as_millis()).unwrap_or_default();
        let when = Moment { now: Duration::from_millis(now), ready_after, lag: Duration::ZERO };
        self.held().ledger.perform(deed, when)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reply(answer: Result<Answer>) -> Response<Text> {
    match answer {
        Ok(answer) => json(&answer),
        Err(error) => {
            let status = match error.kind() {
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Conflict => StatusCode::CONFLICT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refusal(status, &error.to_string())
        }
    }
}

fn json(value: &impl Serialize) -> Response<Text> {
    match serde_json::to_vec(value) {
        Ok(text) => Text::whole(text),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refusal(status: StatusCode, message: &str) -> Response<Text> {
    let mut response = Text::whole(message.as_bytes().to_vec());
    *response.status_mut() = status;
    response
}

fn later(mut response: Response<Text>, after: Duration) -> Response<Text> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
    response
}

/// What a reply says: whole, or cut off in the middle.
#[derive(Debug)]
struct Text {
    left: Option<Bytes>,
    cut: bool,
}

impl Text {
    fn whole(text: Vec<u8>) -> Response<Self> {
        let length = HeaderValue::from(text.len());
        let mut response = Response::new(Self { left: Some(text.into()), cut: false });
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response
    }

    /// Half of it; then the connection ends.
    fn cut_short(self) -> Self {
        let left = self.left.map(|text| text.slice(..text.len() / 2));
        Self { left, cut: true }
    }

    /// As long as it was, and no JSON.
    fn unreadable(self) -> Self {
        let left = self.left.map(|text| Bytes::from(vec![b'{'; text.len()]));
        Self { left, ..self }
    }
}

impl Body for Text {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.left.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(text)))),
            None if self.cut => Poll::Ready(Some(Err(io::Error::other(Closed)))),
            None => Poll::Ready(None),
        }
    }
}
