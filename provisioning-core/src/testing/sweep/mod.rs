//! Sweeps: one plan, disturbed at every point there is, has to lead to the same world as the undisturbed one.
//!
//! Each case has its own fake cloud and its own store in memory. A sweep runs best on a current-thread runtime with a
//! paused clock: then it is the same every time and its waits cost nothing. How two worlds are compared is in `world`.

mod back;
mod case;
mod crashes;
mod faulty;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

pub use back::{cancel_and_roll_back, fail_and_roll_back, fail_every_undo};
pub use crashes::{crash_after_every_record, crash_twice};
pub use faulty::{every_fault, pairs};

use case::{Case, Expect};

use super::{FakeCloud, FakeSecrets, Fault};
use crate::config::Settings;
use crate::error::{Result, Retry};
use crate::plan::Command;
use crate::resource::Desired;
use crate::schema::Tokens;

/// What is swept: a plan, from a world that was reached undisturbed.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What is applied first, undisturbed.
    pub before: Desired,
    /// What the plan under test is made for.
    pub desired: Desired,
    /// What the plan under test is to do. A rollback takes back what led from the one to the other.
    pub command: Command,
    /// The settings of every engine.
    pub settings: Settings,
    /// How long a new thing takes to show in a search.
    pub lag: Duration,
    /// How a thing is found again whose maker heard no answer.
    pub tokens: Tokens,
    /// The secrets of the workspace.
    pub secrets: FakeSecrets,
    /// Faults that every run meets, at calls of these descriptions.
    pub troubles: Vec<(String, Fault)>,
}

impl Scene {
    /// The first apply of what is desired, in an empty world.
    pub fn new(desired: Desired) -> Self {
        Self {
            before: Desired { providers: desired.providers.clone(), ..Desired::default() },
            desired,
            command: Command::Apply,
            settings: Settings::shipped(),
            lag: Duration::ZERO,
            tokens: Tokens::default(),
            secrets: FakeSecrets::default(),
            troubles: Vec::new(),
        }
    }

    /// The same from a world in which something else was applied.
    #[must_use]
    pub fn after(mut self, before: Desired) -> Self {
        self.before = before;
        self
    }

    /// The way back instead: the run that led there is done, and taking it back is what is disturbed.
    #[must_use]
    pub fn undone(mut self) -> Self {
        self.command = Command::Rollback;
        self
    }

    fn cloud(&self) -> FakeCloud {
        FakeCloud::default().with_lag(self.lag).with_tokens(self.tokens)
    }
}

/// What a sweep came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many cases it tried.
    pub cases: usize,
    /// What was not as promised, each with its case; empty when all is well.
    pub findings: Vec<String>,
}

impl Swept {
    fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.findings.extend(other.findings);
    }

    fn note(&mut self, case: &str, problems: Vec<String>) {
        self.cases += 1;
        self.findings.extend(problems.into_iter().map(|problem| format!("{case}: {problem}")));
    }
}

/// Every sweep there is of one plan, but for [`pairs`]: how it is taken back is swept by itself.
///
/// # Errors
/// Those of the undisturbed run; what goes wrong in a disturbed one is a finding.
pub async fn sweep(scene: &Scene) -> Result<Swept> {
    let mut swept = every_fault(scene).await?;
    swept.add(fail_every_step(scene).await?);
    swept.add(blind_every_step(scene).await?);
    swept.add(crash_after_every_record(scene).await?);
    Ok(swept)
}

/// Refuses every call once: the run fails, and both a resume and a new plan lead to the world as wanted.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn fail_every_step(scene: &Scene) -> Result<Swept> {
    let mut swept = disturb(scene, &[Fault::Refuse(Retry::Never)], Expect::Failure).await?;
    swept.add(disturb(scene, &[Fault::Refuse(Retry::Never)], Expect::FailureAndNewPlan).await?);
    swept.add(disturb(scene, &[Fault::Refuse(Retry::Later(None))], Expect::Success).await?);
    Ok(swept)
}

/// Loses the reply of every call once, after its effect: the run finds the effect and makes nothing twice.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn repeat_every_step(scene: &Scene) -> Result<Swept> {
    disturb(scene, &[Fault::LoseReply], Expect::Success).await
}

/// Lets the provider panic at every call once, after its effect.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn panic_at_every_step(scene: &Scene) -> Result<Swept> {
    disturb(scene, &[Fault::Panic], Expect::Success).await
}

/// Lets every call hang once, until the step's timeout; without a paused clock the timeouts should be short.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn hang_at_every_step(scene: &Scene) -> Result<Swept> {
    disturb(scene, &[Fault::Hang], Expect::Success).await
}

/// Loses the reply of every call once, and refuses to answer the search for its effect: for a while, which the run
/// outlasts, and for good, which leaves the step in doubt until a resume can look.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn blind_every_step(scene: &Scene) -> Result<Swept> {
    let mut swept = disturb(scene, &[Fault::LoseReply, Fault::Refuse(Retry::Later(None))], Expect::Success).await?;
    swept.add(disturb(scene, &[Fault::LoseReply, Fault::Refuse(Retry::Never)], Expect::Doubt).await?);
    Ok(swept)
}

/// The world that the undisturbed run leads to, the calls it makes and the appends it takes.
async fn undisturbed(scene: &Scene) -> Result<(Vec<String>, Vec<String>, usize)> {
    let case = Case::set(scene).await?;
    let appends = case.run_undisturbed().await?;
    let calls = case.cloud.calls();
    Ok((case.world().await?, calls, appends))
}

/// Disturbs every call of a run once; a second fault hits the search for the first one's effect.
async fn disturb(scene: &Scene, faults: &[Fault], expect: Expect) -> Result<Swept> {
    let (wanted, calls, _) = undisturbed(scene).await?;
    let mut swept = Swept::default();
    for (call, spared) in numbered(calls) {
        let search = if faults.len() > 1 { search(&call) } else { None };
        if faults.len() > 1 && search.is_none() {
            continue;
        }
        let case = Case::set(scene).await?;
        case.cloud.inject_after(spared, &call, faults[0]);
        if let Some((search, spared)) = search {
            case.cloud.inject_after(spared, &search, faults[1]);
        }
        let what = format!("{faults:?} at `{call}` ({})", spared + 1);
        swept.note(&what, case.disturbed(expect, &wanted).await);
    }
    Ok(swept)
}

/// Each call, with how many of the same description come before it.
fn numbered(calls: Vec<String>) -> Vec<(String, usize)> {
    let mut seen = BTreeMap::new();
    let number = |call: String| {
        let count = seen.entry(call.clone()).and_modify(|count| *count += 1).or_insert(0_usize);
        (call, *count)
    };
    calls.into_iter().map(number).collect()
}

/// The call that looks whether another one had its effect, and how many like it come before.
fn search(call: &str) -> Option<(String, usize)> {
    let (verb, what) = call.split_once(' ')?;
    match verb {
        "create" => Some((format!("find {what}"), 0)),
        "update" | "delete" => Some(("read 1".to_owned(), 0)),
        "raise" => Some((format!("check {what}"), 1)),
        _ => None,
    }
}
