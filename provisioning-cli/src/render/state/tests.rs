//! Rows, statuses and runs made by hand, and what a person reads of them.

use provisioning_core::clock::Timestamp;
use provisioning_core::digest::Digest;
use provisioning_core::error::{ErrorKind, Failure};
use provisioning_core::journal;
use provisioning_core::name::{Kind, ProviderName, RunId, StepId};
use provisioning_core::record::Object;
use provisioning_core::resource::Lifecycle;
use provisioning_core::store::{Holder, Lease};

use super::super::plain;
use super::*;

fn run_id() -> RunId {
    RunId::parse("20261122-051522-3fa9").expect("a run")
}

fn web() -> StateRow {
    let outputs = Value::map([("address", Value::from("10.0.0.2")), ("id", "srv-1".into())]);
    StateRow {
        name: ResourceName::parse("web").expect("a name"),
        kind: Kind::parse("server").expect("a kind"),
        role: Role::Managed { provider: ProviderName::parse("eu").expect("an alias") },
        written: Value::Null,
        inputs: Value::map([("plan", Value::from("2xCPU-4GB"))]),
        object: Some(Object { id: "srv-1".into(), outputs }),
        deposed: vec![],
        tainted: true,
        inconsistent: None,
        depends_on: vec![ResourceName::parse("net").expect("a name")],
        lifecycle: Lifecycle::default(),
        run: run_id(),
        version: 3,
    }
}

fn last_run(outcome: Option<Outcome>) -> RunSummary {
    RunSummary {
        id: run_id(),
        command: "apply".into(),
        undoes: None,
        plan: Digest::of(b"a plan"),
        started_at: Timestamp::from_millis(1_795_324_522_000),
        updated_at: Timestamp::from_millis(1_795_324_525_100),
        outcome,
        succeeded: 5,
        failed: 1,
    }
}

#[test]
fn the_state_is_a_table() {
    let all = BTreeMap::from([(web().name, web())]);
    assert_eq!(rows(&all), "NAME  KIND    BY  ID     CONDITION\nweb   server  eu  srv-1  tainted\n");
    assert_eq!(rows(&BTreeMap::new()), "The state is empty: nothing was applied yet, or all of it was removed.\n");
}

#[test]
fn one_resource_shows_what_it_was_given_and_what_it_gives() {
    let expect = "server web
  id          srv-1
  by          eu
  condition   tainted
  depends on  net
  last run    20261122-051522-3fa9
  inputs
    plan  \"2xCPU-4GB\"
  outputs
    address  \"10.0.0.2\"
    id       \"srv-1\"
";
    assert_eq!(plain(&row(&web())), expect);
}

#[test]
fn a_failed_run_shows_what_it_left_and_the_way_on() {
    let failure = Failure { kind: ErrorKind::Limited, message: "the quota is reached".into(), hint: None };
    let step = |id: &str, status, failure| StepStatus { id: StepId::parse(id).expect("a step"), status, failure };
    let unfinished = vec![
        step("web/create", journal::Status::Failed { attempt: 3, object: None }, Some(failure)),
        step("dns/create", journal::Status::Skipped, None),
    ];
    let failed = Status {
        resources: 1,
        lease: None,
        holder_is_dead: false,
        last_run: Some(last_run(Some(Outcome::Failed))),
        late: vec![],
        unfinished,
    };
    let expect = "Workspace `shop` has 1 resource.
Nobody works on it.
The last run, 20261122-051522-3fa9 (apply), failed at 2026-11-22T05:15:25.100Z.
Not finished:
  web/create  failed      the quota is reached
  dns/create  skipped
Next: `provisioning resume` goes on with it; `provisioning plan` starts anew.
";
    assert_eq!(plain(&status("shop", &failed)), expect);
}

#[test]
fn a_held_workspace_says_by_whom_and_offers_no_resume() {
    let holder = Holder { host: "ws1".into(), boot: "b".into(), pid: 42, namespace: String::new(), started: 1 };
    let (acquired_at, expires_at) = (Timestamp::from_millis(0), Timestamp::from_millis(30_000));
    let lease = Some(Lease { epoch: 1, holder, acquired_at, expires_at });
    let held =
        Status { resources: 0, lease, holder_is_dead: false, last_run: Some(last_run(None)), late: vec![], unfinished: vec![] };
    let text = plain(&status("shop", &held));
    assert!(
        text.contains("Held by process 42 on ws1 since 1970-01-01T00:00:00.000Z, until 1970-01-01T00:00:30.000Z.\n"),
        "{text}"
    );
    assert!(!text.contains("resume"), "{text}");
    let dead = plain(&status("shop", &Status { holder_is_dead: true, ..held }));
    assert!(dead.contains("process 42 on ws1, which is dead") && dead.contains("resume"), "{dead}");
}

#[test]
fn only_the_last_runs_are_listed_and_the_rest_counted() {
    let expect = "… 1 earlier; `--last 0` shows all
RUN                   COMMAND  STARTED                   TOOK  OUTCOME    DONE  FAILED
20261122-051522-3fa9  apply    2026-11-22T05:15:22.000Z  3.1s  completed  5     1
";
    let two = [last_run(None), last_run(Some(Outcome::Completed))];
    assert_eq!(runs(&two, 1), expect);
    assert_eq!(runs(&[], 1), NO_RUN);
}
