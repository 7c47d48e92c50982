//! Which row of the state belongs to which declaration: the one of its name, or of the name it had before.

use std::collections::BTreeMap;

use super::Input;
use super::scope::Entry;
use crate::error::{Diagnostic, Error, Result};
use crate::name::ResourceName;
use crate::resource::{Declared, Role};

/// The rows that are found under an old name.
#[derive(Debug, Default)]
pub(super) struct Renames<'a> {
    declared: BTreeMap<&'a ResourceName, &'a Declared>,
    old_names: BTreeMap<&'a ResourceName, &'a ResourceName>,
}

/// Finds the rows that are to have another name.
///
/// # Errors
/// `Invalid` where the old name is still declared, or two declarations claim one row.
pub(super) fn renames<'a>(input: &Input<'a>, entries: &[Entry<'a>]) -> Result<Renames<'a>> {
    let (mut renames, mut problems) = (Renames::default(), Vec::new());
    for declared in entries.iter().filter(|entry| entry.row.is_none()).map(|entry| entry.declared) {
        let mut former = former_names(input, declared).into_iter();
        let Some((from, _)) = former.find_map(|name| input.state.get_key_value(&name)) else { continue };
        let problem = match renames.declared.get(from) {
            Some(other) => format!("`{from}` was renamed to `{}` already", other.name),
            None if input.desired.resources.contains_key(from) => format!("`{from}` was renamed to this and is still declared"),
            None => {
                renames.declared.insert(from, declared);
                renames.old_names.insert(&declared.name, from);
                continue;
            }
        };
        let place = format!("resources.{}.lifecycle.moved_from", declared.name);
        problems.push(Diagnostic::new(declared.origin.clone(), place, problem));
    }
    Error::from_diagnostics(problems).map_or(Ok(renames), Err)
}

/// The names that a declaration may have had; a service moves along with its host.
fn former_names(input: &Input<'_>, declared: &Declared) -> Vec<ResourceName> {
    let moved = declared.lifecycle.moved_from.as_ref();
    let Role::Service { host } = &declared.role else { return moved.into_iter().cloned().collect() };
    let Ok(own) = ResourceName::parse(declared.name.base()) else { return Vec::new() };
    let old_host = input.desired.resources.get(host).and_then(|host| host.lifecycle.moved_from.as_ref());
    let hosts = [Some(host), old_host].into_iter().flatten();
    hosts.flat_map(|host| [Some(&own), moved].into_iter().flatten().map(|base| base.on_host(host))).collect()
}

impl<'a> Renames<'a> {
    /// The declaration that the row of an old name belongs to.
    pub(super) fn declared(&self, from: &ResourceName) -> Option<&'a Declared> {
        self.declared.get(from).copied()
    }

    /// The name that the row of a declaration has now, where it is another.
    pub(super) fn old_name(&self, name: &ResourceName) -> Option<&'a ResourceName> {
        self.old_names.get(name).copied()
    }

    /// The name that the row of a name will have.
    pub(super) fn new_name<'n>(&self, name: &'n ResourceName) -> &'n ResourceName
    where
        'a: 'n,
    {
        self.declared.get(name).map_or(name, |declared| &declared.name)
    }
}
