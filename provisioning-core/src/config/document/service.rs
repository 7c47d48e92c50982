//! Services: a task service, the hosts it runs on, and its configuration; one declaration per host.

use super::options::Given;
use super::{Reader, origins};
use crate::error::Diagnostic;
use crate::name::{Kind, ResourceName, suggestion};
use crate::resource::{Declared, Role};
use crate::value::{Node, NodeValue, Value};

/// What is written of a service besides the options of the engine.
const KEYS: [&str; 3] = ["service", "on", "config"];

impl Reader<'_> {
    pub(super) fn service(&mut self, name: &str, node: &Node) {
        let path = format!("services.{name}");
        let name = self.claim(name, "service", node, &path);
        let NodeValue::Map(entries) = &node.value else {
            return self.expected("a map with a `service`", node, &path);
        };
        for (key, item) in entries.iter().filter(|(key, _)| !KEYS.contains(&key.as_ref()) && !self.options.has(key)) {
            let hint = suggestion(key, KEYS.into_iter().chain(self.options.names()));
            let problem = Diagnostic::new(item.origin.clone(), format!("{path}.{key}"), "is not a field here");
            self.problems.push(Diagnostic { hint, ..problem });
        }
        let given = self.given(node, &path);
        let hosts = self.on(node, &path);
        let Some((kind, place)) = self.word(node, "service", &path) else { return };
        let schema = match self.registry.service(&kind) {
            Ok(service) => service.schema(),
            Err(error) => return self.fail(place, &format!("{path}.service"), &error),
        };
        let absent = Node::new(NodeValue::Map(Vec::new()), node.origin.clone());
        let config = node.field("config").filter(|node| node.value != NodeValue::default()).cloned().unwrap_or(absent);
        let (inputs, config) = self.fields(&schema, config, &format!("{path}.config"));
        let Some(name) = name else { return };
        self.expand(&name, &kind, &Expansion { inputs, config, hosts, given, origin: node });
    }

    fn on(&mut self, node: &Node, path: &str) -> Vec<ResourceName> {
        let path = format!("{path}.on");
        let Some(on) = node.field("on") else {
            self.problems.push(Diagnostic::new(node.origin.clone(), path, "is required (list(string))"));
            return Vec::new();
        };
        let NodeValue::List(items) = &on.value else {
            self.expected("a list of names", on, &path);
            return Vec::new();
        };
        let mut hosts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let NodeValue::Leaf(Value::String(text)) = &item.value else {
                self.expected("the name of a resource", item, &path);
                continue;
            };
            match ResourceName::parse(text) {
                Err(error) => self.fail(item.origin.clone(), &path, &error),
                Ok(host) if hosts.contains(&host) => {
                    self.problems.push(Diagnostic::new(item.origin.clone(), path, format!("`{host}` stands there twice")));
                }
                Ok(host) => hosts.push(host),
            }
        }
        hosts
    }

    fn expand(&mut self, name: &ResourceName, kind: &Kind, service: &Expansion<'_>) {
        for host in &service.hosts {
            let declared = Declared {
                name: name.on_host(host),
                kind: kind.clone(),
                role: Role::Service { host: host.clone() },
                inputs: service.inputs.clone(),
                origin: service.origin.origin.clone(),
                origins: [origins(service.origin), origins(&service.config)].into_iter().flatten().collect(),
                depends_on: service.given.depends_on.clone(),
                after: service.given.after.clone(),
                lifecycle: service.given.lifecycle.clone(),
                retry: service.given.retry(self.around.settings),
                timeout: service.given.timeout(self.around.settings),
            };
            self.desired.resources.insert(declared.name.clone(), declared);
        }
    }
}

/// What the declarations of one service on its hosts share.
struct Expansion<'a> {
    inputs: Value,
    config: Node,
    hosts: Vec<ResourceName>,
    given: Given,
    origin: &'a Node,
}
