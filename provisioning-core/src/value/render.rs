//! A text that is rendered from a template (Jinja syntax) when its variables are known.
//!
//! The template's source travels with the value, so that a plan renders the same text wherever and whenever it is
//! applied. The only file that names the template engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Serde};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::{Redaction, Reference, Secret, Template, Value};
use crate::error::{Diagnostic, Error, Origin, Result};
use crate::name::suggestion;

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
    /// What the template names and its variables do not have: `web.address`. Nothing of a template that does not parse.
    pub fn undeclared(&self) -> BTreeSet<String> {
        let environment = environment();
        let template = environment.template_from_named_str(&self.name, &self.source);
        let names = template.map(|template| template.undeclared_variables(true)).unwrap_or_default();
        let root = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        names.into_iter().filter(|name| self.variables.field(&root(name)).is_none()).collect()
    }

    /// Checks the template by a trial: what only the apply will know is stood in for, and what goes wrong because of
    /// that is let pass.
    ///
    /// # Errors
    /// `Invalid` with a diagnostic at the place in the template.
    pub fn check(&self) -> Result<()> {
        let environment = environment();
        let template = environment.template_from_named_str(&self.name, &self.source).map_err(|error| self.explain(&error))?;
        let Err(error) = template.render(stood_in(&self.variables)) else { return Ok(()) };
        let all_known = !self.variables.any(&is_stood_in);
        let missing = || {
            let name = undefined(&error)?.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
            (template.undeclared_variables(false).contains(name) && self.variables.field(name).is_none()).then_some(())
        };
        if all_known || missing().is_some() { Err(self.explain(&error)) } else { Ok(()) }
    }

    /// The variables that are not known yet, given what is known of references.
    pub(crate) fn awaited(&self, lookup: &mut impl FnMut(&Reference) -> Result<Value>) -> Vec<String> {
        let variables = self.variables.as_map().into_iter().flatten();
        let unknown =
            variables.filter(|(_, value)| value.resolve(lookup).is_ok_and(|value| value.has_unknown() || value.is_withheld()));
        unknown.map(|(name, _)| name.to_string()).collect()
    }

    pub(super) fn resolve(&self, lookup: &mut impl FnMut(&Reference) -> Result<Value>) -> Result<Value> {
        let variables = self.variables.resolve(lookup)?;
        if variables.has_unknown() || variables.is_withheld() {
            return Ok(Value::Unknown);
        }
        let environment = environment();
        let template = environment.template_from_named_str(&self.name, &self.source);
        let given = minijinja::Value::from(Serde(variables.expose()?));
        // What goes wrong with a variable may be told with its value.
        let redaction = Redaction::of([&variables]);
        let text = template.and_then(|template| template.render(given));
        let text: Value = text.map_err(|error| self.explain(&error).redacted(&|text| redaction.text(text)))?.into();
        Ok(if variables.has_secret() { Value::Secret(Secret::new(text)) } else { text })
    }

    /// The error of the engine at its place in the template.
    fn explain(&self, error: &minijinja::Error) -> Error {
        let message = match (undefined(error), error.detail()) {
            (Some(_), Some(detail)) => detail.to_owned(),
            (_, Some(detail)) => format!("{}: {detail}", error.kind()),
            (_, None) => error.kind().to_string(),
        };
        let hint = match error.kind() {
            ErrorKind::OutOfFuel => Some("look for loops inside loops: a template takes a limited number of steps".to_owned()),
            ErrorKind::TemplateNotFound => Some("a template cannot include another one".to_owned()),
            _ => undefined(error).map(|expression| self.nearest(expression)),
        };
        let problem = Diagnostic { hint, ..Diagnostic::new(self.place(error), "", message) };
        Error::from_diagnostics(vec![problem]).expect("one problem is an error")
    }

    fn place(&self, error: &minijinja::Error) -> Option<Origin> {
        let line = error.line()?;
        let before = error.range().and_then(|range| self.source.get(..range.start)).unwrap_or_default();
        let column = if before.matches('\n').count() + 1 == line {
            before.chars().rev().take_while(|letter| *letter != '\n').count()
        } else {
            0
        };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Some(Origin { file: self.name.clone(), line: number(line), column: number(column + 1) })
    }

    /// What may have been meant by an expression such as `site.prot`.
    fn nearest(&self, expression: &str) -> String {
        let (mut given, mut words) = (&self.variables, expression.split('.'));
        let missing = words.find(|word| given.field(word).map(|below| given = below).is_none()).unwrap_or(expression);
        let names = given.as_map().into_iter().flat_map(|map| map.keys().map(AsRef::as_ref)).collect::<Vec<_>>();
        let near = suggestion(missing, names).map_or_else(String::new, |near| format!("; {near}"));
        format!("a template sees its `vars`, and whatever `${{…}}` may name{near}")
    }
}

/// The expression that led to nothing, where that is what is wrong.
fn undefined(error: &minijinja::Error) -> Option<&str> {
    let detail = error.detail()?;
    let before = &detail[..detail.find("` is undefined")?];
    before.rfind('`').map(|start| &before[start + 1..])
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
        Value::String(text) => Template::is_in(text),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, variables: &[(&str, Value)]) -> Render {
        let variables = Value::map(variables.iter().map(|(name, value)| (*name, value.clone())));
        Render { name: "site.j2".into(), source: source.into(), variables }
    }

    #[track_caller]
    fn wrong(render: &Render) -> String {
        let error = render.check().expect_err("it is wrong");
        format!("{error} | {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn an_unknown_variable_is_told_with_its_place_and_the_nearest_name() {
        let site = Value::map([("port", Value::from(80)), ("host", "a".into())]);
        let given = [("port", Value::from(80)), ("site", site)];
        let hint = "a template sees its `vars`, and whatever `${…}` may name";
        let render = |source: &str| render(source, &given);
        let expect = format!("site.j2:2:9: `prot` is undefined | {hint}; did you mean `port`?");
        assert_eq!(wrong(&render("a\n  é: {{ prot }}\n")), expect);
        let expect = format!("site.j2:1:4: `site.prot` is undefined | {hint}; did you mean `port`?");
        assert_eq!(wrong(&render("{{ site.prot }}")), expect);
        let expect = format!("site.j2:1:4: `zzz` is undefined | {hint}; known here: `port`, `site`");
        assert_eq!(wrong(&render("{{ zzz }}")), expect);
    }

    #[test]
    fn what_is_wrong_with_the_syntax_is_told_with_its_place() {
        assert_eq!(wrong(&render("a\n{% if %}\n", &[])), "site.j2:2:7: syntax error: unexpected end of block | ");
    }

    #[test]
    fn what_only_the_real_values_show_is_told_with_its_place() {
        let render = render("ok\n{{ 1 // number }}\n", &[("number", "${a.size}".into())]);
        render.check().expect("it may work");
        let error = render.resolve(&mut |_| Ok(Value::from(0))).expect_err("it does not");
        assert!(error.to_string().starts_with("site.j2:2:"), "{error}");
        assert_eq!(error.diagnostics()[0].origin.as_ref().map(|origin| &*origin.file), Some("site.j2"));
    }

    #[test]
    fn the_variables_that_are_awaited_are_named() {
        let render = render("", &[("a", "${x.id}".into()), ("b", "${y.id}".into()), ("c", "plain".into())]);
        let known = &mut |reference: &Reference| Ok(if &*reference.root == "x" { "id".into() } else { Value::Unknown });
        assert_eq!(render.awaited(known), ["b"]);
    }
}
