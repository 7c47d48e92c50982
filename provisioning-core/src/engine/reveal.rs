//! Outputs for a run that is taken up, of which its journal has only digests: they are read again where that is possible.
//!
//! What cannot be read, or is another secret by now, stays a digest; whoever needs it says so.

use std::collections::{BTreeMap, BTreeSet};

use super::refresh::within;
use super::{Disclosure, Engine};
use crate::executor::{Target, Tools, World};
use crate::journal::{Progress, Status};
use crate::name::ResourceName;
use crate::plan::Plan;
use crate::resource::StateRow;
use crate::schema::{Existence, Sealer};
use crate::value::Value;

type Rows = BTreeMap<ResourceName, StateRow>;

impl Engine {
    /// The outputs, secrets in the clear, of the resources of which the rest of a run refers to what is not at hand.
    pub(super) async fn revealed(
        &self,
        (plan, progress): (&Plan, &Progress),
        rows: &Rows,
        disclosure: &Disclosure,
    ) -> BTreeMap<ResourceName, Value> {
        let sealer = &disclosure.sealer;
        let wanted = wanted(plan, progress, (rows, sealer));
        if wanted.is_empty() {
            return BTreeMap::new();
        }
        let mut tools = Tools::new(self.registry.clone(), &plan.providers, sealer);
        let world = World::of(rows, sealer.clone(), disclosure.values());
        let mut found = BTreeMap::new();
        for row in wanted.iter().filter_map(|name| rows.get(name)) {
            if let Some(outputs) = self.reveal(row, &mut tools, &world).await {
                found.insert(row.name.clone(), outputs);
            }
        }
        found
    }

    async fn reveal(&self, row: &StateRow, tools: &mut Tools, world: &World<'_>) -> Option<Value> {
        let Ok(Target::Kind(kind)) = tools.target(world, &row.role, &row.kind) else { return None };
        let schema = kind.schema();
        if schema.existence == Existence::Stored {
            return None;
        }
        let id = row.object.as_ref()?.id.clone();
        let read = within(self.settings.timeout_seconds, kind.read(&[id])).await.ok()?.into_iter().next()??;
        let read = schema.concealed(&read.outputs, &row.inputs);
        let kept = schema.persistable(&read, &row.role.seal(world.sealer(), &row.kind));
        let outputs = row.opened(world.sealer());
        let revealed = outputs.as_map()?.iter().map(|(field, value)| {
            let same = value.is_withheld() && kept.field(field) == Some(value);
            (field.clone(), read.field(field).filter(|_| same).unwrap_or(value).clone())
        });
        Some(Value::map(revealed))
    }
}

/// The resources of which a step that is not done refers to what is not at hand.
fn wanted(plan: &Plan, progress: &Progress, (rows, sealer): (&Rows, &Sealer)) -> BTreeSet<ResourceName> {
    let mut names = BTreeSet::new();
    for step in plan.steps.iter().filter(|step| progress.status(&step.id) != Status::Succeeded) {
        // A reference that does not parse was refused when the plan was made.
        let _ = step.inputs.visit_references(&mut |reference| {
            if let Some(row) = rows.get(reference.root.as_ref())
                && row.follow(reference, sealer).is_ok_and(|value| value.is_withheld())
            {
                names.insert(row.name.clone());
            }
        });
    }
    names
}
