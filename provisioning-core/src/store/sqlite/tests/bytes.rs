//! A small journal with each of its bytes changed and its files cut at each place: the check names what is wrong, or what is
//! there is how the journal once was.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::{Opening, SqliteStore, contents, made, raw};
use crate::error::ErrorKind;
use crate::plan::Plan;
use crate::record::Entry;
use crate::store::tests::fixture::{at, first_plan, first_run, lease, live, second_plan};
use crate::store::{Leases, Log, Range, State};

/// A column of texts, and the one that says whose they are.
struct Column {
    table: &'static str,
    key: &'static str,
    name: &'static str,
}

const fn column(table: &'static str, key: &'static str, name: &'static str) -> Column {
    Column { table, key, name }
}

/// A text in the file.
struct Text {
    row: i64,
    key: String,
    bytes: Vec<u8>,
}

impl Column {
    fn texts(&self, other: &Connection) -> Vec<Text> {
        let Self { table, key, name } = self;
        let sql = format!("SELECT rowid, CAST({key} AS TEXT), CAST({name} AS BLOB) FROM {table} ORDER BY rowid");
        let mut statement = other.prepare(&sql).expect("a statement");
        let text = |row: &rusqlite::Row<'_>| Ok(Text { row: row.get(0)?, key: row.get(1)?, bytes: row.get(2)? });
        let texts = statement.query_map([], text).and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
        texts.expect("texts")
    }

    fn write(&self, other: &Connection, row: i64, bytes: &[u8]) {
        let sql = format!("UPDATE {} SET {} = CAST(?1 AS TEXT) WHERE rowid = ?2", self.table, self.name);
        assert_eq!(other.execute(&sql, params![bytes, row]).expect("written"), 1);
    }

    /// What the check may say when a text of this column was changed.
    fn names(&self, key: &str, problem: &str) -> bool {
        let begins = |with: &str| problem.starts_with(with);
        match self.table {
            "records" => begins(&format!("record {key} ")),
            // What is filed under another name or cannot be read has no better name than that.
            "state" => begins("the state of `"),
            "runs" => begins("the summary of "),
            "plans" => begins("record ") && problem.contains(" plan"),
            _ => begins("record 1 was changed: "),
        }
    }
}

/// What a store says of everything, and its plans but for the time they were made, which their hashes leave out.
async fn everything(store: &SqliteStore) -> String {
    let mut plans = Vec::new();
    for hash in [first_plan().hash(), second_plan().hash()] {
        plans.push(Plan { created_at: at(0), ..store.plan(&hash).await.expect("readable") });
    }
    format!("{} {plans:?}", contents(store).await)
}

/// Changes each byte of a column, and says how many there are and how many mean nothing: then what is read is the same, as
/// with the name of a field that has its default.
async fn change(column: &Column, path: &Path, store: &SqliteStore) -> (usize, usize) {
    let (other, before) = (raw(path), everything(store).await);
    let (mut changed, mut without_meaning) = (0, 0);
    for Text { row, key, bytes } in column.texts(&other) {
        for place in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[place] ^= 1 << (place % 8);
            column.write(&other, row, &wrong);
            changed += 1;
            // Whose it is a store reads when it is opened.
            let opened = match (column.table == "meta").then(|| SqliteStore::open(path, Opening::Existing)) {
                Some(Err(error)) if error.kind() == ErrorKind::Corrupt => continue,
                opened => opened.transpose().expect("a store, or a damaged one"),
            };
            let store = opened.as_ref().unwrap_or(store);
            if let Some(problem) = store.verify().await.expect("read").problem {
                assert!(column.names(&key, &problem), "{} of {key}, byte {place}: {problem}", column.name);
            } else {
                assert_eq!(everything(store).await, before, "{} of {key}, byte {place}", column.name);
                without_meaning += 1;
            }
        }
        column.write(&other, row, &bytes);
    }
    (changed, without_meaning)
}

#[tokio::test]
async fn names_what_every_changed_byte_belongs_to() {
    let columns = [
        column("records", "seq", "run"),
        column("records", "seq", "body"),
        column("records", "seq", "hash"),
        column("state", "name", "name"),
        column("state", "name", "body"),
        column("runs", "id", "id"),
        column("runs", "id", "body"),
        column("plans", "hash", "hash"),
        column("plans", "hash", "body"),
        column("meta", "workspace", "workspace"),
    ];
    let (_directory, path, store) = made();
    let lease = lease(&store).await;
    live(&store, &lease).await;
    for column in columns {
        let (changed, without_meaning) = change(&column, &path, &store).await;
        println!("{}.{}: {changed} bytes changed, {without_meaning} of them mean nothing", column.table, column.name);
        assert!(changed > without_meaning * 2, "too much of it means nothing");
        assert_eq!(store.verify().await.expect("read").problem, None, "put back");
    }
}

/// The places of a run's entries decide what of it is read when it is taken up again.
#[tokio::test]
async fn names_a_run_whose_entries_are_said_to_lie_elsewhere() {
    let (_directory, path, store) = made();
    let lease = lease(&store).await;
    live(&store, &lease).await;
    let other = raw(&path);
    for (wrong, right) in [("first = first + 1", "first = first - 1"), ("last = last - 1", "last = last + 1")] {
        other.execute(&format!("UPDATE runs SET {wrong} WHERE first < 3"), []).expect("changed");
        let problem = store.verify().await.expect("read").problem.expect("something is wrong");
        assert!(problem.ends_with("is not what the journal leads to"), "{wrong}: {problem}");
        other.execute(&format!("UPDATE runs SET {right} WHERE first < 3"), []).expect("put back");
        assert_eq!(store.verify().await.expect("read").problem, None, "{right}");
    }
}

/// Lengths in steps, and one more and one less around every border of a page or a frame.
fn lengths(whole: usize, header: usize, page: usize) -> Vec<usize> {
    let borders = (header..=whole).step_by(page).flat_map(|border| [border.saturating_sub(1), border, border + 1]);
    let mut lengths: Vec<_> = (0..whole).step_by(512).chain(borders).filter(|length| *length < whole).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// What came of the stores that were cut.
#[derive(Debug, Default)]
struct Cuts {
    refused: usize,
    damaged: usize,
    shorter: usize,
    same: usize,
}

impl Cuts {
    /// Opens what is left of a store, which once had these entries.
    async fn look(&mut self, files: &[(&str, &[u8])], entries: &[Entry]) {
        let directory = TempDir::new().expect("a directory");
        for (name, bytes) in files {
            fs::write(directory.path().join(name), bytes).expect("written");
        }
        let sizes: Vec<_> = files.iter().map(|(name, bytes)| (name, bytes.len())).collect();
        let store = match SqliteStore::open(&directory.path().join("store.db"), Opening::Existing) {
            Ok(store) => store,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{sizes:?}: {error}");
                self.refused += 1;
                return;
            }
        };
        let verified = store.verify().await.expect("what is damaged is told");
        if verified.problem.is_some() {
            self.damaged += 1;
            return;
        }
        let left = store.entries(Range::default()).await.expect("read");
        assert_eq!(left, entries[..left.len()], "{sizes:?}");
        assert_eq!(verified.entries, left.len() as u64, "{sizes:?}");
        if left.len() == entries.len() { self.same += 1 } else { self.shorter += 1 }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("there")
}

#[tokio::test]
async fn a_file_that_was_cut_is_damaged_or_how_it_once_was() {
    let (_directory, path, store) = made();
    let lease = lease(&store).await;
    store.save_plan(&first_plan()).await.expect("kept");
    for draft in first_run() {
        store.append(&lease, vec![draft]).await.expect("appended");
    }
    let entries = store.entries(Range::default()).await.expect("read");
    let (file, log) = (read(&path), read(&path.with_extension("db-wal")));
    let (mut of_the_file, mut of_the_log) = (Cuts::default(), Cuts::default());
    for length in lengths(file.len(), 0, 4096) {
        of_the_file.look(&[("store.db", &file[..length]), ("store.db-wal", &log)], &entries).await;
    }
    for length in lengths(log.len(), 32, 4096 + 24) {
        of_the_log.look(&[("store.db", &file), ("store.db-wal", &log[..length])], &entries).await;
    }
    store.release(&lease).await.expect("released");
    drop(store);
    let (whole, mut of_the_whole) = (read(&path), Cuts::default());
    assert!(!path.with_extension("db-wal").exists(), "the log was moved into the file");
    for length in lengths(whole.len(), 0, 4096) {
        of_the_whole.look(&[("store.db", &whole[..length])], &entries).await;
    }
    println!("file beside a log: {of_the_file:?}\nlog: {of_the_log:?}\nfile alone: {of_the_whole:?}");
    assert!(of_the_log.shorter > 0 && of_the_file.refused > 0 && of_the_whole.refused + of_the_whole.damaged > 0);
    // Its last page may be one that ends in nothing.
    assert!(of_the_whole.shorter == 0 && of_the_whole.same < 16, "a file that ends early was taken for a whole one");
}
