//! What takes over a unique value waits until it is free.

use std::collections::BTreeMap;

use super::{Order, StepName, Steps};
use crate::plan::ChangeKind;
use crate::planner::claim::{Claim, unique_fields};
use crate::planner::compare::Decision;

/// The step after which a value is free; one that deletes what was left over may not be in the graph yet.
#[derive(Clone, Copy, PartialEq)]
enum Gone<'a> {
    Step(usize),
    Leftover(StepName<'a>),
}

impl<'c, 'a> Order<'c, 'a> {
    pub(super) fn unique_values(&mut self) {
        let unique = self.decisions(|decision, _| {
            let schemas = [Some(&decision.schema), decision.old_schema.as_ref()];
            schemas.into_iter().flatten().any(|schema| unique_fields(schema).next().is_some())
        });
        let freed = self.freed(&unique);
        let mut waits = Vec::new();
        for (decision, steps) in &unique {
            let (Some(declared), Some(taker)) = (decision.declared, steps.forward) else { continue };
            for field in unique_fields(&decision.schema) {
                let Some(value) = decision.wanted.field(field).filter(|value| !value.has_unknown()) else { continue };
                let claim = Claim::new(&declared.role, &declared.kind, field, value);
                if let Some(gone) = freed.get(&claim).filter(|gone| **gone != Gone::Step(taker)) {
                    waits.push((taker, *gone));
                }
            }
        }
        for (taker, gone) in waits {
            let gone = match gone {
                Gone::Step(step) => step,
                Gone::Leftover(id) => self.graph.add(&id),
            };
            self.requires(taker, gone);
        }
    }

    /// The unique values that somebody has and gives up, and the step after which they are free.
    fn freed<'d>(&self, decisions: &'d [(&'c Decision<'a>, Steps)]) -> BTreeMap<Claim<'d>, Gone<'a>>
    where
        'c: 'd,
    {
        let mut freed = BTreeMap::new();
        for (decision, steps) in decisions {
            let Some(row) = decision.row else { continue };
            let schema = decision.old_schema.as_ref().unwrap_or(&decision.schema);
            for field in unique_fields(schema) {
                let Some(value) = row.inputs.field(field) else { continue };
                let stays = decision.old_schema.is_none() && decision.wanted.field(field) == Some(value);
                let step = if decision.change == ChangeKind::Update { steps.forward } else { steps.backward };
                if let (false, Some(step)) = (stays, step) {
                    freed.insert(Claim::new(&row.role, &row.kind, field, value), Gone::Step(step));
                }
            }
        }
        for left in &self.compared.leftovers {
            for field in unique_fields(&left.schema) {
                for (index, object) in left.row.deposed.iter().enumerate() {
                    if let Some(value) = object.outputs.field(field) {
                        let gone = Gone::Leftover(StepName::leftover(left.name, index));
                        freed.insert(Claim::new(&left.row.role, &left.row.kind, field, value), gone);
                    }
                }
            }
        }
        freed
    }
}
