//! What the order of the steps is worth: a provider whose calls take as long as they are told to, few calls at once, and a long
//! way hidden among much that is short.
//!
//! The first run knows nothing of how long a step takes, and begins them in the order of the longest way by number of steps. By the
//! second one the journal has taught it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provisioning_core::clock::System;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::error::Result as Reported;
use provisioning_core::plan::Command;
use provisioning_core::provider::{AnyKind, Context, Found, Reply, ResourceKind, erase};
use provisioning_core::registry::Registry;
use provisioning_core::resource::Desired;
use provisioning_core::schema::Schema;
use provisioning_core::store::{Opening, SqliteStore};
use provisioning_core::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::Result;

/// How many calls run at once.
const SLOTS: usize = 4;
/// How many resources are quick, in chains of two, and how many slow ones stand alone.
const QUICK: usize = 40;
const SLOW: usize = 6;
/// How long they take.
const QUICK_TAKES: Duration = Duration::from_millis(100);
const SLOW_TAKES: Duration = Duration::from_millis(900);

#[derive(Serialize, Deserialize)]
struct Spec {
    from: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct State {
    id: String,
}

struct Paced {
    kind: &'static str,
    takes: Duration,
}

#[async_trait]
impl ResourceKind for Paced {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        let fields = "from = { type = \"string\", presence = \"optional\", summary = \"What it comes after.\" }\n\
                      id = { type = \"string\", presence = \"computed\", summary = \"Who it is.\" }";
        let text = format!("kind = \"{}\"\nsummary = \"Takes its time.\"\nexistence = \"stored\"\n[fields]\n{fields}", self.kind);
        Schema::parse(&text).expect("the schema is valid")
    }

    async fn read(&self, ids: &[String]) -> Reported<Vec<Option<State>>> {
        Ok(ids.iter().map(|id| Some(State { id: id.clone() })).collect())
    }

    async fn find(&self, _: &Context, _: &Spec) -> Reported<Found<State>> {
        Ok(Found::None)
    }

    async fn create(&self, context: &Context, _: Spec) -> Reported<Reply<State>> {
        tokio::time::sleep(self.takes).await;
        Ok(Reply::Done(State { id: context.token.to_string() }))
    }

    async fn update(&self, _: &Context, prior: State, _: Spec) -> Reported<Reply<State>> {
        Ok(Reply::Done(prior))
    }

    async fn delete(&self, _: &Context, _: State) -> Reported<Reply<()>> {
        Ok(Reply::Done(()))
    }
}

/// Runs it twice, and prints how long each took.
pub(crate) fn measure(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let kinds: [Arc<dyn AnyKind>; 2] =
            [erase(Paced { kind: "quick", takes: QUICK_TAKES }), erase(Paced { kind: "slow", takes: SLOW_TAKES })];
        let registry = Registry::default().with_kinds("paced", kinds.to_vec())?;
        let mut settings = Settings::shipped();
        settings.limits.run = SLOTS;
        let store = SqliteStore::open(&folder.join("paced.db"), Opening::OrCreate(&System))?;
        let engine = Engine::builder(registry.clone(), Arc::new(store)).settings(settings.clone()).build();
        let desired = config::desired(Value::try_from(document())?.into(), &registry, &settings)?;
        println!(
            "{QUICK} quick resources of {QUICK_TAKES:?} in pairs, {SLOW} slow ones of {SLOW_TAKES:?}, {SLOTS} calls at once"
        );
        let plain = run(&engine, &desired, "in the order of the ways by number of steps").await?;
        let learnt = run(&engine, &desired, "by what the first run took").await?;
        let work = u32::try_from(QUICK)? * QUICK_TAKES + u32::try_from(SLOW)? * SLOW_TAKES;
        println!(
            "  no order takes less than {:.2} s; the gain is {:.2} x\n",
            (work / u32::try_from(SLOTS)?).as_secs_f64(),
            plain / learnt
        );
        Ok(())
    })
}

/// Makes everything, says how long that took, and removes it.
async fn run(engine: &Engine, desired: &Desired, how: &str) -> Result<f64> {
    let plan = engine.plan(desired, &PlanOptions::new(Command::Apply)).await?;
    let report = engine.apply(&plan, &Control::new()).await?;
    let seconds = report.duration.as_secs_f64();
    let way = report.critical_path.as_ref().map_or(0, |path| path.steps.len());
    println!("  {how}: {seconds:.2} s, {} steps, the last of them waited for {way}", report.succeeded);
    let gone = engine.plan(desired, &PlanOptions::new(Command::Destroy)).await?;
    engine.apply(&gone, &Control::new()).await?;
    Ok(seconds)
}

fn document() -> Json {
    let quick = (0..QUICK).map(|number| {
        let first = number % 2 == 0;
        let fields = if first {
            json!({ "kind": "quick" })
        } else {
            json!({ "kind": "quick", "from": format!("${{quick{}.id}}", number - 1) })
        };
        (format!("quick{number}"), fields)
    });
    let slow = (0..SLOW).map(|number| (format!("slow{number}"), json!({ "kind": "slow" })));
    let resources: Map<String, Json> = quick.chain(slow).collect();
    json!({ "providers": { "paced": { "type": "paced" } }, "resources": resources })
}
