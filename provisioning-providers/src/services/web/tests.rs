//! The service on a host in memory, with one program or another that can serve files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use provisioning_core::error::ErrorKind;
use provisioning_core::host::{Output, Probe, Supervisor as _, UnitState};
use provisioning_core::name::StepId;
use provisioning_core::testing::{FakeHost, FakeSupervisor, RecordingReporter, context};
use provisioning_core::value::Node;

use super::*;

struct Fixture {
    service: Web,
    supervisor: FakeSupervisor,
    host: FakeHost,
}

impl Fixture {
    fn with(host: FakeHost) -> Self {
        let supervisor = FakeSupervisor::default();
        let host = host.with_supervisor(supervisor.clone());
        Self { service: Web::default(), supervisor, host }
    }

    /// A host that has Python.
    fn new() -> Self {
        Self::with(FakeHost::default().with_program("python3", |_| Output::default()))
    }

    async fn check(&self, inputs: &Value) -> Condition {
        self.service.check(&name(), &self.host, inputs).await.expect("checks")
    }

    async fn apply(&self, inputs: &Value) -> Result<Value> {
        let step = StepId::parse("site@box/apply").expect("a step");
        self.service.apply(&context(&step, 1, Arc::<RecordingReporter>::default()), &self.host, inputs).await
    }

    async fn remove(&self, inputs: &Value) {
        let step = StepId::parse("site@box/remove").expect("a step");
        let context = context(&step, 1, Arc::<RecordingReporter>::default());
        self.service.remove(&context, &self.host, inputs).await.expect("removes");
    }

    fn command(&self) -> String {
        self.supervisor.unit("site").expect("it is kept").arguments.join(" ")
    }

    async fn content(&self, path: &str) -> Option<String> {
        let found = self.host.get(Path::new(path)).await.expect("reads");
        found.map(|content| String::from_utf8(content).expect("a text"))
    }
}

fn name() -> ResourceName {
    ResourceName::parse("site@box").expect("a name")
}

/// Inputs as the schema fills them in.
fn inputs(files: &[(&str, &str)], fields: &[(&str, Value)]) -> Value {
    let files = Value::map(files.iter().map(|(name, content)| (*name, Value::from(*content))));
    let given = [("address", "10.0.0.2".into()), ("files", files)].into_iter().chain(fields.iter().cloned());
    let mut problems = Vec::new();
    let filled = Web::default().schema().check(&Node::from(Value::map(given)), "services.site", &mut problems);
    assert_eq!(problems, []);
    filled
}

fn differs(how: &str) -> Condition {
    Condition::Differs(how.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_site_is_written_served_and_removed_without_a_trace() {
    let here = Fixture::new();
    let inputs = inputs(&[("index.html", "<h1>hello</h1>"), ("css/site.css", "h1 {}")], &[]);
    assert_eq!(here.check(&inputs).await, Condition::Absent);
    let outputs = here.apply(&inputs).await.expect("applies");
    assert_eq!(outputs, Value::map([("url", "http://10.0.0.2:8080/".into()), ("program", "python3".into())]));
    assert_eq!(here.content("srv/www/css/site.css").await.as_deref(), Some("h1 {}"));
    assert_eq!(here.command(), "python3 -m http.server 8080 --bind 10.0.0.2 --directory srv/www");
    let probe = here.supervisor.unit("site").and_then(|unit| unit.health).map(|health| health.probe);
    assert_eq!(probe, Some(Probe::Http("http://10.0.0.2:8080/index.html".into())));
    assert_eq!(here.check(&inputs).await, Condition::InSync(outputs.clone()));
    assert_eq!(here.apply(&inputs).await.expect("applies again"), outputs);
    assert_eq!(here.supervisor.starts(), 1);
    here.remove(&inputs).await;
    here.remove(&inputs).await;
    assert_eq!(here.host.files(), Vec::<PathBuf>::new());
    assert_eq!(here.host.directories(), [PathBuf::from("srv")]);
    assert_eq!(here.check(&inputs).await, Condition::Absent);
}

#[tokio::test(start_paused = true)]
async fn files_that_are_no_longer_wanted_go_and_others_stay() {
    let here = Fixture::new();
    here.apply(&inputs(&[("a.html", "a"), ("old/b.html", "b"), ("c", "c")], &[])).await.expect("applies");
    here.host.put(Path::new("srv/www/mine.html"), b"mine", 0o644).await.expect("put");
    let less = inputs(&[("a.html", "a"), ("c/d.html", "d")], &[]);
    assert_eq!(here.check(&less).await, differs("`c/d.html` is missing"));
    here.apply(&less).await.expect("a file makes room for a directory");
    let files = ["srv/www/a.html", "srv/www/c/d.html", "srv/www/mine.html", "srv/www.site.files.json"];
    let mut files = files.map(PathBuf::from);
    files.sort();
    assert_eq!(here.host.files(), files);
    assert!(!here.host.directories().contains(&PathBuf::from("srv/www/old")));
    assert_eq!(here.check(&inputs(&[("a.html", "a")], &[])).await, differs("`c/d.html` is left from earlier"));
    here.remove(&less).await;
    assert_eq!(here.host.files(), [PathBuf::from("srv/www/mine.html")]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changed_is_named_and_put_right() {
    let here = Fixture::new();
    let inputs = inputs(&[("a.html", "a")], &[]);
    here.apply(&inputs).await.expect("applies");
    here.host.put(Path::new("srv/www/a.html"), b"b", 0o644).await.expect("put");
    assert_eq!(here.check(&inputs).await, differs("`a.html` has another content"));
    here.apply(&inputs).await.expect("applies");
    here.supervisor.set("site", UnitState::Failed("it exited with 1".into()));
    assert_eq!(here.check(&inputs).await, differs("it exited with 1"));
    here.apply(&inputs).await.expect("applies");
    assert_eq!(here.check(&inputs.with("port", 81.into())).await, differs("the program that serves it changed"));
    here.supervisor.remove("site").await.expect("removed");
    assert_eq!(here.check(&inputs).await, differs("nothing serves it"));
}

#[tokio::test(start_paused = true)]
async fn a_site_that_moves_leaves_nothing_in_its_old_place() {
    let here = Fixture::new();
    here.apply(&inputs(&[("a.html", "a")], &[])).await.expect("applies");
    here.apply(&inputs(&[("a.html", "a")], &[("root", "pages".into())])).await.expect("applies");
    assert_eq!(here.host.files(), ["pages/a.html", "pages.site.files.json"].map(PathBuf::from));
    here.apply(&inputs(&[("a.html", "a")], &[("root", "./pages/".into())])).await.expect("applies");
    assert_eq!(here.content("pages/a.html").await.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn the_first_program_that_the_host_has_serves() {
    let ok = |_: &provisioning_core::host::Command| Output::default();
    let elsewhere = |_: &provisioning_core::host::Command| Output { stdout: b"/opt/keeper".to_vec(), ..Output::default() };
    let python = FakeHost::default().with_program("python3", ok);
    let busybox = FakeHost::default().with_program("python3", ok).with_program("busybox", ok);
    let both = FakeHost::default().with_program("busybox", ok).with_program("/bin/sh", elsewhere);
    let named = both.with_program("/opt/keeper", ok);
    let ours = FakeHost::default().with_program("busybox", ok).with_program("/run/provisioning/keeper", ok);
    let verb = "provisioning-keeper web --address ::1 --port 8080 --root srv/www";
    let cases = [
        (python, "python3 -m http.server 8080 --bind ::1 --directory srv/www".to_owned()),
        (busybox, "busybox httpd -f -p [::1]:8080 -h srv/www".to_owned()),
        (named, format!("/opt/keeper {verb}")),
        (ours, format!("/run/provisioning/keeper {verb}")),
    ];
    let inputs = inputs(&[], &[("address", "::1".into())]);
    for (host, command) in cases {
        let here = Fixture::with(host);
        let outputs = here.apply(&inputs).await.expect("applies");
        assert_eq!(here.command(), command);
        let probe = here.supervisor.unit("site").and_then(|unit| unit.health).map(|health| health.probe);
        assert_eq!(probe, Some(Probe::Tcp("[::1]:8080".into())));
        assert_eq!(here.check(&inputs).await, Condition::InSync(outputs));
    }
}

#[tokio::test]
async fn a_host_without_any_of_them_is_told_what_was_looked_for() {
    let error = Fixture::with(FakeHost::default()).apply(&inputs(&[], &[])).await.expect_err("refused");
    let says = "the host has no program that serves files: looked for `/run/provisioning/keeper`, `$PROVISIONING_KEEPER`, \
                `busybox httpd` and `python3`";
    assert_eq!((error.to_string().as_str(), error.kind()), (says, ErrorKind::Unsupported));
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_refused() {
    for wrong in ["/etc/passwd", "../x", "a/../../x", "", "./x", "a//b", "a/"] {
        let error = Fixture::new().apply(&inputs(&[(wrong, "x")], &[])).await.expect_err("refused");
        assert_eq!(error.to_string(), format!("`{wrong}` in `files` does not name a file below the root"));
    }
    for wrong in ["", "/", "../www"] {
        let error = Fixture::new().apply(&inputs(&[], &[("root", wrong.into())])).await.expect_err("refused");
        assert_eq!(error.to_string(), format!("the `root` `{wrong}` names no directory"));
    }
}
