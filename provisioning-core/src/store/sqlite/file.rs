//! The file: where it may lie, who may read it, whether it is a store, and of which format.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind as Io, Read as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Opening;
use super::failure::explain;
use super::tables::Tables;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Identity;

/// The version of a new store's tables.
const FIRST: i64 = 1;

/// The version of a store that has packed plans, which those who know the first one alone would take for missing. The newest that
/// this crate reads.
pub(super) const WITH_PACKED: i64 = 2;

/// `PROV`, which tells the file apart from other programs' databases.
const APPLICATION: i64 = 0x5052_4f56;

/// The file holds the key of the secrets' digests: its owner alone may read it.
const MODE: u32 = 0o600;

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the file for writing and makes sure that it is a store.
pub(super) fn open(path: &Path, opening: Opening<'_>) -> Result<(Connection, Identity)> {
    // Asked first: another process may make the store meanwhile, and its log comes after it.
    let log = beside(path, "-wal").metadata().is_ok_and(|facts| facts.len() > 0);
    match path.metadata() {
        Ok(facts) => look(path, &facts)?,
        Err(error) if error.kind() != Io::NotFound => return Err(unusable(path, error)),
        // A log without its store would be taken for the log of the new one.
        Err(_) if log => return Err(torn(path)),
        Err(_) => match opening {
            Opening::Existing => return Err(missing(path)),
            Opening::OrCreate(ids) => create(path, &Identity::fresh(ids))?,
        },
    }
    refuse_network(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check(&mut connection, path)?;
    prepare(&connection)?;
    if !Tables(&connection).has_added()? {
        connection.execute_batch(include_str!("added.sql")).map_err(explain)?;
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

/// What can be told of an existing file before it is opened.
fn look(path: &Path, facts: &fs::Metadata) -> Result<()> {
    if !facts.is_file() {
        return Err(Error::invalid(format!("`{}` is not a file: no store can lie there", path.display())).with_hint(ELSEWHERE));
    }
    if facts.len() == 0 {
        let message = format!("the store `{}` is empty: what it knew is lost", path.display());
        let hint = "restore the file from a backup; to begin anew, remove it, and remove by hand what was made";
        return Err(Error::new(ErrorKind::Corrupt, message).with_hint(hint));
    }
    let lost = |what: &str| {
        let message = format!("the log of the store `{}` is {what}: what was recorded last is lost", path.display());
        let hint = "restore the store and the files beside it from a backup; to go on with what is left, remove the files \
                    beside it, and look what exists that `provisioning show` does not list";
        Error::new(ErrorKind::Corrupt, message).with_hint(hint)
    };
    match magic(&beside(path, "-wal")) {
        Ok(LOG | LOG_BIG_ENDIAN | 0) => Ok(()),
        Ok(_) => Err(lost("damaged")),
        Err(error) if error.kind() == Io::NotFound && is_index_alone(path) => Err(lost("gone")),
        // What is too short was never written to, and whatever else is wrong SQLite says better.
        Err(_) => Ok(()),
    }
}

/// How a log begins, by the order of bytes of its checksums (sqlite.org/fileformat2.html, 4.1).
const LOG: u32 = 0x377f_0682;
const LOG_BIG_ENDIAN: u32 = 0x377f_0683;

fn magic(path: &Path) -> io::Result<u32> {
    let mut bytes = [0; 4];
    File::open(path)?.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

/// Whether the index of a log is there without the log. `SQLite` makes the log before its index and removes it after,
/// so that nobody who opens or closes the store meanwhile leaves it so.
fn is_index_alone(path: &Path) -> bool {
    let (log, index) = (beside(path, "-wal"), beside(path, "-shm"));
    index.exists() && !log.exists() && index.exists()
}

/// The file beside another one whose name goes on with an ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Makes a store under another name and then gives it its own: nobody ever sees half of one.
///
/// Another process may be faster; its store stays.
fn create(path: &Path, identity: &Identity) -> Result<()> {
    let directory = directory(path).map_err(|error| unusable(path, error))?;
    refuse_network(directory)?;
    let draft = beside(path, &format!(".{}", identity.workspace));
    let made = fill(&draft, identity).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != Io::AlreadyExists => Err(unusable(path, error)),
        _ => Ok(()),
    });
    for ending in ["-wal", "-shm"] {
        // They are there only after a failure, which is told.
        drop(fs::remove_file(beside(&draft, ending)));
    }
    let removed = fs::remove_file(&draft).and_then(|()| File::open(directory)?.sync_all());
    made.and(removed.map_err(|error| unusable(path, error)))
}

/// The directory of a path, made for its owner alone where it is missing.
fn directory(path: &Path) -> io::Result<&Path> {
    let named = |path: &'_ Path| !path.as_os_str().is_empty();
    let directory = path.parent().filter(|parent| named(parent)).unwrap_or(Path::new("."));
    if !directory.try_exists()? {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let above = directory.parent().filter(|parent| named(parent)).unwrap_or(Path::new("."));
        File::open(above)?.sync_all()?;
    }
    Ok(directory)
}

/// Makes the tables in a new file; the files that come to stand beside it get its mode.
fn fill(path: &Path, identity: &Identity) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    drop(file.map_err(|error| unusable(path, error))?);
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&connection)?;
    let transaction = connection.transaction().map_err(explain)?;
    transaction.execute_batch(include_str!("schema.sql")).map_err(explain)?;
    transaction.execute_batch(include_str!("added.sql")).map_err(explain)?;
    Tables(&transaction).put_identity(identity)?;
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(explain)?;
    transaction.pragma_update(None, "user_version", FIRST).map_err(explain)?;
    transaction.commit().map_err(explain)?;
    // Closing would do this as well, and would not say when it fails.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(explain)?;
    connection.close().map_err(|(_, error)| explain(error))
}

/// Looks whether the file is a store of a known format, at one moment and before anything is written to it.
fn check(connection: &mut Connection, path: &Path) -> Result<()> {
    let not_a_store = |error| not_a_store(path, error);
    let moment = connection.transaction().map_err(not_a_store)?;
    let number = |pragma| moment.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, format) = (number("application_id").map_err(not_a_store)?, number("user_version").map_err(not_a_store)?);
    if application != APPLICATION || format < 1 {
        let message = format!("`{}` is a database of another program", path.display());
        return Err(Error::new(ErrorKind::Corrupt, message).with_hint("`store` in provisioning.toml names another path"));
    }
    if format > WITH_PACKED {
        let message = format!("`{}` has format {format}, this version reads up to {WITH_PACKED}", path.display());
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("use the version that wrote it, or a newer one"));
    }
    Ok(())
}

fn prepare(connection: &Connection) -> Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(explain)?;
    if !mode.eq_ignore_ascii_case("wal") {
        let message = format!("the store cannot keep a write-ahead log here (journal mode `{mode}`)");
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("put the workspace on a local disk"));
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON;
        PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;";
    connection.execute_batch(settings).map_err(explain)
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
        0x0102_1997 => Some("9P"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        0x0bd0_0bd0 => Some("Lustre"),
        _ => None,
    }
}

/// What to do about a place where no store can be.
const ELSEWHERE: &str = "`store` in provisioning.toml names another place; every part of the path above must be a folder";

fn torn(path: &Path) -> Error {
    let message = format!("the store `{}` is gone, and the log that belongs to it is still there", path.display());
    let hint = "restore the store from a backup; to begin anew, remove the files beside it, and by hand what was made";
    Error::new(ErrorKind::Corrupt, message).with_hint(hint)
}

fn missing(path: &Path) -> Error {
    let message = format!("there is no store at `{}`", path.display());
    Error::new(ErrorKind::NotFound, message).with_hint("the first `provisioning apply` of a workspace makes it")
}

fn not_a_store(path: &Path, error: rusqlite::Error) -> Error {
    let cause = error.to_string();
    let explained = explain(error);
    if explained.kind() != ErrorKind::Corrupt {
        return explained;
    }
    let message = format!("`{}` is not a store, or it is damaged", path.display());
    Error::new(ErrorKind::Corrupt, message)
        .with_hint(
            "restore the file from a backup; where it is another program's, `store` in provisioning.toml names another path",
        )
        .with_source(cause)
}

fn unusable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::Limited,
        Io::NotADirectory | Io::NotFound | Io::InvalidInput | Io::InvalidFilename => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    let hint = match kind {
        ErrorKind::Limited => "free some space, and try again",
        ErrorKind::Denied => {
            "look at the owner and the mode of the folder, or name another place with `store` in provisioning.toml"
        }
        _ => ELSEWHERE,
    };
    Error::new(kind, format!("the store cannot be made at `{}`", path.display())).with_source(error).with_hint(hint)
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
