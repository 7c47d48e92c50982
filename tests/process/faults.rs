//! Every fault of a cloud that is another process: what is lost is lost on a socket.

use std::time::Duration;

use provisioning_core::engine::{Control, Engine, Report};
use provisioning_core::error::{ErrorKind, Retry};
use provisioning_core::event::Observer;
use provisioning_core::record::Outcome;
use provisioning_core::testing::{CloudClient, Fault};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::cloud::CloudProcess;
use crate::engine::{apply, block_on, check, desired, engine};

/// The verbs that go wrong: a find after a lost reply, the others by themselves.
const VERBS: [&str; 5] = ["create", "poll", "find", "update", "delete"];

/// How a run is to end of which a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Success,
    Resume,
    Doubt,
    PlanAgain,
}

/// Every fault, with waits that a test can wait for; but for the death of the cloud.
fn all() -> impl Iterator<Item = Fault> {
    let short = |fault| match fault {
        Fault::TooMany { retry_after: Some(_) } => Fault::TooMany { retry_after: Some(Duration::from_secs(1)) },
        Fault::NotReady(_) => Fault::NotReady(Duration::from_millis(200)),
        other => other,
    };
    Fault::ALL.into_iter().filter(|fault| *fault != Fault::Panic).map(short)
}

fn expected(fault: Fault, verb: &str) -> Expect {
    match (fault, verb) {
        (Fault::Refuse(Retry::Never) | Fault::Expired, "find") => Expect::Doubt,
        (Fault::Refuse(Retry::Never) | Fault::Expired, _) => Expect::Resume,
        (Fault::NotFound, "poll" | "update") => Expect::PlanAgain,
        _ => Expect::Success,
    }
}

pub(crate) fn every_fault_comes_to_one_end_over_the_network() {
    block_on(async {
        let directory = tempfile::tempdir().expect("a directory");
        let cloud = CloudProcess::start(&directory.path().join("ledger")).await;
        let mut cases = JoinSet::new();
        for (number, (fault, verb)) in all().flat_map(|fault| VERBS.map(|verb| (fault, verb))).enumerate() {
            let call = format!("{verb} {}", thing(verb, number));
            if fault.concerns(&call) {
                let case = Case { number, fault, verb, call, client: cloud.client(), patient: cloud.patient() };
                cases.spawn(case.run());
            }
        }
        let count = cases.len();
        while let Some(ended) = cases.join_next().await {
            ended.expect("the case is as expected");
        }
        println!("{count} cases over the network");
        assert!(count >= 60, "only {count} cases");
        let report = cloud.patient().report().await.expect("the cloud answers");
        assert_eq!((report.tokens.len(), report.faults_left), (0, 0), "{:?}", report.contents);
    });
}

/// What a verb is tried on: the second thing, which refers to the first, but for the poll.
fn thing(verb: &str, number: usize) -> String {
    format!("{}{number}", if verb == "poll" { "a" } else { "b" })
}

struct Case {
    number: usize,
    fault: Fault,
    verb: &'static str,
    call: String,
    client: CloudClient,
    patient: CloudClient,
}

impl Case {
    /// Makes, changes and removes two things, while one call goes wrong.
    async fn run(self) {
        let directory = tempfile::tempdir().expect("a directory");
        let engine = engine(&self.client, &directory.path().join("store.db"), Observer::default());
        if self.verb == "find" {
            let create = format!("create {}", thing(self.verb, self.number));
            self.patient.inject_after(0, &create, Fault::LoseReply).await.expect("the cloud answers");
        }
        self.patient.inject_after(0, &self.call, self.fault).await.expect("the cloud answers");
        let (a, b) = (format!("a{}", self.number), format!("b{}", self.number));
        let sized = |size| json!({ "a": { "name": a, "polls": 1 }, "b": { "name": b, "size": size, "from": "${a.id}" } });
        self.step(&engine, &sized(1), ["create", "poll", "find"].contains(&self.verb)).await;
        self.holds(&[a.clone(), format!("{b} size 1")]).await;
        self.step(&engine, &sized(2), self.verb == "update").await;
        self.holds(&[a.clone(), format!("{b} size 2")]).await;
        self.step(&engine, &json!({}), self.verb == "delete").await;
        self.holds(&[]).await;
        assert!(engine.state().await.expect("rows").is_empty(), "{}", self.what());
        assert_eq!(engine.verify().await.expect("read").problem, None, "{}", self.what());
    }

    /// Applies, and sees that it ends as it should where the fault is in it.
    async fn step(&self, engine: &Engine, resources: &Json, disturbed: bool) {
        let (what, wanted) = (self.what(), desired(resources, &self.client));
        let report = apply(engine, &wanted).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let expect = if disturbed { expected(self.fault, self.verb) } else { Expect::Success };
        let found = (report.outcome, report.failures.len(), report.in_doubt.len());
        let right = match expect {
            Expect::Success => (Outcome::Completed, 0, 0),
            Expect::Resume | Expect::PlanAgain => (Outcome::Failed, 1, 0),
            Expect::Doubt => (Outcome::Failed, 0, 1),
        };
        assert_eq!(found, right, "{what}: {:?} {:?}", report.failures, report.in_doubt);
        let settled: Report = match expect {
            Expect::Success => report,
            Expect::PlanAgain => apply(engine, &wanted).await.expect("a report"),
            Expect::Resume | Expect::Doubt => engine.resume(None, &Control::new()).await.expect("a report"),
        };
        assert_eq!(settled.outcome, Outcome::Completed, "{what}: {:?} {:?}", settled.failures, settled.in_doubt);
    }

    /// What the cloud has of this case.
    async fn holds(&self, wanted: &[String]) {
        let contents = self.patient.report().await.expect("the cloud answers").contents;
        let own = |line: &&String| {
            let name = line.split(' ').next().unwrap_or_default();
            [format!("a{}", self.number), format!("b{}", self.number)].iter().any(|own| own == name)
        };
        assert_eq!(contents.iter().filter(own).collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>(), "{}", self.what());
    }

    fn what(&self) -> String {
        format!("{:?} at `{}`", self.fault, self.call)
    }
}

pub(crate) fn a_cloud_that_nobody_reaches_is_a_definite_failure() {
    block_on(async {
        let directory = tempfile::tempdir().expect("a directory");
        let mut cloud = CloudProcess::start(&directory.path().join("ledger")).await;
        let client = cloud.client();
        cloud.kill().await;
        let engine = engine(&client, &directory.path().join("store.db"), Observer::default());
        let mut wanted = desired(&json!({ "a": {} }), &client);
        for declared in wanted.resources.values_mut() {
            declared.retry.attempts = 2;
        }
        let report = apply(&engine, &wanted).await.expect("a report");
        assert_eq!((report.outcome, report.failures.len(), report.in_doubt.len()), (Outcome::Failed, 1, 0), "{report:?}");
        assert_eq!(report.failures[0].1.kind, ErrorKind::Unavailable);
        cloud.start_again().await;
        assert_eq!(engine.resume(None, &Control::new()).await.expect("a report").outcome, Outcome::Completed);
        check("reached again", &cloud.patient(), &engine, (&wanted, &["a"])).await;
    });
}
