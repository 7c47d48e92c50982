//! What becomes of somebody's own workspace when things go wrong: its plans are carried out on fakes of its providers, and
//! at every step everything goes wrong once.
//!
//! The way back to work is the user's: a resume, again and again. What the words of the table mean is in `table`, one
//! case is in `case`, where it happens in `lab`, and how worlds are compared in `world`.

mod case;
mod course;
mod findings;
mod lab;
mod table;
#[cfg(test)]
mod tests;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

pub use table::{Cell, Chaos, Disturbance, Flaw, Journey, LeftOut, Row, Verdict};

use case::{Case, Point};
use course::Course;
use findings::Findings;
use lab::Scene;

use super::{Fakes, Fault, Moment};
use crate::config::Settings;
use crate::digest::Digest;
use crate::error::{ErrorKind, Result, Retry};
use crate::plan::Step;
use crate::registry::Registry;
use crate::resource::Desired;

/// How many steps of one plan are disturbed at most; of a longer plan so many are chosen.
const MOST_STEPS: usize = 40;
/// How many steps of a plan are disturbed at least.
const LEAST_STEPS: usize = 8;
/// At how many appends of a way back the engine dies.
const MOST_CRASHES: usize = 5;
/// Every disturbance takes a whole run: of a very long plan fewer steps are disturbed, so that the work stays the same.
const WORK: usize = 2_500;
/// The longest time that a call may take and a retry waits: a longer one tells nothing more.
const LONGEST: Duration = Duration::from_mins(1);

/// Tries out what is declared on fakes of what a registry offers: applied, rolled back and destroyed, with every fault at
/// every step.
///
/// Nothing real is called and nothing is kept. It belongs on a current-thread runtime with a paused clock: on another one
/// its waits take their time.
///
/// # Errors
/// Those of the undisturbed apply: of the declarations, and of what the fakes make up where that does not fit.
pub async fn chaos(desired: &Desired, registry: &Registry, settings: &Settings) -> Result<Chaos> {
    chaos_on(&Fakes::of(registry).shaped_by(desired), desired, settings).await
}

/// The same on fakes that the caller chose; every case gets an empty world like theirs.
///
/// # Errors
/// Those of [`chaos`].
pub async fn chaos_on(fakes: &Fakes, desired: &Desired, settings: &Settings) -> Result<Chaos> {
    let (desired, settings) = bounded(desired.clone(), settings.clone());
    let (mut chaos, mut findings) = (Chaos::default(), Findings::default());
    for journey in Journey::ALL {
        let scene = Scene::new(fakes, &desired, &settings, journey);
        match Course::of(&scene).await {
            Ok(course) if course.plan.steps.is_empty() => break,
            Ok(course) => try_out(&scene, &course, &mut chaos, &mut findings).await?,
            Err(error) if journey == Journey::Apply => return Err(error),
            // What is protected is neither destroyed nor rolled back.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                chaos.left_out.push(LeftOut { journey, reason: error.to_string() });
            }
            Err(error) => {
                findings.note(journey, "undisturbed", None, format!("it cannot be done at all: {error}"));
                chaos.left_out.push(LeftOut { journey, reason: "it cannot be done at all".to_owned() });
            }
        }
    }
    (chaos.findings, chaos.findings_left_out) = findings.told();
    Ok(chaos)
}

/// With waits that are long enough, and not so long that even a paused clock takes its time over them.
fn bounded(mut desired: Desired, settings: Settings) -> (Desired, Settings) {
    for declared in desired.resources.values_mut() {
        declared.timeout = declared.timeout.min(LONGEST);
        declared.retry.initial_seconds = declared.retry.initial_seconds.min(LONGEST.as_secs_f64());
        declared.retry.max_seconds = declared.retry.max_seconds.min(LONGEST.as_secs_f64());
    }
    let lease_seconds = Settings::shipped().lease_seconds;
    (desired, Settings { timeout_seconds: settings.timeout_seconds.min(LONGEST.as_secs_f64()), lease_seconds, ..settings })
}

async fn try_out(scene: &Scene<'_>, course: &Course, chaos: &mut Chaos, findings: &mut Findings) -> Result<()> {
    let chosen = chosen(&course.plan.steps);
    if chosen.len() < course.plan.steps.len() {
        let reason = format!("{} of its {} steps were chosen", chosen.len(), course.plan.steps.len());
        chaos.left_out.push(LeftOut { journey: scene.journey, reason });
    }
    for problem in &course.problems {
        findings.note(scene.journey, "undisturbed", None, problem.clone());
    }
    // Several steps may have a record in one append: the crash at it is one case.
    let mut crashes: BTreeMap<(Disturbance, usize), Verdict> = BTreeMap::new();
    for step in chosen {
        let mut cells = Vec::new();
        for fault in Disturbance::ALL {
            let mut worst = Verdict::Unreached;
            for point in points(scene, course, step, fault).await? {
                let append = point.crash.filter(|_| point.call.is_none()).map(|(spared, _)| (fault, spared));
                let known = append.and_then(|append| crashes.get(&append).cloned());
                let verdict = if let Some(verdict) = known {
                    verdict
                } else {
                    let (verdict, problems) = Case::set(scene).await?.disturbed(&point, &course.wanted).await;
                    chaos.cases += 1;
                    for (_, problem) in problems {
                        findings.note(scene.journey, fault.as_str(), Some(&step.id), problem);
                    }
                    verdict
                };
                crashes.extend(append.map(|append| (append, verdict.clone())));
                worst = worst.worse(verdict);
            }
            cells.push(Cell { fault, verdict: worst });
        }
        chaos.rows.push(Row { journey: scene.journey, step: step.id.clone(), cells });
    }
    Ok(())
}

/// Where a step is disturbed by a fault.
async fn points(scene: &Scene<'_>, course: &Course, step: &Step, fault: Disturbance) -> Result<Vec<Point>> {
    let crash = |moment| course.appends(&step.id).map(|spared| Point { crash: Some((spared, moment)), call: None }).collect();
    let call = |fault| course.call(step).map(|call| Point { call: Some((call, fault)), crash: None });
    Ok(match fault {
        Disturbance::Refused => call(Fault::Refuse(Retry::Never)).into_iter().collect(),
        Disturbance::RefusedForAWhile => call(Fault::Refuse(Retry::Later(None))).into_iter().collect(),
        Disturbance::Hang => call(Fault::Hang).into_iter().collect(),
        Disturbance::ReplyLost => call(Fault::LoseReply).into_iter().collect(),
        Disturbance::CrashBefore => crash(Moment::BeforeWrite),
        Disturbance::CrashAfter => crash(Moment::AfterWrite),
        Disturbance::CrashUndoing => match call(Fault::Refuse(Retry::Never)) {
            Some(point) if scene.takes_back() => while_undoing(&point, course::way_back(scene, course, step).await?),
            _ => Vec::new(),
        },
    })
}

/// Crashes at some of the appends of a way back, the first one among them.
fn while_undoing(point: &Point, appends: Range<usize>) -> Vec<Point> {
    let every = appends.len().div_ceil(MOST_CRASHES).max(1);
    let at = |spared| [Moment::BeforeWrite, Moment::AfterWrite].map(|moment| (spared, moment));
    appends.step_by(every).flat_map(at).map(|crash| Point { crash: Some(crash), ..point.clone() }).collect()
}

/// The steps that are disturbed: all, or as many as there may be, the same ones every time.
fn chosen(steps: &[Step]) -> Vec<&Step> {
    let mut lots: Vec<_> = steps.iter().map(|step| (Digest::of(step.id.as_str().as_bytes()), &step.id)).collect();
    lots.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    lots.truncate((WORK / steps.len().max(1)).clamp(LEAST_STEPS, MOST_STEPS));
    steps.iter().filter(|step| lots.iter().any(|(_, id)| **id == step.id)).collect()
}
