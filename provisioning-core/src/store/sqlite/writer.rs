//! The one thread that writes, with group commit.
//!
//! It takes everything that waits, runs it in one transaction, commits, and only then answers: what is answered is on
//! disk. What one job asks for is in [`SqliteStore`](super::SqliteStore).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::failure::explain;
use super::tables::Tables;
use crate::error::{Error, Failure, Result};

/// How many jobs share a transaction at most; it bounds how long the first of them waits.
const MAX_JOBS_IN_COMMIT: usize = 4096;

/// How often whoever waits looks again before going to sleep: about as long as a fast disk takes, and somebody who sleeps to wake up.
const LOOKS: usize = 400;

/// Something that is written.
trait Job: Send {
    /// Does it inside the transaction.
    fn run(&mut self, tables: &Tables<'_>) -> Result<(), Failure>;

    /// Answers the caller, after the commit: with the job's own result, or with why the transaction failed.
    fn answer(self: Box<Self>, failure: Option<&Failure>);
}

/// The thread that writes.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread over its connection.
    pub(super) fn start(connection: Connection) -> Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(connection, &queue, &counter))
            .map_err(|error| Error::bug("the store's writer cannot be started").with_source(error))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), commits })
    }

    /// How many transactions were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Runs a job in the next transaction; its result is on disk when this returns.
    ///
    /// A caller that stops waiting takes nothing back.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, mut answer) = oneshot::channel();
        let job = Box::new(Asked { work: Some(work), result: None, reply });
        let gone = || Error::bug("the store's writer has stopped");
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        if let Some(result) = soon(&mut answer).await {
            return result.map_err(|_| gone())?;
        }
        answer.await.map_err(|_| gone())?
    }
}

/// The answer, where it comes so soon that going to sleep for it would take longer than the commit; others of the thread go on.
async fn soon<T>(answer: &mut oneshot::Receiver<T>) -> Option<Result<T, TryRecvError>> {
    for _ in 0..LOOKS {
        match answer.try_recv() {
            Err(TryRecvError::Empty) => {
                thread::yield_now();
                tokio::task::yield_now().await;
            }
            result => return Some(result),
        }
    }
    None
}

impl Drop for Writer {
    /// Waits for what is queued, so that a store that was dropped is closed.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A job with somebody who waits for it.
struct Asked<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnOnce(&Tables<'_>) -> Result<T> + Send,
{
    fn run(&mut self, tables: &Tables<'_>) -> Result<(), Failure> {
        let work = self.work.take().expect("a job runs once");
        let result = self.result.insert(work(tables));
        result.as_ref().map(drop).map_err(Failure::from)
    }

    fn answer(self: Box<Self>, failure: Option<&Failure>) {
        let answer = match failure {
            Some(failure) => Err(failure.clone().into()),
            None => self.result.expect("a job ran before its commit"),
        };
        // A caller that is gone needs no answer.
        drop(self.reply.send(answer));
    }
}

fn serve(mut connection: Connection, queue: &mpsc::Receiver<Box<dyn Job>>, commits: &AtomicU64) {
    while let Some(first) = next(queue) {
        let mut jobs: Vec<_> = std::iter::once(first).chain(queue.try_iter()).take(MAX_JOBS_IN_COMMIT).collect();
        let failure = commit(&mut connection, &mut jobs).err();
        if failure.is_none() {
            commits.fetch_add(1, Ordering::Relaxed);
        }
        for job in jobs {
            job.answer(failure.as_ref());
        }
    }
}

/// The next job; what follows from one commit mostly comes before this thread would have gone to sleep.
fn next(queue: &mpsc::Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
    for _ in 0..LOOKS {
        match queue.try_recv() {
            Ok(job) => return Some(job),
            Err(mpsc::TryRecvError::Empty) => thread::yield_now(),
            Err(mpsc::TryRecvError::Disconnected) => return None,
        }
    }
    queue.recv().ok()
}

/// Runs the jobs in one transaction; on any error it is rolled back, and nothing of it was written.
fn commit(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(failure)?;
    jobs.iter_mut().try_for_each(|job| attempt(&transaction, job.as_mut()))?;
    transaction.commit().map_err(failure)
}

/// Runs one job; a job that fails leaves nothing and does not disturb the others, unless it ended the transaction.
fn attempt(connection: &Connection, job: &mut dyn Job) -> Result<(), Failure> {
    connection.execute_batch("SAVEPOINT job").map_err(failure)?;
    let end = match job.run(&Tables(connection)) {
        Ok(()) => "RELEASE job",
        Err(reason) if connection.is_autocommit() => return Err(reason),
        Err(_) => "ROLLBACK TO job; RELEASE job",
    };
    connection.execute_batch(end).map_err(failure)
}

fn failure(error: rusqlite::Error) -> Failure {
    Failure::from(&explain(error))
}
