//! The kinds that need a keeper: under the conformance suite, and with calls that are given up wherever they wait.
//!
//! What the rules are is said in `provisioning_core::testing`.

use std::fs::{self, File};
use std::future::{Future, poll_fn};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::name::{Kind, ResourceName, StepId};
use provisioning_core::provider::{AnyKind, Context, Found, Provider as _, Reply, Reporter};
use provisioning_core::record::Object;
use provisioning_core::testing::{Case, Finding, RecordingReporter, conformance, context};
use provisioning_core::value::Value;
use provisioning_providers::local::{Keeper, Local};
use tempfile::TempDir;

#[expect(dead_code, reason = "every test file uses a part of it")]
mod machine;

/// How often a call may be polled before it counts as endless, and how often it may wait.
const MAX_POLLS: usize = 500;
const MAX_CALLS: usize = 200;
/// How long those may take to end who were started by a call that was given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with the kinds of a provider that starts the command as its keeper.
struct World {
    directory: TempDir,
    local: Local,
    /// Held so that there is one world at a time: addresses and interfaces go by tokens, which are the same in each.
    _turn: File,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let words = [env!("CARGO_BIN_EXE_provisioning"), "provisioning-keeper"].map(str::to_owned);
        let local = Local::new(directory.path(), Some(Keeper::command(words)));
        let user = fs::metadata("/proc/self").expect("there").uid();
        let turn = File::create(std::env::temp_dir().join(format!("provisioning-{user}.turn"))).expect("a file");
        turn.lock().expect("a turn");
        Self { directory, local, _turn: turn }
    }

    fn kind(&self, name: &str) -> Arc<dyn AnyKind> {
        let name = Kind::parse(name).expect("a kind");
        self.local.kinds().into_iter().find(|kind| kind.schema().kind == name).expect("the provider has it")
    }

    fn site(&self) -> PathBuf {
        self.directory.path().join(".provisioning/local")
    }

    /// What stands in a folder of the site.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.site().join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// How many processes hold a lock of the site.
    fn keepers(&self) -> usize {
        let folder = self.directory.path().canonicalize().expect("exists");
        let holds = |process: &u32| fs::read_link(format!("/proc/{process}/fd/0")).is_ok_and(|lock| lock.starts_with(&folder));
        machine::keepers().into_keys().filter(holds).count()
    }

    /// Waits until nobody is left who starts keepers, and looks what they left.
    fn expect_nobody_comes(&self) {
        let folder = self.directory.path().display().to_string();
        let deadline = Instant::now() + PATIENCE;
        while machine::keepers().values().any(|line| line.contains(&folder)) {
            assert!(Instant::now() < deadline, "somebody starts keepers for ever");
            std::thread::yield_now();
        }
        self.expect_gone();
    }

    fn expect_gone(&self) {
        assert!(!self.site().exists(), "left: {:?}", fs::read_dir(self.site()).into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(self.keepers(), 0);
    }
}

async fn expect_every_rule(world: &World, kind: &str, case: Case) {
    assert_eq!(conformance(world.kind(kind).as_ref(), &case).await, Vec::<Finding>::new(), "{case:?}");
}

fn network(mode: &str, nat: bool) -> Value {
    Value::map([("mode", Value::from(mode)), ("nat", nat.into()), ("state", "up".into())])
}

fn server(isolation: &str, host_name: &str, network: Option<&str>) -> Value {
    let spec = Value::map([
        ("isolation", Value::from(isolation)),
        ("host_name", host_name.into()),
        ("volumes", Value::map::<&str>([])),
        ("state", "running".into()),
    ]);
    network.map_or(spec.clone(), |id| spec.overlaid(&Value::map([("network", id.into())])))
}

fn process(state: &str) -> Value {
    Value::map([
        ("command", Value::list(["sleep".into(), "1000".into()])),
        ("environment", Value::map::<&str>([])),
        ("restart", "always".into()),
        ("stop_signal", "TERM".into()),
        ("stop_timeout_seconds", Value::Integer(10)),
        ("log_max_bytes", Value::Integer(1 << 20)),
        ("log_files", Value::Integer(3)),
        ("state", state.into()),
    ])
}

fn servers(isolation: &'static str) -> Case {
    Case::new(move |_| server(isolation, "first", None)).with_update(move |_| server(isolation, "second", None))
}

#[tokio::test]
async fn loopback_networks_keep_every_rule() {
    let world = World::new();
    let case = Case::new(|_| network("loopback", false)).with_update(|_| network("loopback", true));
    expect_every_rule(&world, "network", case).await;
    world.expect_gone();
}

#[tokio::test]
async fn bridges_keep_every_rule() {
    if !machine::is_root() {
        // Only root may make one, and is told so otherwise.
        let world = World::new();
        let refused = world.kind("network").create(&call(1, Arc::default()), &network("bridge", false)).await;
        assert_eq!(refused.expect_err("takes root").kind(), ErrorKind::Denied);
        return;
    }
    let world = World::new();
    expect_every_rule(&world, "network", Case::new(|_| network("bridge", false))).await;
    world.expect_gone();
}

#[tokio::test]
async fn confined_servers_keep_every_rule() {
    let world = World::new();
    expect_every_rule(&world, "server", servers("confined")).await;
    world.expect_gone();
}

#[tokio::test]
async fn servers_in_user_namespaces_keep_every_rule() {
    let world = World::new();
    expect_every_rule(&world, "server", servers("user_namespaces")).await;
    world.expect_gone();
}

#[tokio::test]
async fn servers_in_namespaces_keep_every_rule() {
    let world = World::new();
    if !machine::is_root() {
        let refused = world.kind("server").create(&call(1, Arc::default()), &server("namespaces", "first", None)).await;
        assert_eq!(refused.expect_err("takes root").kind(), ErrorKind::Unsupported);
        return;
    }
    let net = made(world.kind("network").as_ref(), &network("bridge", false)).await;
    let (one, two) = (net.id.clone(), net.id.clone());
    let case = Case::new(move |_| server("namespaces", "first", Some(&one)))
        .with_update(move |_| server("namespaces", "second", Some(&two)));
    expect_every_rule(&world, "server", case).await;
    deleted(world.kind("network").as_ref(), &net).await;
    world.expect_gone();
}

#[tokio::test]
async fn processes_keep_every_rule() {
    let world = World::new();
    let case = Case::new(|_| process("up")).with_update(|_| process("stopped"));
    expect_every_rule(&world, "process", case).await;
    world.expect_gone();
}

#[tokio::test]
async fn networks_are_made_once_wherever_a_create_is_given_up() {
    let mode = if machine::is_root() { "bridge" } else { "loopback" };
    give_up_everywhere("network", "networks", 0, &network(mode, false)).await;
}

#[tokio::test]
async fn servers_are_made_once_wherever_a_create_is_given_up() {
    let levels = ["confined", "user_namespaces", "namespaces"];
    for level in levels.into_iter().filter(|level| *level != "namespaces" || machine::is_root()) {
        give_up_everywhere("server", "servers", 1, &server(level, "first", None)).await;
    }
}

#[tokio::test]
async fn processes_are_made_once_wherever_a_create_is_given_up() {
    give_up_everywhere("process", "processes", 1, &process("up")).await;
}

/// Gives a create up at its first wait, at its second and so on, until it is not given up any more, and where its
/// identity cannot be recorded: whoever goes on after that comes to one object, the one that was found.
async fn give_up_everywhere(kind: &str, folder: &str, keepers: usize, wanted: &Value) {
    let world = World::new();
    let kind = world.kind(kind);
    let mut whole = false;
    for polls in 0..MAX_POLLS {
        let reporter: Arc<dyn Reporter> = if polls == 0 { Arc::new(Forgetful) } else { Arc::new(RecordingReporter::default()) };
        let attempt = Context { reporter, ..call(polls, Arc::default()) };
        let done = given_up(if polls == 0 { MAX_POLLS } else { polls }, kind.create(&attempt, wanted)).await;
        whole = polls > 0 && done.is_some();
        let found = match kind.find(&attempt, wanted).await.expect("looked for") {
            Found::None => None,
            Found::One(object) => Some(object.id),
            Found::Many(what) => panic!("{polls}: {what}"),
        };
        let object = settled(kind.as_ref(), Context { object: found.clone(), ..call(polls, Arc::default()) }, wanted).await;
        assert!(found.is_none_or(|found| found == object.id), "{polls}: another one was made");
        assert_eq!((world.names(folder).len(), world.keepers()), (1, keepers), "{polls}: {:?}", world.names(folder));
        assert_eq!(kind.read(std::slice::from_ref(&object.id)).await.expect("read"), [Some(object.clone())], "{polls}");
        deleted(kind.as_ref(), &object).await;
        world.expect_gone();
        if whole {
            break;
        }
    }
    assert!(whole, "a create is polled more than {MAX_POLLS} times");
}

#[tokio::test]
async fn whoever_is_about_to_start_a_keeper_is_ended_with_the_server() {
    let level = if machine::is_root() { "namespaces" } else { "user_namespaces" };
    for (kind, wanted) in [("server", server(level, "first", None)), ("process", process("up"))] {
        let world = World::new();
        let kind = world.kind(kind);
        for polls in 1..MAX_POLLS {
            let attempt = call(polls, Arc::default());
            let done = given_up(polls, kind.create(&attempt, &wanted)).await;
            let found = match kind.find(&attempt, &wanted).await.expect("looked for") {
                Found::One(object) => object,
                // What it was about may be there a moment later.
                _ => settled(kind.as_ref(), call(polls, Arc::default()), &wanted).await,
            };
            deleted(kind.as_ref(), &found).await;
            world.expect_gone();
            world.expect_nobody_comes();
            if done.is_some() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_a_removal_left_that_was_cut_off_at_its_end_goes_when_the_thing_is_found_gone() {
    let world = World::new();
    for (kind, folder) in [("server", "servers"), ("process", "processes"), ("network", "networks"), ("volume", "volumes")] {
        let left = if ["server", "process"].contains(&kind) { ".thing.deleted/control" } else { "" };
        fs::create_dir_all(world.site().join(folder).join(left)).expect("made");
        let id = if kind == "volume" { world.site().join("volumes/thing").display().to_string() } else { "thing".to_owned() };
        assert_eq!(world.kind(kind).read(&[id]).await.expect("read"), [None], "{kind}");
        world.expect_gone();
    }
}

/// What a call comes to, or nothing when it still waits at a poll.
async fn given_up<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(move |context| {
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A journal that cannot be written.
struct Forgetful;

#[async_trait]
impl Reporter for Forgetful {
    async fn identified(&self, _: &str) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "the journal is full"))
    }

    fn progress(&self, _: &str) {}
}

fn call(attempt: usize, reporter: Arc<RecordingReporter>) -> Context {
    let name = ResourceName::parse("thing").expect("a name");
    context(&StepId::of(&name, "create"), u32::try_from(attempt).expect("few"), reporter)
}

async fn settled(kind: &dyn AnyKind, mut context: Context, wanted: &Value) -> Object {
    let reporter = Arc::new(RecordingReporter::default());
    context.reporter = reporter.clone();
    for _ in 0..MAX_CALLS {
        match kind.create(&context, wanted).await.expect("created") {
            Reply::Done(object) => return object,
            Reply::Wait { after, phase } => {
                context.object = reporter.identified().pop().or(context.object);
                context.phase = Some(phase);
                tokio::time::sleep(after).await;
            }
        }
    }
    panic!("a create waits for ever");
}

async fn made(kind: &dyn AnyKind, wanted: &Value) -> Object {
    settled(kind, call(1, Arc::default()), wanted).await
}

async fn deleted(kind: &dyn AnyKind, object: &Object) {
    let gone = kind.delete(&call(1, Arc::default()), object).await.expect("deleted");
    assert_eq!(gone, Reply::Done(()));
}
