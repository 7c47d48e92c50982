//! A bank: a provider with secrets everywhere, and with a loose tongue. It tells the number of a new account once, and
//! when it refuses something it repeats all that it was given.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use provisioning_core::clock::System;
use provisioning_core::config::{Location, Overrides, Settings, Workspace};
use provisioning_core::engine::{Control, Engine, PlanOptions, Report};
use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use provisioning_core::event::{Event, Observer};
use provisioning_core::plan::{Command, Plan};
use provisioning_core::provider::{
    AnyKind, AnyLookup, Context, Found, Lookup, Provider, Reply, ResourceKind, erase, erase_lookup,
};
use provisioning_core::record::Outcome;
use provisioning_core::registry::{ProviderFactory, Registry};
use provisioning_core::resource::Desired;
use provisioning_core::schema::Schema;
use provisioning_core::seal::Keyring;
use provisioning_core::store::{Opening, SqliteStore, Store};
use provisioning_core::testing::{FakeCloud, FakeSecrets, SeededIds};
use provisioning_core::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tempfile::TempDir;

const SETTINGS: &str = r#"
    kind = "bank"
    summary = "A bank."
    fields.token = { type = "string", summary = "Who asks.", sensitive = true }
"#;

const ACCOUNT: &str = r#"
    kind = "account"
    summary = "An account at the bank."
    fields.login = { type = "string", summary = "Whose it is.", presence = "required", on_change = "replace", unique = true }
    fields.password = { type = "string", summary = "What opens it.", sensitive = true }
    fields.pin = { type = "integer", summary = "A number that opens it.", sensitive = true }
    fields.note = { type = "any", summary = "What stands beside it." }
    fields.letter = { type = "text", summary = "What its owner is sent.", keep = "digest" }
    fields.safe = { type = "object", summary = "A safe.", fields.name = { type = "string", summary = "Its name." }, fields.code = { type = "string", summary = "Its code.", sensitive = true } }
    fields.id = { type = "string", summary = "Its identity.", presence = "computed" }
    fields.number = { type = "string", summary = "Its number, told once.", presence = "computed", sensitive = true }
"#;

const RATE: &str = r#"
    kind = "rate"
    summary = "What the bank asks for."
    fields.key = { type = "string", summary = "Who wants to know.", presence = "required", sensitive = true }
    fields.rate = { type = "string", summary = "What is answered.", presence = "computed", sensitive = true }
    fields.day = { type = "string", summary = "When.", presence = "computed" }
"#;

/// A bank; clones are the same bank.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bank(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<String, Spec>,
    tokens: Vec<String>,
    calls: Vec<String>,
    refusals: Vec<String>,
    forgetful: bool,
    given: usize,
}

/// What a user sets of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) login: String,
    #[serde(default)]
    pub(crate) password: Option<String>,
    #[serde(default)]
    pub(crate) pin: Option<i64>,
    #[serde(default)]
    pub(crate) note: Json,
    #[serde(default)]
    pub(crate) letter: Option<String>,
    #[serde(default)]
    pub(crate) safe: Json,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    id: String,
    #[serde(flatten)]
    spec: Spec,
    #[serde(default)]
    number: Option<String>,
}

impl Bank {
    /// The number of the account that is made as the nth.
    pub(crate) fn number(nth: usize) -> String {
        format!("canary-number-{nth}-told-once")
    }

    /// What the bank answers to whoever has a key.
    pub(crate) const RATE: &'static str = "canary-rate-of-the-day";

    /// Refuses the next call of this description (`create ann`).
    pub(crate) fn refuse(&self, call: &str) {
        self.inner().refusals.push(call.to_owned());
    }

    /// The answer to the next create is lost, and nobody can be asked for what became of it.
    pub(crate) fn lose(&self, login: &str) {
        self.inner().forgetful = true;
        self.refuse(&format!("find {login}"));
    }

    /// The account of an owner.
    pub(crate) fn account(&self, login: &str) -> Spec {
        let inner = self.inner();
        inner.accounts.values().find(|spec| spec.login == login).cloned().expect("an account")
    }

    /// The tokens that it was asked with, each once in a row.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let mut tokens = self.inner().tokens.clone();
        tokens.dedup();
        tokens
    }

    /// The calls since they were last asked for.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().calls)
    }

    /// Changes a note behind everybody's back.
    pub(crate) fn meddle(&self, login: &str, note: &str) {
        let mut inner = self.inner();
        let spec = inner.accounts.values_mut().find(|spec| spec.login == login);
        spec.expect("an account").note = note.into();
    }

    fn call(&self, call: String, given: &impl std::fmt::Debug) -> Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        let refused = inner.refusals.iter().position(|refused| *refused == call);
        inner.calls.push(call);
        let Some(refused) = refused else { return Ok(inner) };
        inner.refusals.remove(refused);
        let cause = std::io::Error::other(format!("the bank was given {given:?} by {:?}", inner.tokens.last()));
        let told = format!("the bank does not like {given:?}");
        Err(Error::new(ErrorKind::Denied, told.clone()).with_hint(told.clone()).with_context("given", told).with_source(cause))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("whole")
    }
}

fn schema(text: &str) -> Schema {
    Schema::parse(text).expect("a schema")
}

impl ProviderFactory for Bank {
    fn settings(&self) -> Arc<Schema> {
        Arc::new(schema(SETTINGS))
    }

    fn kinds(&self) -> Vec<Arc<Schema>> {
        vec![Arc::new(schema(ACCOUNT))]
    }

    fn lookups(&self) -> Vec<Arc<Schema>> {
        vec![Arc::new(schema(RATE))]
    }

    fn build(&self, settings: &Value) -> Result<Arc<dyn Provider>> {
        let token = settings.expose()?["token"].as_str().unwrap_or_default().to_owned();
        self.inner().tokens.push(token);
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Provider for Bank {
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    fn kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        vec![erase(Accounts(self.clone()))]
    }

    fn lookups(&self) -> Vec<Arc<dyn AnyLookup>> {
        vec![erase_lookup(Rates(self.clone()))]
    }
}

struct Accounts(Bank);

#[async_trait]
impl ResourceKind for Accounts {
    type Spec = Spec;
    type State = Account;

    fn schema(&self) -> Schema {
        schema(ACCOUNT)
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<Account>>> {
        let inner = self.0.call("read".into(), &ids)?;
        let read = |id: &String| Some(Account { id: id.clone(), spec: inner.accounts.get(id)?.clone(), number: None });
        Ok(ids.iter().map(read).collect())
    }

    async fn find(&self, _: &Context, spec: &Spec) -> Result<Found<Account>> {
        let inner = self.0.call(format!("find {}", spec.login), spec)?;
        let found = inner.accounts.iter().find(|(_, found)| found.login == spec.login);
        Ok(found.map_or(Found::None, |(id, spec)| Found::One(Account { id: id.clone(), spec: spec.clone(), number: None })))
    }

    async fn create(&self, context: &Context, spec: Spec) -> Result<Reply<Account>> {
        context.progress(&format!("opening an account with {spec:?}"));
        let mut inner = self.0.call(format!("create {}", spec.login), &spec)?;
        if let Some(id) = &context.object {
            return Ok(Reply::Done(Account { id: id.clone(), spec, number: None }));
        }
        inner.given += 1;
        let (id, number) = (format!("a-{}", inner.given), Some(Bank::number(inner.given)));
        inner.accounts.insert(id.clone(), spec.clone());
        if std::mem::take(&mut inner.forgetful) {
            return Err(Error::new(ErrorKind::Unavailable, format!("no answer to {spec:?}")).with_retry(Retry::Unsure));
        }
        Ok(Reply::Done(Account { id, spec, number }))
    }

    async fn update(&self, _: &Context, prior: Account, spec: Spec) -> Result<Reply<Account>> {
        let mut inner = self.0.call(format!("update {}", spec.login), &(&prior, &spec))?;
        inner.accounts.insert(prior.id.clone(), spec.clone());
        Ok(Reply::Done(Account { id: prior.id, spec, number: None }))
    }

    async fn delete(&self, _: &Context, prior: Account) -> Result<Reply<()>> {
        let mut inner = self.0.call(format!("delete {}", prior.spec.login), &prior)?;
        inner.accounts.remove(&prior.id);
        Ok(Reply::Done(()))
    }
}

struct Rates(Bank);

#[derive(Debug, Deserialize)]
struct Query {
    key: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    /// A service that repeats what it was asked for.
    key: String,
    rate: String,
    day: String,
}

#[async_trait]
impl Lookup for Rates {
    type Query = Query;
    type Answer = Answer;

    fn schema(&self) -> Schema {
        schema(RATE)
    }

    async fn read(&self, query: Query) -> Result<Answer> {
        drop(self.0.call("look up".into(), &query)?);
        Ok(Answer { key: query.key, rate: Bank::RATE.to_owned(), day: "monday".to_owned() })
    }
}

/// A workspace on disk of somebody who banks there, and whose things are in a fake cloud.
pub(crate) struct House {
    pub(crate) bank: Bank,
    pub(crate) cloud: FakeCloud,
    pub(crate) secrets: FakeSecrets,
    pub(crate) engine: Engine,
    pub(crate) directory: TempDir,
    registry: Registry,
    events: Arc<Mutex<Vec<Event>>>,
}

impl House {
    /// One with keys that seal what is kept.
    pub(crate) fn with_keys() -> Self {
        Self::new(FakeSecrets::default().with_keys(Keyring::fresh(&SeededIds::new(7))))
    }

    /// One that keeps digests alone.
    pub(crate) fn without_keys() -> Self {
        Self::new(FakeSecrets::default())
    }

    fn new(secrets: FakeSecrets) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let bank = Bank::default();
        let cloud = FakeCloud::default();
        let registry = cloud.registry().with_provider(bank.clone());
        let store = SqliteStore::open(&directory.path().join("state.db"), Opening::OrCreate(&System)).expect("a store");
        let store: Arc<dyn Store> = Arc::new(store);
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let observer = Observer::new(move |event| seen.lock().expect("whole").push(event.clone()));
        let builder = Engine::builder(registry.clone(), store).secrets(Arc::new(secrets.clone()));
        fs::write(directory.path().join("provisioning.toml"), "").expect("written");
        let engine = builder.observer(observer).settings(settings()).build();
        Self { bank, cloud, secrets, engine, directory, registry, events }
    }

    /// What a `main.toml` declares.
    pub(crate) fn declared(&self, document: &str) -> Result<Desired> {
        let head = "[providers]\nlab = { type = \"fake\" }\n";
        let bank = if document.contains("[providers.bank]") { "" } else { "bank = { type = \"bank\" }\n" };
        fs::write(self.directory.path().join("main.toml"), format!("{head}{bank}{document}")).expect("written");
        let location = Location::open(self.directory.path(), &Overrides::default())?;
        Ok(Workspace::load(location, &self.registry)?.desired)
    }

    pub(crate) async fn try_plan(&self, document: &str) -> Result<Plan> {
        self.engine.plan(&self.declared(document)?, &PlanOptions::new(Command::Apply)).await
    }

    pub(crate) async fn plan(&self, document: &str) -> Plan {
        self.try_plan(document).await.unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()))
    }

    /// Another engine on the same workspace.
    pub(crate) fn second(&self) -> Engine {
        let path = self.directory.path().join("state.db");
        let store = SqliteStore::open(&path, Opening::Existing).expect("a store");
        let builder = Engine::builder(self.registry.clone(), Arc::new(store)).settings(settings());
        builder.secrets(Arc::new(self.secrets.clone())).build()
    }

    /// Carries a plan out, as it comes back from a file.
    pub(crate) async fn carry_out(&self, plan: &Plan) -> Report {
        let saved = serde_json::to_vec(plan).expect("a plan can be saved");
        self.engine.apply(&Plan::parse(&saved).expect("it is one"), &Control::new()).await.expect("a report")
    }

    pub(crate) async fn apply(&self, document: &str) -> Vec<String> {
        let plan = self.plan(document).await;
        let report = self.carry_out(&plan).await;
        assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
        plan.steps.iter().map(|step| step.id.to_string()).collect()
    }

    pub(crate) async fn roll_back(&self) {
        let plan = self.engine.plan_rollback(None).await.unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()));
        let report = self.carry_out(&plan).await;
        assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
        assert_eq!(self.engine.verify().await.expect("read").problem, None);
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().expect("whole").clone()
    }
}

/// One attempt of each call, so that a refusal is a failure.
fn settings() -> Settings {
    let mut settings = Settings::shipped();
    settings.retry.attempts = 1;
    settings
}
