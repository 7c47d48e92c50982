//! The file: where it may lie, who may read it, whether it is a store, and of which format.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind as Io};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::Opening;
use super::failure::explain;
use super::tables::Tables;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Identity;

/// The version of the tables that this crate writes, and the newest that it reads.
pub(super) const FORMAT: i64 = 1;

/// `PROV`, which tells the file apart from other programs' databases.
const APPLICATION: i64 = 0x5052_4f56;

/// The file holds the key of the secrets' digests: its owner alone may read it.
const MODE: u32 = 0o600;

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the file for writing and makes sure that it is a store.
pub(super) fn open(path: &Path, opening: Opening<'_>) -> Result<(Connection, Identity)> {
    if let Opening::OrCreate(_) = opening {
        create(path).map_err(|error| unusable(path, error))?;
    } else if !path.try_exists().map_err(|error| unusable(path, error))? {
        return Err(missing(path));
    }
    refuse_network(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    match (check(&connection, path)?, opening) {
        (true, Opening::Existing) => return Err(missing(path)),
        (true, Opening::OrCreate(ids)) => {
            fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(|error| unusable(path, error))?;
            prepare(&connection)?;
            fill(&mut connection, path, &Identity::fresh(ids))?;
        }
        (false, _) => prepare(&connection)?,
    }
    let identity = Tables(&connection).identity()?;
    Ok((connection, identity))
}

/// Opens the file for reading, beside a connection that writes.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(explain)?;
    connection.busy_timeout(BUSY).map_err(explain)?;
    Ok(connection)
}

/// Makes an empty file that only its owner can read, and its directory; a file that is there is not touched.
///
/// Opening and closing a file that is a database elsewhere in this process would drop that one's locks.
fn create(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty())
        && !directory.try_exists()?
    {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if let Some(above) = directory.parent().filter(|above| !above.as_os_str().is_empty()) {
            File::open(above)?.sync_all()?;
        }
    }
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Err(error) if error.kind() != Io::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Looks whether the file is a store of a known format, before anything is written to it; says whether it is empty.
fn check(connection: &Connection, path: &Path) -> Result<bool> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(|error| not_a_store(path, error))?;
    let format = number("user_version").map_err(|error| not_a_store(path, error))?;
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let tables = tables.map_err(|error| not_a_store(path, error))?;
    if application == 0 && format == 0 && tables == 0 {
        return Ok(true);
    }
    if application != APPLICATION || format < 1 {
        let message = format!("`{}` is a database of another program", path.display());
        return Err(Error::new(ErrorKind::Corrupt, message).with_hint("choose another path for the store"));
    }
    if format > FORMAT {
        let message = format!("`{}` has format {format}, this version reads up to {FORMAT}", path.display());
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("use the version that wrote it, or a newer one"));
    }
    Ok(false)
}

fn prepare(connection: &Connection) -> Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(explain)?;
    if !mode.eq_ignore_ascii_case("wal") {
        let message = format!("the store cannot keep a write-ahead log here (journal mode `{mode}`)");
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("put the workspace on a local disk"));
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON;
        PRAGMA journal_size_limit = 67108864;";
    connection.execute_batch(settings).map_err(explain)
}

/// Makes the tables, all or nothing; another process may have been faster.
fn fill(connection: &mut Connection, path: &Path, identity: &Identity) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    if check(&transaction, path)? {
        transaction.execute_batch(include_str!("schema.sql")).map_err(explain)?;
        Tables(&transaction).put_identity(identity)?;
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(explain)?;
        transaction.pragma_update(None, "user_version", FORMAT).map_err(explain)?;
    }
    transaction.commit().map_err(explain)
}

/// Locks and shared memory do not work over a network; a store there would be damaged sooner or later.
#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<()> {
    let facts = rustix::fs::statfs(path).map_err(|error| unusable(path, error.into()))?;
    match network_name(facts.f_type & 0xffff_ffff) {
        Some(name) => {
            let message = format!("`{}` lies on a network file system ({name})", path.display());
            Err(Error::new(ErrorKind::Unsupported, message).with_hint("put the workspace on a local disk"))
        }
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_: &Path) -> Result<()> {
    Ok(())
}

/// Network file systems by the numbers of statfs(2).
#[cfg(target_os = "linux")]
fn network_name(magic: rustix::fs::FsWord) -> Option<&'static str> {
    match magic {
        rustix::fs::NFS_SUPER_MAGIC => Some("NFS"),
        0x517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        _ => None,
    }
}

fn missing(path: &Path) -> Error {
    let message = format!("there is no store at `{}`", path.display());
    Error::new(ErrorKind::NotFound, message).with_hint("the first `provisioning apply` of a workspace makes it")
}

fn not_a_store(path: &Path, error: rusqlite::Error) -> Error {
    let explained = explain(error);
    if explained.kind() != ErrorKind::Corrupt {
        return explained;
    }
    let message = format!("`{}` is not a store, or it is damaged", path.display());
    Error::new(ErrorKind::Corrupt, message)
        .with_hint("choose another path, or restore the file from a backup")
        .with_source(explained)
}

fn unusable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::Limited,
        Io::NotADirectory | Io::NotFound | Io::InvalidInput | Io::InvalidFilename => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("the store cannot be made at `{}`", path.display())).with_source(error)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::network_name;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xff53_4d42), Some("CIFS"));
        assert_eq!(network_name(0xef53), None, "ext4");
        assert_eq!(network_name(0x0102_1994), None, "tmpfs");
    }
}
