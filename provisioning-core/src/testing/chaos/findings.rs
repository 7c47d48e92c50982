//! What was found, told once however many steps it was found at.

use super::table::Journey;
use crate::name::StepId;

/// How many findings are kept.
const MOST: usize = 500;
/// How many of the steps are named at which something was found.
const NAMED: usize = 3;

/// What was found, in order.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
    left_out: usize,
}

#[derive(Debug)]
struct Finding {
    journey: Journey,
    disturbance: &'static str,
    steps: Vec<StepId>,
    problem: String,
}

impl Findings {
    /// Notes what was found on a journey, under a disturbance of a step.
    pub(super) fn note(&mut self, journey: Journey, disturbance: &'static str, step: Option<&StepId>, problem: String) {
        let same = |finding: &&mut Finding| {
            finding.journey == journey && finding.disturbance == disturbance && finding.problem == problem
        };
        if let Some(finding) = self.all.iter_mut().find(same) {
            let again = finding.steps.last() == step;
            finding.steps.extend(step.filter(|_| !again).cloned());
        } else if self.all.len() < MOST {
            self.all.push(Finding { journey, disturbance, steps: step.into_iter().cloned().collect(), problem });
        } else {
            self.left_out += 1;
        }
    }

    /// The findings for people, and how many more there were.
    pub(super) fn told(self) -> (Vec<String>, usize) {
        (self.all.iter().map(Finding::told).collect(), self.left_out)
    }
}

impl Finding {
    fn told(&self) -> String {
        let Self { journey, disturbance, steps, problem } = self;
        let named: Vec<_> = steps.iter().take(NAMED).map(|step| format!("`{step}`")).collect();
        let more = if steps.len() > NAMED { format!(" and {} more", steps.len() - NAMED) } else { String::new() };
        let at = if steps.is_empty() { String::new() } else { format!(" at {}{more}", named.join(", ")) };
        format!("{}: {disturbance}{at}: {problem}", journey.as_str())
    }
}
