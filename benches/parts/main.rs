//! What each part of the engine takes by itself, for a layered graph of a thousand resources: `cargo bench --bench parts`.
//!
//! Everything is in memory, but for the evaluation, which reads its files. Criterion compares each number with that of the run before.

#[path = "../engine/shape.rs"]
#[expect(dead_code, reason = "the graphs are those of the engine's benchmark; only one shape is measured here")]
mod shape;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use provisioning_core::clock::System;
use provisioning_core::config::{self, Location, OnFailure, Overrides, Settings, Workspace};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::graph::{Dependency, Graph};
use provisioning_core::journal::{Progress, Status};
use provisioning_core::name::{Kind, ResourceName, RunId};
use provisioning_core::plan::{Command, Plan};
use provisioning_core::record::{Entry, Fact, Record};
use provisioning_core::registry::Registry;
use provisioning_core::resource::{Desired, StateRow, diff};
use provisioning_core::schedule::{Action, Estimates, Event, Policy, Reply, Schedule};
use provisioning_core::store::{Draft, Holder, Identity, Leases, Log, MemoryStore, Range};
use provisioning_core::value::Node;
use provisioning_providers::registry;
use shape::{Graph as Edges, Shape, Source};
use tokio::runtime::Runtime;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const COUNT: usize = 1000;

/// A workspace in memory to which the graph was applied.
struct Applied {
    runtime: Runtime,
    registry: Registry,
    node: Node,
    desired: Desired,
    plan: Plan,
    entries: Vec<Entry>,
    rows: BTreeMap<ResourceName, StateRow>,
    engine: Engine,
}

impl Applied {
    fn new(folder: &Path, edges: &Edges) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let registry = registry(folder);
        let node = config::document("main.json", &edges.json()).expect("a document");
        let desired = config::desired(node.clone(), &registry, &Settings::shipped()).expect("declared");
        let engine = Engine::builder(registry.clone(), Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
        let (plan, entries, rows) = runtime.block_on(async {
            let plan = engine.plan(&desired, &PlanOptions::new(Command::Apply)).await.expect("planned");
            engine.apply(&plan, &Control::new()).await.expect("applied");
            (plan, engine.entries(Range::default()).await.expect("read"), engine.state().await.expect("read"))
        });
        Self { runtime, registry, node, desired, plan, entries, rows, engine }
    }
}

fn parts(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let edges = Edges::new(Shape::Layered, COUNT);
    let applied = Applied::new(folder.path(), &edges);
    let names: Vec<_> = (0..COUNT).map(|index| ResourceName::parse(&format!("r{index}")).expect("a name")).collect();
    criterion.bench_function("graph: built and ordered", |bencher| {
        bencher.iter(|| {
            let mut graph = Graph::default();
            for (index, name) in names.iter().enumerate() {
                graph.add(name);
                edges.0[index].iter().for_each(|on| graph.depend(name, &names[*on], Dependency::Hard));
            }
            graph.order().expect("no circle").len()
        });
    });
    criterion.bench_function("declarations: checked", |bencher| {
        let declared = |node| config::desired(node, &applied.registry, &Settings::shipped()).expect("declared");
        bencher.iter_batched(|| applied.node.clone(), declared, BatchSize::LargeInput);
    });
    criterion.bench_function("declarations: linked", |bencher| {
        bencher.iter(|| applied.engine.validate(&applied.desired).expect("linked").len());
    });
    criterion.bench_function("plan: everything is new", |bencher| {
        let engine = Engine::builder(applied.registry.clone(), Arc::new(MemoryStore::new(Identity::fresh(&System)))).build();
        bencher.iter(|| planned(&applied.runtime, &engine, &applied.desired, COUNT));
    });
    criterion.bench_function("plan: nothing changed", |bencher| {
        bencher.iter(|| planned(&applied.runtime, &applied.engine, &applied.desired, 0));
    });
    criterion.bench_function("plan: hashed", |bencher| bencher.iter(|| applied.plan.hash()));
    criterion.bench_function("diff: every resource with its row", |bencher| bencher.iter(|| differences(&applied)));
    criterion.bench_function("schedule: every step", |bencher| bencher.iter(|| scheduled(&applied.plan)));
    criterion.bench_function("journal: a run is appended, 32 records at once", |bencher| appended(bencher, &applied));
    criterion.bench_function("journal: a run is replayed", |bencher| {
        bencher.iter(|| Progress::replay(applied.entries.iter().map(|entry| &entry.record)).expect("replayed").steps.len());
    });
}

fn planned(runtime: &Runtime, engine: &Engine, desired: &Desired, steps: usize) {
    let plan = runtime.block_on(engine.plan(desired, &PlanOptions::new(Command::Apply))).expect("planned");
    assert_eq!(plan.steps.len(), steps);
}

/// Compares every declaration with its row, field by field.
fn differences(applied: &Applied) -> usize {
    let kind = |word: &str| Kind::parse(word).expect("a kind");
    let schema = applied.registry.kind(&kind("local"), &kind("value")).expect("the kind is there");
    let compared = applied.desired.resources.values().filter_map(|declared| {
        let row = applied.rows.get(&declared.name)?;
        Some(diff(&schema, declared, &row.inputs, row, row.object.as_ref()?).len())
    });
    compared.sum()
}

/// Carries a plan out with calls that come back at once.
fn scheduled(plan: &Plan) -> usize {
    let limits = Settings::shipped().limits;
    let policy = Policy { limits, on_failure: OnFailure::Stop, seed: 7, estimates: Estimates::default() };
    let mut schedule = Schedule::new(plan, |_| Status::Pending, policy);
    let (mut events, mut done) = (vec![Event::Begin], 0);
    while let Some(event) = events.pop() {
        for action in schedule.on(Duration::ZERO, event) {
            match action {
                Action::Call(step, _) => events.push(Event::Replied(step, Reply::Done)),
                Action::AppendSucceeded(_) => done += 1,
                Action::Finish(_) => return done,
                _ => {}
            }
        }
        if events.is_empty() {
            events.extend([Event::Appended, Event::Appending]);
        }
    }
    done
}

fn appended(bencher: &mut criterion::Bencher<'_>, applied: &Applied) {
    let (run, at) = (RunId::new(applied.entries[0].record.at, 7), applied.entries[0].record.at);
    let drafts = || -> Vec<Draft> {
        let facts = applied.entries.iter().map(|entry| entry.record.fact.clone());
        let facts = facts.filter(|fact| !matches!(fact, Fact::RunFinished { .. }));
        facts.map(|fact| Draft { record: Record { run: run.clone(), at, fact }, rows: Vec::new() }).collect()
    };
    let prepared = || (MemoryStore::new(Identity::fresh(&System)), drafts());
    bencher.iter_batched(
        prepared,
        |(store, mut drafts)| {
            applied.runtime.block_on(async {
                let lease = store.acquire(&Holder::this_process(), at, Duration::from_hours(1)).await.expect("free");
                while !drafts.is_empty() {
                    let rest = drafts.split_off(drafts.len().min(32));
                    store.append(&lease, std::mem::replace(&mut drafts, rest)).await.expect("appended");
                }
            });
        },
        BatchSize::LargeInput,
    );
}

fn evaluation(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    Edges::new(Shape::Layered, COUNT).write(folder.path(), Source::Nickel).expect("written");
    let kept = folder.path().join(".provisioning");
    let load = || {
        let location = Location::open(folder.path(), &Overrides::default()).expect("opened");
        Workspace::load(location, &registry(folder.path())).expect("loaded").desired.resources.len()
    };
    criterion.bench_function("evaluation: cold", |bencher| bencher.iter(load));
    // Before its first apply a workspace keeps nothing.
    fs::create_dir(&kept).expect("made");
    load();
    criterion.bench_function("evaluation: cached", |bencher| bencher.iter(load));
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3)).without_plots();
    targets = parts, evaluation
}
criterion_main!(all);
