//! How long steps take, learnt from the records of earlier runs.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::name::{Kind, StepId};
use crate::record::{Fact, Record, StepFact};

/// The shortest time that a step is taken to need: what is quicker counts alike, so that its order does not hang on chance.
const SHORTEST: Duration = Duration::from_millis(100);

/// How long steps take, by their kind and what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    of: BTreeMap<(Kind, String), Mean>,
    all: Mean,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Mean {
    total: Duration,
    count: u32,
}

impl Mean {
    fn add(&mut self, duration: Duration) {
        self.total = self.total.saturating_add(duration);
        self.count += 1;
    }

    fn value(self) -> Option<Duration> {
        (self.count > 0).then(|| (self.total / self.count).max(SHORTEST))
    }
}

impl Durations {
    /// Takes in the records of one run, in order; a step whose kind is not known any more is left out.
    pub fn learn<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>, kind_of: impl Fn(&StepId) -> Option<Kind>) {
        let mut begun: HashMap<&StepId, Timestamp> = HashMap::new();
        for record in records {
            let Fact::Step { id, fact } = &record.fact else { continue };
            match fact {
                StepFact::Started { .. } => {
                    begun.insert(id, record.at);
                }
                StepFact::Succeeded { .. } => {
                    let (Some(since), Some(kind)) = (begun.remove(id), kind_of(id)) else { continue };
                    let millis = record.at.as_millis().saturating_sub(since.as_millis());
                    let duration = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
                    self.of.entry((kind, id.verb().to_owned())).or_default().add(duration);
                    self.all.add(duration);
                }
                // What failed or was interrupted says nothing of how long it takes.
                _ => drop(begun.remove(id)),
            }
        }
    }

    /// How long a step takes: as steps of its sort took, or as any step did; `None` where nothing was learnt.
    pub fn estimate(&self, kind: &Kind, verb: &str) -> Option<Duration> {
        let known = self.of.get(&(kind.clone(), verb.to_owned())).copied().unwrap_or_default();
        known.value().or_else(|| self.all.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Failure};
    use crate::name::RunId;
    use crate::value::Value;

    fn record(at: i64, step: &str, fact: StepFact) -> Record {
        let run = RunId::parse("20261122-051522-3fa9").expect("a run");
        let id = StepId::parse(step).expect("a step");
        Record { run, at: Timestamp::from_millis(at), fact: Fact::Step { id, fact } }
    }

    fn started() -> StepFact {
        StepFact::Started { attempt: 1, inputs: Value::Null }
    }

    fn succeeded() -> StepFact {
        StepFact::Succeeded { object: None }
    }

    fn kind(id: &StepId) -> Option<Kind> {
        Kind::parse(id.resource().trim_end_matches(|letter: char| letter.is_ascii_digit())).ok()
    }

    fn estimate(durations: &Durations, name: &str, verb: &str) -> Option<Duration> {
        durations.estimate(&Kind::parse(name).expect("a kind"), verb)
    }

    #[test]
    fn a_sort_of_step_takes_as_long_as_it_took_on_average() {
        let mut durations = Durations::default();
        assert_eq!(estimate(&durations, "server", "create"), None);
        let records = [
            record(0, "server1/create", started()),
            record(0, "file1/create", started()),
            record(10, "file1/create", succeeded()),
            record(1000, "server1/create", succeeded()),
            record(1000, "server2/create", started()),
            record(4000, "server2/create", succeeded()),
        ];
        durations.learn(&records, kind);
        assert_eq!(estimate(&durations, "server", "create"), Some(Duration::from_secs(2)));
        assert_eq!(estimate(&durations, "file", "create"), Some(SHORTEST));
        assert_eq!(estimate(&durations, "volume", "create"), Some(Duration::from_millis(4010) / 3));
    }

    #[test]
    fn what_failed_says_nothing_of_how_long_it_takes() {
        let failure = Failure { kind: ErrorKind::Denied, message: "no".into(), hint: None };
        let failed = StepFact::Failed { failure, retry_after: None, partial: false };
        let records = [
            record(0, "file1/create", started()),
            record(900, "file1/create", failed),
            record(1000, "file1/create", started()),
            record(1200, "file1/create", succeeded()),
        ];
        let mut durations = Durations::default();
        durations.learn(&records, kind);
        assert_eq!(estimate(&durations, "file", "create"), Some(Duration::from_millis(200)));
    }
}
