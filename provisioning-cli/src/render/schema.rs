//! What can be declared, and the files that tell of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use provisioning_core::config::library::{Entry, Row, rows};

use super::{BOLD, DIM, count, paint, table};

/// What was written, and what to do with it.
pub(crate) fn exported(folder: &Path, files: &[PathBuf]) -> String {
    let path = folder.display();
    format!(
        "Wrote {} to {path}.\n\
         `NICKEL_IMPORT_PATH={path}` lets `nickel` and its language server find the library; \
         `document.schema.json` and `provisioning.schema.json` are for editors of TOML and JSON; the reference begins at `reference/index.md`.",
        count(files.len(), "file"),
    )
}

/// What there is, in a line each.
pub(crate) fn list(entries: &[Entry]) -> String {
    let row = |entry: &Entry| [entry.schema.kind.to_string(), entry.sort.to_string(), entry.schema.summary.clone()];
    table(["NAME", "WHAT", "SUMMARY"], entries.iter().map(row))
}

/// Everything of one name, one after another.
pub(crate) fn entries(entries: &[Entry]) -> String {
    entries.iter().map(entry).collect::<Vec<_>>().join("\n")
}

fn entry(entry: &Entry) -> String {
    let schema = &entry.schema;
    let of = entry.provider.as_ref().map_or_else(String::new, |provider| format!(" of provider type `{provider}`"));
    let mut text = format!("{} `{}`{of}: {}\n", entry.sort, paint(BOLD, &schema.kind), schema.summary);
    for row in rows(&schema.fields) {
        let facts = facts(&row);
        write!(text, "\n  {}  {}\n      {}", paint(BOLD, &row.name), paint(DIM, facts), row.summary)
            .expect("writing to a string cannot fail");
    }
    text.push('\n');
    text
}

fn facts(row: &Row) -> String {
    let mut facts = vec![row.kind.clone(), row.presence.to_owned()];
    if !row.default.is_empty() {
        facts.push(format!("default {}", row.default));
    }
    if row.on_change == "replace" {
        facts.push("changing it replaces".to_owned());
    }
    facts.join(", ")
}
