//! The rules of fakes, over the schemas of the fake cloud and over schemas of the test's own.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::clock::System;
use crate::config::{self, Settings};
use crate::engine::{Control, Engine, PlanOptions, Report};
use crate::error::{ErrorKind, Result, Retry};
use crate::name::StepId;
use crate::plan::{Command, Plan};
use crate::provider::{AnyKind, Found, Provider, Reply};
use crate::record::Outcome;
use crate::registry::{ProviderFactory, Registry};
use crate::resource::Desired;
use crate::schema::Schema;
use crate::store::{Identity, MemoryStore};
use crate::testing::{FakeCloud, Fakes, Fault, RecordingReporter, context};
use crate::value::Value;

/// A provider type that can be faked and not built.
struct OnPaper {
    settings: Arc<Schema>,
    kinds: Vec<Arc<Schema>>,
}

impl ProviderFactory for OnPaper {
    fn settings(&self) -> Arc<Schema> {
        self.settings.clone()
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        self.kinds.clone()
    }

    fn build(&self, _: &Value) -> Result<Arc<dyn Provider>> {
        unreachable!("nothing real is built")
    }
}

/// A registry of one provider type `paper` with kinds that stand in TOML.
pub(crate) fn on_paper(kinds: &[&str]) -> Registry {
    let parse = |text: &str| Arc::new(Schema::parse(text).expect("a schema"));
    let settings = parse("kind = \"paper\"\nsummary = \"Nothing.\"\n");
    Registry::default().with_provider(OnPaper { settings, kinds: kinds.iter().map(|kind| parse(kind)).collect() })
}

/// What a document declares; its provider is of a type, and its resources of a kind, where they say nothing else.
pub(crate) fn declared(registry: &Registry, (provider, kind): (&str, &str), sections: &Json) -> Desired {
    let mut document = json!({ "providers": { "lab": { "type": provider } } });
    for (section, entries) in sections.as_object().expect("sections") {
        document[section] = entries.clone();
    }
    for (_, fields) in document["resources"].as_object_mut().expect("resources") {
        let fields = fields.as_object_mut().expect("fields");
        fields.entry("kind").or_insert(json!(kind));
    }
    let document = Value::try_from(document).expect("a document");
    config::desired(document.into(), registry, &Settings::shipped()).expect("a right document")
}

/// An engine on fakes of the fake cloud.
struct Lab {
    fakes: Fakes,
    engine: Engine,
}

impl Lab {
    fn new(fakes: Fakes) -> Self {
        let store = Arc::new(MemoryStore::new(Identity::fresh(&System)));
        Self { engine: Engine::builder(fakes.registry(), store).build(), fakes }
    }

    fn cloud() -> Self {
        Self::new(Fakes::of(&FakeCloud::default().registry()))
    }

    fn desired(&self, sections: &Json) -> Desired {
        declared(&self.fakes.registry(), ("fake", "thing"), sections)
    }

    async fn plan(&self, sections: &Json) -> Plan {
        self.engine.plan(&self.desired(sections), &PlanOptions::new(Command::Apply)).await.expect("a plan")
    }

    async fn run(&self, sections: &Json) -> Report {
        let plan = self.plan(sections).await;
        self.engine.apply(&plan, &Control::new()).await.expect("a report")
    }

    /// Applies; gives the outputs.
    async fn apply(&self, sections: &Json) -> Json {
        let report = self.run(sections).await;
        assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
        let again = self.plan(sections).await;
        assert!(again.is_empty(), "a second plan has {:?}", again.steps);
        let outputs = self.engine.outputs().await.expect("outputs");
        outputs.into_iter().map(|(name, output)| (name, output.value.expose().expect("plain"))).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.fakes.tokens().into_keys().collect()
    }
}

#[test]
fn fakes_offer_what_the_registry_offers_by_the_same_names() {
    let real = FakeCloud::default().registry();
    let fake = Fakes::of(&real).registry();
    let offered = |registry: &Registry| {
        let providers =
            registry.providers().map(|(name, factory)| (name.clone(), factory.settings(), factory.kinds(), factory.lookups()));
        let services = registry.services().map(|(name, service)| (name.clone(), service.schema()));
        (providers.collect::<Vec<_>>(), services.collect::<Vec<_>>())
    };
    assert_eq!(offered(&fake), offered(&real));
    assert_eq!(offered(&fake).0[0].2.len(), 1);
    let real = real.with_transport("carrier_pigeon", super::FakeTransport);
    let connection = Value::map([("transport", "carrier_pigeon".into()), ("loft", "north".into())]);
    Fakes::of(&real).registry().host(&connection).expect("its transports take every connection");
}

#[tokio::test]
async fn objects_have_what_was_set_and_what_the_schema_promises() {
    let lab = Lab::cloud();
    let outputs = lab
        .apply(&json!({
            "resources": { "web": { "name": "w", "size": 2, "from": ["x"] } },
            "outputs": { "set": ["${web.name}", "${web.size}", "${web.from}"], "id": "${web.id}", "address": "${web.address}", "revision": "${web.revision}" },
        }))
        .await;
    assert_eq!(outputs["set"], json!(["w", 2, ["x"]]));
    assert_eq!(outputs["id"], "web#1");
    let address = outputs["address"].as_str().expect("a text");
    assert!(address.parse::<std::net::Ipv4Addr>().is_ok(), "{address}");
    assert!(outputs["revision"].as_i64().is_some_and(|number| number > 0), "{outputs}");
    let contents = lab.fakes.contents();
    assert_eq!(contents.len(), 1);
    assert_eq!(contents[0].0, "the thing `web`");
    assert_eq!(contents[0].1.field("id"), Some(&"web".into()));
    assert_eq!(contents[0].1.field("password"), Some(&"***".into()), "a secret is not shown");
}

#[tokio::test]
async fn an_output_changes_with_what_it_follows_and_with_nothing_else() {
    let lab = Lab::cloud();
    let document = |size: i64, polls: i64| {
        json!({
            "resources": { "web": { "name": "w", "size": size, "polls": polls } },
            "outputs": { "id": "${web.id}", "address": "${web.address}", "revision": "${web.revision}" },
        })
    };
    let first = lab.apply(&document(1, 0)).await;
    let other_polls = lab.apply(&document(1, 5)).await;
    assert_eq!(first, other_polls);
    let larger = lab.apply(&document(2, 5)).await;
    assert_ne!(first["revision"], larger["revision"]);
    assert_eq!([&first["id"], &first["address"]], [&larger["id"], &larger["address"]]);
    assert!(lab.fakes.calls().contains(&"update web".to_owned()), "{:?}", lab.fakes.calls());
}

#[tokio::test]
async fn an_identity_is_given_once() {
    let lab = Lab::cloud();
    let document = |zone: &str| json!({ "resources": { "web": { "name": "w", "zone": zone } } });
    lab.apply(&document("a")).await;
    assert_eq!(lab.ids(), ["web#1"]);
    lab.apply(&document("b")).await;
    assert_eq!(lab.ids(), ["web#2"]);
}

#[tokio::test]
async fn what_is_unique_is_there_once_in_a_provider() {
    let same = json!({ "resources": {
        "one": { "name": "same" },
        "two": { "name": "${one.name}", "depends_on": ["one"], "provider": "other" },
    } });
    let providers = |region: &str| json!({ "lab": { "type": "fake" }, "other": { "type": "fake", "region": region } });
    for (region, outcome) in [("", Outcome::Failed), ("north", Outcome::Completed)] {
        let lab = Lab::cloud();
        let mut sections = same.clone();
        sections["providers"] = providers(region);
        sections["resources"]["one"]["provider"] = json!("lab");
        if region.is_empty() {
            sections["providers"]["other"] = json!({ "type": "fake" });
        }
        let report = lab.run(&sections).await;
        assert_eq!(report.outcome, outcome, "{region}: {:?}", report.failures);
        let message = report.failures.first().map(|(_, failure)| failure.message.as_str());
        let refused = "there is a `thing` with the `name` \"same\" already";
        assert_eq!(message, (outcome == Outcome::Failed).then_some(refused));
    }
}

#[tokio::test]
async fn services_are_noted_on_their_hosts_and_go_with_them() {
    let lab = Lab::cloud();
    let document = |value: &str, on: Json| {
        json!({
            "resources": { "web": { "name": "w" }, "db": { "name": "d" } },
            "services": { "flag": { "service": "flag", "on": on, "config": { "value": value } } },
        })
    };
    lab.apply(&document("up", json!(["web", "db"]))).await;
    let on = |host: &str, service: &str| (host.to_owned(), service.to_owned());
    assert_eq!(lab.fakes.services(), [on("db#1", "flag@db"), on("web#1", "flag@web")]);
    lab.fakes.ledger().displace("db#1", "flag@db");
    let steps: Vec<_> = lab.plan(&document("up", json!(["web", "db"]))).await.steps.iter().map(|step| step.id.clone()).collect();
    assert_eq!(steps, [StepId::parse("flag@db/apply").expect("a step")], "one that is gone is applied again");
    lab.apply(&document("down", json!(["web"]))).await;
    assert_eq!(lab.fakes.services(), [on("web#1", "flag@web")]);
    lab.apply(&json!({ "resources": {} })).await;
    assert_eq!((lab.ids().len(), lab.fakes.services().len()), (0, 0));
}

#[tokio::test]
async fn a_lookup_answers_the_same_question_in_the_same_way() {
    let lab = Lab::cloud();
    let document = json!({
        "resources": {},
        "lookups": { "a": { "kind": "image", "name": "x" }, "b": { "kind": "image", "name": "x" }, "c": { "kind": "image", "name": "y" } },
        "outputs": { "a": "${a.id}", "b": "${b.id}", "c": "${c.id}" },
    });
    let outputs = lab.apply(&document).await;
    assert_eq!(outputs["a"], outputs["b"]);
    assert_ne!(outputs["a"], outputs["c"]);
}

#[tokio::test]
async fn outputs_have_the_parts_that_a_document_refers_to() {
    let document = json!({
        "resources": { "web": { "name": "w" }, "db": { "name": "${web.connection.port}-${web.connection.paths[1].name}" } },
        "outputs": { "port": "${web.connection.port}" },
    });
    let lab = Lab::cloud();
    let bare = lab.run(&document).await;
    assert_eq!(bare.outcome, Outcome::Failed, "the schema says nothing of a port");
    let desired = lab.desired(&document);
    let shaped = Lab::new(Fakes::of(&FakeCloud::default().registry()).shaped_by(&desired));
    let outputs = shaped.apply(&document).await;
    assert_eq!(outputs["port"], "web#1.connection.port");
}

#[tokio::test]
async fn every_type_of_output_is_made_up_as_its_schema_says() {
    let kind = r#"
        kind = "sheet"
        summary = "Everything."
        fields.flag = { type = "bool", summary = "-", presence = "computed" }
        fields.ratio = { type = "number", summary = "-", presence = "computed" }
        fields.mode = { type = "string", summary = "-", presence = "computed", one_of = ["on", "off"] }
        fields.cidr = { type = "string", summary = "-", presence = "assigned" }
        fields.names = { type = "list(string)", summary = "-", presence = "computed" }
        fields.tags = { type = "map(string)", summary = "-", presence = "computed" }
        fields.disk = { type = "object", summary = "-", presence = "computed", fields.size = { type = "integer", summary = "-" } }
        fields.input = { type = "any", summary = "-" }
        fields.output = { type = "any", summary = "-", presence = "computed", follows = ["input"] }
    "#;
    let registry = on_paper(&[kind]);
    let fakes = Fakes::of(&registry);
    let lab = Lab::new(fakes.clone());
    let desired = declared(&registry, ("paper", "sheet"), &json!({ "resources": { "a": { "input": [1, 2] } } }));
    let plan = lab.engine.plan(&desired, &PlanOptions::new(Command::Apply)).await.expect("a plan");
    lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    let (_, made) = fakes.contents().remove(0);
    let made = made.expose().expect("plain");
    assert_eq!((&made["flag"], &made["mode"], &made["tags"]), (&json!(true), &json!("on"), &json!({})));
    assert_eq!((&made["names"], &made["output"]), (&json!(["a.names[0]"]), &json!([1, 2])));
    assert!(made["ratio"].as_f64().is_some() && made["disk"]["size"].as_i64().is_some(), "{made}");
    assert!(made["cidr"].as_str().is_some_and(|range| range.ends_with(".0/24")), "{made}");
}

#[tokio::test]
async fn faults_come_at_the_calls_that_they_were_meant_for() {
    let lab = Lab::cloud();
    let document = json!({ "resources": { "web": { "name": "w" }, "db": { "name": "d" } } });
    lab.fakes.inject("create web", Fault::Refuse(Retry::Never));
    let report = lab.run(&document).await;
    let failed: Vec<_> = report.failures.iter().map(|(step, failure)| (step.as_str(), failure.message.as_str())).collect();
    assert_eq!(failed, [("web/create", "the fake refused to create web")]);
    assert_eq!((lab.ids(), lab.fakes.faults_left()), (vec!["db#1".to_owned()], 0));

    lab.fakes.inject_after(0, "create web", Fault::LoseReply);
    let report = lab.engine.resume(None, &Control::new()).await.expect("a report");
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
    assert_eq!(lab.ids(), ["db#1", "web#1"], "it was found by its token");
    assert!(lab.fakes.calls().contains(&"find web".to_owned()), "{:?}", lab.fakes.calls());
}

#[tokio::test]
async fn an_object_is_found_by_its_token_unless_tokens_are_forgotten() {
    let registry = FakeCloud::default().registry();
    for (fakes, found) in [(Fakes::of(&registry), true), (Fakes::of(&registry).without_tokens(), false)] {
        let thing = thing(&fakes);
        let spec = Value::map([("name", "w".into())]);
        let context = context(&StepId::parse("web/create").expect("a step"), 1, Arc::new(RecordingReporter::default()));
        assert_eq!(thing.find(&context, &spec).await.expect("a search"), Found::None);
        let Reply::Done(object) = thing.create(&context, &spec).await.expect("made") else { panic!("it waits") };
        let search = thing.find(&context, &spec).await.expect("a search");
        assert_eq!(search == Found::One(object.clone()), found, "{search:?}");
        for _ in 0..2 {
            thing.delete(&context, &object).await.expect("what is gone is a success");
        }
        let gone = thing.update(&context, &object, &spec).await.expect_err("it is gone");
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        assert_eq!(thing.read(&[object.id]).await.expect("read"), [None]);
    }
}

fn thing(fakes: &Fakes) -> Arc<dyn AnyKind> {
    let registry = fakes.registry();
    let (_, factory) = registry.providers().next().expect("a provider");
    factory.build(&Value::default()).expect("built").kinds().remove(0)
}
