//! The Nickel library `provisioning.ncl`, generated from the schemas of everything that is registered.
//!
//! The library only gives declarations their shape and their documentation. Names of sections and fields, types, required fields and defaults are
//! checked once, after evaluation, by [`Schema::check`](crate::schema::Schema::check), for every format alike.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::registry::Registry;
use crate::schema::{Presence, Schema};

/// What stands in every library, whatever is registered.
const FIXED: &str = include_str!("library.ncl");

/// The words of the library that no kind can take.
const WORDS: [&str; 5] = ["Infrastructure", "resource", "service", "lookup", "template"];

/// The text of the library.
///
/// A constructor is called like its provider type or kind; where a kind is called like a provider type, the provider
/// type has the word, and the kind is written as `p.resource "kind" { .. }`.
pub(super) fn library(registry: &Registry) -> String {
    let mut constructors: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    for (kind, factory) in registry.providers() {
        constructors.insert(kind.to_string(), ("type", vec![documentation(&factory.settings())]));
    }
    for (provider, factory) in registry.providers() {
        for schema in factory.kinds() {
            let entry = constructors.entry(schema.kind.to_string()).or_insert(("kind", Vec::new()));
            if entry.0 == "kind" {
                entry.1.push(format!("Provider type `{provider}`: {}", documentation(&schema)));
            }
        }
    }
    let lookups = registry.providers().flat_map(|(_, factory)| factory.lookups());
    let services = registry.services().map(|(_, service)| service.schema());
    let mut text = FIXED.replace("@lookups@", &escaped(&listing("Lookups", lookups)));
    text = text.replace("@services@", &escaped(&listing("Services", services)));
    text.truncate(text.trim_end().trim_end_matches('}').len());
    for (name, (key, docs)) in constructors.iter().filter(|(name, _)| !WORDS.contains(&name.as_str())) {
        let doc = escaped(&docs.join("\n\n"));
        writeln!(text, "  \"{name}\" | doc \"{doc}\" = fun fields => {{ \"{key}\" = \"{name}\" }} & (fields | Fields),")
            .expect("writing to a string cannot fail");
    }
    text.push_str("}\n");
    text
}

fn documentation(schema: &Schema) -> String {
    let fields = schema.fields.iter().map(|(name, field)| {
        let presence = match field.presence {
            Presence::Required => ", required",
            Presence::Computed => ", an output",
            Presence::Optional | Presence::Assigned => "",
        };
        format!("\n- `{name}` ({}{presence}): {}", field.kind, field.summary)
    });
    format!("{}\n{}", schema.summary, fields.collect::<String>())
}

fn listing(title: &str, schemas: impl Iterator<Item = Arc<Schema>>) -> String {
    let entries = schemas.map(|schema| format!("\n\n`{}`: {}", schema.kind, documentation(&schema)));
    format!("{title}:{}", entries.collect::<String>())
}

/// A text as it stands between the quotes of a Nickel string.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace("%{", "\\%{").replace('\n', "\\n")
}
