//! A text that is rendered from a template (Jinja syntax) when its variables are known.
//!
//! The template's source travels with the value, so that a plan renders the same text wherever and whenever it is
//! applied. The only file that names the template engine.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::{Reference, Secret, Value};
use crate::error::{Error, Result};

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
    /// Checks the template's syntax.
    ///
    /// # Errors
    /// `Invalid` with the template's name and line.
    pub fn check(&self) -> Result<()> {
        environment().template_from_named_str(&self.name, &self.source).map(|_| ()).map_err(|error| explain(&error, &self.name))
    }

    pub(super) fn resolve(&self, lookup: &mut impl FnMut(&Reference) -> Result<Value>) -> Result<Value> {
        let variables = self.variables.resolve(lookup)?;
        if variables.has_unknown() || variables.has_digest() {
            return Ok(Value::Unknown);
        }
        let environment = environment();
        let template =
            environment.template_from_named_str(&self.name, &self.source).map_err(|error| explain(&error, &self.name))?;
        let text: Value = template
            .render(minijinja::Value::from(minijinja::value::Serde(variables.expose()?)))
            .map_err(|error| explain(&error, &self.name))?
            .into();
        Ok(if variables.has_secret() { Value::Secret(Secret::new(text)) } else { text })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the default delimiters are valid"));
    environment
}

fn explain(error: &minijinja::Error, name: &str) -> Error {
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
    Error::invalid(format!("{name}{line}: {}{detail}", error.kind()))
        .with_hint("a template sees only the variables it is given in `vars`")
}
