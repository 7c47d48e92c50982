//! References inside strings: `${web.address}`, `${disk.ids[0]}`; `$${` is a literal `${`.
//!
//! A string that is nothing but one reference keeps the type of what it refers to.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::{Map, Secret, Value};
use crate::error::{Error, ErrorKind, Result};

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// An entry of a map.
    Key(Arc<str>),
    /// An item of a list, from 0.
    Index(usize),
}

/// A reference: the name it begins with and the way from there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The first word: a resource, a service, or one of the reserved words.
    pub root: Arc<str>,
    /// The way into its outputs.
    pub path: Vec<Segment>,
}

impl Reference {
    /// Parses the text between `${` and `}`.
    ///
    /// # Errors
    /// `Invalid`, with what was expected.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |rule: &str| {
            Error::invalid(format!("`${{{text}}}` is not a reference: {rule}"))
                .with_hint("write `${name.output}`, or `$${` for a literal `${`")
        };
        let mut parts = text.trim().split('.');
        let root = parts.next().unwrap_or_default();
        if !is_word(root, "_-@") {
            return Err(wrong("it must begin with the name of a resource"));
        }
        let mut path = Vec::new();
        for part in parts {
            let (key, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
            if !is_word(key, "_-") {
                return Err(wrong("an output's name must stand behind each `.`"));
            }
            path.push(if key.bytes().all(|byte| byte.is_ascii_digit()) {
                Segment::Index(parse_index(key).ok_or_else(|| wrong("the index is too large"))?)
            } else {
                Segment::Key(key.into())
            });
            for index in indexes.split_terminator(']') {
                let digits = index.strip_prefix('[').ok_or_else(|| wrong("expected `[` and a number"))?;
                path.push(Segment::Index(parse_index(digits).ok_or_else(|| wrong("an index is a whole number from 0"))?));
            }
        }
        if path.is_empty() {
            return Err(wrong("it names no output"));
        }
        Ok(Self { root: root.into(), path })
    }

    /// Follows the path into a value; `Err` names the first part that is not there.
    ///
    /// # Errors
    /// `NotFound` with the outputs there are.
    pub fn follow(&self, outputs: &Value) -> Result<Value> {
        self.walk(0, outputs)
    }

    /// The output that the path begins with, where it begins with a name.
    pub(crate) fn output(&self) -> Option<&str> {
        match self.path.first() {
            Some(Segment::Key(output)) => Some(output),
            _ => None,
        }
    }

    /// Follows the path into the output that it begins with.
    ///
    /// # Errors
    /// Those of [`follow`](Self::follow).
    pub(crate) fn follow_within(&self, output: &Value) -> Result<Value> {
        self.walk(1, output)
    }

    fn walk(&self, from: usize, outputs: &Value) -> Result<Value> {
        let mut value = outputs;
        for (place, segment) in self.path.iter().enumerate().skip(from) {
            value = match (value, segment) {
                (Value::Unknown, _) => return Ok(Value::Unknown),
                (Value::Map(map), Segment::Key(key)) => map.get(key).ok_or_else(|| self.missing(segment, value))?,
                (Value::Map(map), Segment::Index(index)) => {
                    map.get(index.to_string().as_str()).ok_or_else(|| self.missing(segment, value))?
                }
                (Value::List(items), Segment::Index(index)) => items.get(*index).ok_or_else(|| self.missing(segment, value))?,
                (Value::Secret(secret), _) => {
                    let rest = Self { root: self.root.clone(), path: self.path[place..].to_vec() };
                    return Ok(Value::Secret(Secret::new(rest.follow(secret.expose())?)));
                }
                _ => return Err(self.missing(segment, value)),
            };
        }
        Ok(value.clone())
    }

    fn missing(&self, segment: &Segment, value: &Value) -> Error {
        let part = match segment {
            Segment::Key(key) => key.to_string(),
            Segment::Index(index) => format!("[{index}]"),
        };
        let error = Error::new(ErrorKind::NotFound, format!("`${{{self}}}`: `{}` has no `{part}`", self.root));
        match value.as_map().and_then(|map| crate::name::suggestion(&part, map.keys().map(AsRef::as_ref))) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.path.iter().enumerate().try_for_each(|(place, segment)| match segment {
            Segment::Key(key) => write!(f, ".{key}"),
            // Behind the name an index stands as a word.
            Segment::Index(index) if place == 0 => write!(f, ".{index}"),
            Segment::Index(index) => write!(f, "[{index}]"),
        })
    }
}

/// A string cut into its literal parts and its references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Reference(Reference),
}

impl Template {
    /// Whether a string may have a reference in it.
    pub fn is_in(text: &str) -> bool {
        // Most texts have no dollar, and one letter is found quicker than two.
        text.contains('$') && text.contains("${")
    }

    /// Cuts a string.
    ///
    /// # Errors
    /// `Invalid` for a reference that does not close or does not parse.
    pub fn parse(text: &str) -> Result<Self> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                literal.push_str(&rest[..start - 1]);
                literal.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            let end = rest[start..].find('}').ok_or_else(|| {
                Error::invalid(format!("`{}` opens a reference and does not close it", excerpt(&rest[start..])))
                    .with_hint("close it with `}`, or write `$${` for a literal `${`")
            })?;
            literal.push_str(&rest[..start]);
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Reference(Reference::parse(&rest[start + 2..start + end])?));
            rest = &rest[start + end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// The references of a string, in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Literal(_) => None,
        })
    }

    /// The reference, where the string is nothing but one.
    pub fn as_reference(&self) -> Option<&Reference> {
        match self.0.as_slice() {
            [Part::Reference(reference)] => Some(reference),
            _ => None,
        }
    }

    /// The string with those references replaced that `lookup` knows; a string that is nothing but one of them becomes its
    /// value.
    ///
    /// # Errors
    /// Those of `lookup`; `Invalid` when a list or a map stands amid text.
    pub fn substitute(&self, lookup: &mut impl FnMut(&Reference) -> Result<Option<Value>>) -> Result<Value> {
        if let [Part::Reference(reference)] = self.0.as_slice()
            && let Some(value) = lookup(reference)?
        {
            return Ok(value.to_literal());
        }
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(&literal.replace("${", "$${")),
                Part::Reference(reference) => match lookup(reference)? {
                    Some(value) => text.push_str(&scalar(&value, reference)?.replace("${", "$${")),
                    None => write!(text, "${{{reference}}}").expect("writing to a string cannot fail"),
                },
            }
        }
        Ok(text.into())
    }

    /// The value of the string, given the value of each reference.
    ///
    /// # Errors
    /// Those of `lookup`; `Invalid` when a list or a map stands amid text.
    pub fn resolve(&self, lookup: &mut impl FnMut(&Reference) -> Result<Value>) -> Result<Value> {
        if let [Part::Reference(reference)] = self.0.as_slice() {
            return lookup(reference);
        }
        let (mut text, mut secret, mut unknown) = (String::new(), false, false);
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Reference(reference) => match lookup(reference)? {
                    // What is not at hand cannot be put into a text.
                    Value::Unknown | Value::Digest(_) | Value::Sealed(_) => unknown = true,
                    Value::Secret(hidden) => {
                        secret = true;
                        text.push_str(&scalar(hidden.expose(), reference)?);
                    }
                    value => text.push_str(&scalar(&value, reference)?),
                },
            }
        }
        Ok(match (unknown, secret) {
            (true, _) => Value::Unknown,
            (false, true) => Value::Secret(Secret::new(text.into())),
            (false, false) => text.into(),
        })
    }
}

impl Value {
    /// Calls a function with every reference in the value.
    ///
    /// # Errors
    /// `Invalid` for a string that does not parse.
    pub fn visit_references(&self, visit: &mut impl FnMut(&Reference)) -> Result<()> {
        match self {
            Self::String(text) if Template::is_in(text) => Template::parse(text)?.references().for_each(visit),
            Self::List(items) => items.iter().try_for_each(|item| item.visit_references(visit))?,
            Self::Map(map) => map.values().try_for_each(|item| item.visit_references(visit))?,
            Self::Render(render) => render.variables.visit_references(visit)?,
            _ => {}
        }
        Ok(())
    }

    /// The value in a form that resolves to itself, whatever its texts look like.
    #[must_use]
    pub fn to_literal(&self) -> Self {
        match self {
            Self::String(text) if Template::is_in(text) => text.replace("${", "$${").into(),
            Self::List(items) => Self::list(items.iter().map(Self::to_literal)),
            Self::Map(map) => Self::map(map.iter().map(|(key, item)| (key.clone(), item.to_literal()))),
            other => other.clone(),
        }
    }

    /// The value with every reference replaced by what `lookup` gives for it.
    ///
    /// # Errors
    /// Those of [`Template::parse`] and [`Template::resolve`].
    pub fn resolve(&self, lookup: &mut impl FnMut(&Reference) -> Result<Value>) -> Result<Value> {
        Ok(match self {
            Self::String(text) if Template::is_in(text) => Template::parse(text)?.resolve(lookup)?,
            Self::List(items) => Self::List(items.iter().map(|item| item.resolve(lookup)).collect::<Result<_>>()?),
            Self::Map(map) if self.has_references() => {
                let entries = map.iter().map(|(key, item)| Ok((key.clone(), item.resolve(lookup)?)));
                Self::Map(Arc::new(entries.collect::<Result<Map>>()?))
            }
            Self::Render(render) => render.resolve(lookup)?,
            other => other.clone(),
        })
    }
}

/// That a reference leads to a secret that is not at hand.
pub(crate) fn withheld(reference: &Reference, found: &Value) -> Error {
    if found.any(&|part| matches!(part, Value::Sealed(_))) {
        return Error::new(
            ErrorKind::Denied,
            format!("`${{{reference}}}` is a secret that is sealed, and its key is not at hand"),
        )
        .with_hint("an identity that opens the keys of the workspace has to be at hand");
    }
    Error::invalid(format!("`${{{reference}}}` is a secret of which only a digest was kept"))
        .with_hint("replace the resource that made it, so that it is known in the same run")
}

fn scalar(value: &Value, reference: &Reference) -> Result<String> {
    Ok(match value {
        Value::String(text) => text.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        other => {
            let message = format!("`${{{reference}}}` is a {} and stands amid text", other.type_name());
            return Err(Error::invalid(message)
                .with_hint("only strings, numbers and booleans can; write the reference alone to keep its type"));
        }
    })
}

fn is_word(text: &str, extra: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || extra.contains(letter))
}

fn parse_index(digits: &str) -> Option<usize> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn excerpt(text: &str) -> &str {
    let end = text.char_indices().nth(24).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> String {
        let outputs = Value::map([
            ("id", Value::from("n-1")),
            ("size", Value::Integer(3)),
            ("ids", Value::list([Value::from("a"), Value::from("b")])),
            ("key", Value::Secret(Secret::new("hunter2".into()))),
            ("account", Value::Secret(Secret::new(Value::map([("users", Value::list([Value::from("root")]))])))),
            ("later", Value::Unknown),
        ]);
        match Value::from(text).resolve(&mut |reference| reference.follow(&outputs)) {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
        }
    }

    #[test]
    fn references_resolve_with_their_type_and_taint() {
        let cases = [
            ("plain", r#"String("plain")"#),
            ("${net.size}", "Integer(3)"),
            ("${net.ids[1]}", r#"String("b")"#),
            ("${net.ids.0}", r#"String("a")"#),
            ("a-${net.id}-${net.size}", r#"String("a-n-1-3")"#),
            ("$${net.id}", r#"String("${net.id}")"#),
            ("x${net.key}", "Secret(Secret(***))"),
            ("${net.account.users[0]}", "Secret(Secret(***))"),
            (
                "${net.account.users}${net.id}",
                "`${net.account.users}` is a list and stands amid text; only strings, numbers and booleans can; write the reference alone to keep its type",
            ),
            ("x${net.later}", "Unknown"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_known_is_replaced_and_the_rest_stays_a_reference() {
        let known = Value::map([("size", Value::Integer(3)), ("name", Value::from("a${b}")), ("ids", Value::list([]))]);
        let substitute = |text: &str| {
            let template = Template::parse(text).expect("parses");
            template.substitute(&mut |reference| match reference.root.as_ref() {
                "input" => reference.follow(&known).map(Some),
                _ => Ok(None),
            })
        };
        assert_eq!(substitute("${input.size}").expect("known"), Value::Integer(3));
        assert_eq!(substitute("${net.id}:${input.size}").expect("known"), Value::from("${net.id}:3"));
        assert_eq!(substitute("$${x} ${input.name}").expect("known"), Value::from("$${x} a$${b}"));
        for left in ["${net.ids[1].a}", "a ${net.1} ${net.1[2]}"] {
            assert_eq!(substitute(left).expect("left"), Value::from(left));
        }
        assert!(substitute("a${input.ids}").is_err() && substitute("${input.none}").is_err());
    }

    #[test]
    fn a_literal_resolves_to_the_value_it_was_made_of() {
        for text in ["plain", "${net.id}", "a$${b}", "$$${c}", "$"] {
            let value = Value::list([Value::from(text)]);
            let resolved = value.to_literal().resolve(&mut |reference| Err(Error::bug(format!("{reference} is one"))));
            assert_eq!(resolved.expect("it has no reference"), value, "{text}");
        }
    }

    #[test]
    fn wrong_references_say_what_was_expected() {
        let cases = [
            ("${net.sizes}", "`${net.sizes}`: `net` has no `sizes`; did you mean `size`?"),
            ("${net}", "`${net}` is not a reference: it names no output; write `${name.output}`, or `$${` for a literal `${`"),
            (
                "${net.id",
                "`${net.id` opens a reference and does not close it; close it with `}`, or write `$${` for a literal `${`",
            ),
            (
                "a${net.ids}",
                "`${net.ids}` is a list and stands amid text; only strings, numbers and booleans can; write the reference alone to keep its type",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }
}
