//! The released format: a store that was written once must open, and the same life must be written the same way.
//!
//! `PROVISIONING_WRITE_GOLDEN=1 cargo test -p provisioning-core golden` writes the file anew, which is right only
//! before a release of the format; afterwards a new format gets a file of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::{made, raw};
use crate::name::ResourceName;
use crate::record::Outcome;
use crate::store::tests::fixture::{Counted, at, first_plan, idle_run, large_plan, live, run};
use crate::store::{Holder, Leases, Log, Opening, Range, SqliteStore, State};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/store-v1-packed.sql");
/// A packed plan; another version of who packs may pack it otherwise, and it is read all the same.
const PACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/plan-v1.lz4");
/// Of before a plan's results were kept beside it.
const BEFORE_RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/store-v1.sql");
/// Of before large plans were packed.
const BEFORE_PACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/store-v1-results.sql");

#[tokio::test]
async fn a_golden_store_opens_verifies_and_goes_on() {
    for golden in [BEFORE_RESULTS, BEFORE_PACKED, GOLDEN] {
        goes_on(golden).await;
    }
}

async fn goes_on(golden: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let dump = fs::read_to_string(golden).expect("the golden file is there");
    raw(&path).execute_batch(&dump).expect("the dump loads");
    let store = SqliteStore::open(&path, Opening::Existing).expect("it opens");
    let verified = store.verify().await.expect("read");
    assert_eq!((verified.entries, verified.problem), (27, None));
    let rows = store.rows().await.expect("read");
    assert_eq!(rows.keys().map(ResourceName::as_str).collect::<Vec<_>>(), ["volume", "web"]);
    let runs = store.runs().await.expect("read");
    assert_eq!((runs[0].id.clone(), runs[0].outcome), (run(1), Some(Outcome::Completed)));
    assert_eq!(store.plan(&runs[0].plan).await.expect("kept"), first_plan());
    assert_eq!(store.results(&runs[0].plan).await.expect("kept"), first_plan().results());
    let lease = store.acquire(&Holder::this_process(), at(9999), Duration::from_mins(1)).await.expect("it is free");
    assert_eq!(lease.epoch, 2);
    assert_eq!(store.append(&lease, idle_run(3, 0)).await.expect("appended")[0].seq, 28);
    assert_eq!(store.entries(Range { after: 27, ..Range::default() }).await.expect("read").len(), 1);
}

#[tokio::test]
async fn a_plan_that_was_packed_once_is_read() {
    let (_directory, path, store) = made();
    let plan = large_plan();
    if std::env::var_os("PROVISIONING_WRITE_GOLDEN").is_some() {
        store.save_plan(&plan).await.expect("kept");
        let packed: Vec<u8> = raw(&path).query_row("SELECT body FROM packed", [], |row| row.get(0)).expect("it is packed");
        fs::write(PACKED, packed).expect("written");
    }
    let packed = fs::read(PACKED).expect("the golden file is there");
    let sql = "INSERT OR REPLACE INTO packed (plan, body) VALUES (?1, ?2)";
    raw(&path).execute(sql, params![plan.hash().as_str(), packed]).expect("put there");
    assert_eq!(store.plan(&plan.hash()).await.expect("read"), plan);
}

#[tokio::test]
async fn a_store_has_the_second_format_with_its_first_packed_plan() {
    let (_directory, path, store) = made();
    let format = || raw(&path).pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).expect("a number");
    store.save_plan(&first_plan()).await.expect("kept");
    assert_eq!(format(), 1);
    store.save_plan(&large_plan()).await.expect("kept");
    assert_eq!(format(), 2);
    drop(store);
    let store = SqliteStore::open(&path, Opening::Existing).expect("it opens");
    assert_eq!(store.plan(&large_plan().hash()).await.expect("kept"), large_plan());
}

#[tokio::test]
async fn the_golden_life_is_written_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, Opening::OrCreate(&Counted::default())).expect("a store");
    let holder = Holder { host: "golden".into(), boot: "boot".into(), pid: 1, namespace: String::new(), started: 2 };
    let lease = store.acquire(&holder, at(0), Duration::from_mins(1)).await.expect("free");
    live(&store, &lease).await;
    drop(store);
    let written = dump(&path);
    if std::env::var_os("PROVISIONING_WRITE_GOLDEN").is_some() {
        fs::write(GOLDEN, &written).expect("written");
    }
    let golden = fs::read_to_string(GOLDEN).expect("the golden file is there");
    for (line, (was, is)) in golden.lines().zip(written.lines()).enumerate() {
        assert_eq!(was, is, "line {}", line + 1);
    }
    assert_eq!(golden, written);
}

/// The statements that make the database again.
fn dump(path: &Path) -> String {
    let connection = raw(path);
    let mut text = String::new();
    for pragma in ["application_id", "user_version"] {
        let value: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0)).expect("a number");
        writeln!(text, "PRAGMA {pragma} = {value};").expect("written");
    }
    let tables = pairs(&connection, "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY rowid");
    for (table, sql) in tables {
        writeln!(text, "{sql};").expect("written");
        let columns = pairs(&connection, &format!("SELECT name, type FROM pragma_table_info('{table}')"));
        let quoted: Vec<_> = columns.iter().map(|(column, _)| format!("quote({column})")).collect();
        let sql = format!("SELECT {}, '' FROM {table} ORDER BY rowid", quoted.join(" || ', ' || "));
        for (values, _) in pairs(&connection, &sql) {
            writeln!(text, "INSERT INTO {table} VALUES ({values});").expect("written");
        }
    }
    text
}

fn pairs(connection: &Connection, sql: &str) -> Vec<(String, String)> {
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<rusqlite::Result<_>>().expect("texts")
}
