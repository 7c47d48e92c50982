//! A workspace, as Python holds it: what can be asked of its engine.

use std::path::PathBuf;
use std::sync::Arc;

use provisioning_core::config::Settings;
use provisioning_core::engine::{Control, Engine, PlanOptions, Refresh, Report, StepStatus};
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::event::Observer;
use provisioning_core::graph::Graph;
use provisioning_core::name::{ResourceName, RunId, StepId};
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::registry::Registry;
use provisioning_core::resource::StateRow;
use provisioning_core::store::Range;
use provisioning_core::value::Value;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;

use crate::calls::Target;
use crate::command::keeper;
use crate::errors::{self, Foreign};
use crate::hosts::Host;
use crate::opening::{Document, Missing, Opened, paced};
use crate::plans::Plan;
use crate::providers::PyFactory;
use crate::runs::{Feed, Run};
use crate::services::PyService;
use crate::thread::EngineThread;
use crate::values::to_python;

/// Something as JSON.
pub(crate) fn json(py: Python<'_>, document: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(document).map_err(|error| errors::raised(py, &Error::bug(error.to_string())))
}

/// What a program offers in Python, and what runs its coroutines.
#[derive(FromPyObject)]
struct Offer<'py> {
    providers: Vec<Bound<'py, PyAny>>,
    services: Vec<Bound<'py, PyAny>>,
    submit: Py<PyAny>,
}

impl Offer<'_> {
    fn add_to(&self, mut registry: Registry, thread: &EngineThread, foreign: Foreign) -> PyResult<Registry> {
        for (objects, is_provider) in [(&self.providers, true), (&self.services, false)] {
            for object in objects {
                let py = object.py();
                let target = Target::new(object.clone().unbind(), self.submit.clone_ref(py), thread, foreign);
                registry = if is_provider {
                    registry.with_provider(PyFactory::of(object, &target)?)
                } else {
                    registry.with_service(PyService::of(object, &target)?)
                };
            }
        }
        Ok(registry)
    }
}

/// How a run proceeds, where it does not as it is configured.
#[derive(FromPyObject)]
struct Pace {
    on_failure: Option<String>,
    parallelism: Option<usize>,
}

/// What a plan is asked for, besides the command.
#[derive(FromPyObject)]
struct Scope {
    targets: Vec<String>,
    excludes: Vec<String>,
    replace: Vec<String>,
    refresh: bool,
}

/// A workspace.
#[pyclass(frozen, module = "_provisioning")]
pub(crate) struct Workspace {
    opened: Arc<Opened>,
    thread: Arc<EngineThread>,
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // In a fork the store's own thread is not there to be ended: what the parent has is left to the parent.
        if self.thread.is_forked() {
            std::mem::forget(Arc::clone(&self.opened));
        }
    }
}

impl Workspace {
    /// Asks the engine something and waits for the answer.
    fn ask<T, F>(&self, py: Python<'_>, missing: Missing, ask: impl FnOnce(Engine) -> F + Send + 'static) -> PyResult<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + 'static,
    {
        let opened = Arc::clone(&self.opened);
        self.thread.call(py, move || async move {
            let settings = opened.location.settings.clone();
            ask(opened.engine(missing, Observer::default(), settings)?).await
        })
    }

    /// Begins a run, and does not wait for it.
    fn begin<F>(
        &self,
        py: Python<'_>,
        pace: &Pace,
        carry_out: impl FnOnce(Engine, Control, Arc<Opened>) -> F + Send + 'static,
    ) -> PyResult<Run>
    where
        F: Future<Output = Result<Report>> + 'static,
    {
        let settings = self.paced(pace).map_err(|error| errors::raised(py, &error))?;
        let (feed, control, opened) = (Arc::<Feed>::default(), Control::new(), Arc::clone(&self.opened));
        let run = Run { feed: feed.clone(), control: control.clone(), thread: self.thread.clone() };
        let work = move || async move {
            let report = match opened.engine(Missing::Made, feed.observer(), settings) {
                Ok(engine) => carry_out(engine, control, opened).await,
                Err(error) => Err(error),
            };
            feed.end(report);
        };
        self.thread.spawn(work).map_err(|error| errors::raised(py, &error))?;
        Ok(run)
    }

    fn paced(&self, pace: &Pace) -> Result<Settings> {
        paced(&self.opened.location.settings, pace.on_failure.as_deref(), pace.parallelism)
    }

    fn desired(&self, py: Python<'_>, document: Option<&Document<'_>>) -> PyResult<provisioning_core::resource::Desired> {
        let node = document.map(Document::node).transpose().map_err(|error| errors::raised(py, &error))?;
        py.detach(|| self.opened.desired(node)).map_err(|error| errors::raised(py, &error))
    }
}

fn run_id(py: Python<'_>, run: Option<&str>) -> PyResult<Option<RunId>> {
    run.map(RunId::parse).transpose().map_err(|error| errors::raised(py, &error))
}

fn step_id(py: Python<'_>, step: &str) -> PyResult<StepId> {
    StepId::parse(step).map_err(|error| errors::raised(py, &error))
}

#[pymethods]
impl Workspace {
    #[staticmethod]
    fn open(
        py: Python<'_>,
        folder: PathBuf,
        flags: Vec<(String, String, String)>,
        keeper_words: Vec<String>,
        offer: Offer<'_>,
    ) -> PyResult<Self> {
        let opened = py.detach(|| Opened::open(&folder, flags, &keeper(keeper_words)));
        let mut opened = opened.map_err(|error| errors::raised(py, &error))?;
        let thread = EngineThread::start().map_err(|error| errors::raised(py, &error))?;
        opened.registry = offer.add_to(opened.registry, &thread, Foreign::Unsure)?;
        Ok(Self { opened: Arc::new(opened), thread: Arc::new(thread) })
    }

    /// The same workspace with a store of its own, below what it keeps, and more on offer.
    fn beside(&self, store: Vec<String>, offer: Offer<'_>) -> PyResult<Self> {
        let path = store.iter().fold(self.opened.location.site(), |path, part| path.join(part));
        let registry = offer.add_to(self.opened.registry.clone(), &self.thread, Foreign::Failed)?;
        let opened = self.opened.beside(path, registry);
        Ok(Self { opened: Arc::new(opened), thread: self.thread.clone() })
    }

    #[getter]
    fn folder(&self) -> PathBuf {
        self.opened.location.root.clone()
    }

    #[getter]
    fn name(&self) -> &str {
        &self.opened.location.name
    }

    #[getter]
    fn environment(&self) -> Option<&str> {
        self.opened.location.environment.as_deref()
    }

    /// Every name with what it depends on.
    fn validate(&self, py: Python<'_>, document: Option<Document<'_>>) -> PyResult<Vec<(String, Vec<String>)>> {
        let desired = self.desired(py, document.as_ref())?;
        let graph = self.ask(py, Missing::Empty, move |engine| async move { engine.validate(&desired) })?;
        let names = |graph: &Graph<ResourceName>| {
            let order = graph.order().unwrap_or_default().into_iter();
            let below = |name| graph.dependencies(name).into_iter().map(|(name, _)| name.to_string()).collect();
            order.map(|name| (name.to_string(), below(name))).collect()
        };
        Ok(names(&graph))
    }

    fn plan(&self, py: Python<'_>, document: Option<Document<'_>>, command: &str, scope: Scope) -> PyResult<Plan> {
        let command: Command = serde_json::from_value(command.into())
            .map_err(|_| errors::raised(py, &Error::invalid(format!("there is no command `{command}`"))))?;
        py.detach(|| self.opened.read_ahead());
        let desired = self.desired(py, document.as_ref())?;
        let Scope { targets, excludes, replace, refresh } = scope;
        let refresh = if refresh { Refresh::Read } else { Refresh::Skip };
        let options = PlanOptions { command, targets, excludes, replace, refresh };
        let planned = self.ask(py, Missing::Made, move |engine| async move {
            let plan = engine.plan(&desired, &options).await?;
            Ok((plan, engine.outputs().await?))
        });
        planned.map(|(plan, given)| Plan::new(plan, given))
    }

    fn plan_rollback(&self, py: Python<'_>, run: Option<&str>, to: Option<String>) -> PyResult<Plan> {
        let run = run_id(py, run)?;
        let planned = self.ask(py, Missing::Empty, move |engine| async move {
            let plan = match &to {
                Some(checkpoint) => engine.plan_rollback_to(run.as_ref(), checkpoint).await?,
                None => engine.plan_rollback(run.as_ref()).await?,
            };
            Ok((plan, engine.outputs().await?))
        });
        planned.map(|(plan, given)| Plan::new(plan, given))
    }

    fn apply(&self, py: Python<'_>, plan: &Plan, pace: Pace) -> PyResult<Run> {
        let inner = plan.inner.clone();
        self.begin(py, &pace, move |engine, control, _| async move { engine.apply(&inner, &control).await })
    }

    fn resume(&self, py: Python<'_>, run: Option<&str>, pace: Pace) -> PyResult<Run> {
        let run = run_id(py, run)?;
        self.begin(py, &pace, move |engine, control, _| async move { engine.resume(run.as_ref(), &control).await })
    }

    fn continue_rollback(&self, py: Python<'_>, pace: Pace) -> PyResult<Run> {
        self.begin(py, &pace, |engine, control, _| async move { engine.continue_rollback(&control).await })
    }

    /// Goes on with the last run where it has not come to its end, and then does what is still to be done.
    fn carry_out(&self, py: Python<'_>, document: Document<'_>, pace: Pace) -> PyResult<Run> {
        let node = document.node().map_err(|error| errors::raised(py, &error))?;
        self.begin(py, &pace, move |engine, control, opened| async move {
            let desired = opened.desired(Some(node))?;
            // What was begun is looked after first; what was not is planned anew, by what the program says now.
            let is_open = |step: &StepStatus| step.status.open().is_some();
            let status = engine.status().await?;
            let is_rollback = status.last_run.as_ref().is_some_and(|last| last.undoes.is_some());
            if is_rollback && !status.unfinished.is_empty() {
                let error = Error::new(ErrorKind::Conflict, "the last run is a rollback that did not come to its end");
                return Err(error.with_hint("`workspace.continue_rollback()` goes on with it"));
            }
            let mut resumed = None;
            if status.unfinished.iter().any(is_open) {
                let report = engine.resume(None, &control).await?;
                if report.outcome != Outcome::Completed {
                    return Ok(report);
                }
                resumed = Some(report);
            }
            let plan = engine.plan(&desired, &PlanOptions::new(Command::Apply)).await?;
            match resumed {
                Some(report) if plan.is_empty() => Ok(report),
                _ => engine.apply(&plan, &control).await,
            }
        })
    }

    fn skip_undo(&self, py: Python<'_>, step: &str, reason: String) -> PyResult<()> {
        let step = step_id(py, step)?;
        self.ask(py, Missing::Empty, move |engine| async move { engine.skip_undo(&step, &reason).await })
    }

    fn abandon(&self, py: Python<'_>, step: &str, reason: String) -> PyResult<()> {
        let step = step_id(py, step)?;
        self.ask(py, Missing::Empty, move |engine| async move { engine.abandon(&step, &reason).await })
    }

    fn adopt(&self, py: Python<'_>, step: &str, object: String) -> PyResult<()> {
        let step = step_id(py, step)?;
        self.ask(py, Missing::Empty, move |engine| async move { engine.adopt(&step, &object).await })
    }

    fn retry(&self, py: Python<'_>, step: &str) -> PyResult<()> {
        let step = step_id(py, step)?;
        self.ask(py, Missing::Empty, move |engine| async move { engine.retry(&step).await })
    }

    fn unlock(&self, py: Python<'_>) -> PyResult<String> {
        let lease = self.ask(py, Missing::Empty, |engine| async move { engine.unlock().await })?;
        json(py, &lease)
    }

    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let rows = self.ask(py, Missing::Empty, |engine| async move { engine.state().await })?;
        let state = PyDict::new(py);
        rows.iter().try_for_each(|(name, row)| state.set_item(name.as_str(), row_of(py, row)?))?;
        Ok(state)
    }

    /// The outputs by name, each with whether it is sensitive.
    fn outputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let outputs = self.ask(py, Missing::Empty, |engine| async move { engine.outputs().await })?;
        let given = PyDict::new(py);
        for (name, output) in &outputs {
            given.set_item(name, (to_python(py, &output.value)?, output.sensitive))?;
        }
        Ok(given)
    }

    fn status(&self, py: Python<'_>) -> PyResult<String> {
        json(py, &self.ask(py, Missing::Empty, |engine| async move { engine.status().await })?)
    }

    fn runs(&self, py: Python<'_>) -> PyResult<String> {
        json(py, &self.ask(py, Missing::Empty, |engine| async move { engine.runs().await })?)
    }

    fn entries(&self, py: Python<'_>, run: Option<&str>, after: u64, limit: usize) -> PyResult<String> {
        let range = Range { run: run_id(py, run)?, after, limit };
        json(py, &self.ask(py, Missing::Empty, |engine| async move { engine.entries(range).await })?)
    }

    fn verify(&self, py: Python<'_>) -> PyResult<String> {
        json(py, &self.ask(py, Missing::Empty, |engine| async move { engine.verify().await })?)
    }

    fn units(&self, py: Python<'_>, name: String) -> PyResult<String> {
        json(py, &self.ask(py, Missing::Empty, move |engine| async move { engine.units(&name).await })?)
    }

    fn logs(&self, py: Python<'_>, name: String, unit: Option<String>, most: u64) -> PyResult<Vec<(String, Vec<u8>)>> {
        let logs = self.ask(py, Missing::Empty, move |engine| async move { engine.logs(&name, unit.as_deref(), most).await })?;
        Ok(logs.into_iter().collect())
    }

    fn host(&self, py: Python<'_>, name: String) -> PyResult<Host> {
        let inner = self.ask(py, Missing::Empty, move |engine| async move { engine.host(&name).await })?;
        let (host, mut requests) = Host::new();
        let serve = move || async move {
            while let Some(request) = requests.recv().await {
                request.ask(inner.as_ref()).await;
            }
        };
        self.thread.spawn(serve).map_err(|error| errors::raised(py, &error))?;
        Ok(host)
    }
}

fn row_of<'py>(py: Python<'py>, row: &StateRow) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", row.name.as_str())?;
    dict.set_item("kind", row.kind.as_str())?;
    dict.set_item("provider", row.role.provider().map(AsRef::<str>::as_ref))?;
    dict.set_item("id", row.object.as_ref().map(|object| object.id.as_str()))?;
    dict.set_item("inputs", to_python(py, &row.inputs)?)?;
    dict.set_item("outputs", to_python(py, row.object.as_ref().map_or(&Value::Null, |object| &object.outputs))?)?;
    dict.set_item("deposed", row.deposed.iter().map(|object| object.id.as_str()).collect::<Vec<_>>())?;
    dict.set_item("tainted", row.tainted)?;
    dict.set_item("inconsistent", row.inconsistent.as_deref())?;
    dict.set_item("depends_on", row.depends_on.iter().map(AsRef::as_ref).collect::<Vec<&str>>())?;
    dict.set_item("run", row.run.as_str())?;
    Ok(dict)
}
