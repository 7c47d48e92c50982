//! Random declarations: a few things that refer to one another, and flags on some of them.

use serde_json::{Value as Json, json};

use crate::config::{self, Settings};
use crate::registry::Registry;
use crate::resource::Desired;
use crate::testing::Random;
use crate::value::Value;

/// The things that there may be; one refers only to those before it.
const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// What is declared, as a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Declarations(Json);

impl Declarations {
    /// Nothing but the provider.
    pub(super) fn none() -> Self {
        Self(json!({ "providers": { "lab": { "type": "fake" } }, "resources": {} }))
    }

    /// Something else than before, and not wholly.
    pub(super) fn edited(&self, random: &mut Random) -> Self {
        let mut document = Self::none().0;
        let mut present: Vec<&str> = Vec::new();
        for key in KEYS {
            let before = self.0["resources"].get(key);
            let stays = random.chance(if before.is_some() { 80 } else { 45 });
            if !stays {
                continue;
            }
            let fields = match before.filter(|fields| random.chance(50) && refers_to(fields, &present)) {
                Some(fields) => fields.clone(),
                None => thing(key, &present, random),
            };
            document["resources"][key] = fields;
            present.push(key);
        }
        let hosts: Vec<_> = present.iter().filter(|_| random.chance(30)).collect();
        if !hosts.is_empty() {
            let value = random.within(0..3);
            document["services"] = json!({ "flag": { "service": "flag", "on": hosts, "config": { "value": value } } });
        }
        if let [first, .., last] = present.as_slice() {
            document["checkpoints"] = json!({ "half": [first] });
            document["outputs"] = json!({ "last": format!("${{{last}.id}}") });
        }
        Self(document)
    }

    pub(super) fn desired(&self, registry: &Registry, settings: &Settings) -> Desired {
        let document = Value::try_from(self.0.clone()).expect("JSON is a value");
        config::desired(document.into(), registry, settings).expect("what is generated is right")
    }

    /// What the cloud then has, as [`FakeCloud::contents`](crate::testing::FakeCloud::contents) says it.
    pub(super) fn contents(&self) -> Vec<String> {
        let things = self.0["resources"].as_object().into_iter().flatten();
        let thing = |(_, fields): (&String, &Json)| {
            let name = fields["name"].as_str().unwrap_or_default();
            fields["size"].as_i64().map_or_else(|| name.to_owned(), |size| format!("{name} size {size}"))
        };
        let flag = &self.0["services"]["flag"];
        let hosts = flag["on"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let name = |host: &str| self.0["resources"][host]["name"].as_str().unwrap_or_default().to_owned();
        let flags = hosts.map(|host| format!("flag on {}: {}", name(host), flag["config"]["value"]));
        let mut all: Vec<_> = things.map(thing).chain(flags).collect();
        all.sort();
        all
    }

    /// The names of the things, as the cloud knows them.
    pub(super) fn names(&self) -> Vec<String> {
        let things = self.0["resources"].as_object().into_iter().flatten();
        things.filter_map(|(_, fields)| fields["name"].as_str().map(str::to_owned)).collect()
    }
}

/// Whether everything is there that a thing refers to.
fn refers_to(fields: &Json, present: &[&str]) -> bool {
    fields["from"].as_array().into_iter().flatten().filter_map(Json::as_str).all(|reference| {
        let key = reference.trim_start_matches("${").split('.').next().unwrap_or_default();
        present.contains(&key)
    })
}

/// A thing whose name tells where it is, so that the old and the new one of a replacement can exist side by side.
fn thing(key: &str, present: &[&str], random: &mut Random) -> Json {
    let zone = random.pick(&["x", "y"]);
    let mut fields = json!({ "kind": "thing", "name": format!("{key}-{zone}"), "zone": zone });
    let mut from = Vec::new();
    for on in present {
        if random.chance(40) {
            let output = *random.pick(&["id", "address", "revision"]);
            from.push(format!("${{{on}.{output}}}"));
        }
    }
    if !from.is_empty() {
        fields["from"] = json!(from);
    }
    // What is not declared may be anything: everything that is meddled with is declared.
    fields["size"] = json!(random.within(1..4));
    if random.chance(30) {
        fields["polls"] = json!(random.within(1..3));
    }
    if random.chance(20) {
        fields["lifecycle"] = json!({ "create_before_destroy": true });
    }
    fields
}
