//! Resources and lookups: a kind of a provider, and fields under the schema of that kind.

use std::sync::Arc;

use super::{Reader, only, origins};
use crate::error::{Diagnostic, Error, Result};
use crate::name::{Kind, ProviderName, nearest, suggestion};
use crate::resource::{Declared, Role};
use crate::schema::{Presence, Schema};
use crate::value::{Node, NodeValue, Value};

/// Which of a provider's two sorts of kinds is meant.
#[derive(Clone, Copy)]
enum Sort {
    Resource,
    Lookup,
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Lookup => "lookup",
        }
    }

    fn role(self, provider: ProviderName) -> Role {
        match self {
            Self::Resource => Role::Managed { provider },
            Self::Lookup => Role::Lookup { provider },
        }
    }
}

impl Reader<'_> {
    pub(super) fn resource(&mut self, name: &str, node: Node) {
        self.declare(name, node, Sort::Resource);
    }

    pub(super) fn lookup(&mut self, name: &str, node: Node) {
        self.declare(name, node, Sort::Lookup);
    }

    fn declare(&mut self, name: &str, node: Node, sort: Sort) {
        let path = format!("{}s.{name}", sort.name());
        let name = self.claim(name, sort.name(), &node, &path);
        if !matches!(node.value, NodeValue::Map(_)) {
            return self.expected("a map with a `kind`", &node, &path);
        }
        let given = self.given(&node, &path);
        let Some((kind, _)) = self.word(&node, "kind", &path) else { return };
        let Some((provider, schema)) = self.provider_of(&node, &kind, sort, &path) else { return };
        let (origin, origins) = (node.origin.clone(), origins(&node));
        let fields = only(node, |key| key != "kind" && key != "provider" && !self.options.has(key));
        let (inputs, _) = self.fields(&schema, fields, &path);
        let Some(name) = name else { return };
        let declared = Declared {
            kind,
            role: sort.role(provider),
            inputs,
            origin,
            origins,
            lifecycle: given.lifecycle.clone(),
            retry: given.retry(self.around.settings),
            timeout: given.timeout(self.around.settings),
            depends_on: given.depends_on,
            after: given.after,
            name: name.clone(),
        };
        self.desired.resources.insert(name, declared);
    }

    /// Checks the fields of a declaration; gives the checked value, and the fields with their templates read.
    pub(super) fn fields(&mut self, schema: &Schema, mut fields: Node, path: &str) -> (Value, Node) {
        self.misplaced_options(schema, &mut fields, path);
        self.read_templates(schema, &mut fields, path);
        let inputs = schema.check(&fields, path, &mut self.problems);
        (inputs, fields)
    }

    /// Reports fields that are nearer to an option of the engine than to any field of the kind, and takes them out.
    fn misplaced_options(&mut self, schema: &Schema, fields: &mut Node, path: &str) {
        let NodeValue::Map(entries) = &mut fields.value else { return };
        if entries.iter().all(|(key, _)| schema.fields.contains_key(key.as_ref())) {
            return;
        }
        let settable = schema.fields.iter().filter(|(_, field)| field.presence != Presence::Computed);
        let known: Vec<_> = settable.map(|(name, _)| name.as_str()).collect();
        let options: Vec<_> = self.options.names().chain(["kind", "provider"]).collect();
        let mut found = Vec::new();
        entries.retain(|(key, node)| {
            let all = known.iter().chain(&options).copied();
            let near = nearest(key, all).filter(|near| !schema.fields.contains_key(key.as_ref()) && options.contains(near));
            found.extend(near.map(|near| {
                let problem = Diagnostic::new(node.origin.clone(), format!("{path}.{key}"), "is not a field here");
                problem.with_hint(format!("did you mean `{near}`?"))
            }));
            near.is_none()
        });
        self.problems.extend(found);
    }

    fn provider_of(&mut self, node: &Node, kind: &Kind, sort: Sort, path: &str) -> Option<(ProviderName, Arc<Schema>)> {
        let Some(given) = node.field("provider") else { return self.only_provider_with(node, kind, sort, path) };
        let at = format!("{path}.provider");
        let Some(alias) = given.to_value().as_str().map(str::to_owned) else {
            self.expected("a string", given, &at);
            return None;
        };
        let Some((name, provider)) = self.providers.get_key_value(alias.as_str()) else {
            let hint = suggestion(&alias, self.providers.keys().map(AsRef::as_ref));
            let problem = Diagnostic::new(given.origin.clone(), at, format!("there is no provider `{alias}`"));
            self.report(problem, hint);
            return None;
        };
        let (name, provider) = (name.clone(), provider.clone()?);
        match self.schema(&provider, kind, sort) {
            Ok(schema) => Some((name, schema)),
            Err(error) => {
                let place = node.field("kind").and_then(|kind| kind.origin.clone()).or_else(|| node.origin.clone());
                self.fail(place, &format!("{path}.kind"), &error);
                None
            }
        }
    }

    fn only_provider_with(&mut self, node: &Node, kind: &Kind, sort: Sort, path: &str) -> Option<(ProviderName, Arc<Schema>)> {
        let declared = self.providers.iter().filter_map(|(alias, provider)| Some((alias, provider.as_ref()?)));
        let having = declared.filter_map(|(alias, provider)| Some((alias.clone(), self.schema(provider, kind, sort).ok()?)));
        let mut having: Vec<_> = having.collect();
        match having.len() {
            1 => having.pop(),
            0 => {
                self.no_provider_with(node, kind, sort, path);
                None
            }
            _ => {
                let aliases: Vec<_> = having.iter().map(|(alias, _)| format!("`{alias}`")).collect();
                let message = format!("is required: {} have the {} `{kind}`", aliases.join(" and "), kind_word(sort));
                self.problems.push(Diagnostic::new(node.origin.clone(), format!("{path}.provider"), message));
                None
            }
        }
    }

    fn no_provider_with(&mut self, node: &Node, kind: &Kind, sort: Sort, path: &str) {
        if self.providers.values().any(Option::is_none) {
            return; // A provider that is itself wrong may be the one that has it.
        }
        let what = kind_word(sort);
        let types = self.registry.providers().filter(|(name, _)| self.schema(name, kind, sort).is_ok());
        let types: Vec<_> = types.map(|(name, _)| format!("`{name}`")).collect();
        let hint = if types.is_empty() {
            let declared = self.providers.values().flatten().filter_map(|provider| self.registry.provider(provider).ok());
            let kinds = declared.flat_map(|factory| match sort {
                Sort::Resource => factory.kinds(),
                Sort::Lookup => factory.lookups(),
            });
            let kinds: Vec<_> = kinds.collect();
            suggestion(kind.as_str(), kinds.iter().map(|schema| schema.kind.as_str()))
        } else {
            Some(format!("declare a provider of type {} under `providers`", types.join(" or ")))
        };
        let place = node.field("kind").and_then(|kind| kind.origin.clone()).or_else(|| node.origin.clone());
        let problem = Diagnostic::new(place, format!("{path}.kind"), format!("no declared provider has the {what} `{kind}`"));
        self.report(problem, hint);
    }

    fn schema(&self, provider: &Kind, kind: &Kind, sort: Sort) -> Result<Arc<Schema>, Error> {
        match sort {
            Sort::Resource => self.registry.kind(provider, kind),
            Sort::Lookup => self.registry.lookup(provider, kind),
        }
    }
}

fn kind_word(sort: Sort) -> &'static str {
    match sort {
        Sort::Resource => "kind",
        Sort::Lookup => "lookup",
    }
}
