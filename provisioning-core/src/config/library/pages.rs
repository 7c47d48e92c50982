//! The reference as Markdown: a page for each type of provider, one for each task service, and an index.

use std::fmt::Write as _;

use super::MARKER;
use super::catalog::{Entry, Sort, entries};
use super::rows::{Row, rows};
use super::shape::Frame;
use crate::config::document::declaration;
use crate::registry::Registry;
use crate::schema::{Existence, Schema, Undo, UndoClass};

const INFALLIBLE: &str = "writing to a string cannot fail";

/// The pages, each with the name of its file.
pub fn pages(registry: &Registry) -> Vec<(String, String)> {
    let entries = entries(registry);
    let mut pages = vec![("index.md".to_owned(), index(&entries))];
    for entry in entries.iter().filter(|entry| matches!(entry.sort, Sort::Provider | Sort::Service)) {
        let name = &entry.schema.kind;
        let own = entries.iter().filter(|other| entry.sort == Sort::Provider && other.provider.as_ref() == Some(name));
        pages.push((file(entry), page(entry, own)));
    }
    pages
}

fn file(entry: &Entry) -> String {
    match entry.sort {
        Sort::Service => format!("service-{}.md", entry.schema.kind),
        Sort::Provider | Sort::Resource | Sort::Lookup => {
            format!("provider-{}.md", entry.provider.as_ref().unwrap_or(&entry.schema.kind))
        }
    }
}

fn index(entries: &[Entry]) -> String {
    let mut text = format!("<!-- {MARKER} -->\n# Reference\n");
    for sort in Sort::ALL {
        let title = match sort {
            Sort::Provider => "Provider types",
            Sort::Resource => "Kinds",
            Sort::Lookup => "Lookups",
            Sort::Service => "Task services",
        };
        let of_sort: Vec<_> = entries.iter().filter(|entry| entry.sort == sort).collect();
        if of_sort.is_empty() {
            continue;
        }
        write!(text, "\n## {title}\n\n| name | what it is |\n|---|---|\n").expect(INFALLIBLE);
        for entry in of_sort {
            let place = if sort == Sort::Resource || sort == Sort::Lookup { anchor(entry) } else { String::new() };
            let (name, summary) = (&entry.schema.kind, cell(&entry.schema.summary));
            writeln!(text, "| [`{name}`]({}{place}) | {summary} |", file(entry)).expect(INFALLIBLE);
        }
    }
    text.push_str("\n## A document\n\n| section | what stands in it |\n|---|---|\n");
    for (name, section) in Frame::new().sections() {
        writeln!(text, "| `{name}` | {} |", cell(&section.summary)).expect(INFALLIBLE);
    }
    text.push_str("\n## Beside the fields\n\nOf every resource, lookup and service:\n");
    text.push_str(&table(&rows(&declaration().fields), &Columns::INPUTS));
    text
}

fn anchor(entry: &Entry) -> String {
    format!("#{}-{}", entry.sort, entry.schema.kind)
}

fn page<'a>(entry: &Entry, own: impl Iterator<Item = &'a Entry>) -> String {
    let schema = &entry.schema;
    let title = if entry.sort == Sort::Service { "Task service" } else { "Provider type" };
    let mut text = format!("<!-- {MARKER} -->\n# {title} `{}`\n\n{}\n", schema.kind, schema.summary);
    text.push_str(&table(&rows(&schema.fields), if entry.sort == Sort::Service { &Columns::ALL } else { &Columns::INPUTS }));
    if entry.sort == Sort::Service {
        text.push_str(&undo(schema));
    }
    for Entry { sort, schema, .. } in own {
        let title = if *sort == Sort::Lookup { "Lookup" } else { "Kind" };
        write!(text, "\n## {title} `{}`\n\n{}", schema.kind, schema.summary).expect(INFALLIBLE);
        text.push_str(if *sort == Sort::Resource { existence(schema) } else { "" });
        text.push('\n');
        let columns = if *sort == Sort::Resource { &Columns::ALL } else { &Columns::INPUTS };
        text.push_str(&table(&rows(&schema.fields), columns));
        if *sort == Sort::Resource {
            text.push_str(&undo(schema));
        }
    }
    text
}

fn existence(schema: &Schema) -> &'static str {
    match schema.existence {
        Existence::Managed => "",
        Existence::Existing => " It exists already: it is read, and never made or deleted.",
        Existence::Stored => " It is kept in the state alone.",
    }
}

/// A column of a table of fields: its title, and what its cell says of a row.
type Column = (&'static str, fn(&Row) -> String);

/// The columns of a table.
struct Columns(&'static [Column]);

impl Columns {
    /// For what is only read, or only configured.
    const INPUTS: Self = Self(&[
        ("name", |row| format!("`{}`", row.name)),
        ("type", |row| row.kind.clone()),
        ("given", |row| row.presence.to_owned()),
        ("default", default),
        ("what it is", |row| cell(&row.summary)),
    ]);
    /// For what can change.
    const ALL: Self = Self(&[
        ("name", |row| format!("`{}`", row.name)),
        ("type", |row| row.kind.clone()),
        ("given", |row| row.presence.to_owned()),
        ("default", default),
        ("on change", |row| row.on_change.to_owned()),
        ("what it is", |row| cell(&row.summary)),
    ]);
}

fn default(row: &Row) -> String {
    if row.default.is_empty() { String::new() } else { format!("`{}`", cell(&row.default)) }
}

fn table(rows: &[Row], columns: &Columns) -> String {
    if rows.is_empty() {
        return "\nIt has no fields.\n".into();
    }
    let titles: Vec<_> = columns.0.iter().map(|(title, _)| *title).collect();
    let mut text = format!("\n| {} |\n|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
    for row in rows {
        let cells: Vec<_> = columns.0.iter().map(|(_, cell)| cell(row)).collect();
        writeln!(text, "| {} |", cells.join(" | ")).expect(INFALLIBLE);
    }
    text
}

fn undo(schema: &Schema) -> String {
    let mut text = String::from("\n| to undo a | is | because |\n|---|---|---|\n");
    for (effect, Undo { class, reason }) in
        [("create", &schema.undo.create), ("update", &schema.undo.update), ("delete", &schema.undo.delete)]
    {
        let class = match class {
            UndoClass::Reversible => "reversible",
            UndoClass::Lossy => "lossy",
            UndoClass::Irreversible => "irreversible",
        };
        writeln!(text, "| {effect} | {class} | {} |", cell(reason)).expect(INFALLIBLE);
    }
    text
}

/// A text as a cell: on one line, without what would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
