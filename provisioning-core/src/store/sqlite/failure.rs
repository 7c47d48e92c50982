//! What `SQLite` reports, as an error of the engine: one match.

use rusqlite::{Error as Sqlite, ErrorCode};

use crate::error::{Error, ErrorKind};

/// The engine's error for one of `SQLite`'s.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
pub(super) fn explain(error: Sqlite) -> Error {
    let (kind, message, hint) = describe(&error);
    // SQLite's own words, once: the error below them repeats them with a number.
    let explained = Error::new(kind, message).with_source(error.to_string());
    if hint.is_empty() { explained } else { explained.with_hint(hint) }
}

fn describe(error: &Sqlite) -> (ErrorKind, &'static str, &'static str) {
    let code = match error {
        Sqlite::FromSqlConversionFailure(..)
        | Sqlite::IntegralValueOutOfRange(..)
        | Sqlite::InvalidColumnType(..)
        | Sqlite::Utf8Error(..)
        | Sqlite::QueryReturnedNoRows => return damaged(),
        other => other.sqlite_error_code(),
    };
    match code {
        Some(ErrorCode::DiskFull) => (
            ErrorKind::Limited,
            "the disk of the store is full; nothing was recorded",
            "free some space; then `provisioning resume` goes on with a run that was cut off",
        ),
        Some(ErrorCode::TooBig) => (ErrorKind::Limited, "the store cannot keep something so large", ""),
        Some(ErrorCode::SystemIoFailure) => (
            ErrorKind::Unavailable,
            "the store cannot be read or written",
            "the disk may be full (`df`) or broken (the kernel's log); then `provisioning resume` goes on with a run that was cut off",
        ),
        Some(ErrorCode::OutOfMemory) => (ErrorKind::Unavailable, "there is no memory left for the store", ""),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => damaged(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            ErrorKind::Denied,
            "the store cannot be opened for writing",
            "look at the owner and the mode of the file and its directory",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => (
            ErrorKind::Conflict,
            "another process keeps the store locked",
            "wait until it is done; `provisioning status` shows who it is",
        ),
        _ => (ErrorKind::Bug, "the store used SQLite wrongly", ""),
    }
}

fn damaged() -> (ErrorKind, &'static str, &'static str) {
    (ErrorKind::Corrupt, "the store is damaged", "restore the file from a backup, with the files beside it of the same name")
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn every_failure_of_the_disk_has_its_kind() {
        let cases = [
            (ffi::SQLITE_FULL, ErrorKind::Limited),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR_WRITE, ErrorKind::Unavailable),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt),
            (ffi::SQLITE_READONLY, ErrorKind::Denied),
            (ffi::SQLITE_CANTOPEN, ErrorKind::Denied),
            (ffi::SQLITE_PERM, ErrorKind::Denied),
            (ffi::SQLITE_BUSY, ErrorKind::Conflict),
            (ffi::SQLITE_MISUSE, ErrorKind::Bug),
        ];
        for (code, kind) in cases {
            let error = explain(Sqlite::SqliteFailure(ffi::Error::new(code), None));
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.hint().is_none(), kind == ErrorKind::Bug, "{error}");
        }
    }
}
