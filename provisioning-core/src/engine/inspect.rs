//! Looking at a workspace: its outputs and how it stands. Changes nothing.

use std::collections::BTreeMap;

use super::{Engine, OutputValue, Status, StepStatus};
use crate::error::{ErrorKind, Failure, Result};
use crate::executor::World;
use crate::journal;
use crate::name::{RUN, ResourceName, RunId};
use crate::plan::{Command, Plan, Results};
use crate::planner::secret_names;
use crate::record::Outcome;
use crate::resource::Output;
use crate::value::Value;

impl Engine {
    pub(super) async fn output_values(&self) -> Result<BTreeMap<String, OutputValue>> {
        let Some((run, outputs, answers)) = self.last_applied().await? else { return Ok(BTreeMap::new()) };
        let run = Value::map([("id", run.as_str().into())]);
        let mut disclosure = self.disclosure_for_looking().await;
        disclosure.read(outputs.values().flat_map(|output| secret_names(&output.value))).await?;
        let rows = self.store.rows().await?;
        let mut world = World::of(&rows, disclosure.sealer.clone(), disclosure.values());
        for (name, answer) in &answers {
            world.set_answer(name, answer);
        }
        let values = outputs.iter().map(|(name, output)| {
            let output = output.opened(name, &disclosure.sealer);
            let value = match output.value.resolve(&mut |reference| match reference.root.as_ref() {
                RUN => reference.follow(&run),
                _ => world.get(reference),
            }) {
                Ok(value) => value,
                Err(error) if error.kind() == ErrorKind::NotFound => Value::Unknown,
                Err(error) => return Err(error.with_context("output", name)),
            };
            let sensitive = output.sensitive || value.is_sensitive() || !secret_names(&output.value).is_empty();
            Ok((name.clone(), OutputValue { value, sensitive }))
        });
        values.collect()
    }

    /// The outputs that are defined in another way than last time, or refer to a lookup that answers in another way.
    pub(super) async fn changed_outputs(&self, plan: &Plan) -> Result<Vec<String>> {
        if !plan.command.acts() {
            return Ok(Vec::new());
        }
        let (before, answers) = self.last_applied().await?.map(|(_, outputs, answers)| (outputs, answers)).unwrap_or_default();
        let same_answers = |value: &Value| {
            let mut same = true;
            let visited = value.visit_references(&mut |reference| {
                same &= answers.get(reference.root.as_ref()) == plan.lookups.get(reference.root.as_ref());
            });
            visited.is_ok() && same
        };
        let same = |name: &String| match (before.get(name), plan.outputs.get(name)) {
            (Some(before), Some(after)) => {
                before.value == after.value && before.sensitive == after.sensitive && same_answers(&after.value)
            }
            _ => false,
        };
        let mut names: Vec<_> = before.keys().chain(plan.outputs.keys()).filter(|name| !same(name)).cloned().collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The last run that applied or destroyed, what it gives back, and what its lookups answered, then and meanwhile.
    async fn last_applied(&self) -> Result<Option<(RunId, BTreeMap<String, Output>, BTreeMap<ResourceName, Value>)>> {
        let runs = self.store.runs().await?;
        let Some(run) = runs.iter().rev().find(|run| Command::is_acting(&run.command)) else { return Ok(None) };
        let Results { outputs, mut lookups, reads } = self.store.results(&run.plan).await?;
        if !reads.is_empty() {
            let read = self.progress(&run.id).await?.answers;
            lookups.extend(reads.into_iter().filter_map(|(step, name)| Some((name, read.get(&step)?.clone()))));
        }
        Ok(Some((run.id.clone(), outputs, lookups)))
    }

    pub(super) async fn present_status(&self) -> Result<Status> {
        let lease = self.store.holder().await?;
        let last_run = self.store.runs().await?.pop();
        let mut unfinished = Vec::new();
        if let Some(run) = last_run.as_ref().filter(|run| run.outcome != Some(Outcome::Completed)) {
            let (plan, progress) = (self.store.plan(&run.plan).await?, self.progress(&run.id).await?);
            for step in plan.steps.iter() {
                let status = progress.status(&step.id);
                if status != journal::Status::Succeeded {
                    let failed = progress.failures.iter().find(|(id, _)| *id == step.id).map(|(_, failure)| failure.clone());
                    let doubt = progress.doubts.get(&step.id).filter(|_| status.open().is_some());
                    let doubt = doubt.map(|reason| Failure { kind: ErrorKind::InDoubt, message: reason.clone(), hint: None });
                    let failure = failed.or(doubt);
                    unfinished.push(StepStatus { id: step.id.clone(), status, failure });
                }
            }
        }
        let holder_is_dead = lease.as_ref().is_some_and(|lease| lease.holder.is_dead());
        let (resources, late) = (self.store.rows().await?.len(), self.store.late().await?);
        Ok(Status { resources, lease, holder_is_dead, last_run, late, unfinished })
    }
}
