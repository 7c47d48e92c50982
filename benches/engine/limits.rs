//! What this disk and this `SQLite` can do at most, measured in the same run as the engine.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::Result;

/// How long each rate is measured.
const SPAN: Duration = Duration::from_millis(500);

/// The page of `SQLite`, which is the least that a commit writes.
const PAGE: usize = 4096;

/// How often the disk confirms a page in a second.
pub(crate) struct Limits {
    /// When the file grows by each page.
    pub(crate) appended: f64,
    /// When a page of the file is written over.
    pub(crate) overwritten: f64,
}

impl Limits {
    pub(crate) fn measure(folder: &Path) -> Result<Self> {
        let path = folder.join("pages");
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        let appended = rate(&file, |written| written)?;
        let pages = file.metadata()?.len() / PAGE as u64;
        file.sync_all()?;
        let overwritten = rate(&file, |written| written % pages)?;
        std::fs::remove_file(&path)?;
        Ok(Self { appended, overwritten })
    }
}

fn rate(file: &File, page: impl Fn(u64) -> u64) -> Result<f64> {
    let (begun, mut written) = (Instant::now(), 0_u64);
    while begun.elapsed() < SPAN {
        file.write_all_at(&[7; PAGE], page(written) * PAGE as u64)?;
        file.sync_data()?;
        written += 1;
    }
    Ok(f64::from(u32::try_from(written)?) / begun.elapsed().as_secs_f64())
}

/// The records and rows of a store, written again with nothing but `SQLite`.
pub(crate) struct Replayed {
    pub(crate) seconds: f64,
    pub(crate) store_bytes: u64,
    pub(crate) records: usize,
}

/// Copies the records and rows of a store, as many in a transaction as calls may run at once.
pub(crate) fn replay(store: &Path, copy: &Path, parallelism: usize) -> Result<Replayed> {
    let from = Connection::open(store)?;
    let records = read(&from, "SELECT run, body, hash FROM records ORDER BY seq")?;
    let rows = read(&from, "SELECT name, body, '' FROM state ORDER BY version")?;
    from.close().map_err(|(_, error)| error)?;
    let store_bytes = std::fs::metadata(store)?.len();
    let to = Connection::open(copy)?;
    to.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE records (seq INTEGER PRIMARY KEY, run TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
        CREATE TABLE state (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;",
    )?;
    let begun = Instant::now();
    insert(&to, &records, &rows, parallelism)?;
    Ok(Replayed { seconds: begun.elapsed().as_secs_f64(), store_bytes, records: records.len() })
}

type Texts = Vec<[String; 3]>;

fn read(from: &Connection, sql: &str) -> Result<Texts> {
    let mut statement = from.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn insert(to: &Connection, records: &Texts, rows: &Texts, batch: usize) -> Result<()> {
    let mut rows = rows.iter();
    for records in records.chunks(batch * 2) {
        to.execute_batch("BEGIN IMMEDIATE")?;
        let mut statement = to.prepare_cached("INSERT INTO records (run, body, hash) VALUES (?1, ?2, ?3)")?;
        for [run, body, hash] in records {
            statement.execute(params![run, body, hash])?;
        }
        let mut statement = to.prepare_cached("INSERT INTO state (name, body) VALUES (?1, ?2)")?;
        for [name, body, _] in rows.by_ref().take(batch) {
            statement.execute(params![name, body])?;
        }
        to.execute_batch("COMMIT")?;
    }
    Ok(())
}
