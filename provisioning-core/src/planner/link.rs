//! Who refers to whom: the graph of the declarations, with every unknown name reported.

use std::collections::{BTreeMap, HashMap};
use std::slice;

use super::schemas::Schemas;
use super::secrets::{KnownSecrets, literals, secret_name};
use crate::error::{Diagnostic, Error, ErrorKind, Origin, Result};
use crate::graph::{Dependency, Graph};
use crate::name::{ProviderName, RESERVED, RUN, ResourceName, SECRET, suggestion};
use crate::parallel;
use crate::registry::Registry;
use crate::resource::{Checkpoint, Declared, Desired, Role};
use crate::schema::Keep;
use crate::value::{Reference, Segment, Value};

/// How many names of a circle are told.
const LONG: usize = 12;

/// The declarations as a graph.
#[derive(Debug, Clone, Default)]
pub struct Linked<'a> {
    /// The graph of all declared resources, whose places are in the order of their names.
    pub graph: Graph<&'a str>,
    /// The place of every resource, after the places of what it depends on.
    pub order: Vec<usize>,
    /// The places of services by the names that they have on every host.
    bases: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Linked<'a> {
    /// Those of declarations in the order of their names, without an edge.
    fn new(declared: &[&'a Declared]) -> Self {
        let mut linked = Self { graph: Graph::with_capacity(declared.len()), ..Self::default() };
        for (place, name) in declared.iter().map(|declared| &declared.name).enumerate() {
            linked.graph.add(&name.as_str());
            if name.base() != name.as_str() {
                linked.bases.entry(name.base()).or_default().push(place);
            }
        }
        linked
    }

    /// The place of what a reference begins with, where that is declared: the resource of that name, or the service on a host.
    pub(super) fn place(&self, root: &str) -> Option<usize> {
        self.matching(root).last().copied()
    }

    /// The places of what the declaration at a place needs, in order.
    pub(super) fn needs(&self, place: usize) -> impl Iterator<Item = usize> + use<> {
        let found = self.graph.dependencies_at(place).into_iter();
        found.filter(|(_, dependency)| *dependency == Dependency::Hard).map(|(on, _)| on)
    }

    /// The places of what a name stands for: the resource of that name, or a service on all its hosts.
    pub(super) fn matching(&self, name: &str) -> &[usize] {
        match self.graph.place(name) {
            Some(exact) => slice::from_ref(exact),
            None => self.bases.get(name).map_or(&[], Vec::as_slice),
        }
    }
}

/// Links the declarations.
///
/// # Errors
/// `Invalid` with a diagnostic for every unknown name and for every secret that could not be kept, or for a cycle with its
/// path.
pub fn link<'a>(registry: &Registry, desired: &'a Desired, known: &KnownSecrets) -> Result<Linked<'a>> {
    let (linked, mut problems) = linked(registry, desired, known);
    problems.extend(literals(desired, known));
    if let Some(error) = Error::from_diagnostics(problems) {
        return Err(error);
    }
    let order = linked.graph.order_of_places().map_err(|path| cycle(desired, &path))?;
    Ok(Linked { order, ..linked })
}

/// Links what is there and passes over the rest: for a command that makes nothing of what is declared.
///
/// # Errors
/// `Invalid` for a secret that could not be kept.
pub(super) fn link_present<'a>(registry: &Registry, desired: &'a Desired, known: &KnownSecrets) -> Result<Linked<'a>> {
    let (linked, _) = linked(registry, desired, known);
    let order = linked.graph.order_of_places().unwrap_or_default();
    Error::from_diagnostics(literals(desired, known)).map_or(Ok(Linked { order, ..linked }), Err)
}

fn linked<'a>(registry: &Registry, desired: &'a Desired, known: &KnownSecrets) -> (Linked<'a>, Vec<Diagnostic>) {
    let declared: Vec<_> = desired.resources.values().collect();
    let mut linked = Linked::new(&declared);
    let begun = || Linker::new(registry, desired, known, (&declared, &linked));
    let mut others = begun();
    let providers = others.providers();
    let mut problems = std::mem::take(&mut others.found.problems);
    let mut found = parallel::parts(&declared, |first, part| {
        let mut own = begun();
        (first..).zip(part).for_each(|(place, declared)| own.resource(place, declared, &providers));
        own.found
    });
    for (name, checkpoint) in &desired.checkpoints {
        others.checkpoint(name, checkpoint);
    }
    for (name, output) in &desired.outputs {
        others.output(&output.value, &format!("outputs.{name}"), output.origin.as_ref());
    }
    found.push(others.found);
    for part in found {
        part.edges.into_iter().for_each(|(dependent, on, dependency)| linked.graph.depend_at(dependent, on, dependency));
        problems.extend(part.problems);
    }
    (linked, problems)
}

/// The resources that a name in a reference, a target or a `depends_on` stands for: the one of that name, or a service
/// on all its hosts.
pub(super) fn named<'a, T>(resources: &'a BTreeMap<ResourceName, T>, name: &str) -> Vec<&'a ResourceName> {
    match resources.get_key_value(name) {
        Some((exact, _)) => vec![exact],
        None => resources.keys().filter(|candidate| candidate.base() == name).collect(),
    }
}

/// The path of a field, which is put together where something is wrong with it.
type Place<'a> = &'a dyn Fn() -> String;

/// What was found in declarations.
#[derive(Default)]
struct Found {
    /// Who depends on whom.
    edges: Vec<(usize, usize, Dependency)>,
    problems: Vec<Diagnostic>,
}

struct Linker<'s, 'a> {
    desired: &'a Desired,
    known: &'s KnownSecrets,
    schemas: Schemas<'s>,
    /// The declarations by their places.
    declared: &'s [&'a Declared],
    linked: &'s Linked<'a>,
    found: Found,
}

impl<'s, 'a> Linker<'s, 'a> {
    fn new(
        registry: &'s Registry,
        desired: &'a Desired,
        known: &'s KnownSecrets,
        (declared, linked): (&'s [&'a Declared], &'s Linked<'a>),
    ) -> Self {
        let schemas = Schemas::new(registry, &desired.providers);
        Self { desired, known, schemas, declared, linked, found: Found::default() }
    }

    /// What the settings of each provider refer to: whoever uses it depends on that.
    fn providers(&mut self) -> BTreeMap<&'a ProviderName, Vec<usize>> {
        let desired = self.desired;
        desired
            .providers
            .iter()
            .map(|(alias, provider)| {
                let settings = provider.settings.as_map().into_iter().flatten();
                let mut needed = Vec::new();
                for (key, value) in settings {
                    let origin = provider.origins.get(key.as_ref()).or(provider.origin.as_ref());
                    self.references(value, &|| format!("providers.{alias}.{key}"), origin, &mut needed);
                }
                (alias, needed)
            })
            .collect()
    }

    /// What the declaration at a place depends on.
    fn resource(&mut self, place: usize, declared: &Declared, providers: &BTreeMap<&ProviderName, Vec<usize>>) {
        let mut hard = Vec::new();
        if let Some(fields) = declared.inputs.as_map() {
            for (field, value) in fields.into_iter().filter(|(_, value)| value.has_references()) {
                let origin = declared.origins.get(field.as_ref()).or(declared.origin.as_ref());
                self.references(value, &|| format!("resources.{}.{field}", declared.name), origin, &mut hard);
            }
        }
        hard.extend(declared.role.provider().and_then(|alias| providers.get(alias)).into_iter().flatten().copied());
        if let Role::Service { host } = &declared.role {
            self.check_host(host, declared);
            hard.extend(self.names(std::slice::from_ref(host), "on", declared));
        }
        hard.extend(self.names(&declared.depends_on, "depends_on", declared));
        let soft = self.names(&declared.after, "after", declared);
        for (places, dependency) in [(hard, Dependency::Hard), (soft, Dependency::Soft)] {
            self.found.edges.extend(places.into_iter().map(|on| (place, on, dependency)));
        }
        self.check_ignored(declared);
    }

    fn check_host(&mut self, host: &ResourceName, declared: &Declared) {
        let Some(target) = self.desired.resources.get(host) else { return };
        if let Ok(schema) = self.schemas.of(&target.role, &target.kind)
            && !schema.fields.contains_key("connection")
        {
            let message = format!("`{host}` is a `{}`, which has no `connection`: no service can run on it", target.kind);
            let place = format!("services.{}.on", declared.name.base());
            self.found.problems.push(Diagnostic::new(declared.origin.clone(), place, message));
        }
    }

    fn check_ignored(&mut self, declared: &Declared) {
        let fields = declared.lifecycle.ignore_changes.iter().filter(|field| *field != "*");
        for field in fields {
            let Ok(schema) = self.schemas.of(&declared.role, &declared.kind) else { return };
            if !schema.fields.contains_key(field.as_str()) {
                let place = format!("resources.{}.lifecycle.ignore_changes", declared.name);
                let message = format!("a `{}` has no field `{field}`", declared.kind);
                let hint = suggestion(field, schema.fields.keys().map(String::as_str));
                self.found.problems.push(Diagnostic { hint, ..Diagnostic::new(declared.origin.clone(), place, message) });
            }
        }
    }

    /// The places of the resources that an option of a declaration names.
    fn names(&mut self, names: &[impl AsRef<str>], key: &str, declared: &Declared) -> Vec<usize> {
        let mut found = Vec::new();
        for name in names.iter().map(AsRef::as_ref) {
            let before = found.len();
            found.extend_from_slice(self.linked.matching(name));
            if found.len() == before {
                let origin = declared.origins.get(key).or(declared.origin.as_ref());
                let place = format!("resources.{}.{key}", declared.name);
                self.unknown(name, &place, origin, format!("there is no resource `{name}`"));
            }
        }
        found
    }

    fn checkpoint(&mut self, name: &str, checkpoint: &Checkpoint) {
        for after in &checkpoint.after {
            if self.linked.matching(after).is_empty() {
                let place = format!("checkpoints.{name}");
                self.unknown(after, &place, checkpoint.origin.as_ref(), format!("there is no resource `{after}`"));
            }
        }
    }

    /// An output may name the run that gave it as well: nothing is compared with it.
    fn output(&mut self, value: &Value, place: &str, origin: Option<&Origin>) {
        let place = || place.to_owned();
        let parsed = value.visit_references(&mut |reference| {
            if (reference.root.as_ref(), reference.path.as_slice()) != (RUN, &[Segment::Key("id".into())]) {
                self.resolve(reference, &place, origin);
            }
        });
        self.check_parsed(parsed, &place, origin);
    }

    /// Adds the places of what a value refers to.
    fn references(&mut self, value: &Value, place: Place<'_>, origin: Option<&Origin>, found: &mut Vec<usize>) {
        let parsed = value.visit_references(&mut |reference| found.extend(self.resolve(reference, place, origin)));
        self.check_parsed(parsed, place, origin);
    }

    fn check_parsed(&mut self, parsed: Result<()>, place: Place<'_>, origin: Option<&Origin>) {
        if let Err(error) = parsed {
            let hint = error.hint().map(str::to_owned);
            self.found.problems.push(Diagnostic { hint, ..Diagnostic::new(origin.cloned(), place(), error.to_string()) });
        }
    }

    fn resolve(&mut self, reference: &Reference, place: Place<'_>, origin: Option<&Origin>) -> Option<usize> {
        match *self.linked.matching(&reference.root) {
            [] if reference.root.as_ref() == SECRET => {
                self.secret(reference, place, origin);
                None
            }
            [] if RESERVED.contains(&reference.root.as_ref()) => {
                let (message, hint) = reserved(&reference.root);
                let problem = Diagnostic::new(origin.cloned(), place(), format!("`${{{reference}}}`: {message}"));
                self.found.problems.push(problem.with_hint(hint));
                None
            }
            [] => {
                let message = format!("`${{{reference}}}`: there is no resource `{}`", reference.root);
                match RESERVED.into_iter().find(|word| reference.root.strip_suffix('s') == Some(*word)) {
                    Some(word) => {
                        let problem = Diagnostic::new(origin.cloned(), place(), message);
                        self.found.problems.push(problem.with_hint(format!("did you mean `{word}`?")));
                    }
                    None => self.unknown(&reference.root, &place(), origin, message),
                }
                None
            }
            [found] => {
                self.check_output(reference, found, place, origin);
                Some(found)
            }
            [first, ..] => {
                let message = format!("`${{{reference}}}`: the service `{}` runs on several hosts", reference.root);
                let hint = format!("name one, such as `{}`", self.declared[first].name);
                self.found.problems.push(Diagnostic::new(origin.cloned(), place(), message).with_hint(hint));
                None
            }
        }
    }

    /// A secret is no resource and makes no edge; it has to be one that there is.
    fn secret(&mut self, reference: &Reference, place: Place<'_>, origin: Option<&Origin>) {
        let names = self.known.names.iter().map(String::as_str);
        let (message, hint) = match secret_name(reference) {
            Some(name) if self.known.names.iter().any(|known| known == name) => return,
            Some(name) => {
                let none = || Some(format!("keep one with `provisioning secrets set {name}`"));
                (format!("there is no secret `{name}`"), suggestion(name, names).or_else(none))
            }
            None => ("a secret has no parts".to_owned(), Some("write `${secret.NAME}`".to_owned())),
        };
        let problem = Diagnostic::new(origin.cloned(), place(), format!("`${{{reference}}}`: {message}"));
        self.found.problems.push(Diagnostic { hint, ..problem });
    }

    fn check_output(&mut self, reference: &Reference, found: usize, place: Place<'_>, origin: Option<&Origin>) {
        let declared = self.declared[found];
        let (Some(output), Ok(schema)) = (reference.output(), self.schemas.of(&declared.role, &declared.kind)) else { return };
        let problem = match schema.fields.get(output) {
            Some(field) if field.keep == Keep::Digest => {
                Diagnostic::new(origin.cloned(), place(), format!("`${{{reference}}}`: only a digest of `{output}` is kept"))
            }
            Some(_) => return,
            None => {
                let message = format!("`${{{reference}}}`: a `{}` has no output `{output}`", schema.kind);
                let hint = suggestion(output, schema.fields.keys().map(String::as_str));
                Diagnostic { hint, ..Diagnostic::new(origin.cloned(), place(), message) }
            }
        };
        self.found.problems.push(problem);
    }

    fn unknown(&mut self, name: &str, place: &str, origin: Option<&Origin>, message: String) {
        let known = self.desired.resources.keys().map(ResourceName::base);
        let hint = suggestion(name, known);
        self.found.problems.push(Diagnostic { hint, ..Diagnostic::new(origin.cloned(), place, message) });
    }
}

/// Why a reserved word cannot be referred to where the planner meets it, and what to do.
fn reserved(word: &str) -> (&'static str, &'static str) {
    match word {
        RUN => ("every run would differ from the one before", "an output can be `${run.id}`, and nothing else can"),
        "input" => ("the document declares no inputs", "declare it under `inputs`, with its type or its default"),
        _ => ("only the document of a workspace can refer to that", "put the value itself there"),
    }
}

fn cycle(desired: &Desired, path: &[&&str]) -> Error {
    let mut names: Vec<_> = path.iter().map(|name| format!("`{name}`")).collect();
    if names.len() > LONG {
        let more = format!("(and so on through {} more)", names.len() - LONG);
        names.splice(LONG - 2..names.len() - 2, [more]);
    }
    let message = format!("these resources depend on one another in a circle: {}", names.join(" needs "));
    let origin = path.first().and_then(|name| desired.resources.get(**name)).and_then(|declared| declared.origin.clone());
    let hint = "take one of the references or `depends_on` away";
    let diagnostic = Diagnostic::new(origin, String::new(), message).with_hint(hint);
    Error::from_diagnostics(vec![diagnostic]).unwrap_or_else(|| Error::new(ErrorKind::Invalid, "a cycle"))
}
