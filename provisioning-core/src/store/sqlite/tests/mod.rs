//! What only a file can do wrong: opening, damage, full disks, other processes.
//!
//! What every store must do is in the common suite.

mod bytes;
mod damage;
mod golden;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::task::{Context, Waker};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Opening, SqliteStore};
use crate::clock::System;
use crate::error::{Error, ErrorKind, Result};
use crate::store::tests::fixture::{at, idle_run, lease, live, run, second_plan};
use crate::store::{Holder, Leases, Log, Range, State};

/// A place for a store, and the store in it.
fn made() -> (TempDir, PathBuf, SqliteStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(".provisioning/store.db");
    let store = SqliteStore::open(&path, Opening::OrCreate(&System)).expect("a store");
    (directory, path, store)
}

/// `SQLite` without the store, as another program has it.
fn raw(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF").expect("set");
    connection
}

fn refused(path: &Path, opening: Opening<'_>) -> Error {
    SqliteStore::open(path, opening).expect_err("refused")
}

async fn count(store: &SqliteStore) -> usize {
    store.entries(Range::default()).await.expect("read").len()
}

#[tokio::test]
async fn keeps_everything_when_it_is_opened_again() {
    let (_directory, path, store) = made();
    let lease = lease(&store).await;
    live(&store, &lease).await;
    let before = contents(&store).await;
    drop(store);
    let store = SqliteStore::open(&path, Opening::Existing).expect("a store");
    assert_eq!(contents(&store).await, before);
    assert_eq!(store.plan(&second_plan().hash()).await.expect("kept"), second_plan());
    assert_eq!(store.holder().await.expect("read"), Some(lease.clone()));
    store.append(&lease, idle_run(3, 0)).await.expect("the lease is still the same");
    assert_eq!(store.verify().await.expect("read").problem, None);
}

async fn contents(store: &SqliteStore) -> String {
    let entries = store.entries(Range::default()).await.expect("read");
    let (rows, runs) = (store.rows().await.expect("read"), store.runs().await.expect("read"));
    let key = *store.identity().digest_key.as_bytes();
    format!("{:?} {key:?} {entries:?} {rows:?} {runs:?}", store.identity().workspace)
}

#[tokio::test]
async fn rows_that_were_read_ahead_are_given_unless_something_was_written_since() {
    let (_directory, path, store) = made();
    let lease = lease(&store).await;
    live(&store, &lease).await;
    let rows = store.rows().await.expect("read");
    let ahead = |store: &SqliteStore| {
        store.read_ahead();
        let taken = || super::lock(&store.reader).ahead.is_some();
        while !taken() {
            std::thread::yield_now();
        }
    };
    ahead(&store);
    assert_eq!(store.rows().await.expect("read"), rows);
    assert!(super::lock(&store.reader).ahead.is_none(), "they are given once");
    ahead(&store);
    raw(&path).execute("DELETE FROM state", ()).expect("removed");
    assert!(store.rows().await.expect("read").is_empty(), "another process wrote meanwhile");
    ahead(&store);
    store.append(&lease, idle_run(3, 0)).await.expect("appended");
    assert!(super::lock(&store.reader).take_ahead().expect("read").is_none(), "so did this one");
}

/// What the files hold at this moment is what a killed process leaves.
#[tokio::test]
async fn has_on_disk_what_it_has_answered() {
    let (directory, path, store) = made();
    let lease = lease(&store).await;
    store.append(&lease, idle_run(1, 9)).await.expect("appended");
    let copy = directory.path().join("store.db");
    fs::copy(&path, &copy).expect("copied");
    fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).expect("copied");
    let left = SqliteStore::open(&copy, Opening::Existing).expect("a store");
    assert_eq!(count(&left).await, 10);
}

#[test]
fn makes_files_that_only_their_owner_can_read() {
    let (_directory, path, _store) = made();
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().expect("a directory")), 0o700);
    for file in [path.clone(), path.with_extension("db-wal"), path.with_extension("db-shm")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn refuses_to_open_what_is_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let error = refused(&path, Opening::Existing);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), format!("there is no store at `{}`", path.display()));
    assert!(error.hint().is_some());
    assert!(!path.exists(), "looking makes nothing");
    let unreachable = path.join("store.db");
    fs::write(&path, "a file").expect("written");
    assert_eq!(refused(&unreachable, Opening::OrCreate(&System)).kind(), ErrorKind::Invalid);
}

#[test]
fn refuses_a_newer_format() {
    let (_directory, path, store) = made();
    drop(store);
    raw(&path).pragma_update(None, "user_version", 3).expect("set");
    let error = refused(&path, Opening::OrCreate(&System));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), format!("`{}` has format 3, this version reads up to 2", path.display()));
    assert!(error.hint().is_some());
}

#[test]
fn refuses_what_is_not_a_store_and_leaves_it_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = directory.path().join("notes.txt");
    for content in ["hello".to_owned(), "a longer text\n".repeat(1000)] {
        fs::write(&text, &content).expect("written");
        let error = refused(&text, Opening::OrCreate(&System));
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Corrupt, true));
        assert_eq!(error.to_string(), format!("`{}` is not a store, or it is damaged", text.display()));
        assert_eq!(fs::read_to_string(&text).expect("there"), content);
    }
    let other = directory.path().join("other.db");
    raw(&other).execute_batch("CREATE TABLE notes (text)").expect("made");
    let before = fs::read(&other).expect("there");
    let empty = directory.path().join("empty");
    fs::write(&empty, "").expect("written");
    let error = refused(&empty, Opening::OrCreate(&System));
    assert_eq!(error.to_string(), format!("the store `{}` is empty: what it knew is lost", empty.display()));
    let error = refused(&other, Opening::OrCreate(&System));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.to_string(), format!("`{}` is a database of another program", other.display()));
    assert_eq!(fs::read(&other).expect("there"), before);
    assert_eq!(refused(directory.path(), Opening::Existing).kind(), ErrorKind::Invalid, "a directory");
}

#[test]
fn tells_a_lost_log_and_a_damaged_one() {
    let cases = [(None, "gone"), (Some("not what SQLite writes there"), "damaged")];
    for (log, what) in cases {
        let (_directory, path, store) = made();
        drop(store);
        fs::write(path.with_file_name("store.db-shm"), "").expect("written");
        if let Some(text) = log {
            fs::write(path.with_file_name("store.db-wal"), text).expect("written");
        }
        let expect = format!("the log of the store `{}` is {what}: what was recorded last is lost", path.display());
        assert_eq!(refused(&path, Opening::Existing).to_string(), expect);
    }
}

#[test]
fn never_takes_the_log_of_a_lost_store_for_that_of_a_new_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let log = directory.path().join("store.db-wal");
    fs::write(&log, "frames").expect("written");
    for opening in [Opening::Existing, Opening::OrCreate(&System)] {
        assert_eq!(refused(&path, opening).kind(), ErrorKind::Corrupt);
    }
    assert_eq!(fs::read(&log).expect("there"), b"frames");
    assert!(!path.exists());
}

#[test]
fn is_made_once_by_several_openers() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let open = || SqliteStore::open(&path, Opening::OrCreate(&System)).map(|store| store.identity().workspace);
    let workspaces: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic").expect("a store")).collect()
    });
    assert!(workspaces.iter().all(|workspace| *workspace == workspaces[0]), "{workspaces:?}");
    let names = fs::read_dir(directory.path()).expect("there").map(|file| file.expect("there").file_name());
    let drafts: Vec<_> = names.filter(|name| name.as_encoded_bytes().starts_with(b"store.db.")).collect();
    assert!(drafts.is_empty(), "nothing is left of the slower ones: {drafts:?}");
}

#[tokio::test]
async fn refuses_an_older_epoch_of_another_handle() {
    let (_directory, path, old) = made();
    let new = SqliteStore::open(&path, Opening::Existing).expect("a second handle");
    let stale = lease(&old).await;
    old.append(&stale, idle_run(1, 0)).await.expect("appended");
    let fresh = new.acquire(&Holder::this_process(), at(7200), Duration::from_mins(1)).await.expect("expired");
    assert_eq!(old.append(&stale, idle_run(2, 0)).await.expect_err("fenced").kind(), ErrorKind::Conflict);
    assert_eq!(new.append(&fresh, idle_run(3, 0)).await.expect("appended")[0].seq, 2);
    assert_eq!(count(&old).await, 2);
}

#[tokio::test]
async fn commits_what_waits_together() {
    let (_directory, path, store) = made();
    let lease = lease(&store).await;
    let stale = crate::store::Lease { epoch: 0, ..lease.clone() };
    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE").expect("the store is locked");
    let before = store.commits();
    let mut now = Context::from_waker(Waker::noop());
    let mut appends: Vec<_> = (0..64).map(|number| store.append(&lease, idle_run(number, 1))).collect();
    for append in &mut appends {
        assert!(append.as_mut().poll(&mut now).is_pending(), "nothing is answered while nothing can be written");
    }
    let mut refused = store.append(&stale, idle_run(99, 0));
    assert!(refused.as_mut().poll(&mut now).is_pending());
    assert_eq!(count(&store).await, 0, "reading does not wait");
    other.execute_batch("ROLLBACK").expect("unlocked");
    for append in appends {
        let entries = append.await.expect("appended");
        assert_eq!(entries[1].seq, entries[0].seq + 1);
    }
    assert_eq!(refused.await.expect_err("fenced").kind(), ErrorKind::Conflict);
    assert!(store.commits() - before <= 2, "{} commits", store.commits() - before);
    assert_eq!(count(&store).await, 128);
    assert_eq!(store.verify().await.expect("read").problem, None);
}

#[tokio::test]
async fn keeps_nothing_of_a_job_that_fails() {
    let (_directory, _path, store) = made();
    let lease = lease(&store).await;
    let failing = store.writer.run(|tables| {
        tables.0.execute("UPDATE lease SET epoch = 99", []).expect("written");
        Err::<(), _>(Error::invalid("changed its mind"))
    });
    let (failed, appended) = tokio::join!(failing, store.append(&lease, idle_run(1, 0)));
    assert_eq!(failed.expect_err("failed").to_string(), "changed its mind");
    appended.expect("appended");
    store.release(&lease).await.expect("released");
    assert_eq!(crate::store::tests::fixture::lease(&store).await.epoch, 2);
}

#[tokio::test]
async fn answers_nothing_from_a_full_disk_and_goes_on_when_there_is_room() {
    let (_directory, _path, store) = made();
    let lease = lease(&store).await;
    store.append(&lease, idle_run(1, 0)).await.expect("appended");
    limit_pages(&store, "(SELECT page_count + 4 FROM pragma_page_count)").await.expect("set");
    let error = store.append(&lease, idle_run(2, 1000)).await.expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::Limited);
    assert!(error.to_string().starts_with("the disk of the store is full; nothing was recorded"), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(count(&store).await, 1);
    assert_eq!(store.runs().await.expect("read").len(), 1);
    store.append(&lease, idle_run(3, 0)).await.expect("a small one has room");
    limit_pages(&store, "1000000").await.expect("set");
    let entries = store.append(&lease, idle_run(2, 1000)).await.expect("there is room");
    assert_eq!((entries[0].seq, count(&store).await), (3, 1003));
    assert_eq!(store.verify().await.expect("read").problem, None);
}

async fn limit_pages(store: &SqliteStore, pages: &'static str) -> Result<()> {
    let limit = move |tables: &super::Tables<'_>| {
        let pages: i64 = tables.0.query_row(&format!("SELECT {pages}"), [], |row| row.get(0)).expect("a number");
        tables.0.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0)).expect("set");
        Ok(())
    };
    store.writer.run(limit).await
}

/// A constraint that is looked at when the transaction ends makes the commit itself fail, as a dying disk does.
#[tokio::test]
async fn answers_nothing_when_the_commit_fails() {
    let (_directory, path, store) = made();
    let lease = lease(&store).await;
    let trap = "CREATE TABLE broken (run TEXT REFERENCES runs (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER trap AFTER INSERT ON records BEGIN INSERT INTO broken VALUES ('nowhere'); END;";
    raw(&path).execute_batch(trap).expect("set");
    let (one, other) = tokio::join!(store.append(&lease, idle_run(1, 0)), store.append(&lease, idle_run(2, 0)));
    assert!(one.is_err() && other.is_err(), "{one:?} {other:?}");
    assert_eq!(count(&store).await, 0);
    assert_eq!(store.runs().await.expect("read"), []);
    raw(&path).execute_batch("DROP TRIGGER trap").expect("unset");
    assert_eq!(store.append(&lease, idle_run(1, 0)).await.expect("appended")[0].seq, 1);
    assert_eq!(store.runs().await.expect("read")[0].id, run(1));
}
