//! The measured process: a workspace is loaded, planned and applied, or only planned, and the times are printed as JSON.
//!
//! It does what the command line does, without drawing anything.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use provisioning_core::clock::System;
use provisioning_core::config::{Location, Overrides, Workspace};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::event::{Event, Observer};
use provisioning_core::plan::{Command, Plan};
use provisioning_core::record::Fact;
use provisioning_core::resource::Desired;
use provisioning_core::store::{Opening, SqliteStore};
use provisioning_providers::registry;
use serde::{Deserialize, Serialize};

use crate::Result;

/// What the process does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    /// Plans and applies in a workspace without a state.
    Apply,
    /// Plans again, where nothing is to be done.
    Plan,
    /// Applies, and dies when so many records are written.
    Die(usize),
    /// Goes on with a run that died, until its first step begins.
    Resume,
}

impl Phase {
    /// The word that the process is told.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Apply => "apply".to_owned(),
            Self::Plan => "plan".to_owned(),
            Self::Die(records) => format!("die:{records}"),
            Self::Resume => "resume".to_owned(),
        }
    }

    fn parse(word: &str) -> Result<Self> {
        match word.split_once(':') {
            Some(("die", records)) => Ok(Self::Die(records.parse()?)),
            _ => match word {
                "apply" => Ok(Self::Apply),
                "plan" => Ok(Self::Plan),
                "resume" => Ok(Self::Resume),
                other => Err(format!("`{other}` is no phase").into()),
            },
        }
    }
}

/// The times of a first apply, in seconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) load: f64,
    pub(crate) plan: f64,
    pub(crate) apply: f64,
    pub(crate) steps: usize,
    pub(crate) commits: u64,
    pub(crate) peak_bytes: u64,
    /// The time that the processors spent on it, in seconds.
    pub(crate) cpu: f64,
}

/// The times of a plan that finds nothing to do, in seconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) load: f64,
    pub(crate) plan: f64,
    pub(crate) peak_bytes: u64,
}

/// Where the workspace has its store.
pub(crate) fn store(folder: &Path) -> PathBuf {
    folder.join("state.db")
}

/// `measure PHASE PARALLELISM FOLDER`.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let [phase, parallelism, folder] = arguments else { return Err("measure PHASE PARALLELISM FOLDER".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (folder, parallelism) = (Path::new(folder), parallelism.parse()?);
        let text = match Phase::parse(phase)? {
            Phase::Apply => serde_json::to_string(&Opened::new(folder, parallelism, Observer::default())?.apply().await?)?,
            Phase::Plan => serde_json::to_string(&Opened::new(folder, parallelism, Observer::default())?.plan_again().await?)?,
            Phase::Die(records) => return die(folder, parallelism, records).await,
            Phase::Resume => serde_json::to_string(&resume(folder, parallelism).await?)?,
        };
        println!("{text}");
        Ok(())
    })
}

/// How long it took until a run that died had its first step begun, in seconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resumed {
    pub(crate) first_action: f64,
    pub(crate) peak_bytes: u64,
}

/// Applies, and dies on the spot when so many records are on disk.
async fn die(folder: &Path, parallelism: usize, records: usize) -> Result<()> {
    let written = AtomicUsize::new(0);
    let observer = Observer::new(move |event| {
        if matches!(event, Event::Recorded(_)) && written.fetch_add(1, Ordering::Relaxed) + 1 == records {
            std::process::abort();
        }
    });
    let opened = Opened::new(folder, parallelism, observer)?;
    let (plan, _) = opened.plan().await?;
    opened.engine.apply(&plan, &Control::new()).await?;
    Err(format!("the run ended before it had {records} records").into())
}

/// Goes on with the run that died, and stops at its first step.
async fn resume(folder: &Path, parallelism: usize) -> Result<Resumed> {
    let begun = Instant::now();
    let (first, control) = (Arc::new(OnceLock::new()), Arc::new(Control::new()));
    let (seen, stop) = (first.clone(), control.clone());
    let observer = Observer::new(move |event| {
        if let Event::Recorded(entry) = event
            && matches!(entry.record.fact, Fact::Step { .. })
        {
            seen.get_or_init(|| begun.elapsed());
            stop.cancel();
        }
    });
    let Location { mut settings, store, .. } = Location::open(folder, &Overrides::default())?;
    settings.limits.run = parallelism;
    let store = Arc::new(SqliteStore::open(&store, Opening::OrCreate(&System))?);
    let engine = Engine::builder(registry(folder), store).settings(settings).observer(observer).build();
    engine.resume(None, &control).await?;
    let first = first.get().ok_or("nothing was begun")?;
    Ok(Resumed { first_action: first.as_secs_f64(), peak_bytes: peak_bytes()? })
}

struct Opened {
    engine: Engine,
    store: Arc<SqliteStore>,
    desired: Desired,
    load: f64,
}

impl Opened {
    fn new(folder: &Path, parallelism: usize, observer: Observer) -> Result<Self> {
        let begun = Instant::now();
        let registry = registry(folder);
        let location = Location::open(folder, &Overrides::default())?;
        let store = Arc::new(SqliteStore::open(&location.store, Opening::OrCreate(&System))?);
        store.read_ahead();
        let Workspace { location: Location { mut settings, .. }, desired, .. } = Workspace::load(location, &registry)?;
        settings.limits.run = parallelism;
        let engine = Engine::builder(registry, store.clone()).settings(settings).observer(observer).build();
        Ok(Self { engine, store, desired, load: begun.elapsed().as_secs_f64() })
    }

    async fn plan(&self) -> Result<(Plan, f64)> {
        let begun = Instant::now();
        let plan = self.engine.plan(&self.desired, &PlanOptions::new(Command::Apply)).await?;
        Ok((plan, begun.elapsed().as_secs_f64()))
    }

    async fn apply(self) -> Result<Applied> {
        let (plan, planned) = self.plan().await?;
        let (begun, commits) = (Instant::now(), self.store.commits());
        let report = self.engine.apply(&plan, &Control::new()).await?;
        let apply = begun.elapsed().as_secs_f64();
        if report.succeeded != self.desired.resources.len() {
            return Err(format!("{} of {} steps succeeded", report.succeeded, self.desired.resources.len()).into());
        }
        Ok(Applied {
            load: self.load,
            plan: planned,
            apply,
            steps: report.steps,
            commits: self.store.commits() - commits,
            peak_bytes: peak_bytes()?,
            cpu: cpu()?,
        })
    }

    async fn plan_again(self) -> Result<Planned> {
        let (plan, planned) = self.plan().await?;
        if !plan.is_empty() {
            return Err(format!("a second plan has {} steps", plan.steps.len()).into());
        }
        Ok(Planned { load: self.load, plan: planned, peak_bytes: peak_bytes()? })
    }
}

/// How long the processors have worked for this process, in seconds, by proc(5).
fn cpu() -> Result<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let words = stat.rsplit_once(") ").ok_or("/proc/self/stat has no name")?.1.split(' ');
    let ticks = words.skip(11).take(2).map(str::parse::<f64>).sum::<std::result::Result<f64, _>>()?;
    Ok(ticks / TICKS_A_SECOND)
}

/// The most memory that this process has had.
fn peak_bytes() -> Result<u64> {
    peak_of("self").ok_or_else(|| "/proc/self/status has no VmHWM".into())
}

/// The most resident memory that a process has had, by proc(5).
pub(crate) fn peak_of(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
