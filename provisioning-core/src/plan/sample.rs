//! Plans for tests, written in a line.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Action, Command, FORMAT, Plan, Step};
use crate::clock::Timestamp;
use crate::name::{Kind, ProviderName, ResourceName, StepId, WorkspaceId};
use crate::resource::{Lifecycle, RetryPolicy, Role};
use crate::schema::Undo;
use crate::value::Value;

/// A plan of creates: `"a"`, `"b < a"` (needs), `"c <~ a b"` (comes after).
pub(crate) fn plan(steps: &[&str]) -> Plan {
    let step = |text: &&str| {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let ids = |rest: &str| {
            rest.split_whitespace().map(|name| StepId::of(&ResourceName::parse(name).expect("a right text"), "create")).collect()
        };
        let resource = ResourceName::parse(name).expect("a right text");
        Step {
            id: StepId::of(&resource, "create"),
            action: Action::Create,
            kind: Kind::parse(if name.starts_with('x') { "slow" } else { "thing" }).expect("a right text"),
            role: Role::Managed { provider: ProviderName::parse("fake").expect("a right text") },
            inputs: Value::Null,
            prior: None,
            requires: rest.strip_prefix("< ").map(ids).unwrap_or_default(),
            after: rest.strip_prefix("<~ ").map(ids).unwrap_or_default(),
            depends_on: Vec::new(),
            lifecycle: Lifecycle::default(),
            retry: RetryPolicy { attempts: 3, initial_seconds: 1.0, max_seconds: 3.0 },
            timeout_seconds: 60.0,
            undo: Undo::default(),
            resource,
        }
    };
    Plan {
        secrets: BTreeMap::new(),
        format: FORMAT,
        workspace: WorkspaceId::new(7),
        created_at: Timestamp::from_millis(0),
        command: Command::Apply,
        undoes: None,
        changes: Arc::default(),
        unchanged: 0,
        compared: 0,
        steps: Arc::new(steps.iter().map(step).collect()),
        providers: BTreeMap::new(),
        lookups: BTreeMap::new(),
        outputs: BTreeMap::new(),
        changed_outputs: Vec::new(),
        checkpoints: BTreeMap::new(),
        basis: BTreeMap::new(),
    }
}
