//! A program that embeds the engine with a provider of its own: a board of notes, each note a file named by its token.
//!
//! `cargo run --example embed` declares two notes, applies them, changes one, and destroys both.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::clock::System;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::error::{Error, Result};
use provisioning_core::plan::Command;
use provisioning_core::provider::{Context, Found, Reply, ResourceKind, erase};
use provisioning_core::registry::Registry;
use provisioning_core::schema::Schema;
use provisioning_core::store::{Opening, SqliteStore};
use provisioning_core::value::Value;
use serde::{Deserialize, Serialize};

const NOTE: &str = r#"
kind = "note"
summary = "A note on the board."
fields.text = { type = "string", presence = "required", summary = "What it says." }
fields.id = { type = "string", presence = "computed", summary = "Its identity." }
"#;

#[derive(Serialize, Deserialize)]
struct Spec {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Note {
    id: String,
    text: String,
}

struct Board(PathBuf);

impl Board {
    fn write(&self, id: &str, text: &str) -> Result<Note> {
        std::fs::write(self.0.join(id), text).map_err(|error| Error::invalid("the board is full").with_source(error))?;
        Ok(Note { id: id.into(), text: text.into() })
    }

    fn look(&self, id: &str) -> Option<Note> {
        std::fs::read_to_string(self.0.join(id)).ok().map(|text| Note { id: id.into(), text })
    }
}

#[async_trait]
impl ResourceKind for Board {
    type Spec = Spec;
    type State = Note;

    fn schema(&self) -> Schema {
        Schema::parse(NOTE).expect("the schema is valid")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Note>>> {
        Ok(ids.iter().map(|id| self.look(id)).collect())
    }

    async fn find(&self, context: &Context, _: &Spec) -> Result<Found<Note>> {
        Ok(self.look(context.token.as_str()).map_or(Found::None, Found::One))
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<Note>> {
        self.write(context.token.as_str(), &spec.text).map(Reply::Done)
    }

    async fn update(&self, _: &Context, prior: Note, spec: Spec) -> Result<Reply<Note>> {
        self.write(&prior.id, &spec.text).map(Reply::Done)
    }

    async fn delete(&self, _: &Context, prior: Note) -> Result<Reply<()>> {
        std::fs::remove_file(self.0.join(&prior.id)).ok();
        Ok(Reply::Done(()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| Error::invalid("no temporary folder").with_source(error))?;
    let registry = Registry::default().with_kinds("board", vec![erase(Board(folder.path().to_owned()))])?;
    let store = SqliteStore::open(&folder.path().join(".state/state.db"), Opening::OrCreate(&System))?;
    let engine = Engine::builder(registry.clone(), Arc::new(store)).build();

    for (text, command) in [("buy milk", Command::Apply), ("buy tea", Command::Apply), ("buy tea", Command::Destroy)] {
        let document = serde_json::json!({
            "providers": { "kitchen": { "type": "board" } },
            "resources": { "list": { "kind": "note", "text": text }, "copy": { "kind": "note", "text": "we ${list.text}" } },
        });
        let desired = config::desired(&Value::try_from(document)?.into(), &registry, &Settings::shipped())?;
        let plan = engine.plan(&desired, &PlanOptions::new(command)).await?;
        for change in &plan.changes {
            println!("{} {}", change.change.as_str(), change.name);
        }
        let report = engine.apply(&plan, &Control::new()).await?;
        println!("{:?}: {} of {} steps\n", report.outcome, report.succeeded, report.steps);
    }
    Ok(())
}
