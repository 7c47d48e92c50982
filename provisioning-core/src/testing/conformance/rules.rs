//! The rules: each says in its message what it saw in place of what the contract promises.
//!
//! Messages name fields, never their values, which may be secret.

use std::sync::atomic::Ordering;

use super::trial::Trial;
use crate::provider::Found;
use crate::record::Object;
use crate::value::{Map, Value};

type Verdict = Result<(), String>;

pub(super) async fn create_fits(trial: &Trial<'_>) -> Verdict {
    let object = trial.create().await?;
    let schema = trial.kind.schema();
    demand(!object.id.is_empty(), || "the id is empty".into())?;
    demand(object.outputs.field("id").and_then(Value::as_str) == Some(&object.id), || "the output `id` is not the id".into())?;
    let outputs = object.outputs.as_map().ok_or("the outputs are not a map")?;
    let strange: Vec<_> = outputs.keys().filter(|name| !schema.fields.contains_key(name.as_ref())).collect();
    demand(strange.is_empty(), || format!("{strange:?} are outputs and not in the schema"))
}

pub(super) async fn create_shows_no_drift(trial: &Trial<'_>) -> Verdict {
    let object = trial.create().await?;
    let set = trial.wanted.as_map().ok_or("the case's fields are not a map")?;
    let drifted: Vec<_> = set
        .iter()
        .filter(|(name, value)| object.outputs.field(name).is_some_and(|seen| seen != *value))
        .map(|(name, _)| name)
        .collect();
    demand(drifted.is_empty(), || format!("{drifted:?} come back other than they were set"))
}

pub(super) async fn identity_comes_first(trial: &Trial<'_>) -> Verdict {
    let object = trial.create().await?;
    let early = trial.waited_unknown.load(Ordering::Relaxed);
    demand(!early, || "create waits and has reported no identity".into())?;
    let other: Vec<_> = trial.reporter.identified().into_iter().filter(|id| *id != object.id).collect();
    demand(other.is_empty(), || format!("{other:?} were reported, the object is `{}`", object.id))
}

pub(super) async fn create_is_repeatable(trial: &Trial<'_>) -> Verdict {
    let (first, second) = (trial.create().await?, trial.create().await?);
    demand(first.id == second.id, || format!("made `{}` and then `{}`", first.id, second.id))
}

pub(super) async fn delete_is_repeatable(trial: &Trial<'_>) -> Verdict {
    let object = trial.create().await?;
    trial.delete(&object).await?;
    trial.delete(&object).await.map_err(|error| format!("the second time, {error}"))
}

pub(super) async fn update_is_repeatable(trial: &Trial<'_>) -> Verdict {
    let object = trial.create().await?;
    let once = trial.update(&object).await?;
    let twice = trial.update(&once).await?;
    demand(once.id == object.id, || format!("`{}` became `{}`", object.id, once.id))?;
    same("the second update", &twice, "the first", &once)
}

pub(super) async fn read_agrees_with_create(trial: &Trial<'_>) -> Verdict {
    let made = trial.create().await?;
    let read = trial.read_one(&made.id).await?.ok_or("read finds no object")?;
    same("read", &read, "create", &made)
}

pub(super) async fn unknown_ids_read_as_gone(trial: &Trial<'_>) -> Verdict {
    let made = trial.create().await?;
    let unknown = format!("{}-unknown", made.id);
    let read = trial.read_one(&unknown).await?;
    demand(read.is_none(), || format!("read finds an object under `{unknown}`"))
}

pub(super) async fn answers_line_up(trial: &Trial<'_>) -> Verdict {
    let sibling = trial.sibling();
    let (one, two) = (trial.create().await?, sibling.create().await);
    let verdict = match two {
        Ok(two) => {
            let unknown = format!("{}-unknown", one.id);
            let asked = [two.id.as_str(), &unknown, &one.id, &two.id];
            let answers = trial.read(&asked).await;
            answers.and_then(|answers| lined_up(&asked, &unknown, &answers))
        }
        Err(message) => Err(message),
    };
    sibling.clean_up().await;
    verdict
}

fn lined_up(asked: &[&str], unknown: &str, answers: &[Option<Object>]) -> Verdict {
    for (place, (id, answer)) in asked.iter().zip(answers).enumerate() {
        let found = answer.as_ref().map(|object| object.id.as_str());
        let expected = (*id != unknown).then_some(*id);
        demand(found == expected, || format!("answer {place} is {found:?}, expected {expected:?}"))?;
    }
    Ok(())
}

pub(super) async fn find_knows_its_token(trial: &Trial<'_>) -> Verdict {
    let made = trial.create().await?;
    match trial.find_settled(1).await? {
        Found::One(found) => same("find", &found, "create", &made),
        Found::None => Err("find gives nothing".into()),
        Found::Many(what) => Err(format!("find gives many: {what}")),
    }
}

pub(super) async fn create_goes_on_with_what_was_found(trial: &Trial<'_>) -> Verdict {
    let made = trial.create().await?;
    let resumed = trial.create_on(Some(&made)).await?;
    same("the resumed create", &resumed, "create", &made)
}

pub(super) async fn find_knows_no_other_token(trial: &Trial<'_>) -> Verdict {
    let before = trial.find(1).await?;
    demand(before == Found::None, || "find gives an object before any create".into())?;
    trial.create().await?;
    let other = trial.find_settled(2).await?;
    demand(other == Found::None, || "find gives the object of another attempt".into())
}

pub(super) async fn delete_removes(trial: &Trial<'_>) -> Verdict {
    let made = trial.create().await?;
    trial.delete(&made).await?;
    let read = trial.read_one(&made.id).await?;
    demand(read.is_none(), || format!("`{}` still reads after delete", made.id))
}

pub(super) async fn update_shows(trial: &Trial<'_>) -> Verdict {
    let made = trial.create().await?;
    let updated = trial.update(&made).await?;
    let read = trial.read_one(&made.id).await?.ok_or("read finds no object after update")?;
    demand(read != made, || "read gives the same as before".into())?;
    same("read", &read, "update", &updated)
}

fn demand(holds: bool, message: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(message()) }
}

fn same(left: &str, seen: &Object, right: &str, expected: &Object) -> Verdict {
    let fields = [seen, expected].into_iter().filter_map(|object| object.outputs.as_map()).flat_map(Map::keys);
    let mut other: Vec<_> = fields.filter(|name| seen.outputs.field(name) != expected.outputs.field(name)).collect();
    other.sort();
    other.dedup();
    demand(seen == expected, || format!("{left} and {right} disagree on {other:?}"))
}
