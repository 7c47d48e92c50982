//! Everything that a registry offers, with its schema: what the library, the JSON Schema and the pages are made of.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::name::{Kind, suggestion};
use crate::registry::Registry;
use crate::schema::{Field, FieldType, Presence, Schema};

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The settings of a type of provider.
    Provider,
    /// A kind of resource.
    Resource,
    /// A kind of lookup.
    Lookup,
    /// The configuration of a task service.
    Service,
}

impl Sort {
    /// Every sort, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Provider, Self::Resource, Self::Lookup, Self::Service];

    /// The field of a declaration that names what it is of.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Provider => "type",
            Self::Resource | Self::Lookup => "kind",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Provider => "provider type",
            Self::Resource => "kind",
            Self::Lookup => "lookup",
            Self::Service => "task service",
        })
    }
}

/// One thing that a registry offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// What it is.
    pub sort: Sort,
    /// For a kind or a lookup: the type of the provider that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Kind>,
    /// What it is made of.
    pub schema: Arc<Schema>,
}

/// Everything that a registry offers: each provider type with its kinds and lookups, then the task services.
pub fn entries(registry: &Registry) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (provider, factory) in registry.providers() {
        let of = |sort| move |schema| Entry { sort, provider: Some(provider.clone()), schema };
        entries.push(Entry { sort: Sort::Provider, provider: None, schema: factory.settings() });
        entries.extend(factory.kinds().into_iter().map(of(Sort::Resource)));
        entries.extend(factory.lookups().into_iter().map(of(Sort::Lookup)));
    }
    let service = |schema| Entry { sort: Sort::Service, provider: None, schema };
    entries.extend(registry.services().map(|(_, known)| service(known.schema())));
    entries
}

/// Everything of one name that a registry offers.
///
/// # Errors
/// `NotFound`, with the nearest name.
pub fn entries_named(registry: &Registry, name: &str) -> Result<Vec<Entry>> {
    let (named, others): (Vec<_>, Vec<_>) = entries(registry).into_iter().partition(|entry| entry.schema.kind.as_str() == name);
    if !named.is_empty() {
        return Ok(named);
    }
    let mut known: Vec<_> = others.iter().map(|entry| entry.schema.kind.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let message = format!("there is no provider type, kind, lookup or task service `{name}`");
    let error = Error::new(ErrorKind::NotFound, message);
    Err(match suggestion(name, known) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

/// The schemas by sort and name.
///
/// An alias does not tell its provider's type to whoever sees one declaration alone. Where several types have a kind of
/// one name, its schema here is what all of theirs admit together.
pub(super) fn catalog(registry: &Registry) -> BTreeMap<Sort, BTreeMap<Kind, Schema>> {
    let mut catalog: BTreeMap<_, BTreeMap<_, Schema>> = Sort::ALL.map(|sort| (sort, BTreeMap::new())).into();
    for Entry { sort, schema, .. } in entries(registry) {
        let named = catalog.entry(sort).or_default();
        match named.remove(&schema.kind) {
            None => named.insert(schema.kind.clone(), Schema::clone(&schema)),
            Some(other) => named.insert(schema.kind.clone(), either(other, &schema)),
        };
    }
    catalog
}

/// The schema that admits what one of two schemas admits.
fn either(mut one: Schema, other: &Schema) -> Schema {
    if one.summary != other.summary {
        one.summary = format!("{} Or: {}", one.summary, other.summary);
    }
    one.fields = either_fields(one.fields, &other.fields);
    one
}

fn either_fields(mut one: BTreeMap<String, Field>, other: &BTreeMap<String, Field>) -> BTreeMap<String, Field> {
    for (name, field) in &mut one {
        match other.get(name) {
            Some(theirs) => either_field(field, theirs),
            None => relax(field),
        }
    }
    for (name, field) in other {
        one.entry(name.clone()).or_insert_with(|| {
            let mut field = field.clone();
            relax(&mut field);
            field
        });
    }
    one
}

fn either_field(one: &mut Field, other: &Field) {
    if one.presence == Presence::Computed {
        let relaxed = Field { presence: other.presence, ..other.clone() };
        *one = relaxed;
        return relax(one);
    }
    if other.presence != Presence::Required || other.default.is_some() {
        relax(one);
    }
    if other.presence == Presence::Computed {
        return;
    }
    if one.kind != other.kind {
        (one.kind, one.one_of) = (FieldType::Any, Vec::new());
        return one.fields.clear();
    }
    if one.one_of.is_empty() || other.one_of.is_empty() {
        one.one_of.clear();
    } else {
        let more: Vec<_> = other.one_of.iter().filter(|value| !one.one_of.contains(value)).cloned().collect();
        one.one_of.extend(more);
    }
    one.fields = either_fields(std::mem::take(&mut one.fields), &other.fields);
}

fn relax(field: &mut Field) {
    if field.presence == Presence::Required {
        field.presence = Presence::Optional;
    }
}
