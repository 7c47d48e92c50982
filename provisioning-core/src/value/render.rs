//! A text that is rendered from a template (Jinja syntax) when its variables are known.
//!
//! The template's source travels with the value, so that a plan renders the same text wherever and whenever it is
//! applied. The only file that names the template engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Serde};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::{Redaction, Reference, Secret, Value};
use crate::error::{Error, Result};

/// How many instructions a template may take: seconds, and far more than any file that people read has.
const STEPS: u64 = 10_000_000;

/// A template and the variables it is rendered with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Render {
    /// What errors call the template: its path in the workspace.
    pub name: Arc<str>,
    /// The template itself.
    pub source: Arc<str>,
    /// The variables, a map; they may hold references.
    pub variables: Value,
}

impl Render {
    /// Checks the template by a trial: what only the apply will know is stood in for, and what goes wrong because of
    /// that is let pass.
    ///
    /// # Errors
    /// `Invalid` with the template's name and line.
    pub fn check(&self) -> Result<()> {
        let environment = environment();
        let wrong = |error: &minijinja::Error| explain(error, &self.name);
        let template = environment.template_from_named_str(&self.name, &self.source).map_err(|error| wrong(&error))?;
        let Err(error) = template.render(stood_in(&self.variables)) else { return Ok(()) };
        let all_known = !self.variables.any(&is_stood_in);
        let missing = || {
            let name =
                error.detail()?.strip_prefix('`')?.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
            (template.undeclared_variables(false).contains(name) && self.variables.field(name).is_none()).then_some(())
        };
        if all_known || missing().is_some() { Err(wrong(&error)) } else { Ok(()) }
    }

    pub(super) fn resolve(&self, lookup: &mut impl FnMut(&Reference) -> Result<Value>) -> Result<Value> {
        let variables = self.variables.resolve(lookup)?;
        if variables.has_unknown() || variables.is_withheld() {
            return Ok(Value::Unknown);
        }
        let environment = environment();
        let template =
            environment.template_from_named_str(&self.name, &self.source).map_err(|error| explain(&error, &self.name))?;
        // What goes wrong with a variable may be told with its value.
        let redaction = Redaction::of([&variables]);
        let text: Value = template
            .render(minijinja::Value::from(Serde(variables.expose()?)))
            .map_err(|error| explain(&error, &self.name).redacted(&|text| redaction.text(text)))?
            .into();
        Ok(if variables.has_secret() { Value::Secret(Secret::new(text)) } else { text })
    }
}

/// What stands in for a value that only the apply will know: it has every field, and is empty.
#[derive(Debug)]
struct Later;

impl Object for Later {
    fn get_value(self: &Arc<Self>, _: &minijinja::Value) -> Option<minijinja::Value> {
        Some(minijinja::Value::from_dyn_object(self.clone()))
    }
}

fn is_stood_in(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Render(_) | Value::Secret(_) | Value::Sealed(_) | Value::Digest(_) | Value::Unknown => true,
        _ => false,
    }
}

fn stood_in(value: &Value) -> minijinja::Value {
    match value {
        Value::Map(map) => map.iter().map(|(key, item)| (key.to_string(), stood_in(item))).collect::<BTreeMap<_, _>>().into(),
        Value::List(items) => items.iter().map(stood_in).collect(),
        value if is_stood_in(value) => minijinja::Value::from_object(Later),
        value => value.expose().map_or_else(|_| minijinja::Value::UNDEFINED, |known| minijinja::Value::from(Serde(known))),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(STEPS));
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the default delimiters are valid"));
    environment
}

fn explain(error: &minijinja::Error, name: &str) -> Error {
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
    let explained = Error::invalid(format!("{name}{line}: {}{detail}", error.kind()));
    match error.kind() {
        ErrorKind::UndefinedError => explained.with_hint("a template sees only the variables it is given in `vars`"),
        ErrorKind::OutOfFuel => explained.with_hint("look for loops inside loops: a template takes a limited number of steps"),
        ErrorKind::TemplateNotFound => explained.with_hint("a template cannot include another one"),
        _ => explained,
    }
}
