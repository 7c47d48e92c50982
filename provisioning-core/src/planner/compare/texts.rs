//! What becomes of texts, for whoever looks at the plan.
//!
//! The state keeps only digests of some texts. What such a text is now was read, where it changed outside of any run;
//! otherwise the row says how it was written, and it is made again. Whichever it is, its digest says whether it is right.

use std::collections::BTreeSet;

use super::{Decision, Walk};
use crate::error::Result;
use crate::resource::{StateRow, TextChange, TextFate};
use crate::schema::{Field, FieldType, Schema};
use crate::value::{Reference, Value};

/// A value that has texts in it: as it is, and as it was written.
#[derive(Clone, Copy, Default)]
struct Side<'a> {
    value: Option<&'a Value>,
    written: Option<&'a Value>,
}

impl<'a> Side<'a> {
    fn at(self, key: &str) -> Self {
        let part = |value: Option<&'a Value>| value?.field(key);
        Self { value: part(self.value), written: part(self.written) }
    }

    fn item(self, place: usize) -> Self {
        Self { value: list(self.value).get(place), written: list(self.written).get(place) }
    }
}

impl Walk<'_> {
    /// Notes of every field that changes what becomes of the texts in it, given the fields to be in the clear.
    pub(super) fn show_texts(&self, decision: &mut Decision<'_>, wanted: &Value) {
        let (schema, row, declared) = (decision.schema.clone(), decision.row, decision.declared);
        for change in &mut decision.fields {
            let name = change.field.as_ref();
            let Some(field) = schema.fields.get(name).filter(|field| field.has_text()) else { continue };
            let now = row.and_then(|row| self.text_now(row, &schema, name, &change.before));
            let old = Side { value: now.as_ref(), written: row.and_then(|row| row.written.field(name)) };
            if old.value.is_none() && change.before != Value::Null {
                continue;
            }
            let new = Side { value: wanted.field(name), written: declared.and_then(|declared| declared.inputs.field(name)) };
            self.compare_texts((&field.kind, field), name, [old, new], &mut change.texts);
        }
    }

    /// The value of a field as it is, of which `kept` is the form that is kept.
    fn text_now(&self, row: &StateRow, schema: &Schema, name: &str, kept: &Value) -> Option<Value> {
        if !kept.is_withheld() {
            return Some(kept.clone());
        }
        let seen = self.scope.input.seen.texts.get(&row.name).and_then(|texts| texts.field(name)).cloned();
        let written = || row.written.field(name)?.resolve(&mut |reference| self.given(reference)).ok();
        let is_it = |text: &Value| {
            let seal = row.role.seal(self.scope.input.sealer, &row.kind);
            schema.persistable(&Value::map([(name, text.clone())]), &seal).field(name) == Some(kept)
        };
        seen.filter(is_it).or_else(|| written().filter(is_it))
    }

    /// What a reference gave when the rows were written, as far as the state tells.
    fn given(&self, reference: &Reference) -> Result<Value> {
        match self.scope.sight().row_of(&reference.root) {
            Some(row) => reference.follow(&row.outputs()),
            None => self.expected.get(reference),
        }
    }

    fn compare_texts(
        &self,
        (kind, field): (&FieldType, &Field),
        path: &str,
        [old, new]: [Side<'_>; 2],
        found: &mut Vec<TextChange>,
    ) {
        if field.sensitive {
            return;
        }
        match kind {
            FieldType::Text => self.compare_text(path, old, new, found),
            FieldType::Map(item) => below(old, new, |key, sides| {
                self.compare_texts((item, field), &format!("{path}.{key}"), sides, found);
            }),
            FieldType::Object => below(old, new, |key, sides| {
                if let Some(field) = field.fields.get(key) {
                    self.compare_texts((&field.kind, field), &format!("{path}.{key}"), sides, found);
                }
            }),
            FieldType::List(item) => {
                for (place, sides) in items(old, new).into_iter().enumerate() {
                    self.compare_texts((item, field), &format!("{path}[{place}]"), sides, found);
                }
            }
            _ => {}
        }
    }

    fn compare_text(&self, path: &str, old: Side<'_>, new: Side<'_>, found: &mut Vec<TextChange>) {
        let nothing = "".into();
        match (old.value, new.value) {
            (Some(Value::String(before)), Some(Value::String(after))) if before == after => {}
            (Some(Value::String(before)), Some(Value::String(after))) => found.push(TextChange::of(path, before, after)),
            (None | Some(Value::Null), Some(Value::String(after))) => found.push(TextChange::of(path, &nothing, after)),
            (Some(Value::String(before)), None | Some(Value::Null)) => found.push(TextChange::of(path, before, &nothing)),
            (_, Some(Value::Unknown)) => {
                let Some(Value::Render(render)) = new.written else { return };
                let variables = render.awaited(&mut |reference| self.expected.get(reference));
                found.push(TextChange { path: path.to_owned(), fate: TextFate::Awaits(variables) });
                if let Some(Value::Render(was)) = old.written
                    && was.source != render.source
                {
                    found.push(TextChange::of(render.name.as_ref(), &was.source, &render.source));
                }
            }
            _ => {}
        }
    }
}

/// Goes through the keys of both sides.
fn below(old: Side<'_>, new: Side<'_>, mut each: impl FnMut(&str, [Side<'_>; 2])) {
    let keys: BTreeSet<_> =
        [old, new].into_iter().filter_map(|side| side.value?.as_map()).flat_map(|map| map.keys().map(AsRef::as_ref)).collect();
    keys.into_iter().for_each(|key: &str| each(key, [old.at(key), new.at(key)]));
}

/// The items of both sides, place by place.
fn items<'a>(old: Side<'a>, new: Side<'a>) -> Vec<[Side<'a>; 2]> {
    let length = list(old.value).len().max(list(new.value).len());
    (0..length).map(|place| [old.item(place), new.item(place)]).collect()
}

fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}
