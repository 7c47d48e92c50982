//! What follows when a program has ended: a decision from what happened alone, without processes and clocks.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use provisioning_core::host::{Restart, UnitState};

/// How long the first wait before a new start is.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How long a wait before a new start gets by doubling.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long a program has to run for the next wait to be the first again.
const PROVEN: Duration = Duration::from_secs(10);
/// How many starts in a row may end without one good health answer.
const MAX_UNHEALTHY_STARTS: u32 = 3;

/// How a program came to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// It ended with 0.
    Succeeded,
    /// It ended otherwise, or something that may pass kept it from starting.
    Failed(String),
    /// It cannot be started as it is declared.
    Impossible(String),
    /// It gave no good health answer in the time it had for its start.
    NeverHealthy(String),
    /// It gave bad health answers after good ones.
    Unhealthy(String),
}

impl Ending {
    /// What an exit status says.
    pub(super) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Succeeded,
            (Some(code), _) => Self::Failed(format!("it exited with {code}")),
            (None, Some(signal)) => Self::Failed(format!("it was killed by signal {signal}")),
            (None, None) => Self::Failed("it ended, nobody knows how".to_owned()),
        }
    }
}

/// One start of a program until its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) ending: Ending,
    pub(super) lasted: Duration,
    /// Whether it gave a good health answer.
    pub(super) passed: bool,
}

/// What is done after a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// It is started again after a wait, for the reason in the text.
    Again(Duration, String),
    /// It stays ended.
    Ended,
    /// It stays down, for the reason in the text.
    Failed(String),
}

impl Next {
    /// The state of a unit while this is so.
    pub(super) fn state(&self) -> UnitState {
        match self {
            Self::Again(_, reason) => UnitState::Waiting(reason.clone()),
            Self::Ended => UnitState::Ended,
            Self::Failed(reason) => UnitState::Failed(reason.clone()),
        }
    }
}

/// What the runs of a unit so far mean for the next one.
#[derive(Debug, Clone)]
pub(super) struct Course {
    restart: Restart,
    wait: Duration,
    unhealthy_starts: u32,
}

impl Course {
    /// A unit that has not run.
    pub(super) fn new(restart: Restart) -> Self {
        Self { restart, wait: FIRST_WAIT, unhealthy_starts: 0 }
    }

    /// Decides what follows a run.
    pub(super) fn after(&mut self, run: Run) -> Next {
        if run.passed {
            self.unhealthy_starts = 0;
        }
        if run.lasted > PROVEN {
            self.wait = FIRST_WAIT;
        }
        match (run.ending, self.restart) {
            (Ending::Impossible(reason), _) => Next::Failed(reason),
            (Ending::Succeeded, Restart::Always) => self.again("it exited with 0".to_owned()),
            (Ending::Succeeded, Restart::OnFailure | Restart::Never) => Next::Ended,
            (Ending::Failed(reason) | Ending::NeverHealthy(reason) | Ending::Unhealthy(reason), Restart::Never) => {
                Next::Failed(reason)
            }
            (Ending::NeverHealthy(reason), Restart::Always | Restart::OnFailure) => self.again_unless_hopeless(reason),
            (Ending::Failed(reason) | Ending::Unhealthy(reason), Restart::Always | Restart::OnFailure) => self.again(reason),
        }
    }

    fn again(&mut self, reason: String) -> Next {
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST_WAIT);
        Next::Again(wait, reason)
    }

    fn again_unless_hopeless(&mut self, reason: String) -> Next {
        self.unhealthy_starts += 1;
        if self.unhealthy_starts >= MAX_UNHEALTHY_STARTS { Next::Failed(reason) } else { self.again(reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn run(ending: Ending) -> Run {
        Run { ending, lasted: SHORT, passed: false }
    }

    fn failed() -> Ending {
        Ending::Failed("it exited with 3".into())
    }

    fn wait(course: &mut Course, run: Run) -> u128 {
        match course.after(run) {
            Next::Again(wait, _) => wait.as_millis(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_exit_status_is_told_in_words() {
        assert_eq!(Ending::of(ExitStatus::from_raw(0)), Ending::Succeeded);
        assert_eq!(Ending::of(ExitStatus::from_raw(3 << 8)), failed());
        assert_eq!(Ending::of(ExitStatus::from_raw(9)), Ending::Failed("it was killed by signal 9".into()));
    }

    #[test]
    fn each_ending_is_followed_as_the_restart_says() {
        let after = |restart, ending| Course::new(restart).after(run(ending)).state();
        let waiting = |reason: &str| UnitState::Waiting(reason.into());
        assert_eq!(after(Restart::Always, Ending::Succeeded), waiting("it exited with 0"));
        assert_eq!(after(Restart::OnFailure, Ending::Succeeded), UnitState::Ended);
        assert_eq!(after(Restart::Never, Ending::Succeeded), UnitState::Ended);
        for ending in [Ending::Failed, Ending::NeverHealthy, Ending::Unhealthy] {
            assert_eq!(after(Restart::Always, ending("x".into())), waiting("x"));
            assert_eq!(after(Restart::OnFailure, ending("x".into())), waiting("x"));
            assert_eq!(after(Restart::Never, ending("x".into())), UnitState::Failed("x".into()));
        }
        for restart in [Restart::Always, Restart::OnFailure, Restart::Never] {
            assert_eq!(after(restart, Ending::Impossible("x".into())), UnitState::Failed("x".into()));
        }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_begin_anew_after_a_long_run() {
        let mut course = Course::new(Restart::Always);
        let waits: Vec<_> = (0..9).map(|_| wait(&mut course, run(failed()))).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(wait(&mut course, Run { lasted: PROVEN, ..run(failed()) }), 10_000);
        assert_eq!(wait(&mut course, Run { lasted: PROVEN + SHORT, ..run(failed()) }), 100);
    }

    #[test]
    fn three_starts_in_a_row_without_a_good_answer_are_enough() {
        let unhealthy = || run(Ending::NeverHealthy("x".into()));
        let mut course = Course::new(Restart::Always);
        assert!(matches!(course.after(unhealthy()), Next::Again(..)));
        assert!(matches!(course.after(unhealthy()), Next::Again(..)));
        assert!(matches!(course.after(Run { passed: true, ..run(failed()) }), Next::Again(..)));
        assert!(matches!(course.after(unhealthy()), Next::Again(..)));
        assert!(matches!(course.after(unhealthy()), Next::Again(..)));
        assert_eq!(course.after(unhealthy()), Next::Failed("x".into()));
    }
}
