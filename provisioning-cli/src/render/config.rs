//! Configuration as people read it: keys, values, and where each comes from.

use std::fmt::Write as _;

use provisioning_core::config::{Explained, ExplainedField, Setting};
use provisioning_core::error::Origin;
use provisioning_core::schema::{Change, Presence};

use super::value::inline;
use super::{BOLD, DIM, YELLOW, paint, table};

const INFALLIBLE: &str = "writing to a string cannot fail";

/// Every key with its value.
pub(crate) fn settings(settings: &[Setting], with_origin: bool) -> String {
    if !with_origin {
        let width = settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
        let line = |setting: &Setting| format!("{:width$}  {}\n", setting.key, inline(&setting.value));
        return settings.iter().map(line).collect();
    }
    let row = |setting: &Setting| {
        [setting.key.clone(), inline(&setting.value), setting.layer.to_owned(), place(setting.origin.as_ref())]
    };
    table(["KEY", "VALUE", "LAYER", "WRITTEN AT"], settings.iter().map(row))
}

/// What each layer says of a key, and which says the last word.
pub(crate) fn explained(key: &str, said: &[Setting]) -> String {
    if said.is_empty() {
        return format!("No layer sets {}.", paint(BOLD, key));
    }
    let mut text = String::new();
    for (index, setting) in said.iter().enumerate() {
        let first = index == 0 || said[index - 1].key != setting.key;
        if first {
            writeln!(text, "{}", paint(BOLD, &setting.key)).expect(INFALLIBLE);
        }
        let wins = said.get(index + 1).is_none_or(|next| next.key != setting.key);
        let (value, place) = (inline(&setting.value), place(setting.origin.as_ref()));
        let line = format!("  {:<12} {value}  {}", setting.layer, paint(DIM, place));
        let line = line.trim_end().to_owned();
        writeln!(text, "{line}{}", if wins { format!("  {}", paint(YELLOW, "<- in force")) } else { String::new() })
            .expect(INFALLIBLE);
    }
    text
}

/// The keys in which two environments differ.
pub(crate) fn difference(names: [&str; 2], pairs: &[[Option<&Setting>; 2]]) -> String {
    if pairs.is_empty() {
        return format!("{} and {} are configured alike.", names[0], names[1]);
    }
    let cell = |setting: Option<&Setting>| {
        setting.map_or_else(
            || "(none)".to_owned(),
            |setting| {
                let place = place(setting.origin.as_ref());
                format!("{}  {}", inline(&setting.value), paint(DIM, place))
            },
        )
    };
    let mut text = String::new();
    for pair in pairs {
        let key = pair[0].or(pair[1]).map(|setting| setting.key.as_str()).unwrap_or_default();
        writeln!(text, "{}", paint(BOLD, key)).expect(INFALLIBLE);
        for (name, setting) in names.iter().zip(pair) {
            writeln!(text, "  {name:<12} {}", cell(*setting).trim_end()).expect(INFALLIBLE);
        }
    }
    text
}

/// A resource, and where its fields come from.
pub(crate) fn resource(explained: &Explained) -> String {
    let Explained { name, kind, summary, origin, fields } = explained;
    let head = format!("{kind} {}", paint(BOLD, name));
    let mut text = format!("{head}  {}\n  {summary}\n", paint(DIM, place(origin.as_ref())));
    for field in fields {
        write_field(&mut text, field);
    }
    text
}

fn write_field(text: &mut String, field: &ExplainedField) {
    let value = match &field.value {
        _ if field.is_sensitive => "(sensitive)".to_owned(),
        Some(value) => inline(value),
        None => "(not set)".to_owned(),
    };
    let from = match (&field.origin, field.is_default) {
        (Some(origin), _) => format!(" <- {}", written(origin, &field.overrides)),
        (None, true) => " <- the default of the kind".to_owned(),
        (None, false) => String::new(),
    };
    writeln!(text, "\n  {} = {value}{}", paint(BOLD, &field.field), paint(DIM, from)).expect(INFALLIBLE);
    let change = match field.on_change {
        Change::Update => "changed in place",
        Change::Replace => "changing it replaces the object",
    };
    let presence = match field.presence {
        Presence::Required => "required",
        Presence::Optional => "optional",
        Presence::Assigned => "chosen by the provider where it is not given",
        Presence::Computed => "set by the provider",
    };
    writeln!(text, "    {} ({}, {presence}; {change})", field.summary, field.takes).expect(INFALLIBLE);
}

/// Where a value was written, and what that overrides, the nearest first: `prod.toml:12 over main.ncl:30`.
pub(crate) fn written(origin: &Origin, overrides: &[Setting]) -> String {
    let over = overrides.iter().rev().map(|setting| format!(" over {}", place(setting.origin.as_ref())));
    place(Some(origin)) + &over.collect::<String>()
}

/// A place without its column.
pub(crate) fn place(origin: Option<&Origin>) -> String {
    match origin {
        None => String::new(),
        Some(origin) if origin.is_lined() => format!("{}:{}", origin.file, origin.line),
        Some(origin) => origin.file.to_string(),
    }
}
