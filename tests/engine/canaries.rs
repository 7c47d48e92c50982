//! Canaries: secrets in every place where one can stand, and a search for them in everything that is kept, shown or told.

use std::fmt::Debug;
use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use provisioning_core::engine::{Control, PlanOptions};
use provisioning_core::error::{Error, Failure};
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::store::Range;
use serde::Serialize;
use serde_json::json;

use crate::bank::{Bank, House};

/// The secrets of the workspace: where each is put, and what it is.
const SECRETS: [(&str, &str); 9] = [
    ("field", "canary-in-a-field"),
    ("amid", "canary-amid-a-text"),
    ("template", "canary-in-a-template"),
    ("service", "canary-in-a-service"),
    ("token", "canary-of-a-provider"),
    ("output", "canary-in-an-output"),
    ("query", "canary-in-a-query"),
    ("old", "canary-of-what-is-replaced"),
    ("lines", "canary \"quoted\"\nof two lines\n"),
];

/// What stands in the document itself.
const LITERALS: [&str; 3] = ["canary-literal-password", "canary-literal-code", "canary-literal-token"];

/// A secret number, and the beginnings of texts that nobody but a provider makes up.
const OTHERS: [&str; 5] = ["908172635", "canary-number", Bank::RATE, "canary-of-a-later-day", "canary-of-a-wrong-type"];

const DOCUMENT: &str = r#"
[providers.bank]
type = "bank"
token = "${secret.token}"

[providers.other]
type = "bank"
token = "canary-literal-token"

[lookups.rate]
kind = "rate"
provider = "bank"
key = "${secret.query}"

[resources.ann]
kind = "account"
provider = "bank"
login = "ann"
password = "${secret.field}"
pin = "${secret.pin}"
note = { amid = "user:${secret.amid}@bank", rate = "${rate.rate}", lines = "${secret.lines}" }
letter = { template = "letter.j2", vars = { word = "${secret.template}" } }

[resources.bob]
kind = "account"
provider = "other"
login = "bob"
password = "canary-literal-password"
safe = { name = "small", code = "canary-literal-code" }
note = "told by ${ann.number}"

[resources.old]
kind = "account"
provider = "bank"
login = "old"
password = "${secret.old}"

[resources.host]
kind = "thing"
name = "host"

[services.flag]
service = "flag"
on = ["host"]
config = { value = { word = "${secret.service}", told = "${ann.number}" } }

[outputs]
key = "${secret.output}"
number = "${bob.number}"
rate = "${rate.rate}"
"#;

/// Everything that was kept, shown or told so far.
#[derive(Default)]
struct Heard(Vec<(String, Vec<u8>)>);

impl Heard {
    fn text(&mut self, what: &str, text: impl Into<Vec<u8>>) {
        self.0.push((what.to_owned(), text.into()));
    }

    fn debug(&mut self, what: &str, value: &impl Debug) {
        self.text(&format!("debug of {what}"), format!("{value:?} {value:#?}"));
    }

    fn both<T: Debug + Serialize>(&mut self, what: &str, value: &T) {
        self.debug(what, value);
        self.text(what, serde_json::to_vec(value).expect("it serialises"));
    }

    fn error(&mut self, what: &str, error: &Error) {
        self.debug(what, error);
        self.debug(what, &error.context());
        self.debug(what, &error.diagnostics());
        self.both(what, &Failure::from(error));
    }

    /// What a workspace has on disk and says of itself.
    async fn workspace(&mut self, when: &str, house: &House) {
        let engine = &house.engine;
        self.both(&format!("rows {when}"), &engine.state().await.expect("rows"));
        self.both(&format!("entries {when}"), &engine.entries(Range::default()).await.expect("entries"));
        self.both(&format!("runs {when}"), &engine.runs().await.expect("runs"));
        self.both(&format!("status {when}"), &engine.status().await.expect("status"));
        self.debug(&format!("outputs {when}"), &engine.outputs().await.expect("outputs"));
        for event in house.events() {
            self.both(&format!("event {when}"), &event);
        }
        for file in fs::read_dir(house.directory.path()).expect("a directory").map(|file| file.expect("a file")) {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("state.db") {
                self.text(&format!("{name} {when}"), fs::read(file.path()).expect("it can be read"));
            }
        }
    }

    /// Nothing of it holds a canary, and there is something of each sort.
    #[track_caller]
    fn is_clean(&self) {
        assert!(self.0.iter().any(|(what, _)| what.contains("-wal")) && self.0.iter().any(|(what, _)| what.contains("event")));
        let canaries = SECRETS.iter().map(|(_, canary)| *canary).chain(LITERALS).chain(OTHERS);
        for canary in canaries.chain(["quoted", "of two lines"]) {
            for (what, text) in &self.0 {
                let found = text.windows(canary.len()).position(|part| part == canary.as_bytes());
                let around =
                    |at: usize| String::from_utf8_lossy(&text[at.saturating_sub(200)..text.len().min(at + 60)]).into_owned();
                assert!(found.is_none(), "`{canary}` is in: {what}: …{}…", around(found.unwrap_or_default()));
            }
        }
    }
}

/// Everything that is traced by this program, at every level.
#[derive(Clone, Default)]
struct Traces(Arc<Mutex<Vec<u8>>>);

impl Traces {
    fn all() -> Self {
        let traces = Self::default();
        let writer = traces.clone();
        let builder = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
        builder.with_writer(move || writer.clone()).try_init().expect("nobody else listens");
        traces
    }

    fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn guarded() -> House {
    let house = House::with_keys();
    for (name, value) in SECRETS {
        house.secrets.set(name, value);
    }
    house.secrets.set("pin", 908_172_635);
    fs::create_dir_all(house.directory.path()).expect("a directory");
    fs::write(house.directory.path().join("letter.j2"), "the word is {{ word }}\n").expect("written");
    house
}

/// Plans and applies; what came of it is heard.
async fn apply(house: &House, document: &str, heard: &mut Heard) -> Outcome {
    heard.debug("declarations", &house.declared(document).expect("right"));
    let plan = house.plan(document).await;
    heard.both("plan", &plan);
    let report = house.carry_out(&plan).await;
    heard.both("report", &report);
    for (_, failure) in &report.failures {
        heard.error("failure", &Error::from(failure.clone()));
    }
    report.outcome
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one life, looked at after each of its steps")]
async fn no_canary_gets_out() {
    let (traces, house, mut heard) = (Traces::all(), guarded(), Heard::default());
    heard.debug("secrets", &house.secrets);
    heard.debug("engine", &house.engine);

    // Whatever the bank refuses it repeats, with all that it knows: while a plan is made, and while it is carried out.
    house.bank.refuse("look up");
    heard.error("refused plan", &house.try_plan(DOCUMENT).await.expect_err("refused"));
    for call in ["create ann", "create bob", "create old"] {
        house.bank.refuse(call);
    }
    assert_eq!(apply(&house, DOCUMENT, &mut heard).await, Outcome::Failed);
    heard.workspace("after a failure", &house).await;
    let report = house.engine.resume(None, &Control::new()).await.expect("a report");
    heard.both("resumed", &report);
    heard.workspace("after that", &house).await;
    if report.outcome != Outcome::Completed {
        assert_eq!(apply(&house, DOCUMENT, &mut heard).await, Outcome::Completed);
    }

    // All of them have got to where they were to get.
    let (ann, bob) = (house.bank.account("ann"), house.bank.account("bob"));
    assert_eq!((ann.password.as_deref(), ann.pin), (Some("canary-in-a-field"), Some(908_172_635)));
    let note =
        json!({ "amid": "user:canary-amid-a-text@bank", "rate": Bank::RATE, "lines": "canary \"quoted\"\nof two lines\n" });
    assert_eq!((ann.note, ann.letter.as_deref()), (note, Some("the word is canary-in-a-template\n")));
    assert_eq!((bob.password.as_deref(), &bob.safe["code"]), (Some(LITERALS[0]), &json!(LITERALS[1])));
    assert!(bob.note.as_str().is_some_and(|note| note.starts_with("told by canary-number")));
    assert!(house.cloud.contents().iter().any(|line| line.contains("canary-in-a-service") && line.contains("canary-number")));
    assert!(
        house.bank.tokens().contains(&"canary-of-a-provider".to_owned()) && house.bank.tokens().contains(&LITERALS[2].to_owned())
    );
    assert!(house.plan(DOCUMENT).await.is_empty());
    heard.workspace("once it is done", &house).await;

    // Something is replaced, something changes, something cannot be read; then all of it is taken back.
    house.secrets.set("field", "canary-of-a-later-day");
    let changed = DOCUMENT.replace("login = \"old\"", "login = \"new\"").replace(LITERALS[1], "canary-literal-code-changed");
    assert_eq!(apply(&house, &changed, &mut heard).await, Outcome::Completed);
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("canary-of-a-later-day"));
    heard.workspace("after a change", &house).await;
    house.bank.refuse("read");
    heard.error("refused read", &house.try_plan(&changed).await.expect_err("refused"));
    let back = house.engine.plan_rollback(None).await.expect("a plan");
    heard.both("plan back", &back);
    house.bank.refuse("update ann");
    heard.both("stuck", &house.carry_out(&back).await);
    heard.both("continued", &house.engine.continue_rollback(&Control::new()).await.expect("a report"));
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("canary-in-a-field"));
    assert_eq!(house.bank.account("bob").safe["code"], json!(LITERALS[1]));
    assert_eq!(house.bank.account("old").password.as_deref(), Some("canary-of-what-is-replaced"));
    heard.workspace("after the rollback", &house).await;

    // What is wrong with a secret is told without it.
    house.secrets.set("field", "canary-of-a-wrong-type");
    for wrong in ["pin = \"${secret.field}\"", "pin = \"canary-of-a-wrong-type\""] {
        let document = DOCUMENT.replace("pin = \"${secret.pin}\"", wrong);
        heard.error("wrong type", &house.try_plan(&document).await.expect_err("a text is no number"));
    }

    let options = PlanOptions::new(Command::Destroy);
    let plan = house.engine.plan(&house.declared(DOCUMENT).expect("right"), &options).await.expect("a plan");
    heard.both("plan to destroy", &plan);
    house.bank.refuse("delete bob");
    heard.both("refused to destroy", &house.carry_out(&plan).await);
    heard.workspace("at the end", &house).await;
    assert_eq!(house.engine.verify().await.expect("read").problem, None);
    heard.text("traces", traces.text());
    assert!(!traces.text().is_empty());
    heard.is_clean();
}
