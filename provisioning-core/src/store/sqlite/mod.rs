//! The store on disk: one `SQLite` file per workspace, and the only folder that names `SQLite`.
//!
//! One thread writes, with group commit (`writer`); reads have their own connection and never wait for it. What is
//! written is decided outside, in `chain` and `slot`.

mod failure;
mod file;
mod packed;
mod parse;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use self::packed::Body;
use self::parse::Threads;
use self::tables::{LateText, Tables};
use self::writer::Writer;
use super::chain::{self, Link};
use super::slot::Slot;
use super::text;
use super::verify::{Source, verify};
use super::{Draft, Holder, Identity, Late, LateResults, Lease, Leases, Log, Range, State, Verified};
use crate::clock::{Ids, Timestamp};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::journal::RunSummary;
use crate::name::ResourceName;
use crate::plan::{Plan, Results};
use crate::record::Entry;
use crate::resource::StateRow;

/// What opening does where there is no store yet.
#[derive(Debug, Clone, Copy)]
pub enum Opening<'a> {
    /// It is an error.
    Existing,
    /// A store is made, with an identity from these numbers.
    OrCreate(&'a dyn Ids),
}

/// A store in a file.
pub struct SqliteStore {
    path: PathBuf,
    identity: Identity,
    reader: Arc<Mutex<Reader>>,
    writer: Writer,
}

/// What reads.
struct Reader {
    connection: Connection,
    /// The rows that were read before anybody asked for them, and of which moment they are.
    ahead: Option<(i64, Rows)>,
}

type Rows = BTreeMap<ResourceName, StateRow>;

impl Reader {
    fn tables(&self) -> Tables<'_> {
        Tables(&self.connection)
    }

    /// The rows, and of which moment they are at least.
    fn rows(&self, threads: Threads) -> Result<(i64, Rows)> {
        let moment = self.tables().moment()?;
        Ok((moment, self.tables().parsed_rows(threads)?))
    }

    /// The rows that were read ahead, where nothing has been written since.
    fn take_ahead(&mut self) -> Result<Option<Rows>> {
        let Some((moment, rows)) = self.ahead.take() else { return Ok(None) };
        Ok((moment == self.tables().moment()?).then_some(rows))
    }
}

impl SqliteStore {
    /// Opens the store of a path; its directory and its file are made for the owner alone.
    ///
    /// # Errors
    /// `NotFound` when there is none and none is to be made, `Corrupt` when the file is something else, `Unsupported`
    /// for a newer format and for a network file system, `Denied` when it cannot be written.
    pub fn open(path: &Path, opening: Opening<'_>) -> Result<Self> {
        let at = |error: Error| error.with_context("path", path.display().to_string());
        let (connection, identity) = file::open(path, opening).map_err(at)?;
        let reader = file::open_reader(path).map_err(at)?;
        let writer = Writer::start(connection)?;
        let reader = Reader { connection: reader, ahead: None };
        Ok(Self { path: path.to_owned(), identity, reader: Arc::new(Mutex::new(reader)), writer })
    }

    /// Begins to read the rows on a thread of its own: whoever asks for them next has not to wait for all of it. To be called
    /// before something else that takes its time; whoever reads anything from the store meanwhile waits for it.
    pub fn read_ahead(&self) {
        let reader = self.reader.clone();
        // Where this goes wrong whoever asks for the rows reads them, and is told.
        let read = move || {
            let mut reader = lock(&reader);
            reader.ahead = reader.rows(Threads::One).ok();
        };
        drop(thread::Builder::new().name("store-reader".to_owned()).spawn(read));
    }

    /// How many transactions were committed; fewer than calls where calls came together.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T> + Send + 'static,
    {
        self.read_and(work, Ok).await
    }

    /// Reads, and makes something of it while others can read.
    async fn read_and<T, U, F, G>(&self, work: F, make: G) -> Result<U>
    where
        U: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T> + Send + 'static,
        G: FnOnce(T) -> Result<U> + Send + 'static,
    {
        let reader = self.reader.clone();
        blocking(move || {
            let read = work(&lock(&reader).tables())?;
            make(read)
        })
        .await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[async_trait]
impl Log for SqliteStore {
    async fn append(&self, lease: &Lease, drafts: Vec<Draft>) -> Result<Vec<Arc<Entry>>> {
        let (lease, workspace) = (lease.clone(), self.identity.workspace.clone());
        let append = move |tables: &Tables<'_>| {
            tables.slot()?.check(&lease)?;
            let batch = chain::batch(tables.head(&workspace)?, drafts, |run| tables.run(run))?;
            tables.put(&batch)?;
            Ok(batch.entries)
        };
        self.writer.run(append).await
    }

    async fn entries(&self, range: Range) -> Result<Vec<Entry>> {
        let parse = |links: Vec<Link>| parse::all(links.into_iter().map(Ok), |link| link.entry(), Threads::Many);
        self.read_and(move |tables| tables.links(&range), parse).await
    }

    async fn runs(&self) -> Result<Vec<RunSummary>> {
        self.read(|tables| Ok(Source::runs(tables)?.into_iter().map(|run| run.summary).collect())).await
    }

    async fn save_plan(&self, plan: &Plan) -> Result<Digest> {
        let (hash, body) = text::write_plan(plan, Body::new)?;
        let results = text::write(&plan.results(), text::MAX_PLAN_BYTES, || "what the plan gives back".to_owned())?;
        let save = move |tables: &Tables<'_>| tables.put_plan(&hash, &body, &results).map(|()| hash);
        self.writer.run(save).await
    }

    async fn plan(&self, hash: &Digest) -> Result<Plan> {
        let (hash, wanted) = (hash.clone(), hash.clone());
        self.read_and(move |tables| tables.plan_body(&wanted), move |body| tables::plan(&hash, body)).await
    }

    async fn results(&self, hash: &Digest) -> Result<Results> {
        let hash = hash.clone();
        self.read(move |tables| Source::results(tables, &hash)).await
    }
}

#[async_trait]
impl State for SqliteStore {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    async fn rows(&self) -> Result<BTreeMap<ResourceName, StateRow>> {
        let reader = self.reader.clone();
        blocking(move || {
            let mut reader = lock(&reader);
            match reader.take_ahead()? {
                Some(rows) => Ok(rows),
                None => reader.rows(Threads::Many).map(|(_, rows)| rows),
            }
        })
        .await
    }

    /// On a connection of its own: it may take long, and it sees one moment of the store.
    async fn verify(&self) -> Result<Verified> {
        let (path, workspace) = (self.path.clone(), self.identity.workspace.clone());
        blocking(move || {
            let mut connection = file::open_reader(&path)?;
            let moment = connection.transaction().map_err(failure::explain)?;
            verify(&workspace, &Tables(&moment))
        })
        .await
    }
}

#[async_trait]
impl Leases for SqliteStore {
    async fn acquire(&self, holder: &Holder, now: Timestamp, length: Duration) -> Result<Lease> {
        let holder = holder.clone();
        let acquire = move |tables: &Tables<'_>| take(tables, tables.slot()?.acquire(&holder, now, length)?);
        self.writer.run(acquire).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<Lease> {
        let lease = lease.clone();
        let renew = move |tables: &Tables<'_>| take(tables, tables.slot()?.renew(&lease, now, length)?);
        self.writer.run(renew).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        let release = move |tables: &Tables<'_>| match tables.slot()?.released(&lease) {
            Some(free) => tables.put_slot(&free),
            None => Ok(()),
        };
        self.writer.run(release).await
    }

    async fn holder(&self) -> Result<Option<Lease>> {
        self.read(|tables| Ok(tables.slot()?.present)).await
    }
}

#[async_trait]
impl LateResults for SqliteStore {
    async fn leave_late(&self, late: Vec<Late>) -> Result<()> {
        self.writer.run(move |tables: &Tables<'_>| late.iter().try_for_each(|late| tables.put_late(late))).await
    }

    async fn late(&self) -> Result<Vec<Late>> {
        self.read(|tables| tables.late()?.into_iter().map(LateText::parse).collect()).await
    }

    async fn drop_late(&self, lease: &Lease, late: Vec<Late>) -> Result<()> {
        let lease = lease.clone();
        let remove = move |tables: &Tables<'_>| {
            tables.slot()?.check(&lease)?;
            late.iter().try_for_each(|late| tables.remove_late(late))
        };
        self.writer.run(remove).await
    }
}

fn take(tables: &Tables<'_>, lease: Lease) -> Result<Lease> {
    tables.put_slot(&Slot::taken(lease.clone()))?;
    Ok(lease)
}

fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(Error::bug("reading the store was cut short").with_source(error)))
}
