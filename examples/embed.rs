//! `cargo run --example embed`: a program that embeds the engine with a provider of its own, a board of notes.
//! It declares two notes, applies them, changes one and with it the other, and destroys both.

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
fields = { text = { type = "string", summary = "What it says." }, id = { type = "string", presence = "computed", summary = "Who it is." } }
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
    fn write(&self, id: &str, text: &str) -> Result<Reply<Note>> {
        std::fs::write(self.0.join(id), text).map_err(|error| Error::invalid("the board takes no note").with_source(error))?;
        Ok(Reply::Done(Note { id: id.into(), text: text.into() }))
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
        self.write(context.token.as_str(), &spec.text)
    }

    async fn update(&self, _: &Context, prior: Note, spec: Spec) -> Result<Reply<Note>> {
        self.write(&prior.id, &spec.text)
    }

    async fn delete(&self, _: &Context, prior: Note) -> Result<Reply<()>> {
        std::fs::remove_file(self.0.join(&prior.id)).ok();
        Ok(Reply::Done(()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let registry = Registry::default().with_kinds("board", vec![erase(Board(folder.path().to_owned()))])?;
    let store = SqliteStore::open(&folder.path().join(".state/state.db"), Opening::OrCreate(&System))?;
    let engine = Engine::builder(registry.clone(), Arc::new(store)).build();

    for (text, command) in [("buy milk", Command::Apply), ("buy tea", Command::Apply), ("buy tea", Command::Destroy)] {
        let document = serde_json::json!({
            "providers": { "kitchen": { "type": "board" } },
            "resources": { "list": { "kind": "note", "text": text }, "copy": { "kind": "note", "text": "we ${list.text}" } },
        });
        let desired = config::desired(Value::try_from(document)?.into(), &registry, &Settings::shipped())?;
        let plan = engine.plan(&desired, &PlanOptions::new(command)).await?;
        plan.changes.iter().for_each(|change| println!("{} {}", change.change.as_str(), change.name));
        println!("{} steps done\n", engine.apply(&plan, &Control::new()).await?.succeeded);
    }
    Ok(())
}
