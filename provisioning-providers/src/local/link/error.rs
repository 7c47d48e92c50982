//! What the kernel says about interfaces and packet filters, as the engine's error: the one place that maps it.
//!
//! What a module knows better, such as whose a bridge is, is worded where it is found out.

use std::error::Error as StdError;
use std::{fmt, io};

use provisioning_core::error::{Error, ErrorKind, Retry};
use rustix::io::Errno;

/// Why a request came to nothing: the kernel's number, and its sentence where it has one.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errno: Errno,
    detail: Option<String>,
}

impl Refusal {
    pub(super) fn new(errno: Errno, detail: Option<String>) -> Self {
        Self { errno, detail }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => Self::new(errno, None),
            None => Self::new(Errno::IO, Some(error.to_string())),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{detail}: {}", self.errno),
            None => self.errno.fmt(f),
        }
    }
}

impl StdError for Refusal {}

/// The mapping for a request about an interface or a table; the error names it.
///
/// Anything unknown may have had its effect; looking for the thing by its name settles it.
pub(super) fn about(name: &str) -> impl FnOnce(Refusal) -> Error {
    move |refusal| {
        let named = |kind, what: &str| Error::new(kind, format!("`{name}` {what}"));
        match refusal.errno {
            Errno::PERM | Errno::ACCESS => named(ErrorKind::Denied, "may not be worked on by this user")
                .with_hint("run as root, or with CAP_NET_ADMIN in the network namespace"),
            Errno::EXIST => named(ErrorKind::Conflict, "exists already"),
            Errno::BUSY => named(ErrorKind::Conflict, "is in use").with_retry(Retry::Later(None)),
            Errno::NODEV | Errno::NXIO | Errno::NOENT => named(ErrorKind::NotFound, "does not exist"),
            Errno::INVAL | Errno::RANGE | Errno::NAMETOOLONG | Errno::ADDRNOTAVAIL | Errno::NETUNREACH => {
                named(ErrorKind::Invalid, "cannot be what was asked for")
            }
            Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => unsupported(name),
            Errno::TOOBIG => named(ErrorKind::Limited, "is among more than can be listed"),
            _ => named(ErrorKind::Unavailable, "could not be worked on").with_retry(Retry::Unsure),
        }
        .with_source(refusal)
    }
}

/// The running kernel was built without what a request needs.
pub(super) fn unsupported(name: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("`{name}` needs what this kernel does not have"))
        .with_hint("use a kernel with bridges, veth pairs and nftables, or load their modules")
}
