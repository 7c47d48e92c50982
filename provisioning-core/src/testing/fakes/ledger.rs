//! What exists in a world of fakes, who made it, and which calls were made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{plain, shown};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Found;
use crate::record::Object;
use crate::schema::{Existence, Schema};
use crate::testing::Fault;
use crate::value::Value;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    objects: BTreeMap<String, Held>,
    services: BTreeMap<(String, String), Placed>,
    given: BTreeMap<String, u64>,
    calls: Vec<String>,
    faults: Vec<Awaited>,
}

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The resource that it was made for.
    pub(super) owner: String,
    /// The token that made it.
    pub(super) token: String,
    /// The type and the settings of its provider.
    pub(super) provider: String,
    /// What it is made of.
    pub(super) schema: Arc<Schema>,
    /// Its fields, those included that the provider made up.
    pub(super) outputs: Value,
}

/// A service on a host.
#[derive(Debug)]
struct Placed {
    kind: String,
    inputs: Value,
}

/// A fault that waits for its call.
#[derive(Debug)]
struct Awaited {
    call: String,
    spared: usize,
    fault: Fault,
}

impl Ledger {
    pub(super) fn await_fault(&mut self, spared: usize, call: &str, fault: Fault) {
        self.faults.push(Awaited { call: call.to_owned(), spared, fault });
    }

    pub(super) fn faults_left(&self) -> usize {
        self.faults.len()
    }

    pub(super) fn calls(&self) -> &[String] {
        &self.calls
    }

    /// Notes a call; gives the fault that waited for it.
    pub(super) fn note(&mut self, call: &str) -> Option<Fault> {
        self.calls.push(call.to_owned());
        let next = self.faults.iter().position(|awaited| awaited.call == call)?;
        match self.faults[next].spared.checked_sub(1) {
            Some(fewer) => {
                self.faults[next].spared = fewer;
                None
            }
            None => Some(self.faults.remove(next).fault),
        }
    }

    /// An identity that nothing had before.
    pub(super) fn next_id(&mut self, owner: &str) -> String {
        let given = self.given.entry(owner.to_owned()).or_default();
        *given += 1;
        format!("{owner}#{given}")
    }

    pub(super) fn put(&mut self, id: &str, held: Held) -> Result<Object> {
        self.refuse_second(id, &held)?;
        self.objects.insert(id.to_owned(), held);
        self.object(id)
    }

    pub(super) fn held(&self, id: &str) -> Result<&Held> {
        self.objects.get(id).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("`{id}` is gone")))
    }

    pub(super) fn object(&self, id: &str) -> Result<Object> {
        Ok(Object { id: id.to_owned(), outputs: self.held(id)?.outputs.clone() })
    }

    pub(super) fn owner(&self, id: &str) -> Option<&str> {
        self.objects.get(id).map(|held| held.owner.as_str())
    }

    /// The objects that bear a token.
    pub(super) fn bearing(&self, token: &str) -> Found<Object> {
        let bearing: Vec<_> = self.objects.iter().filter(|(_, held)| held.token == token).collect();
        match bearing[..] {
            [] => Found::None,
            [(id, held)] => Found::One(Object { id: id.clone(), outputs: held.outputs.clone() }),
            _ => Found::Many(bearing.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Removes an object, and the services on it; what exists anyway stays.
    pub(super) fn remove(&mut self, id: &str) {
        if self.objects.get(id).is_some_and(|held| held.schema.existence == Existence::Managed) {
            self.objects.remove(id);
            self.services.retain(|(host, _), _| host != id);
        }
    }

    pub(super) fn placed(&self, host: &str, service: &str) -> Option<&Value> {
        self.services.get(&(host.to_owned(), service.to_owned())).map(|placed| &placed.inputs)
    }

    pub(super) fn place(&mut self, host: &str, service: &str, kind: &str, inputs: &Value) {
        let placed = Placed { kind: kind.to_owned(), inputs: inputs.clone() };
        self.services.insert((host.to_owned(), service.to_owned()), placed);
    }

    pub(super) fn displace(&mut self, host: &str, service: &str) {
        self.services.remove(&(host.to_owned(), service.to_owned()));
    }

    pub(super) fn tokens(&self) -> BTreeMap<String, String> {
        self.made().map(|(id, held)| (id.clone(), held.token.clone())).collect()
    }

    pub(super) fn services(&self) -> Vec<(String, String)> {
        self.services.keys().cloned().collect()
    }

    pub(super) fn contents(&self) -> Vec<(String, Value)> {
        let objects = self.made().map(|(_, held)| (format!("the {} `{}`", held.schema.kind, held.owner), &held.outputs));
        let services = self.services.iter().map(|((host, name), placed)| {
            (format!("the {} service `{name}` on `{}`", placed.kind, self.unnumbered_text(host)), &placed.inputs)
        });
        let mut contents: Vec<_> =
            objects.chain(services).map(|(what, fields)| (what, self.unnumbered(&plain(fields)))).collect();
        contents.sort_by(|(a, _), (b, _)| a.cmp(b));
        contents
    }

    pub(super) fn unnumbered(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.unnumbered_text(text).into(),
            Value::List(items) => Value::list(items.iter().map(|item| self.unnumbered(item))),
            Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), self.unnumbered(item)))),
            other => other.clone(),
        }
    }

    /// A text in which `web#2` stands as `web`, as long as that is what there is of `web` and not something gone.
    fn unnumbered_text(&self, text: &str) -> String {
        let mut parts = text.split('#');
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
            let start =
                plain.char_indices().rev().take_while(|(_, letter)| is_name(*letter)).last().map_or(plain.len(), |(at, _)| at);
            let id = format!("{}#{}", &plain[start..], &part[..digits]);
            if self.objects.contains_key(&id) {
                plain.push_str(&part[digits..]);
            } else {
                plain.push('#');
                plain.push_str(part);
            }
        }
        plain
    }

    fn made(&self) -> impl Iterator<Item = (&String, &Held)> {
        self.objects.iter().filter(|(_, held)| held.schema.existence == Existence::Managed)
    }

    /// What is unique is there once.
    fn refuse_second(&self, id: &str, new: &Held) -> Result<()> {
        let unique: BTreeSet<_> = new.schema.fields.iter().filter(|(_, field)| field.unique).map(|(name, _)| name).collect();
        let alike = |(other, held): &(&String, &Held)| {
            other.as_str() != id && held.provider == new.provider && held.schema.kind == new.schema.kind
        };
        for (_, held) in self.made().filter(alike) {
            for name in &unique {
                let value = new.outputs.field(name);
                if value.is_some() && value == held.outputs.field(name) {
                    let text = value.map(shown).unwrap_or_default();
                    let message = format!("there is a `{}` with the `{name}` {text} already", new.schema.kind);
                    return Err(Error::new(ErrorKind::Conflict, message));
                }
            }
        }
        Ok(())
    }
}

/// Whether a letter can stand in the name of a resource.
fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || "_-@".contains(letter)
}
