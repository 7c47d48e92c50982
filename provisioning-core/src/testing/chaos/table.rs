//! What came of trying a workspace out: a table of steps and faults, and everything that is not as promised.

use serde::Serialize;

use crate::name::StepId;

/// What came of trying a workspace out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Chaos {
    /// A row for each step of each journey.
    pub rows: Vec<Row>,
    /// What is not as promised, each with its journey and its disturbance; empty when all is well.
    pub findings: Vec<String>,
    /// How many findings more there were.
    pub findings_left_out: usize,
    /// What was not tried, and why.
    pub left_out: Vec<LeftOut>,
    /// How many cases were tried.
    pub cases: usize,
}

/// One step, and what came of each disturbance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What was being done.
    pub journey: Journey,
    /// The step.
    pub step: StepId,
    /// A cell for each disturbance, in the order of [`Disturbance::ALL`].
    pub cells: Vec<Cell>,
}

/// What came of one disturbance of one step; of several that it stands for, the worst.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The disturbance.
    pub fault: Disturbance,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Something that was not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The journey.
    pub journey: Journey,
    /// Why.
    pub reason: String,
}

/// What is done with the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Journey {
    /// It is applied for the first time.
    Apply,
    /// The same, and a failure takes everything back.
    ApplyOrUndo,
    /// The finished apply is rolled back.
    UndoApply,
    /// It is destroyed.
    Destroy,
    /// The same, and a failure takes everything back.
    DestroyOrUndo,
    /// The finished destroy is rolled back.
    UndoDestroy,
}

impl Journey {
    /// Every journey, in the order in which they are made.
    pub const ALL: [Self; 6] =
        [Self::Apply, Self::ApplyOrUndo, Self::UndoApply, Self::Destroy, Self::DestroyOrUndo, Self::UndoDestroy];

    /// The words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::ApplyOrUndo => "apply --on-failure rollback",
            Self::UndoApply => "rollback of the apply",
            Self::Destroy => "destroy",
            Self::DestroyOrUndo => "destroy --on-failure rollback",
            Self::UndoDestroy => "rollback of the destroy",
        }
    }
}

/// What goes wrong with a step, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disturbance {
    /// The call is refused for good.
    Refused,
    /// The call is refused, and would not be a moment later.
    RefusedForAWhile,
    /// The call never answers.
    Hang,
    /// The call has its effect, and its reply is lost.
    ReplyLost,
    /// The engine dies before a record of the step is written; tried at each of its records.
    CrashBefore,
    /// The engine dies when a record of the step is written and nobody was told.
    CrashAfter,
    /// The call is refused for good, and the engine dies while it takes back what was done; only where it does that.
    CrashUndoing,
}

impl Disturbance {
    /// Every disturbance, in the order of a row.
    pub const ALL: [Self; 7] = [
        Self::Refused,
        Self::RefusedForAWhile,
        Self::Hang,
        Self::ReplyLost,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::CrashUndoing,
    ];

    /// The words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused for good",
            Self::RefusedForAWhile => "refused for a while",
            Self::Hang => "no answer",
            Self::ReplyLost => "reply lost",
            Self::CrashBefore => "crash before a record",
            Self::CrashAfter => "crash after a record",
            Self::CrashUndoing => "refused for good and crash while taking it back",
        }
    }
}

/// What came of a disturbance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// It did not come to it: the step makes no such call.
    Unreached,
    /// The world and the state are as after the undisturbed run.
    Converged {
        /// How often somebody had to go on with the run.
        resumes: usize,
    },
    /// The world and the state are as before the run.
    RolledBack,
    /// It does not end, and says why; everything that exists is known.
    Stuck {
        /// The reason.
        reason: String,
    },
    /// A promise is broken.
    Broken {
        /// Which.
        flaw: Flaw,
        /// How it shows.
        finding: String,
    },
}

/// A promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The world, the state or the outputs are neither as after the undisturbed run nor as before it.
    Astray,
    /// It does not end, and does not say why.
    Unexplained,
    /// The journal or the state is damaged.
    Damaged,
    /// Something exists twice.
    Duplicate,
    /// Something exists that neither the state nor an open step knows of.
    Orphan,
}

impl Verdict {
    /// The worse of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Unreached => (0, 0),
            Self::Converged { resumes } => (1, *resumes),
            Self::RolledBack => (2, 0),
            Self::Stuck { .. } => (3, 0),
            Self::Broken { flaw, .. } => (4, *flaw as usize),
        }
    }
}
