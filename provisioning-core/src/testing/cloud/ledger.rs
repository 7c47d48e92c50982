//! What the cloud holds, and the rules it keeps: identities are never given twice, no two things have one name, an
//! object bears the token that made it.
//!
//! Plain data: faults and waiting are elsewhere, and what time it is comes as an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Found, Reply};

/// What the cloud holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger {
    objects: BTreeMap<String, Held>,
    flags: BTreeMap<String, (Json, i64)>,
    given: u64,
}

/// An object, and what the cloud knows of it besides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Held {
    token: String,
    thing: Thing,
    polls: i64,
    /// From when on a search shows it.
    listed_at: Duration,
    /// From when on a read shows it.
    visible_at: Duration,
    /// From when on nothing is under way with it.
    ready_at: Duration,
}

/// When something happens, in the cloud's own time.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Moment {
    pub now: Duration,
    /// How long it takes until the object is ready.
    #[serde(default)]
    pub ready_after: Duration,
    /// How long it takes until a search shows a new object.
    #[serde(default)]
    pub lag: Duration,
}

/// What a user sets of a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ThingSpec {
    pub name: String,
    pub size: Option<i64>,
    pub zone: Option<String>,
    #[serde(default)]
    pub from: Json,
    #[serde(default)]
    pub polls: i64,
}

/// What the cloud reports of a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Thing {
    pub id: String,
    pub name: String,
    pub size: Option<i64>,
    pub zone: Option<String>,
    #[serde(default)]
    pub from: Json,
    pub address: String,
    pub revision: i64,
    #[serde(default)]
    pub password: String,
    pub connection: Json,
}

impl Ledger {
    /// The identity of the thing that bears a token.
    pub(super) fn made_by(&self, token: &str) -> Option<String> {
        self.objects.iter().find(|(_, held)| held.token == token).map(|(id, _)| id.clone())
    }

    pub(super) fn create(&mut self, token: &str, spec: &ThingSpec, when: Moment) -> Result<String> {
        if self.objects.values().any(|held| held.thing.name == spec.name) {
            return Err(Error::new(ErrorKind::Conflict, format!("there is a thing `{}` already", spec.name)));
        }
        self.given += 1;
        let id = format!("t-{}", self.given);
        let thing = Thing {
            id: id.clone(),
            name: spec.name.clone(),
            size: spec.size,
            zone: spec.zone.clone(),
            from: spec.from.clone(),
            address: format!("10.0.0.{}", self.given),
            revision: 0,
            password: format!("hunter{}", self.given),
            connection: serde_json::json!({ "transport": "fake", "host": spec.name }),
        };
        let ready_at = when.now + when.ready_after;
        let (listed_at, polls) = (when.now + when.lag, spec.polls);
        self.objects
            .insert(id.clone(), Held { token: token.to_owned(), thing, polls, listed_at, visible_at: ready_at, ready_at });
        Ok(id)
    }

    /// Asks whether a thing is ready.
    pub(super) fn poll(&mut self, id: &str, when: Moment) -> Result<Reply<Thing>> {
        let held = self.held(id)?;
        if held.ready_at > when.now {
            return Ok(wait(held.ready_at.saturating_sub(when.now), "starting"));
        }
        if held.polls == 0 {
            return Ok(Reply::Done(held.thing.clone()));
        }
        held.polls -= 1;
        Ok(wait(Duration::from_millis(1), "starting"))
    }

    pub(super) fn update(&mut self, id: &str, spec: &ThingSpec, when: Moment) -> Result<Reply<Thing>> {
        let held = self.held(id)?;
        if held.thing.size != spec.size || held.thing.from != spec.from {
            held.thing.revision += 1;
        }
        (held.thing.size, held.thing.from) = (spec.size, spec.from.clone());
        held.ready_at = held.ready_at.max(when.now + when.ready_after);
        let left = held.ready_at.saturating_sub(when.now);
        Ok(if left.is_zero() { Reply::Done(held.thing.clone()) } else { wait(left, "changing") })
    }

    /// Removes a thing, and the flag on it; one that is gone is a success.
    pub(super) fn delete(&mut self, id: &str, when: Moment) -> Reply<()> {
        let Ok(held) = self.held(id) else { return Reply::Done(()) };
        held.ready_at = held.ready_at.max(when.now + when.ready_after);
        let left = held.ready_at.saturating_sub(when.now);
        if !left.is_zero() {
            return wait(left, "going");
        }
        if let Some(held) = self.objects.remove(id) {
            self.flags.remove(&held.thing.name);
        }
        Reply::Done(())
    }

    pub(super) fn read(&self, id: &str, when: Moment) -> Option<Thing> {
        self.objects.get(id).filter(|held| held.visible_at <= when.now).map(|held| held.thing.clone())
    }

    /// Searches what is listed for a token.
    pub(super) fn find(&self, token: &str, when: Moment) -> Found<Thing> {
        let mut bearing = self.objects.values().filter(|held| held.token == token && held.listed_at <= when.now);
        match (bearing.next(), bearing.count()) {
            (None, _) => Found::None,
            (Some(held), 0) => Found::One(held.thing.clone()),
            (Some(_), more) => Found::Many(format!("{} things", more + 1)),
        }
    }

    pub(super) fn has_thing(&self, name: &str) -> bool {
        self.objects.values().any(|held| held.thing.name == name)
    }

    pub(super) fn flag(&self, host: &str) -> Option<(Json, i64)> {
        self.flags.get(host).cloned()
    }

    /// Sets the flag on a thing or takes it away; gives how often it was raised.
    pub(super) fn set_flag(&mut self, host: &str, value: Option<Json>) -> i64 {
        let raised = self.flags.get(host).map_or(0, |(_, raised)| *raised) + 1;
        match value {
            Some(value) => self.flags.insert(host.to_owned(), (value, raised)),
            None => self.flags.remove(host),
        };
        raised
    }

    /// The identity of each thing, and the token that made it.
    pub(super) fn tokens(&self) -> BTreeMap<String, String> {
        self.objects.iter().map(|(id, held)| (id.clone(), held.token.clone())).collect()
    }

    /// The name and the size of each thing, and the flags, sorted.
    pub(super) fn contents(&self) -> Vec<String> {
        let size = |thing: &Thing| thing.size.map(|size| format!(" size {size}")).unwrap_or_default();
        let things = self.objects.values().map(|held| format!("{}{}", held.thing.name, size(&held.thing)));
        let flags = self.flags.iter().map(|(host, (value, _))| format!("flag on {host}: {value}"));
        let mut all: Vec<_> = things.chain(flags).collect();
        all.sort();
        all
    }

    /// Changes the size of what has a name.
    pub(super) fn resize(&mut self, name: &str, size: Option<i64>) {
        for held in self.objects.values_mut().filter(|held| held.thing.name == name) {
            held.thing.size = size;
        }
    }

    /// Takes away what has a name, and the flag on it.
    pub(super) fn remove(&mut self, name: &str) {
        self.objects.retain(|_, held| held.thing.name != name);
        self.flags.remove(name);
    }

    fn held(&mut self, id: &str) -> Result<&mut Held> {
        self.objects.get_mut(id).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("`{id}` is gone")))
    }
}

fn wait<T>(after: Duration, phase: &str) -> Reply<T> {
    Reply::Wait { after, phase: phase.to_owned() }
}
