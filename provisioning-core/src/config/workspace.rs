//! A workspace on disk: how it is configured, and one file that says what is wanted.
//!
//! [`Location::open`] reads the former alone, for whoever needs no declarations; [`Workspace::load`] both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{Cache, Entry};
use super::configuration::{Configuration, DECLARATION, MANIFEST, Setting};
use super::document::{Around, desired_of};
use super::known::Known;
use super::overrides::Overrides;
use super::source::{Source, read_below};
use super::stored::Stored;
use super::{Settings, inputs, json, library, nickel, secrets, toml};
use crate::digest::Digest;
use crate::error::{Diagnostic, Error, ErrorKind, Origin, Result};
use crate::name::{SecretName, suggestion};
use crate::registry::Registry;
use crate::resource::Desired;
use crate::value::{Node, NodeValue, Value};

/// The folder of a workspace for what is not its user's to edit.
const KEPT: &str = ".provisioning";

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The files that can say what is wanted, each with its smallest form.
const ENTRIES: [(&str, &str); 3] = [
    ("main.ncl", r#"let p = import "provisioning.ncl" in { providers = { lab = p.local {} } } | p.Infrastructure"#),
    ("main.toml", r#"providers.lab.type = "local""#),
    ("main.json", r#"{ "providers": { "lab": { "type": "local" } } }"#),
];

/// A workspace without its declarations.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// Its name: that of the folder, where it gives itself none.
    pub name: String,
    /// The chosen environment.
    pub environment: Option<String>,
    /// How it is configured.
    pub configuration: Configuration,
    /// Its settings, out of the configuration.
    pub settings: Settings,
    /// The file of its store, absolute.
    pub store: PathBuf,
    /// Where its secrets come from, as far as that is said.
    pub secrets: BTreeMap<SecretName, crate::secrets::Source>,
    /// The variables of the process that its documents may name.
    pub variables: BTreeMap<String, String>,
}

/// A workspace and what it declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// The workspace.
    pub location: Location,
    /// What it declares, checked.
    pub desired: Desired,
    /// The defaults of its inputs, by key.
    defaults: BTreeMap<String, Setting>,
}

impl Location {
    /// Opens the workspace in a folder; what it declares is not read.
    ///
    /// # Errors
    /// `NotFound` when the folder is no workspace; `Invalid`, with diagnostics, when a layer of its configuration is wrong,
    /// or the chosen environment is not there.
    pub fn open(root: &Path, overrides: &Overrides) -> Result<Self> {
        let root = root.canonicalize().map_err(|error| no_workspace(root).with_source(error))?;
        if !root.join(MANIFEST).is_file() {
            return Err(no_workspace(&root));
        }
        let configuration = Configuration::read(&root, overrides)?;
        let folder = root.file_name().map_or_else(|| "workspace".into(), |name| name.to_string_lossy().into_owned());
        let mut problems = Vec::new();
        let name = text(&configuration, "name", &mut problems).unwrap_or(folder);
        let store = store(&configuration, &name, &mut problems);
        let secrets = secrets::sources(&configuration, &mut problems);
        if let Some(error) = Error::from_diagnostics(problems) {
            return Err(error);
        }
        let environment = configuration.environment().map(str::to_owned);
        let variables = listed(&configuration, &overrides.variables);
        let settings = Settings::of(configuration.get("settings").unwrap_or(&Node::default()))?;
        Ok(Self { store: root.join(store), settings, environment, name, root, configuration, secrets, variables })
    }

    /// Where what it makes on this machine is kept; what an environment makes is kept apart.
    pub fn site(&self) -> PathBuf {
        match &self.environment {
            None => self.root.join(KEPT),
            Some(environment) => self.root.join(KEPT).join("environments").join(environment),
        }
    }

    fn cache(&self) -> Cache {
        Cache::new(self.root.join(KEPT).join("cache"))
    }
}

impl Workspace {
    /// Loads what a workspace declares in its `main.ncl`, `main.toml` or `main.json`.
    ///
    /// # Errors
    /// `NotFound` when nothing says what is wanted, `Conflict` when two files do;
    /// `Limited` for a file that is too large; `Invalid`, with a diagnostic for every problem, otherwise.
    pub fn load(location: Location, registry: &Registry) -> Result<Self> {
        let document = document(&location, registry)?;
        Self::of(location, document, registry)
    }

    /// What a document declares that a program made, in place of the files of a workspace: it is read with the
    /// configuration, the inputs and the templates of that workspace.
    ///
    /// # Errors
    /// `Invalid`, with a diagnostic for every problem.
    pub fn made(location: Location, document: Node, registry: &Registry) -> Result<Self> {
        let document = settled(document, &location.configuration)?;
        Self::of(location, document, registry)
    }

    fn of(location: Location, document: Document, registry: &Registry) -> Result<Self> {
        let Document { node, inputs, defaults, entry } = document;
        let known = Known::of_workspace(inputs, &location.configuration, &location.name, &location.variables);
        let files = |file: &str| read_below(&location.root, file);
        let around = Around { settings: &location.settings, files: &files, known: &known };
        let desired = desired_of(node, registry, &around)?;
        // What is given for once may be secret, whether or not the document says so.
        if let Some(entry) = entry.filter(|_| !desired.has_secret() && !location.configuration.has_inputs_for_once()) {
            location.cache().write(&entry);
        }
        Ok(Self { location, desired, defaults })
    }

    /// What every key comes to, and the layer that says so, with the inputs that no layer sets.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = self.location.configuration.settings();
        let is_set = |key: &str| settings.iter().any(|setting| setting.key == key);
        let unset: Vec<_> = self.defaults.values().filter(|default| !is_set(&default.key)).cloned().collect();
        settings.extend(unset);
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        settings
    }

    /// What each layer says of a key, the weakest first, with what the declarations say of an input.
    ///
    /// # Errors
    /// `NotFound` for a key that neither a layer nor a declaration sets, and none could set.
    pub fn explain_key(&self, key: &str) -> Result<Vec<Setting>> {
        let declared: Vec<_> = self.defaults.values().filter(|default| default.is_at(key)).cloned().collect();
        match self.location.configuration.explain(key) {
            Err(error) if declared.is_empty() => Err(self.with_inputs(key, error)),
            said => {
                let mut said = said.unwrap_or_default();
                said.extend(declared);
                said.sort_by(|a, b| (&a.key, !a.is_declared()).cmp(&(&b.key, !b.is_declared())));
                Ok(said)
            }
        }
    }

    /// The error for an input that there is not, with the nearest one.
    fn with_inputs(&self, key: &str, error: Error) -> Error {
        match suggestion(key, self.defaults.keys().map(String::as_str)) {
            Some(hint) if key.starts_with("inputs.") => Error::new(error.kind(), error.to_string()).with_hint(hint),
            _ => error,
        }
    }

    /// What was said of the value written at a place besides it, the weakest first: its default, and the layers that are
    /// overridden, where it is the value of an input or of a key of the configuration.
    pub fn overridden(&self, origin: &Origin) -> Vec<Setting> {
        let settings = self.location.configuration.settings();
        let Some(setting) = settings.into_iter().find(|setting| setting.origin.as_ref() == Some(origin)) else {
            return Vec::new();
        };
        let mut said = self.location.configuration.explain(&setting.key).unwrap_or_default();
        said.pop();
        said.splice(0..0, self.defaults.get(&setting.key).cloned());
        said
    }
}

/// The variables of the process that the configuration lists.
fn listed(configuration: &Configuration, variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let Some(Value::List(names)) = configuration.get("env").map(Node::to_value) else { return BTreeMap::new() };
    let names = names.iter().filter_map(Value::as_str);
    names.filter_map(|name| Some((name.to_owned(), variables.get(name)?.clone()))).collect()
}

/// What a workspace declares, before it is checked.
struct Document {
    /// All of it but its inputs.
    node: Node,
    /// The values of its inputs.
    inputs: Node,
    /// Where the default of each input is written.
    defaults: BTreeMap<String, Setting>,
    /// What can be kept of its evaluation.
    entry: Option<Entry>,
}

/// What a workspace declares.
fn document(location: &Location, registry: &Registry) -> Result<Document> {
    let Location { root, configuration, .. } = location;
    let (entry, smallest) = find_entry(root)?;
    let source = Source::read(root, entry)?;
    let nothing = || {
        Error::invalid(format!("`{entry}` declares nothing"))
            .with_hint(format!("the smallest file declares a provider: {smallest}"))
    };
    if source.text.trim().is_empty() {
        return Err(nothing());
    }
    let document = match entry {
        "main.ncl" => evaluated(&source, location, registry)?,
        "main.toml" => settled(toml::parse(&source)?, configuration)?,
        _ => settled(json::parse(&source)?, configuration)?,
    };
    match &document.node.value {
        NodeValue::Map(entries) if entries.is_empty() => Err(nothing()),
        _ => Ok(document),
    }
}

/// A document that is data, with the values of its inputs.
fn settled(mut node: Node, configuration: &Configuration) -> Result<Document> {
    let mut problems = Vec::new();
    let declared = inputs::declared(&take(&mut node, "inputs"), &mut problems);
    let given = inputs::given(&declared, configuration, &mut problems);
    let defaults = from_node(&to_node(declared.clone()));
    let inputs = inputs::settled(declared, given, &mut problems);
    Error::from_diagnostics(problems).map_or(Ok(Document { node, inputs, defaults, entry: None }), Err)
}

/// The document that a program in Nickel gives: what was kept of the last evaluation, or a new one.
fn evaluated(source: &Source, location: &Location, registry: &Registry) -> Result<Document> {
    let library = library::library(registry, library::Weight::Shape);
    let key = key(source, &library, location);
    if let Some([node, inputs, defaults]) = location.cache().read(&key).and_then(|nodes| <[Node; 3]>::try_from(nodes).ok()) {
        return Ok(Document { node, inputs, defaults: from_node(&defaults), entry: None });
    }
    let nothing = BTreeMap::new();
    let program = nickel::Program { source, root: &location.root, library: &library, given: &nothing, steps: nickel::STEPS };
    let (mut given, mut declared) = (BTreeMap::new(), Vec::new());
    if location.configuration.get("inputs").is_some() {
        declared = nickel::inputs(program)?;
        let mut problems = Vec::new();
        given = inputs::given(&declared, &location.configuration, &mut problems);
        if let Some(error) = Error::from_diagnostics(problems) {
            return Err(error);
        }
    }
    let (mut document, files) = nickel::evaluate(nickel::Program { given: &given, ..program })?;
    let inputs = take(&mut document, "inputs");
    // Where nothing was given, the values are the defaults.
    let defaults = if given.is_empty() { inputs.clone() } else { to_node(declared) };
    let nodes = [document, inputs, defaults];
    let entry = Entry::new(key, &files, &nodes);
    let [node, inputs, defaults] = nodes;
    Ok(Document { node, inputs, defaults: from_node(&defaults), entry })
}

/// Everything that an evaluation depends on besides the files that it reads.
fn key(source: &Source, library: &str, location: &Location) -> Digest {
    let given = location.configuration.get("inputs").map(|node| Stored::bytes_of(std::slice::from_ref(node)));
    let parts = [
        VERSION.as_bytes(),
        nickel::EVALUATOR.as_bytes(),
        library.as_bytes(),
        location.root.as_os_str().as_encoded_bytes(),
        source.text.as_bytes(),
    ];
    let digest = parts.iter().fold(Digest::of(b"evaluation"), |digest, part| Digest::chained(&digest, part));
    Digest::chained(&digest, &given.flatten().unwrap_or_default())
}

/// The defaults of inputs, by name.
fn to_node(declared: Vec<inputs::Input>) -> Node {
    let defaults = declared.into_iter().filter_map(|input| Some((input.name.into(), input.default?)));
    Node::new(NodeValue::Map(defaults.collect()), None)
}

fn from_node(defaults: &Node) -> BTreeMap<String, Setting> {
    let NodeValue::Map(entries) = &defaults.value else { return BTreeMap::new() };
    let setting = |(name, node): &(Arc<str>, Node)| {
        let key = format!("inputs.{name}");
        (key.clone(), Setting { key, layer: DECLARATION, origin: node.origin.clone(), value: node.to_value() })
    };
    entries.iter().map(setting).collect()
}

/// Takes a section out of a document.
pub(super) fn take(document: &mut Node, name: &str) -> Node {
    let NodeValue::Map(entries) = &mut document.value else { return Node::default() };
    let place = entries.iter().position(|(key, _)| key.as_ref() == name);
    place.map(|place| entries.remove(place).1).unwrap_or_default()
}

/// The path of the store, with what may be referred to in it put in.
fn store(configuration: &Configuration, name: &str, problems: &mut Vec<Diagnostic>) -> String {
    let path = text(configuration, "store", problems).unwrap_or_default();
    let mut node = configuration.get("store").cloned().unwrap_or_default();
    let known = Known::of_workspace(Node::default(), configuration, name, &BTreeMap::new());
    known.put_into(&mut node, problems);
    if let Some(environment) = configuration.environment()
        && !path.contains("${workspace.environment}")
    {
        let message = format!("every environment would use the same store, `{environment}` too");
        let hint = "write `${workspace.environment}` into the path, or leave `store` away";
        problems.push(Diagnostic::new(node.origin.clone(), "store", message).with_hint(hint));
    }
    node.to_value().as_str().unwrap_or_default().to_owned()
}

fn no_workspace(root: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("`{}` is not a workspace: it has no `{MANIFEST}`", root.display()))
        .with_hint("`provisioning init` makes one")
}

fn find_entry(root: &Path) -> Result<(&'static str, &'static str)> {
    let found: Vec<_> = ENTRIES.into_iter().filter(|(name, _)| root.join(name).is_file()).collect();
    match found.as_slice() {
        [entry] => Ok(*entry),
        [] => {
            let message = format!("`{}` has no `main.ncl`, `main.toml` or `main.json`", root.display());
            let error = Error::new(ErrorKind::NotFound, message);
            Err(error.with_hint("one of them says what is wanted; `provisioning init` in an empty folder writes one"))
        }
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("more than one file says what is wanted: {}", names.join(", "));
            Err(Error::new(ErrorKind::Conflict, message).with_hint("keep one of them"))
        }
    }
}

fn text(configuration: &Configuration, key: &str, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let node = configuration.get(key)?;
    let text = node.to_value().as_str()?.to_owned();
    let message = if text.trim().is_empty() {
        "is empty"
    } else if text.chars().any(char::is_control) {
        "has a control character in it"
    } else {
        return Some(text);
    };
    problems.push(Diagnostic::new(node.origin.clone(), key, message));
    None
}
