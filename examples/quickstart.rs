//! `cargo run --example quickstart`: a program that makes the servers of `examples/quickstart` without the command.
//! It applies a copy of the workspace, asks every server for its page, applies again, and destroys it all.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use provisioning_core::clock::System;
use provisioning_core::config::{Location, Overrides, Workspace};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::error::{Error, Result};
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::resource::Desired;
use provisioning_core::store::{Opening, SqliteStore};
use provisioning_providers::local::{Keeper, enter_if_keeper};
use provisioning_providers::registry_with_keeper;

/// The files of the workspace.
const FILES: [&str; 3] = ["provisioning.toml", "main.ncl", "templates/index.html.j2"];

fn main() -> Result<()> {
    // Servers are kept by this program, started again: when it was, this call keeps one and never returns.
    let keeper = enter_if_keeper();
    let folder = tempfile::tempdir().map_err(failed)?;
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart"), folder.path()).map_err(failed)?;
    live(folder.path(), &keeper)
}

#[tokio::main(flavor = "current_thread")]
async fn live(folder: &Path, keeper: &Keeper) -> Result<()> {
    let location = Location::open(folder, &Overrides::default())?;
    let registry = registry_with_keeper(folder, &location.site(), keeper);
    let Workspace { location, desired, .. } = Workspace::load(location, &registry)?;
    let store = SqliteStore::open(&location.store, Opening::OrCreate(&System))?;
    let engine = Engine::builder(registry, Arc::new(store)).settings(location.settings).build();

    let seen = look(&engine, &desired).await;
    // Whatever went wrong before, no server stays.
    run(&engine, &desired, Command::Destroy).await?;
    println!("servers are left: {}", folder.join(".provisioning/local").exists());
    seen
}

async fn look(engine: &Engine, desired: &Desired) -> Result<()> {
    run(engine, desired, Command::Apply).await?;
    for (name, output) in engine.outputs().await? {
        let page = get(output.value.as_str().unwrap_or_default()).map_err(failed)?;
        let heading = page.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
        println!("{name}: {}", heading.map_or(page.as_str(), |(heading, _)| heading));
    }
    run(engine, desired, Command::Apply).await
}

async fn run(engine: &Engine, desired: &Desired, command: Command) -> Result<()> {
    let plan = engine.plan(desired, &PlanOptions::new(command)).await?;
    let report = engine.apply(&plan, &Control::new()).await?;
    println!("{}: {} of {} steps done", command.as_str(), report.succeeded, report.steps);
    match report.outcome {
        Outcome::Completed => Ok(()),
        _ => Err(Error::invalid(format!("the run has failed: {:?}", report.failures))),
    }
}

/// The page at `http://ADDRESS:PORT/PATH`.
fn get(url: &str) -> io::Result<String> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to.join("templates"))?;
    FILES.iter().try_for_each(|file| std::fs::copy(from.join(file), to.join(file)).map(|_| ()))
}

fn failed(error: io::Error) -> Error {
    Error::invalid("the quickstart cannot be shown").with_source(error)
}
