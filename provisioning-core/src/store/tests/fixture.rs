//! A workspace's life for tests: two plans, and the records of the runs that carry them out.
//!
//! The rows are asked of `journal::effect` step by step, as an executor does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Ids, Timestamp};
use crate::digest::Digest;
use crate::error::{ErrorKind, Failure};
use crate::journal::{RowChange, effect};
use crate::name::{Kind, ProviderName, ResourceName, RunId, StepId, WorkspaceId};
use crate::plan::{Action, Command, FORMAT, Plan, Step};
use crate::record::{Fact, Object, Outcome, Record, StepFact};
use crate::resource::{Lifecycle, RetryPolicy, Role, StateRow};
use crate::schema::{Undo, UndoClass};
use crate::store::{Draft, Holder, Lease, Store};
use crate::value::Value;

/// Numbers that are the same in every test.
#[derive(Debug, Default)]
pub(crate) struct Counted(AtomicU64);

impl Ids for Counted {
    fn random(&self) -> u128 {
        0xABCD_0000 + u128::from(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis((1_795_000_000 + seconds) * 1000)
}

pub(crate) fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).expect("a name")
}

pub(crate) fn run(number: u64) -> RunId {
    RunId::new(at(0), number)
}

/// Takes the lease of a store for this process, for an hour from the beginning of the tests' time.
pub(crate) async fn lease(store: &dyn Store) -> Lease {
    store.acquire(&Holder::this_process(), at(0), Duration::from_hours(1)).await.expect("the lease is free")
}

/// A plan that creates a server and a disk after reading an image.
pub(crate) fn first_plan() -> Plan {
    plan(vec![
        step("image/read", Action::Read),
        step("web/create", Action::Create),
        step("disk/create", Action::Create),
        step("key/create", Action::Create),
    ])
}

/// A plan that renames the disk, reads the server again, deletes the key, and gets no further.
pub(crate) fn second_plan() -> Plan {
    let object = |id: &str| Some(Object { id: id.into(), outputs: Value::Null });
    plan(vec![
        step("volume/rename", Action::Rename { from: name("disk") }),
        step("web/refresh", Action::Refresh),
        Step { prior: object("key-1"), ..step("key/delete", Action::Delete) },
        Step { prior: object("web-1"), ..step("web/create", Action::Create) },
        step("dns/create", Action::Create),
        step("log/create", Action::Create),
    ])
}

/// A plan that is not kept as it is written.
pub(crate) fn large_plan() -> Plan {
    plan((0..1200).map(|number| step(&format!("web-{number}/create"), Action::Create)).collect())
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        secrets: BTreeMap::new(),
        format: FORMAT,
        workspace: WorkspaceId::new(7),
        created_at: at(0),
        command: Command::Apply,
        undoes: None,
        changes: Arc::default(),
        unchanged: 3,
        compared: 0,
        steps: Arc::new(steps),
        providers: BTreeMap::new(),
        lookups: BTreeMap::new(),
        outputs: BTreeMap::new(),
        changed_outputs: Vec::new(),
        checkpoints: BTreeMap::new(),
        basis: BTreeMap::from([(name("web"), 0)]),
    }
}

fn step(id: &str, action: Action) -> Step {
    let id = StepId::parse(id).expect("a step");
    Step {
        resource: name(id.resource()),
        id,
        action,
        kind: Kind::parse("server").expect("a kind"),
        role: Role::Managed { provider: ProviderName::parse("lab").expect("an alias") },
        inputs: Value::map([("ratio", Value::Float(0.1 + 0.2)), ("$odd", Value::Unknown)]),
        prior: None,
        requires: Vec::new(),
        after: Vec::new(),
        depends_on: Vec::new(),
        lifecycle: Lifecycle::default(),
        retry: RetryPolicy { attempts: 3, initial_seconds: 1.0 / 3.0, max_seconds: 30.0 },
        timeout_seconds: 0.1 + 0.7,
        undo: Undo { class: UndoClass::Lossy, reason: "the disk is lost".into() },
    }
}

/// Writes down what a run does.
pub(crate) struct Script {
    run: RunId,
    plan: Plan,
    time: i64,
    rows: BTreeMap<ResourceName, StateRow>,
    inputs: BTreeMap<StepId, Value>,
    drafts: Vec<Draft>,
}

impl Script {
    /// A run of a plan, on top of the rows that are there.
    pub(crate) fn new(run: RunId, plan: Plan, rows: BTreeMap<ResourceName, StateRow>) -> Self {
        let start = Fact::RunStarted { plan: plan.hash(), command: "apply".into(), undoes: None };
        let mut script = Self { run, plan, time: 0, rows, inputs: BTreeMap::new(), drafts: Vec::new() };
        script.draft(start, Vec::new());
        script
    }

    pub(crate) fn step(&mut self, id: &str, fact: StepFact) -> &mut Self {
        let step = self.plan.steps.iter().find(|step| step.id.as_str() == id).expect("a step of the plan").clone();
        let subject = if let Action::Rename { from } = &step.action { from } else { &step.resource };
        if let StepFact::Started { inputs, .. } = &fact {
            self.inputs.insert(step.id.clone(), inputs.clone());
        }
        let inputs = self.inputs.get(&step.id).cloned().unwrap_or_default();
        let changes = effect(&self.run, &step, self.rows.get(subject), &inputs, &fact);
        for change in &changes {
            match change {
                RowChange::Put(row) => self.rows.insert(row.name.clone(), row.as_ref().clone()),
                RowChange::Remove(name) => self.rows.remove(name),
            };
        }
        self.draft(Fact::Step { id: step.id, fact }, changes);
        self
    }

    /// Starts a step and ends it with an object.
    pub(crate) fn done(&mut self, id: &str, object: Option<&str>) -> &mut Self {
        let object = object.map(|id| Object { id: id.into(), outputs: Value::map([("id", Value::from(id))]) });
        self.step(id, started(1)).step(id, StepFact::Succeeded { object })
    }

    pub(crate) fn finish(&mut self, outcome: Outcome) -> Vec<Draft> {
        self.draft(Fact::RunFinished { outcome }, Vec::new());
        std::mem::take(&mut self.drafts)
    }

    fn draft(&mut self, fact: Fact, rows: Vec<RowChange>) {
        self.time += 1;
        self.drafts.push(Draft { record: Record { run: self.run.clone(), at: at(self.time), fact }, rows });
    }
}

pub(crate) fn started(attempt: u32) -> StepFact {
    StepFact::Started { attempt, inputs: Value::map([("size_gb", Value::Integer(20)), ("third", Value::Float(1.0 / 3.0))]) }
}

/// The records of a run that creates everything in the first plan, one step at the second attempt.
pub(crate) fn first_run() -> Vec<Draft> {
    let failure = Failure { kind: ErrorKind::Unavailable, message: "no answer".into(), hint: None };
    let mut script = Script::new(run(1), first_plan(), BTreeMap::new());
    script.done("image/read", Some("image-1")).step("web/create", started(1));
    script.step("web/create", StepFact::Identified { object: "web-1".into() });
    script.step("web/create", StepFact::Waiting { phase: "booting".into() });
    script.step("web/create", StepFact::Succeeded { object: Some(Object { id: "web-1".into(), outputs: Value::Null }) });
    script.step("disk/create", started(1));
    script.step("disk/create", StepFact::Failed { failure, retry_after: Some(Duration::from_millis(250)), partial: false });
    script.step("disk/create", started(2));
    script.step("disk/create", StepFact::Succeeded { object: Some(Object { id: "disk-1".into(), outputs: Value::Null }) });
    script.done("key/create", Some("key-1"));
    script.finish(Outcome::Completed)
}

/// The records of a run of the second plan, which ends in doubt.
pub(crate) fn second_run(rows: BTreeMap<ResourceName, StateRow>) -> Vec<Draft> {
    let mut script = Script::new(run(2), second_plan(), rows);
    script.done("volume/rename", None).done("web/refresh", Some("web-1")).done("key/delete", None);
    script.step("web/create", started(1)).step("web/create", StepFact::Identified { object: "web-2".into() });
    script.step("web/create", StepFact::InDoubt { reason: "the line broke".into() });
    script.step("dns/create", StepFact::Skipped { because: StepId::of(&name("web"), "create") });
    script.draft(Fact::RunResumed { by: "me@here pid 1".into() }, Vec::new());
    script.finish(Outcome::Failed)
}

/// A run that has begun and does nothing, with as many records after its start as asked for.
pub(crate) fn idle_run(number: u64, records: usize) -> Vec<Draft> {
    let mut script = Script::new(run(number), first_plan(), BTreeMap::new());
    for _ in 0..records {
        script.draft(Fact::RunResumed { by: "me@here pid 1".into() }, Vec::new());
    }
    script.drafts
}

/// Appends both runs with their plans; gives the hash of the second plan.
pub(crate) async fn live(store: &dyn Store, lease: &Lease) -> Digest {
    store.save_plan(&first_plan()).await.expect("the plan is kept");
    store.append(lease, first_run()).await.expect("the first run is appended");
    let hash = store.save_plan(&second_plan()).await.expect("the plan is kept");
    let rows = store.rows().await.expect("the rows can be read");
    store.append(lease, second_run(rows)).await.expect("the second run is appended");
    hash
}
