//! The section `secrets` of the configuration: where each secret comes from. What is in them is never read here.

use std::collections::BTreeMap;

use super::configuration::Configuration;
use crate::error::Diagnostic;
use crate::name::SecretName;
use crate::secrets::Source;
use crate::value::{Node, NodeValue, Value};

/// The sources that a configuration names; a report for each secret of which it does not name one.
pub(super) fn sources(configuration: &Configuration, problems: &mut Vec<Diagnostic>) -> BTreeMap<SecretName, Source> {
    let mut found = BTreeMap::new();
    let Some(NodeValue::Map(entries)) = configuration.get("secrets").map(|node| &node.value) else { return found };
    for (name, node) in entries {
        let path = format!("secrets.{name}");
        match (SecretName::parse(name), source(node)) {
            (Ok(name), Some(source)) => drop(found.insert(name, source)),
            (Err(error), _) => {
                let hint = error.hint().map(str::to_owned);
                problems.push(Diagnostic { hint, ..Diagnostic::new(node.origin.clone(), path, error.to_string()) });
            }
            (_, None) => {
                let message = "expected one of `age`, `env`, `file` and `command`, with something in it";
                problems.push(Diagnostic::new(node.origin.clone(), path, message));
            }
        }
    }
    found
}

/// The one source that is named.
fn source(node: &Node) -> Option<Source> {
    let NodeValue::Map(entries) = &node.value else { return None };
    let [(key, value)] = entries.as_slice() else { return None };
    let value = value.to_value();
    let text = || value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match key.as_ref() {
        "age" => Some(Source::Age { path: text()?.into() }),
        "env" => Some(Source::Env { variable: text()? }),
        "file" => Some(Source::File { path: text()?.into() }),
        _ => {
            let Value::List(words) = &value else { return None };
            let argv: Vec<_> = words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
            (!argv.is_empty()).then_some(Source::Command { argv })
        }
    }
}
