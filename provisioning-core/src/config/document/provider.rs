//! Providers: an alias, a type, and settings under the schema of that type.

use super::{Reader, origins, part};
use crate::error::Diagnostic;
use crate::name::ProviderName;
use crate::resource::ProviderSettings;
use crate::value::{Node, NodeValue};

impl Reader<'_> {
    pub(super) fn provider(&mut self, alias: &str, node: &Node) {
        let path = format!("providers.{alias}");
        let name = match ProviderName::parse(alias) {
            Ok(name) => name,
            Err(error) => return self.fail(node.origin.clone(), &path, &error),
        };
        if self.providers.insert(name.clone(), None).is_some() {
            return self.problems.push(Diagnostic::new(node.origin.clone(), path, "is declared twice"));
        }
        if !matches!(node.value, NodeValue::Map(_)) {
            return self.expected("a map with a `type`", node, &path);
        }
        let Some((kind, place)) = self.word(node, "type", &path) else { return };
        let schema = match self.registry.provider(&kind) {
            Ok(factory) => factory.settings(),
            Err(error) => return self.fail(place, &format!("{path}.type"), &error),
        };
        let fields = part(node, |key| key != "type");
        let settings = schema.check(&fields, &path, &mut self.problems);
        self.providers.insert(name.clone(), Some(kind.clone()));
        let provider = ProviderSettings { kind, settings, origin: node.origin.clone(), origins: origins(&fields) };
        self.desired.providers.insert(name, provider);
    }
}
