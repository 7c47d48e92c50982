//! The service on a host in memory, whose supervisor says what becomes of a program.

use std::sync::Arc;

use provisioning_core::error::ErrorKind;
use provisioning_core::host::UnitState;
use provisioning_core::name::StepId;
use provisioning_core::testing::{FakeHost, FakeSupervisor, RecordingReporter, context};
use provisioning_core::value::Secret;

use super::*;

struct Fixture {
    service: Program,
    supervisor: FakeSupervisor,
    host: FakeHost,
}

impl Fixture {
    fn new() -> Self {
        let supervisor = FakeSupervisor::default();
        let host = FakeHost::default().with_supervisor(supervisor.clone());
        Self { service: Program::default(), supervisor, host }
    }

    async fn check(&self, inputs: &Value) -> Condition {
        self.service.check(&name(), &self.host, inputs).await.expect("checks")
    }

    async fn health(&self, inputs: &Value) -> Condition {
        self.service.health(&name(), &self.host, inputs).await.expect("looks")
    }

    async fn apply(&self, inputs: &Value) -> Result<Value> {
        let step = StepId::parse("web@box/apply").expect("a step");
        self.service.apply(&context(&step, 1, Arc::<RecordingReporter>::default()), &self.host, inputs).await
    }

    async fn remove(&self, inputs: &Value) {
        let step = StepId::parse("web@box/remove").expect("a step");
        let context = context(&step, 1, Arc::<RecordingReporter>::default());
        self.service.remove(&context, &self.host, inputs).await.expect("removes");
    }
}

fn name() -> ResourceName {
    ResourceName::parse("web@box").expect("a name")
}

/// Inputs as the schema fills them in.
fn inputs(fields: &[(&str, Value)]) -> Value {
    let given = Value::map([("command", Value::list(["/bin/web".into()]))].into_iter().chain(fields.iter().cloned()));
    let mut problems = Vec::new();
    let filled = Program::default().schema().check(&Node::from(given), "services.web", &mut problems);
    assert_eq!(problems, []);
    filled
}

fn differs(how: &str) -> Condition {
    Condition::Differs(how.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_program_is_started_once_kept_and_removed() {
    let here = Fixture::new();
    let inputs = inputs(&[]);
    assert_eq!(here.check(&inputs).await, Condition::Absent);
    let outputs = here.apply(&inputs).await.expect("applies");
    assert_eq!(outputs, Value::map([("unit", "web".into())]));
    assert_eq!(here.apply(&inputs).await.expect("applies again"), outputs);
    assert_eq!(here.supervisor.starts(), 1);
    assert_eq!(here.check(&inputs).await, Condition::InSync(outputs.clone()));
    assert_eq!(here.health(&inputs).await, Condition::InSync(outputs));
    here.remove(&inputs).await;
    here.remove(&inputs).await;
    assert_eq!(here.check(&inputs).await, Condition::Absent);
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_named() {
    let here = Fixture::new();
    here.apply(&inputs(&[])).await.expect("applies");
    let other = [
        ("command", Value::list(["/bin/other".into()]), "its command changed"),
        ("directory", "/srv".into(), "its directory changed"),
        ("environment", Value::map([("A", "b".into())]), "its environment changed"),
        ("restart", "never".into(), "when it is started again changed"),
        ("health", Value::map([("tcp", "a:1".into())]), "its health check changed"),
        ("stop_signal", "INT".into(), "how it is stopped changed"),
        ("log_files", 9.into(), "what is kept of its log changed"),
    ];
    for (field, value, what) in other {
        assert_eq!(here.check(&inputs(&[(field, value)])).await, differs(what));
    }
}

#[tokio::test(start_paused = true)]
async fn apply_waits_through_a_slow_start_and_a_restart() {
    let here = Fixture::new();
    let waiting = UnitState::Waiting("it exited with 1".into());
    here.supervisor.foretell([(UnitState::Starting, 0), (waiting, 0), (UnitState::Starting, 1), (UnitState::Running, 1)]);
    here.apply(&inputs(&[])).await.expect("works in the end");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_fails_shows_why_and_its_last_words() {
    let here = Fixture::new();
    here.supervisor.foretell([(UnitState::Failed("it exited with 3".into()), 0)]);
    here.supervisor.write("web", "one\ntwo\nthree\n\nfour\n");
    let error = here.apply(&inputs(&[])).await.expect_err("fails");
    assert_eq!(error.to_string(), "program `web` does not run: it exited with 3: two / three / four");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(here.check(&inputs(&[])).await, differs("it exited with 3"));
    here.supervisor.foretell([]);
    here.apply(&inputs(&[])).await.expect("the same unit is started anew once its cause is gone");
    assert_eq!(here.supervisor.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_never_passes_its_check_is_given_up_on() {
    let here = Fixture::new();
    here.supervisor.foretell([(UnitState::Starting, 0)]);
    let error = here.apply(&inputs(&[("health", Value::map([("tcp", "a:1".into())]))])).await.expect_err("fails");
    assert_eq!(error.to_string(), "program `web` does not run: it did not begin to work in time");
    assert_eq!(here.health(&inputs(&[])).await, differs("it has not passed its health check yet"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_hides_the_log() {
    let here = Fixture::new();
    here.supervisor.foretell([(UnitState::Failed("it exited with 3".into()), 0)]);
    here.supervisor.write("web", "hunter2\n");
    let secret = Value::map([("PASSWORD", Value::Secret(Secret::new("hunter2".into())))]);
    let error = here.apply(&inputs(&[("environment", secret)])).await.expect_err("fails");
    let says = "program `web` does not run: it exited with 3: what it wrote is not shown, because an input is secret";
    assert_eq!(error.to_string(), says);
}

#[tokio::test]
async fn a_host_that_keeps_nothing_is_told() {
    let error = Program::default().check(&name(), &FakeHost::default(), &inputs(&[])).await.expect_err("refused");
    assert_eq!(error.to_string(), "the host of `web` keeps no programs running");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
