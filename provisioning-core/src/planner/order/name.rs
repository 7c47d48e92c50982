//! How a step is called before it stands in a plan.

use std::fmt;

use crate::name::{ResourceName, StepId};
use crate::plan::Action;

/// What is done to which resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::planner) struct StepName<'a> {
    resource: &'a ResourceName,
    does: Does,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Does {
    Verb(&'static str),
    /// It deletes one of the objects that were left over.
    DeleteDeposed(usize),
}

impl<'a> StepName<'a> {
    /// The step of an action.
    pub(in crate::planner) fn of(resource: &'a ResourceName, action: &Action) -> Self {
        Self { resource, does: Does::Verb(action.verb()) }
    }

    /// The step that gives a row its new name.
    pub(in crate::planner) fn rename(resource: &'a ResourceName) -> Self {
        Self::of(resource, &Action::Rename { from: resource.clone() })
    }

    /// The step that deletes one of the objects that were left over of a resource.
    pub(in crate::planner) fn leftover(resource: &'a ResourceName, index: usize) -> Self {
        Self { resource, does: Does::DeleteDeposed(index) }
    }

    /// What it is called in the plan.
    pub(in crate::planner) fn id(&self) -> StepId {
        match self.does {
            Does::Verb(verb) => StepId::of(self.resource, verb),
            Does::DeleteDeposed(index) => StepId::of(self.resource, &format!("delete-deposed-{}", index + 1)),
        }
    }
}

impl fmt::Display for StepName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}
