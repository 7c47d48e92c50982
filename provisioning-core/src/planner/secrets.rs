//! Secrets in declarations: which ones are referred to and from where, and what is secret and stands there itself.

use std::collections::BTreeMap;

use super::Input;
use super::scope::present;
use crate::error::{Diagnostic, Origin};
use crate::name::SECRET;
use crate::resource::Desired;
use crate::value::{Map, Reference, Segment, Value};

/// What is known of the secrets of a workspace.
#[derive(Debug, Clone, Default)]
pub struct KnownSecrets {
    /// The names that can be referred to.
    pub names: Vec<String>,
    /// Whether the workspace has keys under which a secret can be kept.
    pub keys: bool,
    /// What was read, by name.
    pub values: Value,
}

/// A place that refers to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The path of the field.
    pub field: String,
    /// Where it was written.
    pub origin: Option<Origin>,
}

/// A field of the declarations: its path, where it was written, and its value.
struct Place<'a> {
    section: &'static str,
    name: &'a str,
    /// The field; `None` where the whole entry is meant.
    key: Option<&'a str>,
    /// Where the entry was written, and where parts of it were.
    origin: Option<&'a Origin>,
    origins: Option<&'a Map<Origin>>,
    value: &'a Value,
}

impl<'a> Place<'a> {
    fn origin(&self) -> Option<&'a Origin> {
        let own = || self.origins?.get(self.key?);
        own().or(self.origin)
    }

    fn path(&self) -> String {
        let key = self.key.map_or_else(String::new, |key| format!(".{key}"));
        format!("{}.{}{key}", self.section, self.name)
    }
}

/// The secrets that a plan has to know, each with the first place that refers to it.
pub fn needed_secrets(input: &Input<'_>) -> BTreeMap<String, SecretUse> {
    secret_uses(&present(input))
}

/// The secrets that declarations refer to, each with the first place that does.
pub fn secret_uses(desired: &Desired) -> BTreeMap<String, SecretUse> {
    let mut uses = BTreeMap::new();
    for place in places(desired, Value::has_references) {
        for name in secret_names(place.value) {
            uses.entry(name).or_insert_with(|| SecretUse { field: place.path(), origin: place.origin().cloned() });
        }
    }
    uses
}

/// The secrets that a value refers to.
pub fn secret_names(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let may_name =
        |part: &Value| matches!(part, Value::String(text) if text.contains(SECRET)) || matches!(part, Value::Render(_));
    if !value.has_references() || !value.any(&may_name) {
        return names;
    }
    // What does not parse is reported where references are linked.
    let _ = value.visit_references(&mut |reference| names.extend(secret_name(reference).map(str::to_owned)));
    names
}

/// The secret that a reference stands for.
pub(super) fn secret_name(reference: &Reference) -> Option<&str> {
    match reference.path.as_slice() {
        [Segment::Key(name)] if reference.root.as_ref() == SECRET => Some(name),
        _ => None,
    }
}

/// Reports whatever is secret and stands in the declarations themselves, where nothing could keep it.
pub(super) fn literals(desired: &Desired, known: &KnownSecrets) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    if known.keys {
        return problems;
    }
    for place in places(desired, Value::has_secret) {
        report(place.value, &place.path(), place.origin(), &mut problems);
    }
    problems
}

fn report(value: &Value, path: &str, origin: Option<&Origin>, problems: &mut Vec<Diagnostic>) {
    match value {
        Value::Secret(_) => {
            let message = "is sensitive and stands here itself; the workspace has no keys under which it could be kept";
            let hint = "keep it with `provisioning secrets set NAME` and write `${secret.NAME}`";
            problems.push(Diagnostic::new(origin.cloned(), path, message).with_hint(hint));
        }
        Value::Map(map) => map.iter().for_each(|(key, item)| report(item, &format!("{path}.{key}"), origin, problems)),
        Value::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| report(item, &format!("{path}[{index}]"), origin, problems));
        }
        _ => {}
    }
}

/// Every declared field whose value passes a test that a map passes where one of its values does; in the order of names.
fn places(desired: &Desired, test: fn(&Value) -> bool) -> impl Iterator<Item = Place<'_>> {
    let providers =
        desired.providers.iter().filter(move |(_, provider)| test(&provider.settings)).flat_map(|(alias, provider)| {
            provider.settings.as_map().into_iter().flatten().map(move |(key, value)| Place {
                section: "providers",
                name: alias.as_str(),
                key: Some(key),
                origin: provider.origin.as_ref(),
                origins: Some(&provider.origins),
                value,
            })
        });
    let resources = desired.resources.values().filter(move |declared| test(&declared.inputs)).flat_map(|declared| {
        declared.inputs.as_map().into_iter().flatten().map(move |(key, value)| Place {
            section: "resources",
            name: declared.name.as_str(),
            key: Some(key),
            origin: declared.origin.as_ref(),
            origins: Some(&declared.origins),
            value,
        })
    });
    let outputs = desired.outputs.iter().map(|(name, output)| Place {
        section: "outputs",
        name,
        key: None,
        origin: output.origin.as_ref(),
        origins: None,
        value: &output.value,
    });
    providers.chain(resources).chain(outputs).filter(move |place| test(place.value))
}
