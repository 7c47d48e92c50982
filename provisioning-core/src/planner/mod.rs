//! Planning: from what is declared, kept and seen to what is to be done. Pure and synchronous.
//!
//! Named passes, in this order: [`link`](fn@link) (who refers to whom), `rename` (which row belongs to whom), `select`
//! (what takes part), `compare` (what changes), `guard` (what must not happen), `order` (in which order), `assemble` (the
//! plan). Reading the world is the engine's: what a plan still has to be told it asks for with a [`Need`].

mod assemble;
mod back;
mod claim;
mod compare;
mod guard;
mod link;
mod order;
mod rename;
mod scope;
mod schemas;
mod secrets;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use back::{Past, way_back};
pub use link::{Linked, link};
pub use secrets::{KnownSecrets, SecretUse, needed_secrets, secret_names, secret_uses};

use crate::clock::Timestamp;
use crate::config::Settings;
use crate::error::Result;
use crate::name::ResourceName;
use crate::plan::{Command, Plan};
use crate::record::Object;
use crate::registry::Registry;
use crate::resource::{Desired, StateRow};
use crate::schema::Sealer;
use crate::task::Condition;
use crate::value::Value;
use scope::Scope;

/// What a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// What to do; for [`Command::Forget`] the targets are what is dropped from the state, one at least.
    pub command: Command,
    /// Only these resources and what they need (for a destroy: what needs them); all where empty.
    pub targets: Vec<String>,
    /// Not these resources, nor what needs them.
    pub excludes: Vec<String>,
    /// Replace these resources, changed or not.
    pub replace: Vec<String>,
    /// Whether the objects are read first.
    pub refresh: Refresh,
}

impl PlanOptions {
    /// A plan for everything, with a refresh.
    pub fn new(command: Command) -> Self {
        Self { command, targets: Vec::new(), excludes: Vec::new(), replace: Vec::new(), refresh: Refresh::Read }
    }
}

/// Whether the objects are read before planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// They are; changes from outside show as drift.
    Read,
    /// They are not; the state is believed.
    Skip,
}

/// Everything a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What the program offers.
    pub registry: &'a Registry,
    /// What is declared.
    pub desired: &'a Desired,
    /// What is kept.
    pub state: &'a BTreeMap<ResourceName, StateRow>,
    /// What was seen.
    pub seen: &'a Seen,
    /// What is asked for.
    pub options: &'a PlanOptions,
    /// What seals the workspace's secrets.
    pub sealer: &'a Sealer,
    /// What is known of them.
    pub secrets: &'a KnownSecrets,
    /// The engine's settings, for rows that are declared no more.
    pub settings: &'a Settings,
    /// When the plan is made.
    pub now: Timestamp,
}

/// What was read from the world before planning; what is missing was not read.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Objects, in the form that may be kept; `None` for one that is gone.
    pub objects: BTreeMap<ResourceName, Option<Object>>,
    /// Texts of objects of which only digests are kept, field by field in the clear, where they are not the ones that
    /// the state knows of.
    pub texts: BTreeMap<ResourceName, Value>,
    /// The answers of lookups.
    pub answers: BTreeMap<ResourceName, Value>,
    /// The conditions of services.
    pub conditions: BTreeMap<ResourceName, Condition>,
}

/// Something that a better plan could be made with; the engine reads it and plans again.
#[derive(Debug, Clone, PartialEq)]
pub enum Need {
    /// The answer of a lookup whose query is known.
    Answer {
        /// The lookup.
        name: ResourceName,
        /// Its query.
        query: Value,
    },
    /// The condition of a service that nothing but the world can have changed.
    Condition {
        /// The service.
        name: ResourceName,
        /// The connection to its host.
        connection: Value,
        /// Its inputs.
        inputs: Value,
        /// Whether the plan changes its host: one that does not answer now may well then.
        host_changes: bool,
    },
}

/// A plan, and what would make it better.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What it lacked.
    pub needs: Vec<Need>,
}

/// Plans.
///
/// # Errors
/// `Invalid` with a diagnostic for everything that is wrong with the declarations, `Conflict` where a protected
/// resource would go or the steps would wait for one another.
pub fn plan(input: &Input<'_>) -> Result<Planned> {
    let present = scope::present(input);
    let scope = Scope::new(input, &present)?;
    let selection = select::select(&scope)?;
    let mut compared = compare::compare(&scope, &selection)?;
    order::spread_create_before_destroy(&scope, &mut compared);
    guard::guard(&scope, &compared)?;
    let ordered = order::order(&scope, &compared)?;
    let needs = std::mem::take(&mut compared.needs);
    Ok(Planned { plan: assemble::assemble(&scope, compared, &ordered), needs })
}
