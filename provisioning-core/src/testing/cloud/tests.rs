//! What the faults of the cloud in memory do, and how a lag and tokens show.

use std::mem::discriminant;
use std::time::Duration;

use super::*;
use crate::error::{ErrorKind, Retry};
use crate::name::StepId;
use crate::provider::{AnyKind, Found, Reply};
use crate::testing::{Case, RecordingReporter, conformance, context};
use crate::value::Value;

fn kind(cloud: &FakeCloud) -> Arc<dyn AnyKind> {
    let registry = cloud.registry();
    let factory = registry.providers().next().expect("one").1;
    factory.build(&Value::map::<&str>([])).expect("a provider").kinds().remove(0)
}

fn create() -> crate::provider::Context {
    context(&StepId::parse("a/create").expect("a step"), 1, Arc::new(RecordingReporter::default()))
}

fn spec() -> Value {
    Value::map([("name", Value::from("a"))])
}

#[test]
fn every_fault_is_among_all() {
    let kinds: std::collections::BTreeSet<_> = Fault::ALL.iter().map(|fault| format!("{:?}", discriminant(fault))).collect();
    // Whoever adds a variant adds it to the list, and counts it here.
    let known = |fault: Fault| match fault {
        Fault::Refuse(_)
        | Fault::LoseReply
        | Fault::LateSuccess(_)
        | Fault::HalfOpen
        | Fault::Hang
        | Fault::TooMany { .. }
        | Fault::ServerError
        | Fault::Malformed
        | Fault::NotReady(_)
        | Fault::NotFound
        | Fault::Expired
        | Fault::Panic => {}
    };
    Fault::ALL.into_iter().for_each(known);
    assert_eq!(kinds.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn each_fault_says_whether_the_call_had_an_effect() {
    let later = Retry::Later(None);
    let wanted = [
        (Fault::Refuse(Retry::Never), ErrorKind::Unavailable, Retry::Never, 0),
        (Fault::LoseReply, ErrorKind::Unavailable, Retry::Unsure, 1),
        (Fault::HalfOpen, ErrorKind::Unavailable, Retry::Unsure, 0),
        (Fault::TooMany { retry_after: None }, ErrorKind::Limited, later, 0),
        (
            Fault::TooMany { retry_after: Some(Duration::from_secs(3)) },
            ErrorKind::Limited,
            Retry::Later(Some(Duration::from_secs(3))),
            0,
        ),
        (Fault::ServerError, ErrorKind::Unavailable, Retry::Unsure, 0),
        (Fault::Malformed, ErrorKind::Unavailable, Retry::Unsure, 1),
        (Fault::Expired, ErrorKind::Denied, Retry::Never, 0),
        (Fault::LateSuccess(Duration::from_secs(5)), ErrorKind::Unavailable, Retry::Unsure, 0),
    ];
    for (fault, error_kind, retry, objects) in wanted {
        let cloud = FakeCloud::default();
        cloud.inject("create a", fault);
        let error = kind(&cloud).create(&create(), &spec()).await.expect_err("a fault");
        assert_eq!((error.kind(), error.retry(), cloud.tokens().len()), (error_kind, retry, objects), "{fault:?}");
        if let Fault::LateSuccess(after) = fault {
            tokio::time::sleep(after + Duration::from_millis(1)).await;
            assert_eq!(cloud.contents(), ["a"]);
        }
    }
}

#[tokio::test]
async fn of_a_read_nothing_is_unsure_when_the_cloud_is_broken() {
    let cloud = FakeCloud::default();
    cloud.inject("read 1", Fault::ServerError);
    let error = kind(&cloud).read(&["t-1".into()]).await.expect_err("a fault");
    assert_eq!(error.retry(), Retry::Later(None));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_is_known_and_not_found() {
    let cloud = FakeCloud::default();
    let (kind, mut context) = (kind(&cloud), create());
    cloud.inject("create a", Fault::NotReady(Duration::from_secs(9)));
    let waits = kind.create(&context, &spec()).await.expect("a reply");
    assert_eq!(waits, Reply::Wait { after: Duration::from_secs(9), phase: "starting".into() });
    assert_eq!(kind.read(&["t-1".into()]).await.expect("an answer"), [None]);
    context.object = Some("t-1".into());
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(matches!(kind.create(&context, &spec()).await.expect("a reply"), Reply::Done(_)));
    assert!(kind.read(&["t-1".into()]).await.expect("an answer")[0].is_some());
}

#[tokio::test(start_paused = true)]
async fn a_search_that_lags_shows_a_thing_later() {
    let cloud = FakeCloud::default().with_lag(Duration::from_millis(2500));
    let kind = kind(&cloud);
    assert_eq!(kind.schema().settle_seconds, 3);
    kind.create(&create(), &spec()).await.expect("made");
    assert_eq!(kind.find(&create(), &spec()).await.expect("searched"), Found::None);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(matches!(kind.find(&create(), &spec()).await.expect("searched"), Found::One(_)));
}

#[tokio::test]
async fn a_token_that_the_cloud_knows_makes_nothing_new() {
    let cloud = FakeCloud::default().with_tokens(Tokens::Native);
    let kind = kind(&cloud);
    let first = kind.create(&create(), &spec()).await.expect("made");
    assert_eq!(kind.create(&create(), &spec()).await.expect("known"), first);
    let error = kind.find(&create(), &spec()).await.expect_err("nothing to search for");
    assert_eq!(error.kind(), ErrorKind::Bug);
}

#[tokio::test]
async fn a_delete_that_finds_nothing_is_a_success() {
    let cloud = FakeCloud::default();
    let kind = kind(&cloud);
    let Reply::Done(thing) = kind.create(&create(), &spec()).await.expect("made") else { panic!("it waits") };
    cloud.inject("delete a", Fault::NotFound);
    assert_eq!(kind.delete(&create(), &thing).await.expect("gone"), Reply::Done(()));
    assert_eq!((cloud.contents().len(), cloud.faults_left()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_knows_tokens_and_one_that_lags_keep_the_contract() {
    let case = || {
        let spec = |number: usize, size: i64| {
            Value::map([("name", Value::from(format!("thing-{number}").as_str())), ("size", size.into())])
        };
        Case::new(move |number| spec(number, 1)).with_update(move |number| spec(number, 2))
    };
    let native = FakeCloud::default().with_tokens(Tokens::Native);
    assert_eq!(conformance(kind(&native).as_ref(), &case()).await, []);
    // It takes the search for granted that an engine makes before it creates again.
    let lagging = FakeCloud::default().with_lag(Duration::from_secs(20));
    let findings = conformance(kind(&lagging).as_ref(), &case()).await;
    let rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["a second create with the same token makes nothing new"]);
    assert_eq!((native.contents().len(), lagging.contents().len()), (0, 0));
}
