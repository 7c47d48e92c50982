//! A run while it happens: a bar on a terminal, a line per finished step on any standard error.
//!
//! The only file that names the progress-bar crate. Durations are those between records.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use provisioning_core::clock::Timestamp;
use provisioning_core::event::{Event, Observer, Transient};
use provisioning_core::name::StepId;
use provisioning_core::record::{Fact, Record, StepFact};

use super::{GREEN, RED, YELLOW, paint, took};
use crate::console::Console;

/// Above how many steps a quick success is counted and not told, on a terminal.
const TOLD: usize = 200;
/// How much time must be left for it to be told.
const WORTH_TELLING: Duration = Duration::from_secs(1);
/// What is quick.
const QUICK: Duration = Duration::from_millis(500);

/// Shows a run; clones show the same one.
#[derive(Clone)]
pub(crate) struct Progress {
    console: Console,
    run: Arc<Mutex<Run>>,
}

#[derive(Default)]
struct Run {
    steps: Option<usize>,
    done: usize,
    /// When this process took the run up: a step that it goes on with did not start here.
    began: Option<Timestamp>,
    /// Since when a step runs, and what it last said.
    running: BTreeMap<StepId, (Timestamp, String)>,
    bar: Option<ProgressBar>,
    /// How long the rest takes, by the engine's estimate.
    left: Option<Duration>,
}

impl Progress {
    pub(crate) fn new(console: Console) -> Self {
        Self { console, run: Arc::default() }
    }

    /// An observer that feeds it.
    pub(crate) fn observer(&self) -> Observer {
        let progress = self.clone();
        Observer::new(move |event| progress.take(event))
    }

    /// Takes it off the screen.
    pub(crate) fn clear(&self) {
        let run = std::mem::take(&mut *self.lock());
        run.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    /// Says a line above the bar.
    pub(crate) fn say(&self, line: &str) {
        self.tell(&self.lock(), line);
    }

    fn tell(&self, run: &Run, line: &str) {
        match &run.bar {
            Some(bar) => bar.suspend(|| self.console.say(line)),
            None => self.console.say(line),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: &Event) {
        if self.console.is_json() {
            return;
        }
        let mut run = self.lock();
        if run.bar.is_none() {
            run.bar = self.bar(None);
        }
        match event {
            Event::Recorded(entry) => self.record(&mut run, &entry.record),
            Event::Transient(Transient::Begun { steps, done, .. }) => {
                run.bar.iter().for_each(ProgressBar::finish_and_clear);
                *run = Run { steps: Some(*steps), done: *done, bar: self.bar(Some(*steps)), began: run.began, ..Run::default() };
            }
            Event::Transient(Transient::Settling { run: id }) => {
                self.tell(&run, &format!("Run {id} did not come to its end: looking what became of its steps."));
            }
            Event::Transient(Transient::Progress { step, message, .. }) => run.doing(step, message),
            Event::Transient(Transient::Refreshed { .. }) => run.done += 1,
            Event::Transient(Transient::TimeLeft { left, .. }) => run.left = Some(*left),
            Event::Transient(
                Transient::Backoff { .. } | Transient::Draining { .. } | Transient::Paused { .. } | Transient::Unpaused { .. },
            ) => {}
        }
        run.draw();
    }

    fn record(&self, run: &mut Run, record: &Record) {
        let Fact::Step { id, fact } = &record.fact else { return run.began = Some(record.at) };
        let mut duration = Duration::ZERO;
        match fact {
            StepFact::Started { .. } => {
                run.running.entry(id.clone()).or_insert((record.at, String::new()));
                return;
            }
            StepFact::Waiting { phase } => return run.doing(id, phase),
            StepFact::Identified { .. } | StepFact::Skipped { .. } | StepFact::Waived { .. } | StepFact::Surfaced { .. } => {
                return;
            }
            StepFact::Failed { retry_after: Some(_), .. } => run.doing(id, "to be tried again"),
            StepFact::Succeeded { .. } | StepFact::Failed { .. } | StepFact::InDoubt { .. } => {
                let since = run.running.remove(id).map_or(run.began, |(since, _)| Some(since)).unwrap_or(record.at);
                let millis = record.at.as_millis().saturating_sub(since.as_millis());
                duration = Duration::from_millis(millis.try_into().unwrap_or(0));
                run.done += 1;
            }
        }
        let routine = matches!(fact, StepFact::Succeeded { .. }) && duration < QUICK;
        if !(routine && run.bar.is_some() && run.steps.is_some_and(|steps| steps > TOLD)) {
            self.tell(run, &ended(run.done, run.steps, id, fact, duration));
        }
    }

    fn bar(&self, steps: Option<usize>) -> Option<ProgressBar> {
        if self.console.is_json() || !stderr().is_terminal() {
            return None;
        }
        let (bar, form) = match steps {
            Some(steps) => (ProgressBar::new(steps as u64), "{spinner} {bar:32} {pos}/{len}  {elapsed}{prefix}  {wide_msg}"),
            None => (ProgressBar::new_spinner().with_message("resources read"), "{spinner} {pos}  {elapsed}  {wide_msg}"),
        };
        bar.set_style(ProgressStyle::with_template(form).expect("both forms are right"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Some(bar)
    }
}

impl Run {
    fn doing(&mut self, id: &StepId, what: &str) {
        if let Some((_, last)) = self.running.get_mut(id) {
            what.clone_into(last);
        }
    }

    /// Brings the bar up to date: how much is done, and what has been running longest.
    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(self.done as u64);
        let left = self.left.filter(|left| *left >= WORTH_TELLING);
        bar.set_prefix(left.map_or_else(String::new, |left| format!(", about {} left", took(left))));
        if let Some((id, (_, what))) = self.running.iter().min_by_key(|(_, (since, _))| *since) {
            let others = self.running.len() - 1;
            let others = if others > 0 { format!(" (and {others} more)") } else { String::new() };
            bar.set_message(format!("{id} {what}{others}"));
        }
    }
}

/// The line about a step that ended, or whose attempt did.
fn ended(done: usize, steps: Option<usize>, id: &StepId, fact: &StepFact, duration: Duration) -> String {
    let width = steps.map_or(0, |steps| steps.to_string().len());
    let count = steps.map_or_else(|| format!("[{done}]"), |steps| format!("[{done:>width$}/{steps}]"));
    let what = match fact {
        StepFact::Failed { failure, retry_after: Some(after), .. } => {
            let again = format!("will be tried again in {}", took(*after));
            return format!("{:1$} {id} {2}: {3}", "", count.len(), paint(YELLOW, again), failure.message);
        }
        StepFact::Failed { failure, .. } => format!("{} after {}: {}", paint(RED, "failed"), took(duration), failure.message),
        StepFact::InDoubt { reason } => format!("{} after {}: {reason}", paint(RED, "in doubt"), took(duration)),
        _ => format!("{} in {}", paint(GREEN, "done"), took(duration)),
    };
    format!("{count} {id} {what}")
}

#[cfg(test)]
mod tests {
    use provisioning_core::error::{ErrorKind, Failure};

    use super::super::plain;
    use super::*;

    #[test]
    fn every_ended_step_is_a_line_with_its_duration() {
        let id = StepId::parse("web/create").expect("a step");
        let failure = Failure { kind: ErrorKind::Limited, message: "the quota is reached".into(), hint: None };
        let line = |fact: &StepFact| plain(&ended(3, Some(12), &id, fact, Duration::from_millis(1_234)));
        assert_eq!(line(&StepFact::Succeeded { object: None }), "[ 3/12] web/create done in 1.2s");
        let last = StepFact::Failed { failure: failure.clone(), retry_after: None, partial: false };
        assert_eq!(line(&last), "[ 3/12] web/create failed after 1.2s: the quota is reached");
        let again = StepFact::Failed { failure, retry_after: Some(Duration::from_secs(2)), partial: false };
        assert_eq!(line(&again), "        web/create will be tried again in 2.0s: the quota is reached");
    }
}
