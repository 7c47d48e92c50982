//! A host that exists in memory, and what keeps units there: what task services are tried out on.
//!
//! It keeps the rules of a real one: a file needs a directory to stand in, a program that is not there does not start,
//! and the same unit put twice changes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Command, Facts, Host, Output, Supervisor, Unit, UnitState, UnitStatus, tail};

/// What a program does when it runs.
type Program = Arc<dyn Fn(&Command) -> Output + Send + Sync>;

/// A host in memory with nothing but `mkdir`, `rm` and `rmdir`; it keeps no units unless it is given a supervisor.
#[derive(Default)]
pub struct FakeHost {
    files: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
    directories: Mutex<BTreeSet<PathBuf>>,
    programs: BTreeMap<String, Program>,
    supervisor: Option<FakeSupervisor>,
}

impl FakeHost {
    /// Adds a program, and what it answers.
    #[must_use]
    pub fn with_program(mut self, name: &str, answer: impl Fn(&Command) -> Output + Send + Sync + 'static) -> Self {
        self.programs.insert(name.to_owned(), Arc::new(answer));
        self
    }

    /// Adds what keeps units.
    #[must_use]
    pub fn with_supervisor(mut self, supervisor: FakeSupervisor) -> Self {
        self.supervisor = Some(supervisor);
        self
    }

    /// The paths of every file.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.files).keys().cloned().collect()
    }

    /// The paths of every directory that was made.
    pub fn directories(&self) -> Vec<PathBuf> {
        lock(&self.directories).iter().cloned().collect()
    }

    fn is_empty(&self, directory: &Path) -> bool {
        let inside = |path: &PathBuf| path != directory && path.starts_with(directory);
        !lock(&self.files).keys().any(inside) && !lock(&self.directories).iter().any(inside)
    }
}

#[async_trait]
impl Host for FakeHost {
    async fn run(&self, command: &Command) -> Result<Output> {
        let name = command.arguments.first().ok_or_else(|| Error::bug("a command has no arguments"))?;
        if let Some(program) = self.programs.get(name) {
            return Ok(program(command));
        }
        let paths = command.arguments[1..].iter().filter(|word| !word.starts_with('-')).map(PathBuf::from);
        match name.as_str() {
            "mkdir" => lock(&self.directories).extend(paths.flat_map(|path| ancestors(&path))),
            "rm" => paths.for_each(|path| drop(lock(&self.files).remove(&path))),
            "rmdir" => {
                for path in paths.filter(|path| self.is_empty(path)) {
                    lock(&self.directories).remove(&path);
                }
            }
            _ => return Err(Error::new(ErrorKind::NotFound, format!("`{name}` could not be started"))),
        }
        Ok(Output::default())
    }

    async fn put(&self, path: &Path, content: &[u8], _: u32) -> Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if parent.is_some_and(|parent| !lock(&self.directories).contains(parent)) {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no directory for `{}`", path.display())));
        }
        lock(&self.files).insert(path.to_owned(), content.to_vec());
        Ok(())
    }

    async fn get(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(lock(&self.files).get(path).cloned())
    }

    async fn facts(&self) -> Result<Facts> {
        Ok(Facts { host_name: "fake".into(), ..Facts::default() })
    }

    fn supervisor(&self) -> Option<&dyn Supervisor> {
        self.supervisor.as_ref().map(|supervisor| supervisor as &dyn Supervisor)
    }
}

impl std::fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let programs: Vec<_> = self.programs.keys().collect();
        f.debug_struct("FakeHost").field("files", &self.files()).field("programs", &programs).finish_non_exhaustive()
    }
}

/// Keeps units in memory; clones are the same one. A unit that is put runs at once, unless it is told to become
/// something else.
#[derive(Debug, Clone, Default)]
pub struct FakeSupervisor {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    units: BTreeMap<String, Kept>,
    logs: BTreeMap<String, Vec<u8>>,
    fate: VecDeque<(UnitState, u32)>,
    starts: usize,
}

#[derive(Debug)]
struct Kept {
    status: UnitStatus,
    fate: VecDeque<(UnitState, u32)>,
}

impl FakeSupervisor {
    /// Says what becomes of every unit that is put from now on: the states it is found in with how often it was started
    /// again by then, one per look, the last one for good.
    pub fn foretell(&self, states: impl IntoIterator<Item = (UnitState, u32)>) {
        lock(&self.inner).fate = states.into_iter().collect();
    }

    /// Brings a unit that is there into a state.
    pub fn set(&self, name: &str, state: UnitState) {
        if let Some(kept) = lock(&self.inner).units.get_mut(name) {
            kept.status.state = state;
        }
    }

    /// Writes to the log of a unit.
    pub fn write(&self, name: &str, text: &str) {
        lock(&self.inner).logs.entry(name.to_owned()).or_default().extend_from_slice(text.as_bytes());
    }

    /// A unit as it was put.
    pub fn unit(&self, name: &str) -> Option<Unit> {
        lock(&self.inner).units.get(name).map(|kept| kept.status.unit.clone())
    }

    /// How often a unit was started because it was put.
    pub fn starts(&self) -> usize {
        lock(&self.inner).starts
    }
}

#[async_trait]
impl Supervisor for FakeSupervisor {
    async fn put(&self, name: &str, unit: &Unit) -> Result<()> {
        let mut inner = lock(&self.inner);
        if inner.units.get(name).is_none_or(|kept| kept.status.unit != *unit) {
            let status = UnitStatus { unit: unit.clone(), state: UnitState::Running, process: Some(1), restarts: 0 };
            let fate = inner.fate.clone();
            inner.units.insert(name.to_owned(), Kept { status, fate });
            inner.starts += 1;
        }
        Ok(())
    }

    async fn units(&self) -> Result<BTreeMap<String, UnitStatus>> {
        let mut inner = lock(&self.inner);
        let look = |(name, kept): (&String, &mut Kept)| {
            if let Some((state, restarts)) = kept.fate.pop_front() {
                (kept.status.state, kept.status.restarts) = (state, restarts);
            }
            (name.clone(), kept.status.clone())
        };
        Ok(inner.units.iter_mut().map(look).collect())
    }

    async fn remove(&self, name: &str) -> Result<()> {
        lock(&self.inner).units.remove(name);
        Ok(())
    }

    async fn log(&self, name: &str, max_bytes: u64) -> Result<Vec<u8>> {
        let log = lock(&self.inner).logs.get(name).cloned().unwrap_or_default();
        Ok(tail(&log, max_bytes).to_vec())
    }
}

fn ancestors(path: &Path) -> Vec<PathBuf> {
    path.ancestors().filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
