//! A workspace of one network and some servers, each with a page: what is measured, and doing it without measuring.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use provisioning_core::clock::System;
use provisioning_core::config::{self, Settings};
use provisioning_core::engine::{Control, Engine, PlanOptions};
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::registry::Registry;
use provisioning_core::resource::Desired;
use provisioning_core::store::{Opening, SqliteStore};
use provisioning_core::value::Value;
use provisioning_providers::local::Keeper;
use provisioning_providers::registry_with_keeper;
use serde_json::{Map, json};

use crate::Result;

/// Some servers in a workspace.
pub(crate) struct Fleet {
    pub(crate) engine: Engine,
    desired: Desired,
}

impl Fleet {
    pub(crate) fn new(folder: &Path, keeper: &Keeper, level: &str, count: usize) -> Result<Self> {
        let registry = registry_with_keeper(folder, &folder.join(".provisioning"), keeper);
        let desired = desired(&registry, level, count)?;
        let store = SqliteStore::open(&folder.join(".provisioning/state.db"), Opening::OrCreate(&System))?;
        Ok(Self { engine: Engine::builder(registry, Arc::new(store)).build(), desired })
    }

    /// Plans and applies, until every page is there.
    pub(crate) async fn make(&self) -> Result<()> {
        self.run(Command::Apply).await?;
        for (name, output) in self.engine.outputs().await? {
            let url = output.value.as_str().unwrap_or_default();
            let page = get(url)?;
            if !page.starts_with("HTTP/1.1 200") || !page.ends_with(&format!("page of {name}")) {
                return Err(format!("{url} answers: {page}").into());
            }
        }
        Ok(())
    }

    pub(crate) async fn destroy(&self) -> Result<()> {
        self.run(Command::Destroy).await
    }

    async fn run(&self, command: Command) -> Result<()> {
        let plan = self.engine.plan(&self.desired, &PlanOptions::new(command)).await?;
        let report = self.engine.apply(&plan, &Control::new()).await?;
        match report.failures.first() {
            None if report.outcome == Outcome::Completed => Ok(()),
            None => Err(format!("the run ended as {:?}", report.outcome).into()),
            Some((step, failure)) => Err(format!("{step}: {}", failure.message).into()),
        }
    }
}

fn desired(registry: &Registry, level: &str, count: usize) -> Result<Desired> {
    // Only the first level can be on a bridge.
    let mode = if level == "namespaces" { "bridge" } else { "loopback" };
    let mut resources = Map::from_iter([("net".to_owned(), json!({ "kind": "network", "mode": mode }))]);
    let (mut services, mut outputs) = (Map::new(), Map::new());
    for number in 0..count {
        let (server, site) = (format!("server_{number}"), format!("site_{number}"));
        resources.insert(server.clone(), json!({ "kind": "server", "network": "${net.id}", "isolation": level }));
        let files = json!({ "index.html": format!("page of {server}") });
        let config = json!({ "address": format!("${{{server}.address}}"), "files": files });
        services.insert(site.clone(), json!({ "service": "web", "on": [server], "config": config }));
        outputs.insert(server, json!(format!("${{{site}.url}}")));
    }
    let document = json!({
        "providers": { "here": { "type": "local" } },
        "resources": resources,
        "services": services,
        "outputs": outputs,
    });
    Ok(config::desired(Value::try_from(document)?.into(), registry, &Settings::shipped())?)
}

fn get(url: &str) -> Result<String> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').ok_or("a server has no URL")?;
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
