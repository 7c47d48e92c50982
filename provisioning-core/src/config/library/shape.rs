//! The shape of declarations: the fields of a kind together with what the engine reads beside them.
//!
//! The library and the JSON Schema are written from shapes; what a shape says is what `document` checks.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::catalog::Sort;
use crate::config::document::{SECTIONS, declaration};
use crate::schema::{Field, Presence, Schema};
use crate::value::Value;

/// Which strings with references may stand for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum References {
    /// Any, for it and for whatever is in it.
    Any,
    /// Any for what is in it; for itself only those that are known before anything is planned, such as `${input.size}`.
    Within,
    /// Only those that are known before.
    Known,
    /// None that would count as one.
    None,
}

impl References {
    /// The same for what stands in the value.
    pub(super) fn inside(self) -> Self {
        if self == Self::Within { Self::Any } else { self }
    }
}

/// A field of a declaration.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) field: Field,
    pub(super) references: References,
}

/// The fields of a declaration, by name; those that its provider sets are not among them.
pub(super) type Shape = BTreeMap<String, Member>;

/// What the entries of a section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holds {
    Provider,
    Resource,
    Lookup,
    Service,
    Input,
    Checkpoint,
    Output,
}

impl Holds {
    /// What declarations they are, where they are of a type, a kind or a service.
    pub(super) fn sort(self) -> Option<Sort> {
        match self {
            Self::Provider => Some(Sort::Provider),
            Self::Resource => Some(Sort::Resource),
            Self::Lookup => Some(Sort::Lookup),
            Self::Service => Some(Sort::Service),
            Self::Input | Self::Checkpoint | Self::Output => None,
        }
    }
}

/// A section of a document.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Section {
    pub(super) summary: String,
    pub(super) holds: Holds,
}

/// What a document is made of around the fields of its kinds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Frame {
    sections: BTreeMap<String, Section>,
    heads: BTreeMap<Sort, BTreeMap<String, Field>>,
}

impl Frame {
    pub(super) fn new() -> Self {
        toml::from_str(include_str!("declarations.toml")).expect("the frame of a document is one")
    }

    /// The sections that the engine reads, in its order.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&'static str, &Section)> {
        SECTIONS.into_iter().map(|name| (name, self.sections.get(name).expect("declarations.toml has every section")))
    }

    /// The shape of a declaration of one type, kind or service.
    pub(super) fn shape(&self, sort: Sort, schema: &Schema) -> Shape {
        let fields = shape_of(&schema.fields, References::Any);
        let options = shape_of(&declaration().fields, References::Known);
        let head = self.heads.get(&sort).map(|head| shape_of(head, References::Known));
        let mut shape = match sort {
            Sort::Provider => fields,
            Sort::Resource | Sort::Lookup => fields.into_iter().chain(options).collect(),
            Sort::Service => options,
        };
        shape.extend(head.into_iter().flatten());
        if let Some(word) = shape.get_mut(sort.key()) {
            word.field.one_of = vec![Value::from(schema.kind.as_str())];
        }
        if let (Sort::Service, Some(config)) = (sort, shape.get_mut("config")) {
            config.field.fields = schema.fields.clone();
            config.field.presence = if schema.fields.values().any(is_required) { Presence::Required } else { Presence::Optional };
            config.references = References::Within;
        }
        shape
    }
}

/// Whether the user must give a field.
pub(super) fn is_required(field: &Field) -> bool {
    field.presence == Presence::Required && field.default.is_none()
}

/// The shape of some fields, which only admits what the user may give.
pub(super) fn shape_of(fields: &BTreeMap<String, Field>, references: References) -> Shape {
    let settable = fields.iter().filter(|(_, field)| field.presence != Presence::Computed);
    settable.map(|(name, field)| (name.clone(), Member { field: field.clone(), references })).collect()
}
