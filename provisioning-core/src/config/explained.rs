//! Where what is declared comes from: for each field of a resource its value, the place it was written at, and what that
//! overrides.

use serde::Serialize;

use super::Workspace;
use super::configuration::Setting;
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::name::{Kind, ResourceName, suggestion};
use crate::registry::Registry;
use crate::resource::{Declared, Role};
use crate::schema::{Change, Field, Presence, Schema};
use crate::value::{Reference, Value};

/// A declared resource, and where its fields come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The resource.
    pub name: ResourceName,
    /// Its kind.
    pub kind: Kind,
    /// What the kind is, in a sentence.
    pub summary: String,
    /// Where it is declared.
    pub origin: Option<Origin>,
    /// The fields that were asked for.
    pub fields: Vec<ExplainedField>,
}

/// A field, and where its value comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedField {
    /// Its path in the resource.
    pub field: String,
    /// Its value as it is declared, references included; `None` where it has none before the resource is there, and where
    /// it must not be seen.
    pub value: Option<Value>,
    /// Whether it must not be seen.
    pub is_sensitive: bool,
    /// Whether the value is the default of the kind.
    pub is_default: bool,
    /// Where the value was written.
    pub origin: Option<Origin>,
    /// What that overrides, the weakest first.
    pub overrides: Vec<Setting>,
    /// The type that it takes.
    pub takes: String,
    /// Who sets it.
    pub presence: Presence,
    /// What changing it does.
    pub on_change: Change,
    /// What it is, in a sentence.
    pub summary: String,
}

impl Workspace {
    /// Explains a resource (`web`) or a field of one (`web.size_gb`, `web.disks[0].key`).
    ///
    /// # Errors
    /// `NotFound` for a name that is not declared, and for a field that its kind has not; `Invalid` for anything else.
    pub fn explain(&self, path: &str, registry: &Registry) -> Result<Explained> {
        let (name, reference) = match path.split_once(['.', '[']) {
            None => (path, None),
            Some((name, _)) => (name, Some(Reference::parse(path)?)),
        };
        let resources = &self.desired.resources;
        let named = resources.get(name).or_else(|| resources.values().find(|declared| declared.name.base() == name));
        let declared = named.ok_or_else(|| {
            let error = Error::new(ErrorKind::NotFound, format!("there is no resource `{name}`"));
            let hint = suggestion(name, resources.keys().map(ResourceName::base));
            error.with_hint(hint.unwrap_or_else(|| "nothing is declared".to_owned()))
        })?;
        let schema = self.schema(declared, registry)?;
        let fields = match &reference {
            None => schema
                .fields
                .iter()
                .filter(|(name, _)| declared.inputs.field(name).is_some())
                .map(|(name, field)| self.field(declared, name, field))
                .collect(),
            Some(reference) => vec![self.one(declared, &schema, reference)?],
        };
        let (name, kind, origin) = (declared.name.clone(), declared.kind.clone(), declared.origin.clone());
        Ok(Explained { name, kind, origin, summary: schema.summary.clone(), fields })
    }

    /// Where a part of a resource was written, or else the nearest part around it: `input.name`.
    pub fn origin(&self, name: &ResourceName, path: &str) -> Option<&Origin> {
        nearest(self.desired.resources.get(name)?, path)
    }

    fn schema(&self, declared: &Declared, registry: &Registry) -> Result<std::sync::Arc<Schema>> {
        let of = |alias| self.desired.providers.get(alias).map(|provider| &provider.kind);
        let undeclared = || Error::bug(format!("the provider of `{}` is not declared", declared.name));
        match &declared.role {
            Role::Managed { provider } => registry.kind(of(provider).ok_or_else(undeclared)?, &declared.kind),
            Role::Lookup { provider } => registry.lookup(of(provider).ok_or_else(undeclared)?, &declared.kind),
            Role::Service { .. } => registry.service(&declared.kind).map(|service| service.schema()),
        }
    }

    /// The field that a path leads into.
    fn one(&self, declared: &Declared, schema: &Schema, reference: &Reference) -> Result<ExplainedField> {
        let path = reference.to_string();
        let path = path.get(reference.root.len()..).unwrap_or_default().trim_start_matches('.');
        let top = path.split(['.', '[']).next().unwrap_or_default();
        let field = schema.fields.get(top).ok_or_else(|| {
            let error = Error::new(ErrorKind::NotFound, format!("a `{}` has no field `{top}`", declared.kind));
            let hint = suggestion(top, schema.fields.keys().map(String::as_str));
            hint.map_or(Error::new(ErrorKind::NotFound, format!("a `{}` has no fields", declared.kind)), |hint| {
                error.with_hint(hint)
            })
        })?;
        let mut explained = self.field(declared, top, field);
        if path != top {
            let origin = nearest(declared, path);
            explained.origin = origin.cloned();
            let value = reference.follow(&declared.inputs)?;
            explained.overrides = self.overrides(origin, Some(&value));
            explained.is_sensitive = value.is_sensitive();
            explained.value = (!explained.is_sensitive).then_some(value);
            path.clone_into(&mut explained.field);
        }
        Ok(explained)
    }

    /// What a value overrides; nothing of one that must not be seen.
    fn overrides(&self, origin: Option<&Origin>, value: Option<&Value>) -> Vec<Setting> {
        let origin = origin.filter(|_| !value.is_some_and(Value::is_sensitive));
        origin.map(|origin| self.overridden(origin)).unwrap_or_default()
    }

    fn field(&self, declared: &Declared, name: &str, field: &Field) -> ExplainedField {
        let (value, origin) = (declared.inputs.field(name), declared.origins.get(name));
        ExplainedField {
            field: name.to_owned(),
            is_sensitive: value.is_some_and(Value::is_sensitive),
            value: value.filter(|value| !value.is_sensitive()).cloned(),
            is_default: value.is_some() && origin.is_none(),
            overrides: self.overrides(origin, value),
            origin: origin.cloned(),
            takes: field.kind.to_string(),
            presence: field.presence,
            on_change: field.on_change,
            summary: field.summary.clone(),
        }
    }
}

/// The place of the nearest part around a path that knows its own.
fn nearest<'a>(declared: &'a Declared, path: &str) -> Option<&'a Origin> {
    let ends = path.char_indices().filter(|(_, letter)| ['.', '['].contains(letter)).map(|(end, _)| end);
    let mut parts: Vec<_> = ends.map(|end| &path[..end]).collect();
    parts.push(path);
    parts.into_iter().rev().find_map(|part| declared.origins.get(part))
}
