//! The kind `process`: a program on this machine that is kept running.
//!
//! It has a keeper of its own, which outlives the command; how that keeps a program is in [`keeper`](super::keeper).

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::host::{Supervisor as _, Unit};
use provisioning_core::provider::{Context, Found, Reply, ResourceKind};
use provisioning_core::schema::Schema;
use serde::{Deserialize, Serialize};

use super::config::Root;
use super::disk::blocking;
use super::keeper::Control;
use super::levels::Levels;
use super::machine::{self, Level, Machine, Place, identity};
use super::site::Site;
use crate::unit::{Course, UnitFields, course, failed, schema_of};

/// The name of the only unit of its keeper.
const UNIT: &str = "main";
/// How long it is waited before a program is asked how it is.
const PAUSE: Duration = Duration::from_millis(150);
/// What a call waits for once the program was started.
const STARTING: &str = "starting";

/// Processes of one site.
#[derive(Debug)]
pub(super) struct Process {
    root: Root,
    site: Site,
    levels: Levels,
}

/// What the user sets.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Spec {
    #[serde(flatten)]
    unit: UnitFields,
    state: Power,
}

/// How a process is, or is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Power {
    /// It runs, or ended as it should.
    #[default]
    Up,
    /// It was stopped.
    Stopped,
    /// It fails.
    Failing,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the field is called as in the schema")]
pub(super) struct State {
    id: String,
    state: Power,
    log: String,
}

impl Process {
    pub(super) fn new(root: Root, site: Site, levels: Levels) -> Self {
        Self { root, site, levels }
    }

    fn place(&self, id: &str) -> Place {
        Place::new(&self.site.processes(), id)
    }

    /// The unit, with its directory below the provider's root.
    fn unit(&self, spec: &Spec) -> Result<Unit> {
        let unit = spec.unit.unit()?;
        let directory = self.root.as_path().join(&unit.directory);
        if !directory.is_dir() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("the `directory` `{}` of a process does not exist", directory.display()),
            ));
        }
        Ok(Unit { directory: directory.display().to_string(), ..unit })
    }

    async fn reserve(&self, context: &Context) -> Result<Place> {
        let (site, token) = (self.site.clone(), context.token.to_string());
        let place = self.place(&identity(context.resource.as_str(), &token));
        blocking(move || {
            let _held = site.lock()?;
            if let Some((place, _)) = machine::find(&site.processes(), &token)? {
                return Ok(place);
            }
            site.make(&site.processes())?;
            place.make(&Machine::plain(token, Level::Bare))?;
            Ok(place)
        })
        .await
    }

    /// Brings the process to what is wanted; whether a program works is not known then.
    async fn settle(&self, place: &Place, spec: &Spec) -> Result<Reply<State>> {
        if spec.state == Power::Stopped {
            place.stop().await?;
            return present(place).await;
        }
        let unit = self.unit(spec)?;
        self.levels.keeper()?.start(place).await?;
        let control = Control::new(&place.control());
        let mut units = control.units().await;
        if units.is_err() {
            // One that stands and does not answer makes room for another.
            drop(place.stop().await?);
            self.levels.keeper()?.start(place).await?;
            units = control.units().await;
        }
        // The same unit put again would be left as it is, failed as it may be.
        if units?.get(UNIT).is_some_and(|status| matches!(course(status), Course::Fails(_))) {
            control.remove(UNIT).await?;
        }
        control.put(UNIT, &unit).await?;
        Ok(Reply::Wait { after: PAUSE, phase: STARTING.to_owned() })
    }

    /// Looks whether it works by now.
    async fn follow(place: &Place) -> Result<Reply<State>> {
        let control = Control::new(&place.control());
        let status = control.units().await?.remove(UNIT).ok_or_else(gone)?;
        match course(&status) {
            Course::Works => present(place).await,
            Course::Begins => Ok(Reply::Wait { after: PAUSE, phase: STARTING.to_owned() }),
            Course::Fails(why) => Err(failed("the program", &why, &control, UNIT).await),
        }
    }
}

#[async_trait]
impl ResourceKind for Process {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        schema_of(include_str!("process.toml"))
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        let mut states = Vec::new();
        for id in ids {
            states.push(observe(&self.place(id)).await?);
        }
        let site = self.site.clone();
        blocking(move || Ok(site.tidied(states))).await
    }

    async fn find(&self, context: &Context, _: &Spec) -> Result<Found<State>> {
        let (folder, token) = (self.site.processes(), context.token.to_string());
        let Some((place, _)) = blocking(move || machine::find(&folder, &token)).await? else { return Ok(Found::None) };
        Ok(observe(&place).await?.map_or(Found::None, Found::One))
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<State>> {
        if let (Some(id), Some(_)) = (&context.object, &context.phase) {
            return Self::follow(&self.place(id)).await;
        }
        self.unit(&spec)?;
        self.levels.keeper()?;
        let place = self.reserve(context).await?;
        context.identified(&place.id()).await?;
        self.settle(&place, &spec).await
    }

    async fn update(&self, context: &Context, prior: State, spec: Spec) -> Result<Reply<State>> {
        let place = self.place(&prior.id);
        match context.phase {
            Some(_) => Self::follow(&place).await,
            None => self.settle(&place, &spec).await,
        }
    }

    async fn delete(&self, _: &Context, prior: State) -> Result<Reply<()>> {
        let (place, site) = (self.place(&prior.id), self.site.clone());
        let held = if place.machine()?.is_some() { Some(place.stop().await?) } else { None };
        blocking(move || {
            place.remove()?;
            drop(held);
            site.tidy()?;
            Ok(Reply::Done(()))
        })
        .await
    }
}

async fn present(place: &Place) -> Result<Reply<State>> {
    observe(place).await?.map(Reply::Done).ok_or_else(gone)
}

async fn observe(place: &Place) -> Result<Option<State>> {
    if place.machine()?.is_none() {
        return Ok(None);
    }
    let control = Control::new(&place.control());
    let units = if place.is_kept()? { control.units().await } else { Ok(BTreeMap::new()) };
    let state = match units.map(|units| units.get(UNIT).map(course)) {
        Ok(None) => Power::Stopped,
        Ok(Some(Course::Works | Course::Begins)) => Power::Up,
        // One whose keeper does not answer is not kept.
        Ok(Some(Course::Fails(_))) | Err(_) => Power::Failing,
    };
    let log = place.control().join("logs").join(format!("{UNIT}.log"));
    Ok(Some(State { id: place.id(), state, log: log.display().to_string() }))
}

fn gone() -> Error {
    Error::new(ErrorKind::NotFound, "the process is gone").with_hint("plan again: it will be made anew")
}
