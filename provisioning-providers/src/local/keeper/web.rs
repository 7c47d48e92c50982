//! The keeper's verb `web`: a small web server for the files of a directory, so that a server has something to run where
//! nothing can be installed.
//!
//! It answers GET and HEAD. Which file a request means, and that it lies inside the directory, is decided in `place.rs`.

mod place;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use provisioning_core::error::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use super::HEALTH_AGENT;
use crate::local::error::at;
use place::Place;

/// How many connections are served at once; others wait.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection may take for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long accepting connections rests when the system is short of something.
const SHORTAGE: Duration = Duration::from_millis(100);
/// How much of a file is read at once, in bytes.
const CHUNK: u64 = 64 << 10;

/// Where the server listens and what it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Options {
    address: SocketAddr,
    root: PathBuf,
}

/// Serves the files of a directory until SIGTERM: `--address IP --port N --root DIR`.
///
/// # Errors
/// `Invalid` for other arguments, `Conflict` when the address is in use.
pub(super) fn serve(arguments: impl IntoIterator<Item = OsString>) -> Result<()> {
    let Options { address, root } = parse(arguments)?;
    let root = root.canonicalize().map_err(at(&root))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(at(&root))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(at(&root))?;
        let listener = TcpListener::bind(address).await.map_err(|error| not_bound(address, error))?;
        tokio::select! {
            () = accept(&listener, root.into()) => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    })
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Options> {
    let usage = || Error::invalid("`web` takes `--address IP --port N --root DIR`");
    let (mut address, mut port, mut root) = (None, None, None);
    let mut arguments = arguments.into_iter();
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(usage)?;
        match option.to_str() {
            Some("--address") => address = Some(value.to_str().and_then(|text| text.parse::<IpAddr>().ok()).ok_or_else(usage)?),
            Some("--port") => port = Some(value.to_str().and_then(|text| text.parse().ok()).ok_or_else(usage)?),
            Some("--root") => root = Some(PathBuf::from(value)),
            _ => return Err(usage()),
        }
    }
    let address = SocketAddr::new(address.ok_or_else(usage)?, port.ok_or_else(usage)?);
    Ok(Options { address, root: root.ok_or_else(usage)? })
}

fn not_bound(address: SocketAddr, error: io::Error) -> Error {
    let (kind, what) = match error.kind() {
        io::ErrorKind::AddrInUse => (ErrorKind::Conflict, "is in use"),
        io::ErrorKind::AddrNotAvailable => (ErrorKind::NotFound, "is not an address of this host"),
        io::ErrorKind::PermissionDenied => (ErrorKind::Denied, "may not be listened on"),
        _ => (ErrorKind::Unavailable, "cannot be listened on"),
    };
    Error::new(kind, format!("`{address}` {what}")).with_source(error)
}

async fn accept(listener: &TcpListener, root: Arc<Path>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let slot = slots.clone().acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let root = root.clone();
                tokio::spawn(async move {
                    converse(stream, peer.ip(), &root).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(SHORTAGE).await,
        }
    }
}

async fn converse(stream: TcpStream, peer: IpAddr, root: &Path) {
    let service = service_fn(async |request: Request<Incoming>| {
        let response = answer(root, request.method(), request.uri().path());
        note(peer, &request, &response);
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away or makes no sense is nobody's error here.
    let _ = connection.await;
}

/// A line about a request, unless a keeper only asks whether it works; a log that nobody takes is no reason to stop.
fn note(peer: IpAddr, request: &Request<Incoming>, response: &Response<Content>) {
    if request.headers().get(USER_AGENT).is_some_and(|agent| agent == HEALTH_AGENT) {
        return;
    }
    let size = response.headers().get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()).unwrap_or("-");
    let (method, path, status) = (request.method(), request.uri().path(), response.status().as_u16());
    let _ = writeln!(io::stdout().lock(), "{peer} {method} {path} {status} {size}");
}

/// What is sent: a text, or the rest of a file.
type Content = Either<Full<Bytes>, FileContent>;

fn answer(root: &Path, method: &Method, path: &str) -> Response<Content> {
    if method != Method::GET && method != Method::HEAD {
        return with(text(StatusCode::METHOD_NOT_ALLOWED), ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let response = match place::find(root, path) {
        Place::File { file, size, content_type } => whole(file, size, content_type),
        Place::Moved(location) => match HeaderValue::from_str(&location) {
            Ok(location) => with(text(StatusCode::MOVED_PERMANENTLY), LOCATION, location),
            Err(_) => text(StatusCode::BAD_REQUEST),
        },
        Place::Malformed => text(StatusCode::BAD_REQUEST),
        Place::Forbidden => text(StatusCode::FORBIDDEN),
        Place::Missing => text(StatusCode::NOT_FOUND),
        Place::Unreadable => text(StatusCode::INTERNAL_SERVER_ERROR),
    };
    if method == Method::HEAD { response.map(|_| Either::Left(Full::default())) } else { response }
}

fn whole(file: File, size: u64, content_type: &'static str) -> Response<Content> {
    let response = Response::new(Either::Right(FileContent { file, left: size }));
    let response = with(response, CONTENT_TYPE, HeaderValue::from_static(content_type));
    with(response, CONTENT_LENGTH, size.into())
}

fn text(status: StatusCode) -> Response<Content> {
    let line = format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let size = line.len() as u64;
    let mut response = Response::new(Either::Left(Full::from(line)));
    *response.status_mut() = status;
    let response = with(response, CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    with(response, CONTENT_LENGTH, size.into())
}

fn with(mut response: Response<Content>, name: HeaderName, value: HeaderValue) -> Response<Content> {
    response.headers_mut().insert(name, value);
    response
}

/// A file as it is sent: a piece at a time, never more than it was when its size was told.
#[derive(Debug)]
struct FileContent {
    file: File,
    left: u64,
}

impl Body for FileContent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = Vec::new();
        let limit = self.left.min(CHUNK);
        let read = (&self.file).take(limit).read_to_end(&mut piece).and_then(|count| match count {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count as u64),
        });
        Poll::Ready(Some(read.map(|count| {
            self.left -= count;
            Frame::data(piece.into())
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
