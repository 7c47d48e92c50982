//! The registered workspaces, and the one that a command works in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use provisioning_core::config::is_workspace;
use provisioning_core::journal::RunSummary;
use provisioning_core::name::WorkspaceName;
use serde::Serialize;

use super::state::outcome;
use super::{BOLD, count, paint, table};

/// A workspace as `workspace show` tells it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// Its name.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) root: PathBuf,
    /// Why commands work in it.
    pub(crate) why: &'static str,
    /// The file of its store.
    pub(crate) store: PathBuf,
    /// The chosen environment.
    pub(crate) environment: Option<String>,
    /// Those that it has.
    pub(crate) environments: Vec<String>,
    /// How many resources its state has.
    pub(crate) resources: usize,
    /// The last run.
    pub(crate) last_run: Option<RunSummary>,
}

/// The workspaces, the one in use with a mark.
pub(crate) fn list(workspaces: &BTreeMap<WorkspaceName, PathBuf>, current: Option<&WorkspaceName>) -> String {
    if workspaces.is_empty() {
        return "No workspace is registered; `provisioning workspace new NAME` makes one.".to_owned();
    }
    let rows = workspaces.iter().map(|(name, root)| {
        let mark = if Some(name) == current { "*" } else { "" };
        let note = if is_workspace(root) { "" } else { "  (moved or removed)" };
        [mark.to_owned(), name.to_string(), format!("{}{note}", root.display())]
    });
    table(["", "NAME", "FOLDER"], rows)
}

/// One workspace, line by line.
pub(crate) fn show(shown: &Shown) -> String {
    let chosen = |name: &String| if shown.environment.as_ref() == Some(name) { format!("{name} (chosen)") } else { name.clone() };
    let environments: Vec<_> = shown.environments.iter().map(chosen).collect();
    let last =
        shown.last_run.as_ref().map_or("none".to_owned(), |run| format!("{}, {}, which {}", run.id, run.command, outcome(run)));
    let rows = [
        ("folder", format!("{}  ({})", shown.root.display(), shown.why)),
        ("store", shown.store.display().to_string()),
        ("environments", if environments.is_empty() { "none".to_owned() } else { environments.join(", ") }),
        ("state", count(shown.resources, "resource")),
        ("last run", last),
    ];
    let lines = rows.map(|(key, value)| format!("  {key:<12}  {value}\n"));
    format!("{}\n{}", paint(BOLD, &shown.name), lines.concat())
}
