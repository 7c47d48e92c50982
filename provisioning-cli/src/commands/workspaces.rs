//! `workspace`: the workspaces that a user has registered, and the one that commands work in.

use std::path::{Path, PathBuf};

use provisioning_core::config::{Location, Registered, choose, environments, is_workspace, register};
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::name::WorkspaceName;
use serde_json::json;

use super::init::Content;
use super::{init, look};
use crate::args::{Pace, WorkspaceVerb};
use crate::console::Console;
use crate::exit::{DONE, Problem};
use crate::render;
use crate::workspace::{self, Start};

pub(super) async fn run(console: Console, start: &Start, verb: WorkspaceVerb) -> Result<u8, Problem> {
    match verb {
        WorkspaceVerb::List => list(console, start)?,
        WorkspaceVerb::Show => show(console, start).await?,
        WorkspaceVerb::Use { name } => {
            choose(file(start)?, &name)?;
            console.show(&json!({ "current": name }), || format!("Workspace {name} is in use where a command lies in none."))?;
        }
        WorkspaceVerb::New { name, folder } => new(console, start, &name, folder)?,
    }
    Ok(DONE)
}

fn file(start: &Start) -> Result<&Path> {
    start.registered.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "there is no folder for the files of the user, where workspaces are registered")
            .with_hint("set `HOME` or `XDG_CONFIG_HOME`")
    })
}

fn list(console: Console, start: &Start) -> Result<()> {
    let Registered { current, workspaces } = Registered::read(file(start)?)?;
    let entries: Vec<_> = workspaces
        .iter()
        .map(|(name, root)| json!({ "name": name, "root": root, "current": Some(name) == current.as_ref(), "found": is_workspace(root) }))
        .collect();
    console.show(&entries, || render::workspaces::list(&workspaces, current.as_ref()))
}

async fn show(console: Console, start: &Start) -> Result<()> {
    let workspace::Place { root, why } = workspace::place(start)?;
    let Location { name, environment, store, .. } = start.location(&Pace::default())?;
    let engine = look(start)?.engine;
    let shown = render::workspaces::Shown {
        name,
        why: why.as_str(),
        environment,
        environments: environments(&root),
        resources: engine.state().await?.len(),
        last_run: engine.runs().await?.pop(),
        root,
        store,
    };
    console.show(&shown, || render::workspaces::show(&shown))
}

fn new(console: Console, start: &Start, name: &WorkspaceName, folder: Option<PathBuf>) -> Result<()> {
    let file = file(start)?;
    let folder = start.folder().join(folder.unwrap_or_else(|| name.as_str().into()));
    let root = init::folder(&folder)?;
    // Nothing is written for a name that cannot be had.
    Registered::read(file)?.with(name, &root)?;
    let written = if is_workspace(&root) { Vec::new() } else { init::write(&root, name.as_str(), Content::Example)? };
    register(file, name, &root)?;
    console.show(&json!({ "workspace": root, "name": name, "files": written }), || {
        let wrote =
            if written.is_empty() { String::new() } else { format!("Wrote {} in {}.\n", written.join(", "), root.display()) };
        format!("{wrote}Registered {} as {name}. Next: `provisioning -w {name} plan`.", root.display())
    })
}
