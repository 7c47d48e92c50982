//! Taking known secrets out of what others say: an error of a provider may repeat what it was given.

use std::fmt;

use super::{Secret, Value};

/// The longest text that is left alone: so short a secret stands in any text by chance.
const SHORT: usize = 3;

/// The texts of secrets, the longest first.
#[derive(Clone, Default)]
pub(crate) struct Redaction(Vec<String>);

impl Redaction {
    /// Every secret among some values.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut texts = Vec::new();
        values.into_iter().for_each(|value| gather(value, Secrecy::Open, &mut texts));
        texts.sort_by(|a, b| (b.len(), b).cmp(&(a.len(), a)));
        texts.dedup();
        Self(texts)
    }

    /// A value in which every text that one of them stands in is a secret.
    pub(crate) fn hidden(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if self.0.iter().any(|secret| text.contains(secret)) => Value::Secret(Secret::new(value.clone())),
            Value::List(items) => Value::list(items.iter().map(|item| self.hidden(item))),
            Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), self.hidden(item)))),
            other => other.clone(),
        }
    }

    /// A text without them.
    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction({} texts)", self.0.len())
    }
}

/// Whether a value stands inside of a secret.
#[derive(Clone, Copy, PartialEq)]
enum Secrecy {
    Open,
    Secret,
}

fn gather(value: &Value, secrecy: Secrecy, texts: &mut Vec<String>) {
    match value {
        Value::Secret(secret) => gather(secret.expose(), Secrecy::Secret, texts),
        Value::List(items) => items.iter().for_each(|item| gather(item, secrecy, texts)),
        Value::Map(map) => map.values().for_each(|item| gather(item, secrecy, texts)),
        Value::Render(render) => gather(&render.variables, secrecy, texts),
        Value::String(text) if secrecy == Secrecy::Secret => {
            let quoted = serde_json::Value::from(text.as_ref()).to_string();
            // As it is, as it stands in a line, and as it stands in JSON or in the debug form of something.
            let forms = [text.as_ref(), text.trim(), &quoted[1..quoted.len() - 1]];
            texts.extend(forms.into_iter().filter(|form| form.chars().count() > SHORT).map(str::to_owned));
        }
        Value::Integer(_) | Value::Float(_) if secrecy == Secrecy::Secret => {
            let number = value.expose().map(|number| number.to_string()).unwrap_or_default();
            texts.extend(Some(number).filter(|number| number.len() > SHORT));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_in_every_form_and_the_rest_stays() {
        let secret = |value: Value| Value::Secret(Secret::new(value));
        let known = Value::map([
            ("user", Value::from("postgres")),
            ("password", secret("pass\"word\n".into())),
            ("longer", secret("pass\"word and more".into())),
            ("port", secret(54321.into())),
            ("short", secret("abc".into())),
        ]);
        let redaction = Redaction::of([&known]);
        assert_eq!(redaction.text("postgres: pass\"word and more, abc"), "postgres: ***, abc");
        assert_eq!(redaction.text(r#"{"password":"pass\"word\n","port":54321}"#), r#"{"password":"***","port":***}"#);
        assert_eq!(redaction.text("got pass\"word."), "got ***.");
        assert_eq!(format!("{redaction:?}"), "Redaction(6 texts)");
    }
}
