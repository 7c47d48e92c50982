//! What every store must do; the same suite for each of them.
//!
//! What only a file can do wrong is tested beside `SqliteStore`.

pub(crate) mod fixture;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fixture::{Counted, at, first_plan, first_run, idle_run, lease, live, name, run, second_plan};

use super::{Draft, Holder, Identity, MAX_RECORD_BYTES, MemoryStore, Opening, Range, SqliteStore, Store};
use crate::digest::Digest;
use crate::error::ErrorKind;
use crate::name::ResourceName;
use crate::record::{Entry, Fact, Outcome, Record};
use crate::value::{Secret, Value};

const HOUR: Duration = Duration::from_hours(1);

macro_rules! suite {
    ($($test:ident)*) => {
        mod memory {
            use super::*;

            $(#[tokio::test]
            async fn $test() {
                super::$test(Arc::new(MemoryStore::new(Identity::fresh(&Counted::default())))).await;
            })*
        }

        mod sqlite {
            use super::*;

            $(#[tokio::test]
            async fn $test() {
                let directory = tempfile::tempdir().expect("a directory");
                let path = directory.path().join("store.db");
                let store = SqliteStore::open(&path, Opening::OrCreate(&Counted::default())).expect("a store");
                super::$test(Arc::new(store)).await;
            })*
        }
    };
}

suite! {
    gives_back_what_was_appended
    reads_one_run_in_pages
    refuses_an_append_under_an_older_epoch
    refuses_an_append_after_the_release
    gives_the_lease_to_nobody_else_while_it_is_held
    gives_an_expired_lease_to_the_next
    gives_the_lease_of_a_dead_process_to_the_next
    renews_only_the_present_lease
    keeps_concurrent_appends_apart
    summarises_runs
    keeps_plans_under_their_hashes
    keeps_the_rows_that_records_lead_to
    verifies_a_whole_life
    finds_a_row_that_no_record_explains
    finds_a_record_that_cannot_follow
    refuses_what_must_not_be_written
}

async fn gives_back_what_was_appended(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    let drafts = first_run();
    let appended = store.append(&lease, drafts.clone()).await.expect("appended");
    let read = store.entries(Range::default()).await.expect("read");
    assert_eq!(appended.iter().map(|entry| entry.as_ref().clone()).collect::<Vec<_>>(), read);
    assert_eq!(read.iter().map(|entry| entry.record.clone()).collect::<Vec<_>>(), records(&drafts));
    assert!(read.iter().zip(1..).all(|(entry, seq)| entry.seq == seq), "{read:?}");
    let plan = first_plan().hash();
    let body = format!(r#"{{"seq":1,"run":"{}","at":"{}","run_started":{{"plan":"{plan}","command":"apply"}}}}"#, run(1), at(1));
    let start = Digest::of(store.identity().workspace.as_str().as_bytes());
    assert_eq!(read[0].hash, Digest::chained(&start, body.as_bytes()), "the chain is part of the format");
    assert_ne!(read[1].hash, read[2].hash);
}

async fn reads_one_run_in_pages(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    for part in [idle_run(1, 1), idle_run(2, 2), idle_run(1, 2)] {
        store.append(&lease, part).await.expect("appended");
    }
    let seqs = async |run, after, limit| {
        let range = Range { run, after, limit };
        store.entries(range).await.expect("read").iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(None, 0, 0).await, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(seqs(None, 6, 1).await, [7]);
    assert_eq!(seqs(Some(run(1)), 0, 0).await, [1, 2, 6, 7, 8]);
    assert_eq!(seqs(Some(run(1)), 1, 2).await, [2, 6]);
    assert_eq!(seqs(Some(run(9)), 0, 0).await, [0; 0]);
    assert_eq!(seqs(None, 99, 0).await, [0; 0]);
}

async fn refuses_an_append_under_an_older_epoch(store: Arc<dyn Store>) {
    let old = lease(&*store).await;
    store.append(&old, idle_run(1, 0)).await.expect("appended");
    let new = store.acquire(&Holder::this_process(), at(7200), HOUR).await.expect("expired");
    let error = store.append(&old, first_run()).await.expect_err("fenced");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().starts_with("another process took the workspace over"), "{error}");
    assert_eq!(store.entries(Range::default()).await.expect("read").len(), 1);
    assert!(store.rows().await.expect("read").is_empty());
    assert_eq!(store.append(&new, idle_run(2, 0)).await.expect("appended")[0].seq, 2);
}

async fn refuses_an_append_after_the_release(store: Arc<dyn Store>) {
    let old = lease(&*store).await;
    store.release(&old).await.expect("released");
    assert_eq!(store.append(&old, idle_run(1, 0)).await.expect_err("refused").kind(), ErrorKind::Conflict);
    store.release(&old).await.expect("releasing twice is a success");
    let new = lease(&*store).await;
    assert_eq!(new.epoch, old.epoch + 1);
    store.release(&old).await.expect("a success");
    assert_eq!(store.holder().await.expect("read"), Some(new), "an old lease gives up nothing");
}

async fn gives_the_lease_to_nobody_else_while_it_is_held(store: Arc<dyn Store>) {
    let held = lease(&*store).await;
    let error = store.acquire(&held.holder, at(60), HOUR).await.expect_err("two runs in one process");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.to_string(), format!("the workspace is held by {} since {}", held.holder, at(0)));
    assert!(error.hint().expect("a hint").contains("provisioning status"));
    assert_eq!(store.holder().await.expect("read"), Some(held));
}

async fn gives_an_expired_lease_to_the_next(store: Arc<dyn Store>) {
    let first = lease(&*store).await;
    assert!(store.acquire(&Holder::this_process(), at(3599), HOUR).await.is_err());
    let second = store.acquire(&Holder::this_process(), at(3600), HOUR).await.expect("expired");
    assert_eq!((first.epoch, second.epoch, second.expires_at), (1, 2, at(7200)));
}

async fn gives_the_lease_of_a_dead_process_to_the_next(store: Arc<dyn Store>) {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("a process");
    let holder = Holder::of(child.id());
    store.acquire(&holder, at(0), HOUR).await.expect("free");
    assert!(store.acquire(&Holder::this_process(), at(1), HOUR).await.is_err(), "it lives");
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(store.acquire(&Holder::this_process(), at(1), HOUR).await.expect("dead").epoch, 2);
}

async fn renews_only_the_present_lease(store: Arc<dyn Store>) {
    let first = lease(&*store).await;
    let renewed = store.renew(&first, at(1800), HOUR).await.expect("renewed");
    assert_eq!((renewed.epoch, renewed.acquired_at, renewed.expires_at), (1, at(0), at(5400)));
    assert_eq!(store.holder().await.expect("read"), Some(renewed));
    assert!(store.append(&first, idle_run(1, 0)).await.is_ok(), "the epoch counts, not the end");
    store.acquire(&Holder::this_process(), at(5400), HOUR).await.expect("expired");
    assert_eq!(store.renew(&first, at(5401), HOUR).await.expect_err("taken").kind(), ErrorKind::Conflict);
}

async fn keeps_concurrent_appends_apart(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    let appender = |number| {
        let (store, lease) = (store.clone(), lease.clone());
        tokio::spawn(async move {
            let mut batches = Vec::new();
            for _ in 0..20 {
                let entries = store.append(&lease, idle_run(number, 2)).await.expect("appended");
                batches.push(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
            }
            batches
        })
    };
    let (one, other) = (appender(1), appender(2));
    let mut batches = [one.await.expect("done"), other.await.expect("done")].concat();
    assert!(batches.iter().all(|batch| batch.windows(2).all(|pair| pair[1] == pair[0] + 1)), "{batches:?}");
    batches.sort();
    assert_eq!(batches.concat(), (1..=120).collect::<Vec<_>>());
    assert_eq!(store.verify().await.expect("read").problem, None);
}

async fn summarises_runs(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    let hash = live(&*store, &lease).await;
    let runs = store.runs().await.expect("read");
    assert_eq!(runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>(), [run(1), run(2)]);
    assert_eq!((runs[0].succeeded, runs[0].failed, runs[0].outcome), (4, 1, Some(Outcome::Completed)));
    assert_eq!((runs[1].succeeded, runs[1].plan.clone(), runs[1].outcome), (3, hash, Some(Outcome::Failed)));
    let [first, .., last] = &first_run()[..] else { panic!("a run has records") };
    assert_eq!((runs[0].started_at, runs[0].updated_at), (first.record.at, last.record.at));
}

async fn keeps_plans_under_their_hashes(store: Arc<dyn Store>) {
    let plan = first_plan();
    let hash = store.save_plan(&plan).await.expect("kept");
    assert_eq!(hash, plan.hash());
    assert_eq!(store.save_plan(&plan).await.expect("kept already"), hash);
    assert_eq!(store.plan(&hash).await.expect("there"), plan);
    let error = store.plan(&second_plan().hash()).await.expect_err("never saved");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

async fn keeps_the_rows_that_records_lead_to(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    live(&*store, &lease).await;
    let rows = store.rows().await.expect("read");
    assert_eq!(rows.keys().map(ResourceName::as_str).collect::<Vec<_>>(), ["volume", "web"]);
    let identified = store.entries(Range { run: Some(run(2)), ..Range::default() }).await.expect("read")[8].seq;
    let web = &rows[&name("web")];
    assert_eq!((web.version, web.tainted, web.deposed[0].id.as_str()), (identified, true, "web-1"));
    assert_eq!(web.inputs.field("third"), Some(&Value::Float(1.0 / 3.0)));
}

async fn verifies_a_whole_life(store: Arc<dyn Store>) {
    let empty = store.verify().await.expect("read");
    assert_eq!((empty.entries, empty.head, empty.problem), (0, None, None));
    let lease = lease(&*store).await;
    live(&*store, &lease).await;
    // More entries than a page of the check.
    store.append(&lease, idle_run(3, 1000)).await.expect("appended");
    let verified = store.verify().await.expect("read");
    let last = last(&*store).await;
    assert_eq!((verified.entries, verified.head, verified.problem), (last.seq, Some(last.hash), None));
}

async fn finds_a_row_that_no_record_explains(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    store.save_plan(&first_plan()).await.expect("kept");
    let mut drafts = first_run();
    // The last record that touches `key` forgets to write its row.
    drafts.iter_mut().rev().find(|draft| !draft.rows.is_empty()).expect("a row").rows.clear();
    store.append(&lease, drafts).await.expect("appended");
    let problem = store.verify().await.expect("read").problem;
    assert_eq!(problem.as_deref(), Some("the state of `key` is missing"));
}

async fn finds_a_record_that_cannot_follow(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    store.save_plan(&first_plan()).await.expect("kept");
    let mut drafts = first_run();
    drafts.remove(1);
    store.append(&lease, drafts).await.expect("appended");
    let problem = store.verify().await.expect("read").problem.expect("found");
    assert!(problem.starts_with("record 2: a step that is Pending cannot be recorded as succeeded"), "{problem}");
}

async fn refuses_what_must_not_be_written(store: Arc<dyn Store>) {
    let lease = lease(&*store).await;
    let with = |inputs: Value| {
        let mut drafts = first_run();
        let Fact::Step { fact, .. } = &mut drafts[1].record.fact else { panic!("a step") };
        *fact = crate::record::StepFact::Started { attempt: 1, inputs };
        drafts
    };
    let secret = with(Value::Secret(Secret::new("hunter2".into())));
    assert_eq!(store.append(&lease, secret).await.expect_err("a secret").kind(), ErrorKind::Bug);
    let error = store.append(&lease, with("x".repeat(MAX_RECORD_BYTES).into())).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Limited);
    assert!(error.to_string().starts_with("a record of step `image/read` takes 16777"), "{error}");
    let error = store.append(&lease, first_run().split_off(1)).await.expect_err("no start");
    assert_eq!(error.kind(), ErrorKind::Bug);
    assert_eq!(store.entries(Range::default()).await.expect("read"), []);
    assert_eq!(store.runs().await.expect("read"), []);
}

fn records(drafts: &[Draft]) -> Vec<Record> {
    drafts.iter().map(|draft| draft.record.clone()).collect()
}

async fn last(store: &dyn Store) -> Entry {
    store.entries(Range::default()).await.expect("read").pop().expect("an entry")
}
