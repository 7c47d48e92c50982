//! Values as people read them: on one line, part by part where one line is too long, and without what must not be seen.

use provisioning_core::value::{Map, Value};

/// The longest value that stands on one line whole, in characters.
const LINE: usize = 72;

/// A part of a value before and after.
pub(super) struct Part {
    /// Its path: the field, then keys and places.
    pub(super) path: String,
    /// What it was; `Null` for nothing.
    pub(super) before: Value,
    /// What it will be; `Null` for nothing.
    pub(super) after: Value,
}

/// What stays whole of a value that is there on one side alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// What fits on a line.
    Lines,
    /// What has no parts.
    Leaves,
}

/// The parts of a field in which two values differ.
pub(super) fn parts(path: &str, [before, after]: [&Value; 2], whole: Whole, found: &mut Vec<Part>) {
    let divides = |value: &Value| if whole == Whole::Leaves { has_parts(value) } else { is_long(value) };
    match (before, after) {
        _ if before == after => {}
        (Value::Map(old), Value::Map(new)) => keys(path, [old, new], whole, found),
        (Value::Null, Value::Map(new)) if divides(after) => keys(path, [&Map::new(), new], whole, found),
        (Value::Map(old), Value::Null) if divides(before) => keys(path, [old, &Map::new()], whole, found),
        (Value::List(old), Value::List(new)) if old.len() == new.len() => {
            for (place, (old, new)) in old.iter().zip(new.iter()).enumerate() {
                parts(&format!("{path}[{place}]"), [old, new], whole, found);
            }
        }
        (Value::Null, Value::List(new)) if divides(after) => {
            let each = |(place, new)| parts(&format!("{path}[{place}]"), [&Value::Null, new], whole, found);
            new.iter().enumerate().for_each(each);
        }
        _ => found.push(Part { path: path.to_owned(), before: before.clone(), after: after.clone() }),
    }
}

fn keys(path: &str, [old, new]: [&Map; 2], whole: Whole, found: &mut Vec<Part>) {
    let added = new.keys().filter(|key| !old.contains_key(key));
    for key in old.keys().chain(added) {
        let side = |map: &Map| map.get(key).cloned().unwrap_or_default();
        parts(&format!("{path}.{key}"), [&side(old), &side(new)], whole, found);
    }
}

fn has_parts(value: &Value) -> bool {
    match value {
        Value::Map(map) => !map.is_empty(),
        Value::List(items) => !items.is_empty(),
        _ => false,
    }
}

fn is_long(value: &Value) -> bool {
    inline(value).chars().count() > LINE
}

/// A value on one line.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(map) if map.is_empty() => "{}".to_owned(),
        Value::Map(map) => {
            let entries: Vec<_> = map.iter().map(|(key, item)| format!("{key} = {}", inline(item))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Render(render) => format!("(rendered from {})", render.name),
        Value::Secret(_) | Value::Sealed(_) => "(sensitive)".to_owned(),
        Value::Digest(digest) if digest.is_keyed() => "(sensitive)".to_owned(),
        Value::Digest(digest) => format!("sha256:{}…", digest.short()),
        Value::Unknown => "(known after apply)".to_owned(),
    }
}

/// A text in quotes; of a long one its beginning, of several lines the first.
fn quoted(text: &str) -> String {
    let lines = text.lines().count();
    let first = text.lines().next().unwrap_or_default();
    let cut = first.char_indices().nth(LINE).map(|(end, _)| &first[..end]);
    match (lines, cut) {
        (0 | 1, None) => format!("{text:?}"),
        (0 | 1, Some(cut)) => format!("{:?} ({} characters)", format!("{cut}…"), text.chars().count()),
        (_, cut) => format!("{:?} ({lines} lines, {} bytes)", format!("{}…", cut.unwrap_or(first)), text.len()),
    }
}

#[cfg(test)]
mod tests {
    use provisioning_core::digest::{Digest, DigestKey};
    use provisioning_core::value::{Sealed, Secret};

    use super::*;

    #[test]
    fn what_must_not_be_seen_is_masked_and_the_rest_is_readable() {
        let value = Value::map([
            ("cidr", Value::from("10.0.0.0/24")),
            ("content", Value::Digest(Digest::of(b"abc"))),
            ("id", Value::Unknown),
            ("key", Value::Secret(Secret::new("hunter2".into()))),
            ("kept", Value::Digest(Digest::keyed(&DigestKey::new([1; 32]), b"hunter2"))),
            ("sealed", Value::Sealed(Sealed { digest: Digest::of(b"x"), text: "0011:2233".into() })),
            ("sizes", Value::list([Value::Integer(1), Value::Float(2.5)])),
        ]);
        let expect = r#"{ cidr = "10.0.0.0/24", content = sha256:ba7816bf8f01…, id = (known after apply), kept = (sensitive), key = (sensitive), sealed = (sensitive), sizes = [1, 2.5] }"#;
        assert_eq!(inline(&value), expect);
    }

    #[test]
    fn long_texts_show_their_beginning_and_their_size() {
        assert_eq!(inline(&"#!/bin/sh\necho one\n".into()), r##""#!/bin/sh…" (2 lines, 19 bytes)"##);
        let long = inline(&"x".repeat(200).into());
        assert_eq!(long, format!("\"{}…\" (200 characters)", "x".repeat(72)));
    }

    #[test]
    fn a_nested_change_names_only_the_parts_that_differ() {
        let old = Value::map([("a", Value::from(1)), ("list", Value::list([Value::map([("size", Value::from(1))])]))]);
        let new = Value::map([("a", Value::from(1)), ("list", Value::list([Value::map([("size", Value::from(2))])]))]);
        let mut found = Vec::new();
        parts("options", [&old, &new], Whole::Lines, &mut found);
        let paths: Vec<_> = found.iter().map(|part| part.path.as_str()).collect();
        assert_eq!(paths, ["options.list[0].size"]);
    }
}
