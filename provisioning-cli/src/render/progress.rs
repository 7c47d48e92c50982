//! A run while it happens: a bar and what runs on a terminal, a line per finished step elsewhere.
//!
//! The only file that names the progress-bar crate. Times are those of the records.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use provisioning_core::clock::Timestamp;
use provisioning_core::event::{Event, Observer, Transient};
use provisioning_core::name::StepId;
use provisioning_core::record::{Fact, Record, StepFact};

use super::{GREEN, RED, YELLOW, paint, took};
use crate::console::Console;

/// How many running steps have a line of their own.
const LINES: usize = 8;
/// Above how many steps a quick success is counted and not told, on a terminal.
const TOLD: usize = 200;
/// What is quick.
const QUICK: Duration = Duration::from_millis(500);

/// Shows a run; clones show the same one.
#[derive(Clone)]
pub(crate) struct Progress {
    console: Console,
    screen: Option<MultiProgress>,
    run: Arc<Mutex<Run>>,
}

#[derive(Default)]
struct Run {
    steps: Option<usize>,
    done: usize,
    running: BTreeMap<StepId, Running>,
    bar: Option<ProgressBar>,
}

struct Running {
    since: Timestamp,
    line: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(console: Console) -> Self {
        let live = !console.is_json() && stderr().is_terminal();
        Self { console, screen: live.then(MultiProgress::new), run: Arc::default() }
    }

    /// An observer that feeds it.
    pub(crate) fn observer(&self) -> Observer {
        let progress = self.clone();
        Observer::new(move |event| progress.take(event))
    }

    /// Says how many steps are to come.
    pub(crate) fn begin(&self, steps: usize) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        *run = Run { steps: Some(steps), bar: self.bar(Some(steps)), ..Run::default() };
    }

    /// Takes it off the screen.
    pub(crate) fn clear(&self) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.running.clear();
        run.bar = None;
        // A screen that is gone needs no clearing.
        self.screen.iter().for_each(|screen| drop(screen.clear()));
    }

    /// Says a line above the bar.
    pub(crate) fn say(&self, line: &str) {
        match &self.screen {
            Some(screen) => screen.suspend(|| self.console.say(line)),
            None => self.console.say(line),
        }
    }

    fn take(&self, event: &Event) {
        if self.console.is_json() {
            return;
        }
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Recorded(entry) => self.record(&mut run, &entry.record),
            Event::Transient(Transient::Refreshed { .. }) => {
                let bar = run.bar.get_or_insert_with(|| self.bar(None).unwrap_or_else(ProgressBar::hidden));
                bar.inc(1);
                bar.set_message("resources read");
            }
            Event::Transient(Transient::Progress { step, message, .. }) => doing(&run, step, message),
            Event::Transient(Transient::Backoff { .. } | Transient::Draining { .. }) => {}
        }
    }

    fn record(&self, run: &mut Run, record: &Record) {
        let Fact::Step { id, fact } = &record.fact else { return };
        match fact {
            StepFact::Started { .. } => {
                let line = self.line(run.running.len(), id);
                run.running.entry(id.clone()).or_insert(Running { since: record.at, line });
            }
            StepFact::Waiting { phase } => doing(run, id, phase),
            StepFact::Failed { retry_after: Some(_), .. } => {
                doing(run, id, "failed, will be tried again");
                self.tell(run, id, fact, Duration::ZERO);
            }
            StepFact::Succeeded { .. } | StepFact::Failed { .. } | StepFact::InDoubt { .. } => {
                let ended = run.running.remove(id);
                let since = ended.as_ref().map_or(record.at, |running| running.since);
                ended.into_iter().filter_map(|running| running.line).for_each(|line| line.finish_and_clear());
                run.done += 1;
                run.bar.iter().for_each(|bar| bar.set_position(run.done as u64));
                let millis = record.at.as_millis().saturating_sub(since.as_millis());
                self.tell(run, id, fact, Duration::from_millis(millis.try_into().unwrap_or(0)));
            }
            StepFact::Identified { .. } | StepFact::Skipped { .. } | StepFact::Cancelled => {}
        }
    }

    fn tell(&self, run: &Run, id: &StepId, fact: &StepFact, duration: Duration) {
        let routine = matches!(fact, StepFact::Succeeded { .. }) && duration < QUICK;
        let many = run.steps.is_some_and(|steps| steps > TOLD);
        if !(routine && many && self.screen.is_some()) {
            self.say(&ended(run.done, run.steps, id, fact, duration));
        }
    }

    fn bar(&self, steps: Option<usize>) -> Option<ProgressBar> {
        let screen = self.screen.as_ref()?;
        let (bar, form) = match steps {
            Some(steps) => (ProgressBar::new(steps as u64), "{spinner} {bar:32} {pos}/{len}  {elapsed}"),
            None => (ProgressBar::new_spinner(), "{spinner} {pos} {msg}  {elapsed}"),
        };
        Some(animate(screen.add(bar), form))
    }

    fn line(&self, running: usize, id: &StepId) -> Option<ProgressBar> {
        let screen = self.screen.as_ref().filter(|_| running < LINES)?;
        let line = animate(screen.insert(0, ProgressBar::new_spinner()), "  {spinner} {prefix}  {wide_msg} {elapsed}");
        line.set_prefix(id.to_string());
        Some(line)
    }
}

fn animate(bar: ProgressBar, form: &str) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(form).expect("the form is one of this file"));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn doing(run: &Run, id: &StepId, what: &str) {
    if let Some(line) = run.running.get(id).and_then(|running| running.line.as_ref()) {
        line.set_message(what.to_owned());
    }
}

/// The line about a step that ended, or whose attempt did.
fn ended(done: usize, steps: Option<usize>, id: &StepId, fact: &StepFact, duration: Duration) -> String {
    let width = steps.map_or(0, |steps| steps.to_string().len());
    let count = steps.map_or_else(|| format!("[{done}]"), |steps| format!("[{done:>width$}/{steps}]"));
    let what = match fact {
        StepFact::Failed { failure, retry_after: Some(after) } => {
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
        let last = StepFact::Failed { failure: failure.clone(), retry_after: None };
        assert_eq!(line(&last), "[ 3/12] web/create failed after 1.2s: the quota is reached");
        let again = StepFact::Failed { failure, retry_after: Some(Duration::from_secs(2)) };
        assert_eq!(line(&again), "        web/create will be tried again in 2.0s: the quota is reached");
    }
}
