//! The settings of the engine. Their defaults stand in `defaults.toml` beside this file, and nowhere else.
//!
//! What keys there are and their types stand in `settings.schema.toml`; how layers merge is in [`layers`](super::layers).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layers::{Layer, merge};
use crate::error::{Diagnostic, Error, Result};
use crate::resource::RetryPolicy;
use crate::schema::Schema;
use crate::value::{Node, NodeValue, Value};

/// The largest number a setting may have: 31 years in seconds, and no overflow anywhere.
const LARGEST: f64 = 1e9;

/// The settings of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How many things may be done at once.
    pub limits: Limits,
    /// How often and how soon a failed call is repeated.
    pub retry: RetryPolicy,
    /// How long one call may take, in seconds.
    pub timeout_seconds: f64,
    /// How long a lease lasts when its holder does not renew it, in seconds.
    pub lease_seconds: f64,
    /// How many objects are read with one call when refreshing.
    pub refresh_page: usize,
    /// What a failed step does to the rest of the run.
    pub on_failure: OnFailure,
}

/// How many calls may run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// In a run.
    pub run: usize,
    /// To one provider, by alias; the run's limit where none is given.
    #[serde(default)]
    pub providers: BTreeMap<String, usize>,
    /// Of one kind; the run's limit where none is given.
    #[serde(default)]
    pub kinds: BTreeMap<String, usize>,
}

/// What a failed step does to the rest of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing new is begun; what runs is finished; the run can be resumed.
    Stop,
    /// Whatever does not need the failed step goes on.
    Continue,
    /// As with stop; then everything that the run did is taken back.
    Rollback,
}

impl Settings {
    /// The shipped defaults.
    pub fn shipped() -> Self {
        Self::from_layers(&[Layer::shipped()]).expect("the shipped defaults are complete")
    }

    /// The settings out of layers, weakest first.
    ///
    /// # Errors
    /// `Invalid`, with a diagnostic for every unknown key, wrong type and number that makes no sense.
    pub fn from_layers(layers: &[Layer]) -> Result<Self> {
        let merged = merge(layers);
        let mut problems = Vec::new();
        let value = schema().check(&merged, "settings", &mut problems);
        if problems.is_empty() {
            check_positive(&merged, "settings", &mut problems);
        }
        if let Some(error) = Error::from_diagnostics(problems) {
            return Err(error);
        }
        serde_json::from_value(value.expose()?).map_err(|error| Error::invalid(format!("the settings do not fit: {error}")))
    }
}

/// What keys settings have.
pub(super) fn schema() -> Schema {
    Schema::parse(include_str!("settings.schema.toml")).expect("the schema of the settings is one")
}

/// Reports every number that is not above zero and of a sensible size: no limit, count or duration is.
pub(super) fn check_positive(node: &Node, path: &str, problems: &mut Vec<Diagnostic>) {
    let number = match &node.value {
        NodeValue::Map(entries) => {
            for (key, item) in entries {
                check_positive(item, &format!("{path}.{key}"), problems);
            }
            return;
        }
        NodeValue::Leaf(Value::Float(number)) => *number,
        #[expect(clippy::cast_precision_loss, reason = "only the order of magnitude counts")]
        NodeValue::Leaf(Value::Integer(number)) => *number as f64,
        _ => return,
    };
    if number <= 0.0 || number > LARGEST {
        let message = format!("`{number}` is out of range: it must be above 0 and at most {LARGEST}");
        problems.push(Diagnostic::new(node.origin.clone(), path, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;

    fn read(text: &str) -> Result<Settings> {
        let table = crate::config::toml::parse(&Source::new("provisioning.toml", text)).expect("parses");
        Settings::from_layers(&[Layer::shipped(), Layer::new("workspace", table)])
    }

    #[test]
    fn a_workspace_overrides_single_settings() {
        let settings = read("timeout_seconds = 5\n[limits]\nkinds = { server = 2 }\n[retry]\nattempts = 1").expect("fits");
        let mut expected = Settings::shipped();
        expected.timeout_seconds = 5.0;
        expected.limits.kinds.insert("server".into(), 2);
        expected.retry.attempts = 1;
        assert_eq!(settings, expected);
    }

    #[test]
    fn every_wrong_setting_is_reported_at_its_line() {
        let cases = [
            ("timeout_second = 5", "provisioning.toml:1:18: `settings.timeout_second`: is not a field here"),
            (
                "\ntimeout_seconds = 0",
                "provisioning.toml:2:19: `settings.timeout_seconds`: `0` is out of range: it must be above 0 and at most 1000000000",
            ),
            (
                "[limits]\nrun = -1",
                "provisioning.toml:2:7: `settings.limits.run`: `-1` is out of range: it must be above 0 and at most 1000000000",
            ),
            (
                "[retry]\nattempts = 1.5",
                "provisioning.toml:2:12: `settings.retry.attempts`: expected integer, found the number `1.5`",
            ),
            (
                "on_failure = 'explode'",
                "provisioning.toml:1:14: `settings.on_failure`: `explode` is not one of `stop`, `continue`, `rollback`",
            ),
            ("lease_seconds = '${x.y}'", "the settings do not fit: invalid type: string \"${x.y}\", expected f64"),
        ];
        for (text, message) in cases {
            assert_eq!(read(text).expect_err(text).to_string(), message);
        }
        assert_eq!(read("timeout_second = 5").expect_err("unknown").hint(), Some("did you mean `timeout_seconds`?"));
    }
}
