//! Templates: where a field takes a text, a map of `template` and `vars` becomes a text to render.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Reader;
use crate::config::source::{Lines, Source};
use crate::error::{Diagnostic, Error, Result};
use crate::name::{SECRET, suggestion};
use crate::schema::{Field, FieldType, Schema};
use crate::value::{Node, NodeValue, Render, Value};

/// What is written of a template.
const KEYS: [&str; 2] = ["template", "vars"];

impl Reader<'_> {
    /// Replaces the templates among fields by what they render.
    pub(super) fn read_templates(&mut self, schema: &Schema, fields: &mut Node, path: &str) {
        self.object_templates(&schema.fields, fields, path);
    }

    fn object_templates(&mut self, fields: &BTreeMap<String, Field>, node: &mut Node, path: &str) {
        let NodeValue::Map(entries) = &mut node.value else { return };
        for (key, item) in entries {
            if let Some(field) = fields.get(key.as_ref()) {
                self.field_templates(&field.kind, field, item, &format!("{path}.{key}"));
            }
        }
    }

    fn field_templates(&mut self, kind: &FieldType, field: &Field, node: &mut Node, path: &str) {
        if *kind == FieldType::Text && node.field("template").is_some() {
            let rendered = self.template(node, path);
            node.value = NodeValue::Leaf(rendered);
            return;
        }
        match (kind, &mut node.value) {
            (FieldType::Object, NodeValue::Map(_)) => self.object_templates(&field.fields, node, path),
            (FieldType::List(item), NodeValue::List(nodes)) => {
                for (index, node) in nodes.iter_mut().enumerate() {
                    self.field_templates(item, field, node, &format!("{path}[{index}]"));
                }
            }
            (FieldType::Map(item), NodeValue::Map(entries)) => {
                for (key, node) in entries {
                    self.field_templates(item, field, node, &format!("{path}.{key}"));
                }
            }
            _ => {}
        }
    }

    /// The text to render; an empty one, with a problem, where the template is wrong.
    fn template(&mut self, node: &Node, path: &str) -> Value {
        let NodeValue::Map(entries) = &node.value else { return Value::from("") };
        for (key, item) in entries.iter().filter(|(key, _)| !KEYS.contains(&key.as_ref())) {
            let problem = Diagnostic::new(item.origin.clone(), format!("{path}.{key}"), "is not a part of a template");
            self.report(problem, suggestion(key, KEYS));
        }
        let variables = match node.field("vars") {
            None => Value::map::<Arc<str>>([]),
            Some(vars) if matches!(vars.value, NodeValue::Map(_)) => vars.to_value(),
            Some(other) => {
                self.expected("a map of variables", other, &format!("{path}.vars"));
                return Value::from("");
            }
        };
        let Some(file) = node.field("template") else { return Value::from("") };
        let at = format!("{path}.template");
        let NodeValue::Leaf(Value::String(name)) = &file.value else {
            self.expected("the path of a file", file, &at);
            return Value::from("");
        };
        match self.render(name, variables) {
            Ok(render) => Value::Render(Arc::new(render)),
            Err(error) => {
                self.fail(file.origin.clone(), &at, &error);
                Value::from("")
            }
        }
    }

    fn render(&self, name: &Arc<str>, variables: Value) -> Result<Render> {
        let mut render = Render { name: name.clone(), source: (self.around.files)(name)?, variables };
        for path in render.undeclared() {
            let (root, rest) = path.split_once('.').unwrap_or((&path, ""));
            let value = if self.around.known.has(root) {
                Some(self.around.known.value(&path).map_err(|error| in_template(&render, &path, &error))?)
            } else {
                self.reference(root, rest)
            };
            if let Some(value) = value {
                render.variables = put(&render.variables, &path, &value);
            }
        }
        render.check()?;
        Ok(render)
    }

    /// What a name in a template refers to: the secret or the output that a string would refer to in the same words.
    fn reference(&self, root: &str, rest: &str) -> Option<Value> {
        let refers = !rest.is_empty() && (root == SECRET || self.names.contains(root));
        refers.then(|| format!("${{{root}.{rest}}}").into())
    }
}

/// The error of what a template names, where it names it.
fn in_template(render: &Render, path: &str, error: &Error) -> Error {
    let source = Source::new(&render.name, &render.source);
    let origin = source.text.find(path).map(|offset| Lines::new(&source).origin(offset));
    let hint = error.hint().map(str::to_owned);
    let problem = Diagnostic { hint, ..Diagnostic::new(origin, "", error.to_string()) };
    Error::from_diagnostics(vec![problem]).expect("one problem is an error")
}

/// The variables with one more, which may stand below others; what is there already stays.
fn put(variables: &Value, path: &str, value: &Value) -> Value {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    match (variables.field(key), rest) {
        (None, Some(rest)) => variables.with(key, put(&Value::map::<Arc<str>>([]), rest, value)),
        (Some(below @ Value::Map(_)), Some(rest)) => variables.with(key, put(below, rest, value)),
        (None, None) => variables.with(key, value.clone()),
        _ => variables.clone(),
    }
}
