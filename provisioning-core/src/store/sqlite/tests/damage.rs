//! Damage: whatever is changed behind the store's back, the check names it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::{SqliteStore, made, raw};
use crate::digest::Digest;
use crate::error::ErrorKind;
use crate::plan::Plan;
use crate::record::Outcome;
use crate::store::tests::fixture::{Script, first_plan, large_plan, lease, live, run};
use crate::store::{Lease, Log, Range, State};

/// A store with two runs, and a second way to its file.
async fn lived() -> (TempDir, SqliteStore, Connection) {
    let (directory, store, _, other) = lived_on().await;
    (directory, store, other)
}

/// The same, to go on with.
async fn lived_on() -> (TempDir, SqliteStore, Lease, Connection) {
    let (directory, path, store): (_, PathBuf, _) = made();
    let lease = lease(&store).await;
    live(&store, &lease).await;
    let other = raw(&path);
    (directory, store, lease, other)
}

async fn problem(store: &SqliteStore) -> String {
    store.verify().await.expect("read").problem.expect("something is wrong")
}

#[tokio::test]
async fn names_the_record_of_which_a_byte_was_changed() {
    let (_directory, store, other) = lived().await;
    for seq in [1, 4, 9, 25] {
        let body: String = other.query_row("SELECT body FROM records WHERE seq = ?1", [seq], |row| row.get(0)).expect("there");
        let write = |bytes: &[u8]| {
            let sql = "UPDATE records SET body = CAST(?1 AS TEXT) WHERE seq = ?2";
            assert_eq!(other.execute(sql, params![bytes, seq]).expect("written"), 1);
        };
        for place in 0..body.len() {
            let mut bytes = body.clone().into_bytes();
            bytes[place] ^= if place % 2 == 0 { 0x01 } else { 0x80 };
            write(&bytes);
            let expected = format!("record {seq} was changed: its hash does not follow from the one before");
            assert_eq!(problem(&store).await, expected, "byte {place}");
        }
        write(body.as_bytes());
        assert_eq!(store.verify().await.expect("read").problem, None, "put back");
    }
}

#[tokio::test]
async fn names_what_else_was_changed() {
    let cases = [
        ("DELETE FROM records WHERE seq = 5", "record 5 is missing: the next one is record 6"),
        ("DELETE FROM records WHERE seq > 26", "the summary of run `RUN-0002` is not what the journal leads to"),
        ("DELETE FROM records", "the state of `volume` is in no record"),
        ("UPDATE records SET run = 'other' WHERE seq = 3", "record 3 belongs to run `RUN-0001`, not to `other`"),
        (
            "UPDATE records SET hash = replace(hash, substr(hash, 9, 1), '!') WHERE seq = 7",
            "record 7 was changed: its hash does not follow from the one before",
        ),
        ("DELETE FROM state WHERE name = 'web'", "the state of `web` is missing"),
        ("UPDATE state SET name = 'disk' WHERE name = 'web'", "the state of `disk` is filed under another name or version"),
        ("UPDATE state SET version = 3 WHERE name = 'web'", "the state of `web` is filed under another name or version"),
        ("UPDATE state SET body = replace(body, 'web-2', 'web-9')", "the state of `web` is not what the journal leads to"),
        ("UPDATE state SET body = substr(body, 2) WHERE name = 'web'", "the state of `web` cannot be read: "),
        ("UPDATE runs SET body = replace(body, '\"failed\":1', '\"failed\":0')", "the summary of run `RUN-0001` is not"),
        ("DELETE FROM runs WHERE first = 1", "the summary of run `RUN-0001` is missing"),
        ("DELETE FROM plans", "record 2: there is no plan `"),
        ("UPDATE plans SET body = replace(body, '\"unchanged\":3', '\"unchanged\":4')", "record 2: the plan `"),
    ];
    for (sql, expected) in cases {
        let (_directory, store, other) = lived().await;
        assert_ne!(other.execute(sql, []).expect(sql), 0, "{sql}");
        let expected = expected.replace("RUN-0001", run(1).as_str()).replace("RUN-0002", run(2).as_str());
        let problem = problem(&store).await;
        assert!(problem.starts_with(&expected), "{sql}: {problem}");
    }
}

#[tokio::test]
async fn names_an_unreadable_record_in_an_intact_chain() {
    let (_directory, store, other) = lived().await;
    let last: (i64, String) = other
        .query_row("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("there");
    let run = run(2);
    let body = format!(r#"{{"seq":{},"run":"{run}","at":"now"}}"#, last.0 + 1);
    let hash = Digest::chained(&Digest::from(last.1.as_str()), body.as_bytes());
    let values = params![last.0 + 1, run.as_str(), body, hash.as_str()];
    other.execute("INSERT INTO records (seq, run, body, hash) VALUES (?1, ?2, ?3, ?4)", values).expect("written");
    let found = problem(&store).await;
    assert!(found.starts_with(&format!("record {} cannot be read: ", last.0 + 1)), "{found}");
    let error = store.entries(Range::default()).await.expect_err("not readable");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Corrupt, found));
}

#[tokio::test]
async fn refuses_a_plan_with_another_hash() {
    let (_directory, store, other) = lived().await;
    other.execute("UPDATE plans SET body = replace(body, '\"unchanged\":3', '\"unchanged\":4')", []).expect("changed");
    let error = store.plan(&first_plan().hash()).await.expect_err("changed");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_large_plan_is_packed_and_refused_when_it_was_changed() {
    let (_directory, store, lease, other) = lived_on().await;
    let plan = large_plan();
    let hash = store.save_plan(&plan).await.expect("kept");
    assert_eq!(store.save_plan(&plan).await.expect("kept already"), hash);
    assert_eq!(store.plan(&hash).await.expect("kept"), plan);
    let one = "SELECT body FROM packed WHERE plan = ?1";
    let packed: Vec<u8> = other.query_row(one, [hash.as_str()], |row| row.get(0)).expect("it is packed");
    let text = serde_json::to_vec(&plan).expect("it serialises");
    assert!(packed.len() * 10 < text.len(), "{} of {} bytes", packed.len(), text.len());

    let mut third = Script::new(run(3), plan.clone(), BTreeMap::new());
    store.append(&lease, third.done("web-0/create", Some("web-0")).finish(Outcome::Failed)).await.expect("appended");
    assert_eq!(store.verify().await.expect("read").problem, None);

    let changed = |place: usize| {
        let mut bytes = packed.clone();
        bytes[place] ^= 1 << (place % 8);
        bytes
    };
    let with_length = |length: u32| [&length.to_le_bytes(), &packed[4..]].concat();
    let one_more = u32::try_from(text.len() + 1).expect("it fits");
    let lengths = [0, one_more - 2, one_more, u32::MAX].map(with_length);
    let damaged = (0..packed.len()).step_by(29).map(changed).chain(lengths).chain([packed[..9].to_vec(), Vec::new()]);
    for bytes in damaged {
        other.execute("UPDATE packed SET body = ?1", params![bytes]).expect("written");
        match store.plan(&hash).await {
            // When it was made is left out of the hash.
            Ok(read) => assert_eq!(Plan { created_at: plan.created_at, ..read }, plan),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                assert!(error.to_string().contains(hash.short()), "{error}");
                assert!(problem(&store).await.starts_with("record 29: "), "{error}");
            }
        }
    }
    let error = store.plan(&hash).await.expect_err("nothing is left of it");
    assert!(error.to_string().starts_with(&format!("the plan `{}` cannot be read: ", hash.short())), "{error}");
}

#[tokio::test]
async fn a_large_plan_that_was_kept_as_it_is_stays_so() {
    let (_directory, store, _lease, other) = lived_on().await;
    let plan = large_plan();
    let (hash, text) = (plan.hash(), serde_json::to_string(&plan).expect("it serialises"));
    other.execute("INSERT INTO plans (hash, body) VALUES (?1, ?2)", params![hash.as_str(), text]).expect("written");
    assert_eq!(store.save_plan(&plan).await.expect("kept already"), hash);
    let packed: i64 = other.query_row("SELECT count(*) FROM packed", [], |row| row.get(0)).expect("counted");
    assert_eq!((packed, store.plan(&hash).await.expect("kept")), (0, plan));
}

#[tokio::test]
async fn names_results_that_are_not_those_of_their_plan() {
    let (_directory, store, other) = lived().await;
    other.execute(r#"UPDATE results SET body = '{"outputs":{},"lookups":{},"reads":{"web/read":"web"}}'"#, []).expect("changed");
    assert!(problem(&store).await.contains("gives back was changed"));
}
