//! Failing and cancelling at every step, and taking the run back: the cloud holds what it held before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::case::{Case, Goal};
use super::{Scene, Swept, numbered, undisturbed};
use crate::config::OnFailure;
use crate::engine::{Control, Report, Undone};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::{Event, Observer};
use crate::plan::Command;
use crate::record::Outcome;
use crate::schema::Tokens;
use crate::testing::Fault;

/// Refuses every call once where a failure is to be taken back: the cloud holds what it held before.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn fail_and_roll_back(scene: &Scene) -> Result<Swept> {
    let scene = taking_back(scene);
    let (_, calls, _) = undisturbed(&scene).await?;
    let mut swept = Swept::default();
    for (call, spared) in numbered(calls) {
        let case = Case::set(&scene).await?;
        case.cloud.inject_after(spared, &call, Fault::Refuse(Retry::Never));
        let report = case.apply().await;
        let mut problems = match report {
            Err(error) => vec![format!("the apply broke off: {error}")],
            Ok(report) => taken_back(&report),
        };
        problems.extend(case.is_as_before(&scene).await);
        swept.note(&format!("refused at `{call}` ({})", spared + 1), problems);
    }
    Ok(swept)
}

/// Cancels a run at every record, gently and at once, and takes it back: the cloud holds what it held before.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn cancel_and_roll_back(scene: &Scene) -> Result<Swept> {
    let records = {
        let (case, seen) = (Case::set(scene).await?, Arc::new(AtomicUsize::new(0)));
        case.apply_watched(&Control::new(), counting(&seen, |_| {})).await?;
        seen.load(Ordering::SeqCst)
    };
    let mut swept = Swept::default();
    for times in [1, 2] {
        for last in 1..=records {
            let (case, control) = (Case::set(scene).await?, Control::new());
            let (handle, seen) = (control.clone(), Arc::new(AtomicUsize::new(0)));
            let observer = counting(&seen, move |count| {
                if count == last {
                    (0..times).for_each(|_| handle.cancel());
                }
            });
            let problems = match case.apply_watched(&control, observer).await {
                Err(error) => vec![format!("the apply broke off: {error}")],
                Ok(_) => case.take_back(scene).await,
            };
            swept.note(&format!("cancelled {times} times at record {last}"), problems);
        }
    }
    Ok(swept)
}

/// Refuses every call of the way back once: it ends failed, names the step, and a resume completes it. Once for a way back
/// that was asked for, and once for one that a failure of the last call sets off.
///
/// # Errors
/// Those of the undisturbed run.
pub async fn fail_every_undo(scene: &Scene) -> Result<Swept> {
    let asked = scene.clone().undone();
    let (_, calls, _) = undisturbed(&asked).await?;
    let mut swept = Swept::default();
    for (call, spared) in numbered(calls) {
        let case = Case::set(&asked).await?;
        case.cloud.inject_after(spared, &call, Fault::Refuse(Retry::Never));
        let mut problems = match case.apply().await {
            Err(error) => vec![format!("the rollback broke off: {error}")],
            Ok(report) => stuck(&report, &call),
        };
        problems.extend(case.resume_the_way_back(scene).await);
        swept.note(&format!("undo refused at `{call}` ({})", spared + 1), problems);
    }
    swept.add(fail_every_undo_of_a_failure(&taking_back(scene)).await?);
    Ok(swept)
}

async fn fail_every_undo_of_a_failure(scene: &Scene) -> Result<Swept> {
    let (_, forward, _) = undisturbed(scene).await?;
    let Some((last, before)) = numbered(forward).pop() else { return Ok(Swept::default()) };
    let refused = async || {
        let case = Case::set(scene).await?;
        case.cloud.inject_after(before, &last, Fault::Refuse(Retry::Never));
        Ok::<_, Error>(case)
    };
    let case = refused().await?;
    case.apply().await?;
    let calls = numbered(case.cloud.calls());
    let forward = calls.iter().position(|call| *call == (last.clone(), before)).map_or(calls.len(), |place| place + 1);
    let mut swept = Swept::default();
    for (call, spared) in calls.into_iter().skip(forward) {
        let case = refused().await?;
        // Where both refuse the same, the second counts from the first on.
        let since = if call == last { spared - before - 1 } else { spared };
        case.cloud.inject_after(since, &call, Fault::Refuse(Retry::Never));
        let mut problems = match case.apply().await {
            Err(error) => vec![format!("the apply broke off: {error}")],
            Ok(Report { rollback: Some(Undone::Run(back)), .. }) => stuck(&back, &call),
            // Reading what is there comes before the way back.
            Ok(Report { rollback: Some(Undone::Refused(_)), .. }) if !changes(&call) => case.take_back(scene).await,
            Ok(report) => vec![format!("it was not taken back: {:?}", report.rollback)],
        };
        if changes(&call) {
            problems.extend(case.resume_the_way_back(scene).await);
        }
        swept.note(&format!("refused at `{last}`, undo refused at `{call}` ({})", spared + 1), problems);
    }
    Ok(swept)
}

fn changes(call: &str) -> bool {
    ["create ", "update ", "delete ", "raise ", "lower ", "poll "].iter().any(|verb| call.starts_with(verb))
}

fn taking_back(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    scene.settings.on_failure = OnFailure::Rollback;
    scene
}

fn counting(seen: &Arc<AtomicUsize>, act: impl Fn(usize) + Send + Sync + 'static) -> Observer {
    let seen = seen.clone();
    Observer::new(move |event| {
        if matches!(event, Event::Recorded(_)) {
            act(seen.fetch_add(1, Ordering::SeqCst) + 1);
        }
    })
}

/// What is wrong with the report of a run that failed and was to be taken back.
fn taken_back(report: &Report) -> Vec<String> {
    match &report.rollback {
        _ if report.outcome != Outcome::Failed => vec![format!("a failure was expected: {:?}", report.outcome)],
        Some(Undone::Run(back)) if back.outcome == Outcome::Completed => Vec::new(),
        Some(Undone::Run(back)) => vec![format!("the way back ended {:?}: {:?}", back.outcome, back.failures)],
        // What failed first and changed nothing leaves nothing to take back.
        Some(Undone::Nothing) => Vec::new(),
        other => vec![format!("it was not taken back: {other:?}")],
    }
}

/// What is wrong with the report of a way back of which a call was refused.
fn stuck(report: &Report, call: &str) -> Vec<String> {
    let named = report.failures.iter().any(|(_, failure)| failure.message == format!("the cloud refused to {call}"));
    if (report.outcome, report.failures.len(), named) == (Outcome::Failed, 1, true) {
        return Vec::new();
    }
    vec![format!("a failure of `{call}` was expected: {:?}, {:?}", report.outcome, report.failures)]
}

fn left_open(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.to_string().ends_with("did not record how that ended")
}

impl Case {
    async fn apply(&self) -> Result<Report> {
        self.apply_watched(&Control::new(), Observer::default()).await
    }

    async fn resume_the_way_back(&self, scene: &Scene) -> Vec<String> {
        let mut problems = self.unknown_objects().await;
        match self.resume().await {
            Ok(report) if report.outcome == Outcome::Completed => {}
            Ok(report) => problems.push(format!("a resume ended {:?}: {:?}", report.outcome, report.failures)),
            Err(error) => problems.push(format!("it does not go on: {error}")),
        }
        problems.extend(self.is_as_before(scene).await);
        problems
    }

    /// Takes the last run back, where it changed anything.
    async fn take_back(&self, scene: &Scene) -> Vec<String> {
        let mut problems = self.unknown_objects().await;
        let mut taken = self.roll_back().await;
        if scene.tokens == Tokens::Native && matches!(&taken, Err(error) if left_open(error)) {
            // Where calling again is the only way to find out, a plan does not look: the run has to go on first.
            taken = match self.resume().await {
                Ok(_) => self.roll_back().await,
                Err(error) => Err(error),
            };
        }
        match taken {
            Ok(report) if report.outcome == Outcome::Completed => {}
            Ok(report) => problems.push(format!("the way back ended {:?}: {:?}", report.outcome, report.failures)),
            Err(error) if error.kind() == ErrorKind::Conflict && error.to_string().ends_with("changed nothing") => {}
            Err(error) => problems.push(format!("it is not taken back: {error}")),
        }
        problems.extend(self.is_as_before(scene).await);
        problems
    }

    /// What is not as it was before everything that the scene does.
    async fn is_as_before(&self, scene: &Scene) -> Vec<String> {
        let mut problems = super::world::difference(&self.start, &self.cloud.contents());
        let goal = Goal { desired: &scene.before, command: Command::Apply };
        match self.check(goal).await {
            Ok(more) => problems.extend(more),
            Err(error) => problems.push(format!("the end cannot be read: {error}")),
        }
        problems
    }
}
