//! The service on this machine, with real shells in a directory of its own.

use std::sync::Arc;

use provisioning_core::error::Retry;
use provisioning_core::name::StepId;
use provisioning_core::testing::{RecordingReporter, context};
use provisioning_core::value::Secret;
use tempfile::TempDir;

use super::*;
use crate::transport::local::LocalHost;

struct Fixture {
    directory: TempDir,
    reporter: Arc<RecordingReporter>,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: TempDir::new().expect("a directory"), reporter: Arc::default() }
    }

    fn inputs(&self, fields: &[(&str, &str)]) -> Value {
        let directory = self.directory.path().to_str().expect("a text").into();
        let rest = fields.iter().map(|(name, value)| (*name, Value::from(*value)));
        let fixed = [("directory", directory), ("environment", Value::map::<&str>([])), ("timeout_seconds", Value::Integer(60))];
        Value::map(rest.chain(fixed))
    }

    async fn check(&self, inputs: &Value) -> Result<Condition> {
        let name = ResourceName::parse("setup@web").expect("a name");
        Command::default().check(&name, &LocalHost, inputs).await
    }

    async fn apply(&self, inputs: &Value) -> Result<Value> {
        let step = StepId::parse("setup@web/apply").expect("a step");
        Command::default().apply(&context(&step, 1, self.reporter.clone()), &LocalHost, inputs).await
    }

    async fn remove(&self, inputs: &Value) -> Result<()> {
        let step = StepId::parse("setup@web/remove").expect("a step");
        Command::default().remove(&context(&step, 1, self.reporter.clone()), &LocalHost, inputs).await
    }
}

fn stdout(text: &str) -> Value {
    Value::map([("stdout", text.into())])
}

#[tokio::test]
async fn apply_runs_once_and_then_nothing_is_left_to_do() {
    let here = Fixture::new();
    let inputs = here.inputs(&[("check", "cat done"), ("apply", "printf x >> done"), ("remove", "rm -f done")]);
    let Condition::Differs(how) = here.check(&inputs).await.expect("checks") else { panic!("nothing is done yet") };
    assert!(how.starts_with("`check` exits with 1: ") && how.contains("done"), "{how}");
    assert_eq!(here.apply(&inputs).await.expect("applies"), stdout("x"));
    assert_eq!(here.apply(&inputs).await.expect("applies again"), stdout("x"));
    assert_eq!(here.reporter.progress(), ["running `apply`"]);
    here.remove(&inputs).await.expect("removes");
    here.remove(&inputs).await.expect("removes again");
    assert!(matches!(here.check(&inputs).await, Ok(Condition::Differs(_))));
}

#[tokio::test]
async fn what_a_command_creates_stands_for_a_check() {
    let here = Fixture::new();
    let inputs = here.inputs(&[("creates", "a file"), ("apply", "touch 'a file'"), ("remove", "rm 'a file'")]);
    assert_eq!(here.check(&inputs).await.expect("checks"), Condition::Absent);
    let outputs = here.apply(&inputs).await.expect("applies");
    assert_eq!(here.check(&inputs).await.expect("checks"), Condition::InSync(outputs));
    here.remove(&inputs).await.expect("removes");
    here.remove(&inputs).await.expect("what is not there is removed already");
    assert_eq!(here.check(&inputs).await.expect("checks"), Condition::Absent);
}

#[tokio::test]
async fn a_failing_apply_shows_its_exit_code_and_its_last_words() {
    let here = Fixture::new();
    let inputs = here.inputs(&[("check", "false"), ("apply", "for i in 1 2 3 4; do echo \"line $i\" >&2; done; exit 7")]);
    let error = here.apply(&inputs).await.expect_err("fails");
    assert_eq!(error.to_string(), "`apply` exits with 7: line 2 / line 3 / line 4");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never));
}

#[tokio::test]
async fn an_apply_that_changes_nothing_is_an_error() {
    let here = Fixture::new();
    let error = here.apply(&here.inputs(&[("check", "exit 3"), ("apply", "true")])).await.expect_err("still differs");
    assert_eq!(error.to_string(), "`apply` succeeded without bringing about what was wanted: `check` exits with 3");
}

#[tokio::test]
async fn a_command_that_cannot_be_checked_is_refused() {
    let here = Fixture::new();
    let error = here.check(&here.inputs(&[("apply", "true")])).await.expect_err("refused");
    assert_eq!(error.to_string(), "a `command` has neither `check` nor `creates`");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_secret_shows_neither_in_outputs_nor_in_errors() {
    let here = Fixture::new();
    let secret = Value::map([("PASSWORD", Value::Secret(Secret::new("hunter2".into())))]);
    let shows = here.inputs(&[("check", "echo $PASSWORD"), ("apply", "true")]).with("environment", secret.clone());
    let outputs = here.apply(&shows).await.expect("in sync");
    assert!(matches!(outputs.field("stdout"), Some(Value::Secret(_))), "{outputs:?}");
    let tells = here.inputs(&[("check", "false"), ("apply", "echo bad $PASSWORD >&2; false")]).with("environment", secret);
    assert_eq!(
        here.apply(&tells).await.expect_err("fails").to_string(),
        "`apply` exits with 1: what it wrote is not shown, because an input is secret"
    );
}

#[test]
fn the_schema_fills_in_what_the_inputs_need() {
    let node = provisioning_core::value::Node::from(Value::map([("apply", "true".into()), ("creates", "x".into())]));
    let mut problems = Vec::new();
    let inputs = Command::default().schema().check(&node, "services.setup", &mut problems);
    assert_eq!(problems, []);
    assert_eq!(Inputs::parse(&inputs).expect("fits").apply, "true");
}
