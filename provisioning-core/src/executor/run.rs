//! The loop of a run: gather what happened, append what follows from it at once, then act on it.
//!
//! An append takes its time; what happens meanwhile is taken in, and goes with the next one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::appender::{Appended, Appender, Turn};
use super::calls::{Calls, Finished, Identified, Learned};
use super::ledger::Ledger;
use super::{Job, Mode, Stop, Timeline, World};
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::event::{Event as Shown, Observer, Transient};
use crate::journal::{Progress, Status};
use crate::name::StepId;
use crate::record::{Fact, Outcome, StepFact};
use crate::schedule::{Action, Event, Policy, Schedule, StepIndex};
use crate::store::Late;

/// How often it is told how long the rest will take.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Something that the loop reacts to.
enum Happening {
    Event(Event),
    Finished(Finished),
    Identified(Identified),
}

/// A run: what it has to do, and how far it is.
pub(crate) struct Run {
    mode: Mode,
    ledger: Ledger,
    schedule: Schedule,
    calls: Calls,
    appender: Appender,
    /// What goes with the next append.
    turn: Turn,
    clock: Arc<dyn Clock>,
    observer: Observer,
    stop: watch::Receiver<Stop>,
    identified: mpsc::UnboundedReceiver<Identified>,
    timers: BTreeSet<(Duration, StepIndex)>,
    begun: Instant,
    outcome: Option<Outcome>,
    timeline: Timeline,
    told_at: Option<Instant>,
}

impl Run {
    pub(super) fn new(mut job: Job) -> Self {
        let estimates = std::mem::take(&mut job.estimates);
        let Settings { limits, on_failure, .. } = &job.settings;
        let policy = Policy { limits: limits.clone(), on_failure: *on_failure, seed: job.seed, estimates };
        let steps = &job.plan.steps;
        let schedule = Schedule::new(&job.plan, |index| job.progress.status(&steps[index].id), policy);
        let (sender, identified) = mpsc::unbounded_channel();
        let calls = Calls::new(&job, sender);
        let appender = Appender::new(&job);
        let mut world = World::copied(&job.rows, job.sealer, job.secrets);
        // What was read again is more than the rows say.
        job.revealed.into_iter().for_each(|(name, outputs)| world.set(&name, outputs));
        let ledger = Ledger::new(job.id, job.plan, job.progress, job.rows, world);
        Self {
            mode: job.mode,
            ledger,
            schedule,
            calls,
            appender,
            turn: Turn::default(),
            clock: job.clock,
            observer: job.observer,
            stop: job.stop,
            identified,
            timers: BTreeSet::new(),
            begun: Instant::now(),
            outcome: None,
            timeline: Timeline::default(),
            told_at: None,
        }
    }

    /// Runs to its end, or to where it stops.
    ///
    /// # Errors
    /// Only those of the journal: what a provider refuses is recorded and told with the outcome.
    pub(crate) async fn drive(mut self) -> Result<(Outcome, Progress, Timeline)> {
        self.begun = Instant::now();
        let outcome = match self.turns().await {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.broken(error).await),
        };
        let finished = self.ledger.run_fact(self.clock.now(), Fact::RunFinished { outcome })?;
        self.turn.drafts.push(finished);
        self.append_all().await?;
        let Self { mut ledger, schedule, timeline, .. } = self;
        let progress = std::mem::take(&mut ledger.progress);
        // Taking the state of many resources apart takes its time, and nobody has to wait for it.
        tokio::task::spawn_blocking(move || drop((ledger, schedule)));
        Ok((outcome, progress, timeline))
    }

    /// The error of a journal that cannot be written, once what runs has come to its end; what happened and could not
    /// be recorded goes with it. Whoever asks to stop now does not wait for that.
    async fn broken(&mut self, mut error: Error) -> Error {
        if !self.appender.is_idle() {
            let ended = tokio::select! {
                ended = self.appender.next() => Some(ended),
                Ok(_) = self.stop.wait_for(|stop| *stop == Stop::Now) => None,
            };
            match ended {
                Some(Ok(appended)) => self.tell(appended),
                Some(Err(second)) => error = error.with_context("records", second.to_string()),
                None => {}
            }
        }
        // Whoever waits for another record hears that there will be none.
        self.appender.give_up();
        self.turn = Turn::default();
        for (step, failure) in &self.ledger.progress.failures {
            error = error.with_context("failed", format!("`{step}`: {}", failure.message));
        }
        let unrecorded = std::mem::take(&mut self.calls.unrecorded);
        let mut learned: Vec<_> = unrecorded.into_iter().map(|(step, object)| self.calls.reported(step, object)).collect();
        tokio::select! {
            () = settle(&mut self.calls, &mut self.identified, &mut learned) => {}
            Ok(_) = self.stop.wait_for(|stop| *stop == Stop::Now) => {}
            () = self.appender.keep() => {}
        };
        self.calls.drop_all().await;
        let made = learned.iter().filter_map(|learned| learned.made.clone());
        let late: Vec<_> =
            made.map(|(step, object)| Late { run: self.ledger.run.clone(), step: self.id(step), object }).collect();
        if !late.is_empty()
            && let Err(second) = self.appender.leave_late(late).await
        {
            error = error.with_context("late results", second.to_string());
        }
        learned.into_iter().fold(error, |error, learned| error.with_context("unrecorded", learned.what))
    }

    async fn turns(&mut self) -> Result<Outcome> {
        // A run that was stopped before it began only looks whether anything is left.
        let asked = *self.stop.borrow_and_update();
        let first = match (asked, self.mode) {
            (Stop::No | Stop::Pause, Mode::CarryOut) => Event::Begin,
            (Stop::No | Stop::Pause, Mode::Settle) => Event::Settle,
            _ => Event::Cancel,
        };
        let paused = (asked == Stop::Pause).then(|| self.heed(asked));
        let mut happenings: Vec<_> = paused.into_iter().chain([first]).map(Happening::Event).collect();
        let mut durable = false;
        loop {
            for happening in happenings {
                self.take(happening)?;
            }
            if durable {
                self.go_on().await?;
            }
            self.append().await?;
            if let (Some(outcome), true) = (self.outcome, self.appender.is_idle()) {
                return Ok(outcome);
            }
            self.tell_time_left();
            let appended;
            (appended, happenings) = self.wait().await?;
            durable = appended.is_some();
            appended.into_iter().for_each(|appended| self.tell(appended));
            if *self.stop.borrow() == Stop::Now {
                return self.stop_now(happenings).await;
            }
        }
    }

    /// Begins what waited for the append that is durable now.
    async fn go_on(&mut self) -> Result<()> {
        // Whoever was stopped for long looks whether the workspace is still theirs before they call anybody.
        self.appender.hold().await?;
        self.feed(Event::Appended)
    }

    /// Sends what has been gathered on its way, unless something still is. Where there is nothing to append, what waits for
    /// it goes on at once.
    async fn append(&mut self) -> Result<()> {
        if !self.appender.is_idle() {
            return Ok(());
        }
        self.feed(Event::Appending)?;
        if self.turn.drafts.is_empty() {
            return self.go_on().await;
        }
        self.send();
        Ok(())
    }

    fn send(&mut self) {
        let objects = self.calls.unrecorded.len();
        self.appender.send(Turn { objects, ..std::mem::take(&mut self.turn) });
    }

    /// Appends everything that has been gathered, and begins nothing.
    async fn append_all(&mut self) -> Result<()> {
        loop {
            if self.appender.is_idle() {
                if self.turn.drafts.is_empty() {
                    return Ok(());
                }
                self.send();
            }
            let appended = self.appender.next().await?;
            self.tell(appended);
        }
    }

    /// Tells everybody what is durable now.
    fn tell(&mut self, appended: Appended) {
        self.calls.unrecorded.drain(..appended.objects);
        for entry in appended.entries {
            self.observer.observe(&Shown::Recorded(entry));
        }
        for durable in appended.acknowledge {
            // A call that was dropped meanwhile hears nothing, and needs to hear nothing.
            durable.send(()).ok();
        }
    }

    /// Says how long the rest will take, now and then.
    fn tell_time_left(&mut self) {
        if self.told_at.is_some_and(|told_at| told_at.elapsed() < TELL_EVERY) {
            return;
        }
        self.told_at = Some(Instant::now());
        if let Some(left) = self.schedule.time_left() {
            self.observer.observe(&Shown::Transient(Transient::TimeLeft { run: self.ledger.run.clone(), left }));
        }
    }

    /// Drops what runs, and records what is known by then.
    async fn stop_now(&mut self, happenings: Vec<Happening>) -> Result<Outcome> {
        self.feed(Event::Cancel)?;
        let finished = self.calls.drop_all().await.into_iter().map(Happening::Finished);
        for happening in happenings.into_iter().chain(finished) {
            self.take(happening)?;
        }
        self.append_all().await?;
        Ok(self.outcome.unwrap_or(Outcome::Cancelled))
    }

    /// Waits until something happens, and gathers everything that has, with what became durable.
    async fn wait(&mut self) -> Result<(Option<Appended>, Vec<Happening>)> {
        let timer = self.timers.first().map(|(at, _)| self.begun + *at);
        let (mut appended, mut happenings, mut finished) = (None, Vec::new(), Vec::new());
        tokio::select! {
            // What is on its way goes on only while it is looked at, and calls may come back all the time.
            biased;
            ended = self.appender.next() => appended = Some(ended?),
            Ok(()) = self.stop.changed() => {
                let asked = *self.stop.borrow_and_update();
                happenings.push(Happening::Event(self.heed(asked)));
            }
            ended = self.calls.next() => finished.push(Happening::Finished(ended)),
            Some(identified) = self.identified.recv() => happenings.push(Happening::Identified(identified)),
            () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {}
        }
        while let Some(ended) = self.calls.try_next() {
            finished.push(Happening::Finished(ended));
        }
        // What a call reported it reported before it ended.
        while let Ok(identified) = self.identified.try_recv() {
            happenings.push(Happening::Identified(identified));
        }
        happenings.extend(finished);
        let due = self.timers.split_off(&(self.begun.elapsed() + Duration::from_nanos(1), 0));
        let due = std::mem::replace(&mut self.timers, due);
        happenings.extend(due.into_iter().map(|(_, step)| Happening::Event(Event::Timer(step))));
        Ok((appended, happenings))
    }

    /// Shows what somebody asked for, and says what it is for the schedule.
    fn heed(&self, asked: Stop) -> Event {
        let (run, at) = (self.ledger.run.clone(), self.clock.now());
        let (shown, event) = match asked {
            Stop::No => (Transient::Unpaused { run, at }, Event::Unpause),
            Stop::Pause => (Transient::Paused { run, at }, Event::Pause),
            Stop::Drain | Stop::Now => (Transient::Draining { run, at }, Event::Cancel),
        };
        self.observer.observe(&Shown::Transient(shown));
        event
    }

    fn take(&mut self, happening: Happening) -> Result<()> {
        match happening {
            Happening::Event(event) => self.feed(event),
            Happening::Finished(finished) => {
                let event = self.calls.reply(finished, &mut self.ledger);
                self.feed(event)
            }
            Happening::Identified(Identified { step, object, durable }) => {
                self.calls.unrecorded.push((step, object.clone()));
                self.record(step, StepFact::Identified { object })?;
                self.turn.acknowledge.push(durable);
                Ok(())
            }
        }
    }

    fn feed(&mut self, event: Event) -> Result<()> {
        let actions = self.schedule.on(self.begun.elapsed(), event);
        actions.into_iter().try_for_each(|action| self.act(action))
    }

    fn record(&mut self, step: StepIndex, fact: StepFact) -> Result<()> {
        self.turn.drafts.push(self.ledger.step_fact(self.clock.now(), step, fact)?);
        Ok(())
    }

    fn act(&mut self, action: Action) -> Result<()> {
        if let Action::AppendSucceeded(step) | Action::AppendFailed(step, _, None) = &action {
            self.timeline.end(*step, self.begun.elapsed());
        }
        let (step, fact) = match action {
            Action::AppendStarted(step, attempt) => {
                self.calls.forget_attempt(step);
                (step, StepFact::Started { attempt, inputs: self.calls.prepare(step, &mut self.ledger) })
            }
            Action::AppendSucceeded(step) => {
                let fact = StepFact::Succeeded { object: self.calls.take_object(step) };
                self.record(step, fact)?;
                self.turn.drafts.extend(self.ledger.checkpoints(self.clock.now(), step)?);
                return Ok(());
            }
            Action::AppendWaiting(step) => {
                let phase = self.calls.phase(step).to_owned();
                let known = self.ledger.progress.steps.get(&self.id(step));
                if matches!(known, Some(Status::Waiting { phase: before, .. }) if *before == phase) {
                    return Ok(());
                }
                (step, StepFact::Waiting { phase })
            }
            Action::AppendUnfinished(step, failure) => (step, StepFact::Failed { failure, retry_after: None, partial: true }),
            Action::AppendFailed(step, failure, retry_after) => {
                if let Some(after) = retry_after {
                    let (run, step) = (self.ledger.run.clone(), self.id(step));
                    self.observer.observe(&Shown::Transient(Transient::Backoff { run, step, after }));
                }
                (step, StepFact::Failed { failure, retry_after, partial: self.calls.may_be_partial(step) })
            }
            Action::AppendSkipped(step, because) => (step, StepFact::Skipped { because: self.id(because) }),
            Action::AppendInDoubt(step, reason) => (step, StepFact::InDoubt { reason }),
            Action::Call(step, call) => {
                self.timeline.begin(step, self.begun.elapsed());
                self.calls.begin(step, call, &mut self.ledger);
                return Ok(());
            }
            Action::SetTimer(step, at) => {
                self.timers.insert((at, step));
                return Ok(());
            }
            Action::Finish(outcome) => {
                self.outcome = Some(outcome);
                return Ok(());
            }
        };
        self.record(step, fact)
    }

    fn id(&self, step: StepIndex) -> StepId {
        self.ledger.plan.steps[step].id.clone()
    }
}

/// Lets what runs come to its end, unrecorded. A call that reports its object is told no, and ends.
async fn settle(calls: &mut Calls, identified: &mut mpsc::UnboundedReceiver<Identified>, learned: &mut Vec<Learned>) {
    loop {
        tokio::select! {
            biased;
            Some(Identified { step, object, .. }) = identified.recv() => learned.push(calls.reported(step, object)),
            ended = calls.learn() => match ended {
                Some(ended) => learned.extend(ended),
                None => return,
            }
        }
    }
}
