//! The outputs of resources, found by what a reference calls them.

use std::collections::BTreeMap;
use std::ops::Bound;

use rustc_hash::FxHashMap;

use super::{Role, StateRow};
use crate::error::Result;
use crate::name::{Kind, ResourceName, SECRET};
use crate::schema::Sealer;
use crate::value::{Reference, Value};

/// The outputs of resources by name; a service on one host is also found by its own name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs<'r> {
    /// What `${secret.NAME}` stands for, by name.
    secrets: Value,
    /// What says it of resources of which nothing else was set, as far as they have objects.
    rows: Option<&'r BTreeMap<ResourceName, StateRow>>,
    resources: FxHashMap<ResourceName, Given>,
    bases: FxHashMap<String, ResourceName>,
}

/// What was set of a resource.
#[derive(Debug, Clone)]
enum Given {
    Known(Value),
    /// What a row keeps, which is opened when somebody refers to it: to most rows nobody does.
    Kept {
        kind: Kind,
        role: Role,
        inputs: Value,
        outputs: Value,
    },
}

/// What references see of a resource.
enum Seen<'a> {
    Known(&'a Value),
    Kept(Kept<'a>),
}

/// What a row says that references see: its inputs, over them what the provider reports, and whose fields they are.
pub(crate) struct Kept<'a> {
    kind: &'a Kind,
    role: &'a Role,
    inputs: &'a Value,
    outputs: &'a Value,
}

impl<'a> Kept<'a> {
    pub(super) fn of(row: &'a StateRow) -> Self {
        let outputs = row.object.as_ref().map_or(&Value::Null, |object| &object.outputs);
        Self { kind: &row.kind, role: &row.role, inputs: &row.inputs, outputs }
    }

    /// What something that is not there yet was given, as fields of a kind in a role.
    pub(crate) fn given(role: &'a Role, kind: &'a Kind, inputs: &'a Value) -> Self {
        Self { kind, role, inputs, outputs: &Value::Null }
    }

    /// All of it, in the clear as far as it can be opened.
    pub(crate) fn opened(&self, sealer: &Sealer) -> Value {
        self.open(&self.inputs.overlaid(self.outputs), sealer)
    }

    fn open(&self, fields: &Value, sealer: &Sealer) -> Value {
        self.role.seal(sealer, self.kind).open(fields)
    }

    pub(crate) fn field(&self, field: &str, sealer: &Sealer) -> Option<Value> {
        let kept = self.outputs.field(field).or_else(|| self.inputs.field(field))?;
        if kept.is_withheld() {
            self.open(&Value::map([(field, kept.clone())]), sealer).field(field).cloned()
        } else {
            Some(kept.clone())
        }
    }

    /// What a reference leads to; only where it leads nowhere all of it is put together, to tell what there is.
    pub(super) fn follow(&self, reference: &Reference, sealer: &Sealer) -> Result<Value> {
        match reference.output().and_then(|output| self.field(output, sealer)) {
            Some(output) => reference.follow_within(&output),
            None => reference.follow(&self.opened(sealer)),
        }
    }
}

impl<'r> Outputs<'r> {
    /// Those of no resource yet, and secrets by name.
    pub(crate) fn with_secrets(secrets: Value) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Those of the rows of a state, as far as they have objects, and secrets by name.
    pub(crate) fn of(rows: &'r BTreeMap<ResourceName, StateRow>, secrets: Value) -> Self {
        Self { secrets, rows: Some(rows), ..Self::default() }
    }

    /// Makes room for what so many more resources give.
    pub(crate) fn reserve(&mut self, resources: usize) {
        self.resources.reserve(resources);
    }

    /// Sets what a resource gives.
    pub(crate) fn set(&mut self, name: &ResourceName, outputs: Value) {
        self.put(name, Given::Known(outputs));
    }

    /// Sets what a resource gives to what a row says, under a name that may not be its own any more.
    pub(crate) fn set_row(&mut self, name: &ResourceName, row: &StateRow) {
        let outputs = row.object.as_ref().map(|object| object.outputs.clone()).unwrap_or_default();
        self.put(name, Given::Kept { kind: row.kind.clone(), role: row.role.clone(), inputs: row.inputs.clone(), outputs });
    }

    fn put(&mut self, name: &ResourceName, given: Given) {
        if name.base() != name.as_str() {
            self.bases.insert(name.base().to_owned(), name.clone());
        }
        self.resources.insert(name.clone(), given);
    }

    fn seen(&self, name: &str) -> Option<Seen<'_>> {
        match self.resources.get(name) {
            Some(Given::Known(outputs)) => Some(Seen::Known(outputs)),
            Some(Given::Kept { kind, role, inputs, outputs }) => Some(Seen::Kept(Kept { kind, role, inputs, outputs })),
            None => self.row(name).map(|row| Seen::Kept(Kept::of(row))),
        }
    }

    fn row(&self, name: &str) -> Option<&'r StateRow> {
        self.rows?.get(name).filter(|row| row.object.is_some())
    }

    /// What a reference leads to, in the clear as far as it can be opened; `None` where nothing is known of what it begins
    /// with.
    ///
    /// # Errors
    /// Those of [`Reference::follow`].
    pub(crate) fn follow(&self, reference: &Reference, sealer: &Sealer) -> Option<Result<Value>> {
        if reference.root.as_ref() == SECRET {
            return Some(reference.follow(&self.secrets));
        }
        Some(match self.seen(self.name(&reference.root))? {
            Seen::Known(outputs) => reference.follow(outputs),
            Seen::Kept(kept) => kept.follow(reference, sealer),
        })
    }

    /// One output of a resource, by its full name, in the clear as far as it can be opened.
    pub(crate) fn output(&self, name: &str, output: &str, sealer: &Sealer) -> Option<Value> {
        match self.seen(name)? {
            Seen::Known(outputs) => outputs.field(output).cloned(),
            Seen::Kept(kept) => kept.field(output, sealer),
        }
    }

    /// The secrets, by name.
    pub(crate) fn secrets(&self) -> &Value {
        &self.secrets
    }

    /// The full name that the first word of a reference stands for; the word itself where it stands for nothing here.
    pub(crate) fn name<'n>(&'n self, root: &'n str) -> &'n str {
        if self.resources.contains_key(root) || self.row(root).is_some() {
            return root;
        }
        let set = self.bases.get(root).map(ResourceName::as_str);
        set.or_else(|| self.service(root)).unwrap_or(root)
    }

    /// The name of the last service of the rows that has a name of its own.
    fn service(&self, own: &str) -> Option<&'r str> {
        let on_some_host = |(name, _): &(&ResourceName, &StateRow)| name.base() == own;
        let first = format!("{own}@");
        let services = self.rows?.range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded)).take_while(on_some_host);
        services.filter(|(_, row)| row.object.is_some()).last().map(|(name, _)| name.as_str())
    }
}
