//! The conformance suite: what the engine relies on in every kind, one rule a function.
//!
//! The rules stand in `rules.rs`, what they act with in `trial.rs`. What a kind is spared follows
//! from its schema: nothing is read of a stored object, nothing is made or removed of an existing one, and nothing is searched
//! for by a token that no object bears. What a listing shows late is waited for as long as the schema says.

mod rules;
#[cfg(test)]
mod tests;
mod trial;

use std::fmt;

use crate::provider::AnyKind;
use crate::schema::{Existence, Tokens};
use crate::value::Value;
use trial::Trial;

/// What the suite makes and changes. Numbers tell the objects of one suite apart: no two may get in each other's way.
pub struct Case {
    wanted: Specs,
    changed: Option<Specs>,
}

type Specs = Box<dyn Fn(usize) -> Value + Send + Sync>;

impl Case {
    /// A case with the fields of the object of a number, defaults filled in.
    pub fn new(wanted: impl Fn(usize) -> Value + Send + Sync + 'static) -> Self {
        Self { wanted: Box::new(wanted), changed: None }
    }

    /// The same with fields to which the object of a number can be updated in place.
    #[must_use]
    pub fn with_update(mut self, changed: impl Fn(usize) -> Value + Send + Sync + 'static) -> Self {
        self.changed = Some(Box::new(changed));
        self
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("updates", &self.changed.is_some()).finish_non_exhaustive()
    }
}

/// A rule that a kind breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// How it is broken.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)
    }
}

/// Tries every rule that applies to a kind, each on objects of its own; empty when none is broken.
///
/// It makes real objects and deletes them again, those of a broken rule as far as the kind lets it.
pub async fn conformance(kind: &dyn AnyKind, case: &Case) -> Vec<Finding> {
    let mut suite = Suite { kind, case, trials: 0, findings: Vec::new() };
    suite.rule("a created object has an id and fits its schema", rules::create_fits).await;
    suite.rule("a created object shows no drift", rules::create_shows_no_drift).await;
    suite.rule("an identity is reported before a call waits", rules::identity_comes_first).await;
    if kind.schema().tokens != Tokens::None {
        suite.rule("a second create with the same token makes nothing new", rules::create_is_repeatable).await;
    }
    suite.rule("delete after delete succeeds", rules::delete_is_repeatable).await;
    if case.changed.is_some() {
        suite.rule("update after update changes nothing", rules::update_is_repeatable).await;
    }
    let existence = kind.schema().existence;
    if existence != Existence::Stored {
        suite.reading().await;
    }
    if existence == Existence::Managed {
        suite.making().await;
    }
    suite.findings
}

struct Suite<'a> {
    kind: &'a dyn AnyKind,
    case: &'a Case,
    trials: usize,
    findings: Vec<Finding>,
}

impl Suite<'_> {
    async fn reading(&mut self) {
        self.rule("read gives what create gave", rules::read_agrees_with_create).await;
        self.rule("read of an unknown id gives nothing", rules::unknown_ids_read_as_gone).await;
        self.rule("answers line up with the ids that were asked for", rules::answers_line_up).await;
        if self.case.changed.is_some() {
            self.rule("update changes what read gives", rules::update_shows).await;
        }
    }

    async fn making(&mut self) {
        if self.kind.schema().tokens == Tokens::Lookup {
            self.rule("find with the token gives the object", rules::find_knows_its_token).await;
            self.rule("find with another token gives nothing", rules::find_knows_no_other_token).await;
        }
        self.rule("create goes on with the object that was found", rules::create_goes_on_with_what_was_found).await;
        self.rule("delete removes the object", rules::delete_removes).await;
    }

    async fn rule(&mut self, rule: &'static str, check: impl AsyncFn(&Trial<'_>) -> Result<(), String>) {
        let trial = Trial::new(self.kind, self.case, self.trials);
        self.trials += 2;
        if let Err(message) = check(&trial).await {
            self.findings.push(Finding { rule, message });
        }
        trial.clean_up().await;
    }
}
