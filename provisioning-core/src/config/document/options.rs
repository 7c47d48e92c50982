//! What stands beside the fields of a declaration: order, lifecycle, time and retries.

use std::time::Duration;

use serde::Deserialize;

use super::{Reader, part};
use crate::config::Settings;
use crate::config::layers;
use crate::config::rules::{check_plain, check_positive};
use crate::error::Diagnostic;
use crate::name::ResourceName;
use crate::resource::{Lifecycle, RetryPolicy};
use crate::schema::Schema;
use crate::value::{Node, NodeValue, Value};

/// The schema of what stands beside the fields.
pub(super) struct Options(Schema);

impl Options {
    pub(super) fn new() -> Self {
        Self(declaration())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.fields.keys().map(String::as_str)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.fields.contains_key(key)
    }
}

/// The schema of what stands beside the fields of a declaration.
pub(in crate::config) fn declaration() -> Schema {
    let text = include_str!("../declaration.schema.toml");
    let mut schema = Schema::parse(text).expect("the schema of a declaration is one");
    let settings = layers::schema().fields.remove("settings");
    schema.fields.extend(settings.and_then(|mut settings| settings.fields.remove_entry("retry")));
    schema
}

/// What was given, checked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    pub(super) depends_on: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) lifecycle: Lifecycle,
    timeout_seconds: Option<f64>,
    retry: PartialRetry,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PartialRetry {
    attempts: Option<u32>,
    initial_seconds: Option<f64>,
    max_seconds: Option<f64>,
}

impl Given {
    /// The policy of the settings with what the declaration overrides.
    pub(super) fn retry(&self, settings: &Settings) -> RetryPolicy {
        RetryPolicy {
            attempts: self.retry.attempts.unwrap_or(settings.retry.attempts),
            initial_seconds: self.retry.initial_seconds.unwrap_or(settings.retry.initial_seconds),
            max_seconds: self.retry.max_seconds.unwrap_or(settings.retry.max_seconds),
        }
    }

    /// The time that one call may take.
    pub(super) fn timeout(&self, settings: &Settings) -> Duration {
        let seconds = self.timeout_seconds.unwrap_or(settings.timeout_seconds);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl Reader<'_> {
    /// What stands beside the fields of a declaration; the defaults where it is wrong.
    pub(super) fn given(&mut self, node: &Node, path: &str) -> Given {
        let own = part(node, |key| self.options.has(key));
        if matches!(&own.value, NodeValue::Map(entries) if entries.is_empty()) {
            return Given::default();
        }
        let before = self.problems.len();
        let value = self.options.0.check(&own, path, &mut self.problems);
        check_positive(&own, path, &mut self.problems);
        check_plain(&own, path, &mut self.problems);
        if let Some(lifecycle) = own.field("lifecycle") {
            self.check_former_name(lifecycle, path);
        }
        if self.problems.len() > before {
            return Given::default();
        }
        match value.expose().map(serde_json::from_value) {
            Ok(Ok(given)) => given,
            Ok(Err(error)) => {
                self.problems.push(Diagnostic::new(node.origin.clone(), path, error.to_string()));
                Given::default()
            }
            Err(error) => {
                self.fail(node.origin.clone(), path, &error);
                Given::default()
            }
        }
    }

    fn check_former_name(&mut self, lifecycle: &Node, path: &str) {
        if let Some(Node { value: NodeValue::Leaf(Value::String(name)), origin }) = lifecycle.field("moved_from")
            && let Err(error) = ResourceName::parse(name)
        {
            self.fail(origin.clone(), &format!("{path}.lifecycle.moved_from"), &error);
        }
    }
}
