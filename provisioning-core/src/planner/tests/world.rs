//! A world in which plans are made and carried out without an engine: rows by the journal's rules, objects in a map.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::config::{self, Settings};
use crate::digest::DigestKey;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::{RowChange, effect};
use crate::name::{ResourceName, RunId, StepId, WorkspaceId};
use crate::plan::{Action, Command, Plan, Step};
use crate::planner::compare::thoroughly;
use crate::planner::{Input, KnownSecrets, Need, PlanOptions, Planned, Refresh, Seen, plan};
use crate::provider::{Context, Provider};
use crate::record::{Object, StepFact};
use crate::registry::{ProviderFactory, Registry};
use crate::resource::{Desired, Role, StateRow};
use crate::schema::{Existence, Presence, Schema, Sealer};
use crate::task::{Condition, TaskService};
use crate::testing::FakeCloud;
use crate::value::{Secret, Value};

/// Kinds that the fake cloud has not: schemas alone, since nobody calls them here.
const KINDS: [&str; 3] = [
    r#"
    kind = "note"
    summary = "Stands in the state alone."
    existence = "stored"
    fields.input = { type = "any", summary = "What it says." }
    fields.id = { type = "string", summary = "Its identity.", presence = "computed" }
    "#,
    r#"
    kind = "machine"
    summary = "Is there anyway."
    existence = "existing"
    fields.name = { type = "string", summary = "Its name.", presence = "required", on_change = "replace" }
    fields.id = { type = "string", summary = "Its identity.", presence = "computed" }
    fields.connection = { type = "any", summary = "How to reach it.", presence = "computed" }
    "#,
    r#"
    kind = "vault"
    summary = "Keeps a text nobody may read, under a label nobody else has."
    fields.label = { type = "string", summary = "Its label.", unique = true }
    fields.text = { type = "text", summary = "The text.", keep = "digest" }
    fields.pages = { type = "map(text)", summary = "More texts.", keep = "digest" }
    fields.id = { type = "string", summary = "Its identity.", presence = "computed" }
    "#,
];

/// A lookup that leads to a host.
const HOST: &str = r#"
    kind = "host"
    summary = "A host that somebody else made."
    fields.name = { type = "string", summary = "Its name.", presence = "required" }
    fields.id = { type = "string", summary = "Its identity.", presence = "computed" }
    fields.connection = { type = "any", summary = "How to reach it.", presence = "computed" }
"#;

struct Shelf(&'static str);

impl ProviderFactory for Shelf {
    fn settings(&self) -> Arc<Schema> {
        let kind = crate::name::Kind::parse(self.0).expect("a kind");
        Arc::new(Schema::bare(kind, "Schemas without anybody behind them."))
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        KINDS.iter().map(|text| Arc::new(Schema::parse(text).expect("a schema"))).collect()
    }

    fn lookups(&self) -> Vec<Arc<Schema>> {
        vec![Arc::new(Schema::parse(HOST).expect("a schema"))]
    }

    fn build(&self, _: &Value) -> Result<Arc<dyn Provider>> {
        Err(Error::bug("nobody calls it"))
    }
}

/// A service like the flag, of another kind.
struct Banner;

#[async_trait]
impl TaskService for Banner {
    fn schema(&self) -> Arc<Schema> {
        let text = "kind = \"banner\"\nsummary = \"Another flag.\"\nfields.value = { type = \"any\", summary = \"What it says.\" }\n\
            fields.raised = { type = \"integer\", summary = \"How often.\", presence = \"computed\" }";
        Arc::new(Schema::parse(text).expect("a schema"))
    }

    async fn check(&self, _: &ResourceName, _: &dyn Host, _: &Value) -> Result<Condition> {
        Err(Error::bug("nobody calls it"))
    }

    async fn apply(&self, _: &Context, _: &dyn Host, _: &Value) -> Result<Value> {
        Err(Error::bug("nobody calls it"))
    }

    async fn remove(&self, _: &Context, _: &dyn Host, _: &Value) -> Result<()> {
        Err(Error::bug("nobody calls it"))
    }
}

pub(super) struct World {
    registry: Registry,
    pub(super) sealer: Sealer,
    pub(super) secrets: KnownSecrets,
    settings: Settings,
    pub(super) state: BTreeMap<ResourceName, StateRow>,
    /// What exists: the kind of each object and what would be reported of it.
    pub(super) objects: BTreeMap<String, (Arc<Schema>, Value)>,
    /// The flags on the hosts, and how often one was raised there.
    pub(super) flags: BTreeMap<String, (Value, i64)>,
    /// What was deleted while another resource still depended on it, and that resource.
    pub(super) undercut: BTreeMap<String, String>,
    given: BTreeMap<String, u64>,
    /// What references see during a run, in the clear.
    clear: BTreeMap<ResourceName, Value>,
    runs: u64,
    records: u64,
}

impl World {
    /// A world in which nothing is.
    pub(super) fn empty() -> Self {
        Self {
            registry: FakeCloud::default().registry().with_provider(Shelf("shelf")).with_service(Banner),
            sealer: Sealer::new(WorkspaceId::new(7), DigestKey::new([7; 32]), None),
            secrets: KnownSecrets::default(),
            settings: Settings::shipped(),
            state: BTreeMap::new(),
            objects: BTreeMap::new(),
            flags: BTreeMap::new(),
            undercut: BTreeMap::new(),
            given: BTreeMap::new(),
            clear: BTreeMap::new(),
            runs: 0,
            records: 0,
        }
    }

    /// A world in which a document was applied.
    #[track_caller]
    pub(super) fn applied(document: &str) -> Self {
        let mut world = Self::empty();
        world.apply(document);
        world
    }

    #[track_caller]
    pub(super) fn apply(&mut self, document: &str) {
        let plan = self.plan(document, "").unwrap_or_else(|error| panic!("{}", super::render::result(&Err(error))));
        self.carry_out(&plan);
    }

    /// The declarations of a document: TOML that begins with the entries of `resources`, or is whole. A resource is a
    /// `thing` with its own name unless it says otherwise.
    pub(super) fn desired(&self, document: &str) -> Result<Desired> {
        let whole = document.trim_start().starts_with("[providers]");
        let head = "[providers]\nlab = { type = \"fake\" }\nshelf = { type = \"shelf\" }\n[resources]\n";
        let text = if whole { document.to_owned() } else { format!("{head}{document}") };
        let mut json: serde_json::Value = toml::from_str(&text).expect("it is TOML");
        let resources = json.get_mut("resources").and_then(serde_json::Value::as_object_mut);
        for (name, fields) in resources.into_iter().flatten() {
            let fields = fields.as_object_mut().expect("a table");
            if !fields.contains_key("kind") {
                fields.insert("kind".into(), "thing".into());
                fields.entry("name").or_insert_with(|| name.clone().into());
            }
        }
        config::desired(Value::try_from(json)?.into(), &self.registry, &self.settings)
    }

    /// Plans as an engine does: with everything read, and every need answered.
    pub(super) fn plan(&self, document: &str, options: &str) -> Result<Plan> {
        let desired = self.desired(document).unwrap_or_else(|error| panic!("{}", super::render::result(&Err(error))));
        self.plan_desired(&desired, &parsed(options))
    }

    pub(super) fn plan_desired(&self, desired: &Desired, options: &PlanOptions) -> Result<Plan> {
        let mut seen = Seen::default();
        if options.refresh == Refresh::Read && options.command != Command::Forget {
            let rows = self.state.values().filter(|row| matches!(row.role, Role::Managed { .. }));
            for row in rows {
                let Some(object) = &row.object else { continue };
                let found = self.objects.get(&object.id);
                if found.is_none_or(|(schema, _)| schema.existence != Existence::Stored) {
                    seen.objects.insert(row.name.clone(), found.map(|found| self.report(row, found)));
                    // An engine leaves out what the state knows of; more than it gives must do no harm.
                    seen.texts.extend(found.map(|(_, outputs)| (row.name.clone(), outputs.clone())));
                }
            }
        }
        for _ in 0..100 {
            let input = Input {
                registry: &self.registry,
                desired,
                state: &self.state,
                seen: &seen,
                options,
                sealer: &self.sealer,
                secrets: &self.secrets,
                settings: &self.settings,
                now: Timestamp::from_millis(0),
            };
            let planned = plan(&input);
            let thorough = thoroughly(|| plan(&input));
            let same = |planned: &Result<Planned>| {
                let told = |planned: &Planned| (Plan { compared: 0, ..planned.plan.clone() }, planned.needs.clone());
                planned.as_ref().map(told).map_err(ToString::to_string)
            };
            assert_eq!(same(&planned), same(&thorough), "nothing may be missed at first sight");
            let planned = planned?;
            if planned.needs.is_empty() {
                return Ok(planned.plan);
            }
            planned.needs.into_iter().for_each(|need| self.answer(need, &mut seen));
        }
        panic!("the planner never has enough");
    }

    fn answer(&self, need: Need, seen: &mut Seen) {
        match need {
            Need::Answer { name, query } => {
                assert!(!query.has_unknown(), "`{name}` was asked for before its query is known");
                let asked = query.field("name").and_then(Value::as_str).expect("a name");
                let answer = query.with("id", format!("img-{asked}").into()).with("connection", connection(asked));
                seen.answers.insert(name, answer);
            }
            Need::Condition { name, connection, inputs, .. } => {
                let host = connection.field("host").and_then(Value::as_str).expect("a host");
                let condition = match self.flags.get(host) {
                    None => Condition::Absent,
                    Some((value, raised)) if Some(value) == inputs.field("value") => {
                        Condition::InSync(Value::map([("raised", (*raised).into())]))
                    }
                    Some((value, _)) => Condition::Differs(format!("it says {}", value.as_str().unwrap_or("something"))),
                };
                seen.conditions.insert(name, condition);
            }
        }
    }

    fn report(&self, row: &StateRow, (schema, outputs): &(Arc<Schema>, Value)) -> Object {
        let outputs = schema.persistable(&schema.concealed(outputs, &row.inputs), &self.sealer.of_kind(&row.kind));
        Object { id: row.object.as_ref().map(|object| object.id.clone()).unwrap_or_default(), outputs }
    }

    /// Sets fields of an object behind everybody's back.
    pub(super) fn meddle(&mut self, id: &str, field: &str, value: impl Into<Value>) {
        let (_, outputs) = self.objects.get_mut(id).expect("it exists");
        *outputs = outputs.with(field, value.into());
    }

    /// Carries out a plan, step by step.
    #[track_caller]
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        self.carry_out_in(plan, |_| 0, |_| false);
    }

    /// Carries out a plan up to a step, where the run dies.
    #[track_caller]
    pub(super) fn carry_out_until(&mut self, plan: &Plan, step: &str) {
        assert!(plan.steps.iter().any(|other| other.id.as_str() == step), "there is no `{step}`");
        self.carry_out_in(plan, |_| 0, |next| next.id.as_str() == step);
    }

    /// Carries out a plan, each time with one of the steps that are ready, until one is to stop the run.
    #[track_caller]
    pub(super) fn carry_out_in(&mut self, plan: &Plan, mut choose: impl FnMut(usize) -> usize, stop: impl Fn(&Step) -> bool) {
        self.runs += 1;
        self.clear = self.state.values().map(|row| (row.name.clone(), row.outputs())).collect();
        self.clear.extend(plan.lookups.iter().map(|(name, answer)| (name.clone(), answer.clone())));
        let mut place = BTreeMap::new();
        for (index, step) in plan.steps.iter().enumerate() {
            assert!(place.insert(&step.id, index).is_none(), "`{}` stands twice", step.id);
            for on in step.requires.iter().chain(&step.after) {
                assert!(place.contains_key(on), "`{}` stands before `{on}`, or that is no step", step.id);
            }
        }
        let mut done: BTreeSet<&StepId> = BTreeSet::new();
        while done.len() < plan.steps.len() {
            let is_ready =
                |step: &&Step| !done.contains(&step.id) && step.requires.iter().chain(&step.after).all(|on| done.contains(on));
            let ready: Vec<_> = plan.steps.iter().filter(is_ready).collect();
            let next = ready[choose(ready.len())];
            if stop(next) {
                return;
            }
            self.carry_out_step(next);
            done.insert(&next.id);
        }
    }

    fn carry_out_step(&mut self, step: &Step) {
        let written = if matches!(step.action, Action::Rename { .. }) { Value::Null } else { step.inputs.clone() };
        let inputs = written
            .resolve(&mut |reference| {
                let root = reference.root.as_ref();
                let named = self.clear.get_key_value(root).map(|(name, _)| name);
                let named = named.or_else(|| self.clear.keys().find(|name| name.base() == root));
                let found = reference.follow(&self.clear[named.unwrap_or_else(|| panic!("{}: no `{reference}`", step.id))])?;
                assert!(!found.any(&|part| matches!(part, Value::Digest(_))), "{}: `{reference}` is a digest", step.id);
                Ok(found)
            })
            .unwrap_or_else(|error| panic!("{}: {error}", step.id));
        let schema = self.schema(step);
        let problems = if step.inputs == Value::Null { Vec::new() } else { schema.check_resolved(&inputs, "") };
        assert_eq!(problems, [], "{}", step.id);
        let object = self.effect(step, &inputs, &schema);
        let inputs = if step.action == Action::Refresh { self.state[&step.resource].inputs.clone() } else { inputs };
        let object = object.map(|object| Object { outputs: schema.concealed(&object.outputs, &inputs), ..object });
        if let Some(object) = &object {
            self.clear.insert(step.resource.clone(), inputs.overlaid(&object.outputs));
        }
        let seal = step.role.seal(&self.sealer, &step.kind);
        let inputs = schema.persistable(&inputs, &seal);
        let kept = object.map(|object| Object { outputs: schema.persistable(&object.outputs, &seal), ..object });
        self.record(step, &inputs, &StepFact::Succeeded { object: kept });
    }

    /// Takes a record into the state.
    pub(super) fn record(&mut self, step: &Step, inputs: &Value, fact: &StepFact) {
        let name = match &step.action {
            Action::Rename { from } => from,
            _ => &step.resource,
        };
        let run = RunId::new(Timestamp::from_millis(0), self.runs);
        for change in effect(&run, step, self.state.get(name), inputs, fact) {
            match change {
                RowChange::Put(mut row) => {
                    self.records += 1;
                    row.version = self.records;
                    if let Action::Rename { .. } = step.action {
                        self.clear.insert(row.name.clone(), row.outputs());
                    }
                    self.state.insert(row.name.clone(), *row);
                }
                RowChange::Remove(name) => {
                    self.state.remove(&name);
                }
            }
        }
    }

    fn schema(&self, step: &Step) -> Arc<Schema> {
        let registry = &self.registry;
        match &step.role {
            Role::Managed { provider } | Role::Lookup { provider } => {
                // The aliases of these tests begin with their types.
                let types = ["fake", "shelf"];
                let kind = types.iter().find(|kind| provider.as_str().starts_with(**kind)).copied().unwrap_or("fake");
                let kind = crate::name::Kind::parse(kind).expect("a kind");
                let found = registry.kind(&kind, &step.kind).or_else(|_| registry.lookup(&kind, &step.kind));
                found.expect("the kind is known")
            }
            Role::Service { .. } => registry.service(&step.kind).expect("the service is known").schema(),
        }
    }

    /// What a step does to the world; gives what is there then.
    fn effect(&mut self, step: &Step, inputs: &Value, schema: &Arc<Schema>) -> Option<Object> {
        match &step.action {
            Action::Create => Some(self.create(step, inputs, schema)),
            Action::Update => Some(self.update(step, inputs)),
            Action::Delete => {
                self.note_users(step);
                let gone = self.objects.remove(&step.prior.as_ref().expect("an object to delete").id);
                let name = gone.as_ref().and_then(|(_, outputs)| outputs.field("name")).and_then(Value::as_str);
                if let Some(name) = name.filter(|_| schema.existence == Existence::Managed) {
                    self.flags.remove(name);
                }
                None
            }
            Action::ApplyService => {
                let host = self.host(step);
                let value = inputs.field("value").cloned().unwrap_or_default();
                let raised = self.flags.get(&host).map_or(0, |(_, raised)| *raised);
                let same = self.flags.get(&host).is_some_and(|(old, _)| *old == value);
                let raised = raised + i64::from(!same);
                self.flags.insert(host, (value, raised));
                Some(Object { id: step.resource.to_string(), outputs: Value::map([("raised", raised.into())]) })
            }
            Action::RemoveService => {
                assert!(inputs.field("value").is_some(), "{}: a service is removed with its inputs", step.id);
                let host = self.host(step);
                self.flags.remove(&host);
                None
            }
            Action::Read => {
                let id = format!("img-{}", inputs.field("name").and_then(Value::as_str).expect("a name"));
                Some(Object { id: step.resource.to_string(), outputs: Value::map([("id", id.into())]) })
            }
            Action::Refresh if matches!(step.role, Role::Service { .. }) || schema.existence == Existence::Stored => {
                step.prior.clone()
            }
            Action::Refresh => {
                let id = &step.prior.as_ref().expect("an object to refresh").id;
                self.objects.get(id).map(|(_, outputs)| Object { id: id.clone(), outputs: outputs.clone() })
            }
            Action::Forget | Action::Reinstate { .. } | Action::Rename { .. } => None,
        }
    }

    fn note_users(&mut self, step: &Step) {
        let on_it = |row: &StateRow| matches!(&row.role, Role::Service { host } if *host == step.resource);
        let users = self.state.values().filter(|row| row.depends_on.contains(&step.resource) && !on_it(row));
        self.undercut.extend(users.map(|row| (step.resource.to_string(), row.name.to_string())));
    }

    fn create(&mut self, step: &Step, inputs: &Value, schema: &Arc<Schema>) -> Object {
        for (field, _) in schema.fields.iter().filter(|(_, field)| field.unique) {
            let wanted = inputs.field(field);
            let taken = self.objects.iter().find(|(_, (kind, has))| kind.kind == schema.kind && has.field(field) == wanted);
            assert!(wanted.is_none() || taken.is_none(), "{}: the `{field}` is taken", step.id);
        }
        let given = self.given.entry(step.resource.to_string()).or_default();
        *given += 1;
        let id = if *given == 1 { format!("id-{}", step.resource) } else { format!("id-{}.{given}", step.resource) };
        let name = inputs.field("name").and_then(Value::as_str).unwrap_or(step.resource.as_str());
        let computed = schema.fields.iter().filter(|(_, field)| field.presence == Presence::Computed);
        let computed = computed.map(|(field, _)| {
            let value = match field.as_str() {
                "id" => id.as_str().into(),
                "revision" => Value::Integer(0),
                "connection" => connection(name),
                other if schema.fields[other].sensitive => Value::Secret(Secret::new(format!("{other}-{name}").into())),
                other => Value::from(format!("{other}-{name}")),
            };
            (field.clone(), value)
        });
        let outputs = in_the_clear(inputs).overlaid(&Value::map(computed));
        self.objects.insert(id.clone(), (schema.clone(), outputs.clone()));
        Object { id, outputs }
    }

    fn update(&mut self, step: &Step, inputs: &Value) -> Object {
        let id = step.prior.as_ref().expect("an object to change").id.clone();
        let (schema, before) = self.objects.get(&id).cloned().expect("the object to change exists");
        let computed = schema.fields.iter().filter(|(_, field)| field.presence == Presence::Computed);
        let computed = computed.filter_map(|(field, _)| Some((field.clone(), before.field(field)?.clone())));
        let mut outputs = in_the_clear(inputs).overlaid(&Value::map(computed));
        let follows = schema.fields.get("revision").map(|field| field.follows.clone()).unwrap_or_default();
        if let Some(Value::Integer(revision)) = before.field("revision")
            && follows.iter().any(|field| before.field(field) != inputs.field(field))
        {
            outputs = outputs.with("revision", (revision + 1).into());
        }
        self.objects.insert(id.clone(), (schema, outputs.clone()));
        Object { id, outputs }
    }

    fn host(&self, step: &Step) -> String {
        let Role::Service { host } = &step.role else { panic!("{} is no service", step.id) };
        let outputs = self.clear.get(host).unwrap_or_else(|| panic!("{}: no host `{host}`", step.id));
        let connection = outputs.field("connection").expect("a connection");
        connection.field("host").and_then(Value::as_str).expect("a host").to_owned()
    }
}

/// What a provider is called with and reports.
fn in_the_clear(inputs: &Value) -> Value {
    Value::try_from(inputs.expose().expect("all of it is known")).expect("it is a value")
}

fn connection(host: &str) -> Value {
    Value::map([("transport", Value::from("fake")), ("host", host.into())])
}

/// Options as on a command line: `destroy -t web -x db --replace net --no-refresh`.
pub(super) fn parsed(text: &str) -> PlanOptions {
    let mut options = PlanOptions::new(Command::Apply);
    let mut words = text.split_whitespace().map(str::to_owned);
    let mut value = || words.next();
    while let Some(word) = value() {
        match word.as_str() {
            "destroy" => options.command = Command::Destroy,
            "refresh" => options.command = Command::Refresh,
            "forget" => options.command = Command::Forget,
            "-t" => options.targets.extend(value()),
            "-x" => options.excludes.extend(value()),
            "--replace" => options.replace.extend(value()),
            "--no-refresh" => options.refresh = Refresh::Skip,
            other => panic!("no option `{other}`"),
        }
    }
    options
}
