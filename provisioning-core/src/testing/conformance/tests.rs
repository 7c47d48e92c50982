//! The suite is tried on a sound kind in memory, and on the same kind with one fault at a time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Context, Found, Reply, ResourceKind, erase};
use crate::schema::Schema;

const SCHEMA: &str = r#"
kind = "note"
summary = "A note in memory."
[fields.title]
type = "string"
summary = "Its title."
presence = "required"
[fields.body]
type = "string"
summary = "Its text."
keep = "digest"
[fields.id]
type = "string"
summary = "Its identity."
presence = "computed"
"#;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    WaitsUnknown,
    ChangesTitle,
    ReportsStrangeField,
    CreatesAnew,
    ForgetsToken,
    FindsAnything,
    KeepsDeleted,
    FailsSecondDelete,
    IgnoresUpdate,
    AppendsOnUpdate,
    AnswersInOrder,
    InventsUnknown,
}

#[derive(Clone, Deserialize)]
struct Spec {
    title: String,
    body: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Note {
    id: String,
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strange: Option<bool>,
}

/// Notes by identity, each with the token that made it.
struct Notes {
    fault: Fault,
    kept: Mutex<BTreeMap<String, (String, Note)>>,
}

impl Notes {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, (String, Note)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn answer(&self, id: &str) -> Option<Note> {
        let found = self.kept().get(id).map(|(_, note)| note.clone());
        let invented = || Note { id: id.into(), title: String::new(), body: String::new(), strange: None };
        found.or_else(|| self.has(Fault::InventsUnknown).then(invented))
    }
}

#[async_trait]
impl ResourceKind for Notes {
    type Spec = Spec;
    type State = Note;

    fn schema(&self) -> Schema {
        Schema::parse(SCHEMA).expect("the test's schema parses")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Note>>> {
        let mut ids = ids.to_vec();
        if self.has(Fault::AnswersInOrder) {
            ids.sort();
        }
        Ok(ids.iter().map(|id| self.answer(id)).collect())
    }

    async fn find(&self, context: &Context, _: &Spec) -> Result<Found<Note>> {
        let kept = self.kept();
        let mut bearers = kept.values().filter(|(token, _)| self.has(Fault::FindsAnything) || token == context.token.as_str());
        Ok(match bearers.next() {
            Some((_, note)) if !self.has(Fault::ForgetsToken) => Found::One(note.clone()),
            _ => Found::None,
        })
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<Note>> {
        if let (Some(object), false) = (&context.object, self.has(Fault::CreatesAnew))
            && let Some(note) = self.answer(object)
        {
            return Ok(Reply::Done(note));
        }
        if context.phase.is_none() {
            if !self.has(Fault::WaitsUnknown) {
                context.identified(&format!("note-{}", context.token)).await?;
            }
            return Ok(Reply::Wait { after: Duration::ZERO, phase: "ink dries".into() });
        }
        let again = if self.has(Fault::CreatesAnew) { self.kept().len() } else { 0 };
        let id = if again == 0 { format!("note-{}", context.token) } else { format!("note-{}-{again}", context.token) };
        let title = if self.has(Fault::ChangesTitle) { spec.title.to_uppercase() } else { spec.title };
        let strange = self.has(Fault::ReportsStrangeField).then_some(true);
        let note = Note { id: id.clone(), title, body: spec.body, strange };
        self.kept().insert(id, (context.token.to_string(), note.clone()));
        Ok(Reply::Done(note))
    }

    async fn update(&self, _: &Context, prior: Note, spec: Spec) -> Result<Reply<Note>> {
        let mut kept = self.kept();
        let Some((_, note)) = kept.get_mut(&prior.id) else {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no `{}`", prior.id)));
        };
        if self.has(Fault::AppendsOnUpdate) {
            note.title.push_str(&spec.title);
        } else if !self.has(Fault::IgnoresUpdate) {
            (note.title, note.body) = (spec.title, spec.body);
        }
        Ok(Reply::Done(note.clone()))
    }

    async fn delete(&self, _: &Context, prior: Note) -> Result<Reply<()>> {
        let known = self.kept().contains_key(&prior.id);
        if !known && self.has(Fault::FailsSecondDelete) {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no `{}`", prior.id)));
        }
        if !self.has(Fault::KeepsDeleted) {
            self.kept().remove(&prior.id);
        }
        Ok(Reply::Done(()))
    }
}

async fn findings(fault: Fault) -> Vec<&'static str> {
    let kind = erase(Notes { fault, kept: Mutex::default() });
    let spec =
        |word: &str, number: usize| Value::map([("title", format!("{word} {number}").as_str().into()), ("body", "text".into())]);
    let case = Case::new(move |number| spec("note", number)).with_update(move |number| spec("other", number));
    conformance(kind.as_ref(), &case).await.into_iter().map(|finding| finding.rule).collect()
}

#[tokio::test]
async fn a_sound_kind_breaks_no_rule() {
    assert_eq!(findings(Fault::None).await, Vec::<&str>::new());
}

#[tokio::test]
async fn every_fault_breaks_the_rule_it_is_named_after() {
    let cases = [
        (Fault::WaitsUnknown, "an identity is reported before a call waits"),
        (Fault::ChangesTitle, "a created object shows no drift"),
        (Fault::ReportsStrangeField, "a created object has an id and fits its schema"),
        (Fault::CreatesAnew, "a second create with the same token makes nothing new"),
        (Fault::ForgetsToken, "find with the token gives the object"),
        (Fault::CreatesAnew, "create goes on with the object that was found"),
        (Fault::FindsAnything, "find with another token gives nothing"),
        (Fault::KeepsDeleted, "delete removes the object"),
        (Fault::FailsSecondDelete, "delete after delete succeeds"),
        (Fault::IgnoresUpdate, "update changes what read gives"),
        (Fault::AppendsOnUpdate, "update after update changes nothing"),
        (Fault::AnswersInOrder, "answers line up with the ids that were asked for"),
        (Fault::InventsUnknown, "read of an unknown id gives nothing"),
    ];
    for (fault, rule) in cases {
        let broken = findings(fault).await;
        assert!(broken.contains(&rule), "expected `{rule}`, found {broken:?}");
    }
}
