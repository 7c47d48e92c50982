//! What is disturbed: a first apply, which makes the store too, and a second one, which updates, replaces and deletes what the
//! first one made. And the world that has to come out of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value as Json;

use super::workspace::{Workspace, tree};

/// How long a test waits for what must happen; it is a failure, never a pace.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Every call is tried once and no wait is long, so that a failure is one.
pub(crate) const SETTINGS: &str = "name = \"test\"\n[settings]\nretry.attempts = 1\nretry.initial_seconds = 0.001\n";

const FIRST: &str = r#"
    providers.here.type = "local"
    resources.site = { kind = "directory", path = "site" }
    resources.number = { kind = "value", input = 1 }
    resources.first = { kind = "file", path = "${site.path}/first.txt", content = "number ${number.output}" }
    resources.second = { kind = "file", path = "${site.path}/second.txt", content = "after ${first.sha256}" }
    resources.moved = { kind = "file", path = "${site.path}/before.txt", content = "moved" }
    resources.gone = { kind = "file", path = "${site.path}/gone.txt", content = "gone" }
"#;

const SECOND: &str = r#"
    providers.here.type = "local"
    resources.site = { kind = "directory", path = "site", mode = "0750" }
    resources.number = { kind = "value", input = 2 }
    resources.first = { kind = "file", path = "${site.path}/first.txt", content = "number ${number.output}", mode = "0600" }
    resources.second = { kind = "file", path = "${site.path}/second.txt", content = "after ${first.sha256}" }
    resources.moved = { kind = "file", path = "${site.path}/after.txt", content = "moved" }
    resources.inner = { kind = "directory", path = "${site.path}/inner" }
    resources.newer = { kind = "file", path = "${inner.path}/newer.txt", content = "newer" }
    resources.machine = { kind = "host" }
    outputs.after = "${second.sha256}"
    [services.mark]
    service = "command"
    on = ["machine"]
    config.check = "test -e ${site.path}/mark"
    config.apply = "echo marked > ${site.path}/mark"
"#;

/// The apply that is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    First,
    Second,
}

impl Scenario {
    /// A workspace in which this apply is the next thing to do.
    pub(crate) fn begin(self) -> Workspace {
        self.begin_with(SETTINGS)
    }

    /// The same with other settings.
    pub(crate) fn begin_with(self, settings: &str) -> Workspace {
        let workspace = Workspace::of(&[("main.toml", FIRST), ("provisioning.toml", settings)]);
        if self == Self::Second {
            workspace.expect(&["apply", "--yes"], 0);
            workspace.write("main.toml", SECOND);
        }
        workspace
    }

    /// What is there after the apply when nothing disturbs it.
    pub(crate) fn undisturbed(self) -> World {
        let workspace = self.begin();
        workspace.expect(&["apply", "--yes"], 0);
        World::of(&workspace).expect("an apply that nothing disturbs leaves a world")
    }
}

/// Everything that was made, and what the state says of it, without what tells one run from another.
#[derive(Debug, PartialEq)]
pub(crate) struct World {
    files: BTreeMap<PathBuf, (u32, Option<Vec<u8>>)>,
    state: Json,
}

impl World {
    pub(crate) fn of(workspace: &Workspace) -> Result<Self, String> {
        let site = workspace.path().join("site");
        let inside = if site.exists() { tree(&site) } else { BTreeMap::new() };
        let with_mode = |(path, content): (PathBuf, _)| {
            let facts = fs::metadata(site.join(&path)).expect("it is there");
            (path, (facts.permissions().mode() & 0o7777, content))
        };
        let files = inside.into_iter().map(with_mode).collect();
        let mut state: Json = serde_json::from_str(&ends(workspace, &["show", "--json"], 0)?).expect("JSON");
        forget_the_run(&mut state, workspace.path().to_str().expect("a path"));
        // The id of a value comes from the run that made it.
        for made in ["/number/object/id", "/number/object/outputs/id"] {
            if let Some(id) = state.pointer_mut(made) {
                *id = Json::Null;
            }
        }
        Ok(Self { files, state })
    }

    /// What of another world is different.
    fn difference(&self, other: &Self) -> Option<String> {
        if self.files != other.files {
            return Some(format!("the files are {:?}, and not {:?}", self.files, other.files));
        }
        let rows = |world: &Self| world.state.as_object().expect("rows by name").clone();
        let (here, there) = (rows(self), rows(other));
        let name = here.keys().chain(there.keys()).find(|name| here.get(*name) != there.get(*name))?;
        Some(format!("the state of `{name}` is {:?}, and not {:?}", here.get(name), there.get(name)))
    }
}

fn forget_the_run(value: &mut Json, root: &str) {
    match value {
        Json::Object(map) => {
            map.retain(|key, _| key != "run" && key != "version");
            map.values_mut().for_each(|value| forget_the_run(value, root));
        }
        Json::Array(items) => items.iter_mut().for_each(|value| forget_the_run(value, root)),
        Json::String(text) => *text = text.replace(root, "ROOT"),
        _ => {}
    }
}

/// Runs a command that has to end with this code; gives what it wrote to standard output.
pub(crate) fn ends(workspace: &Workspace, words: &[&str], code: i32) -> Result<String, String> {
    let output = workspace.run(words);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(code) {
        return Ok(text);
    }
    Err(format!("`{}` ended with {}: {text}{}", words.join(" "), output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Goes on after whatever happened: takes the run up, or begins one where there is none.
pub(crate) fn recover(workspace: &Workspace) -> Result<(), String> {
    let resumed = workspace.run(&["resume"]);
    match resumed.status.code() {
        Some(0) => Ok(()),
        Some(66) => ends(workspace, &["apply", "--yes"], 0).map(drop),
        _ => Err(format!("`resume` ended with {}: {}", resumed.status, String::from_utf8_lossy(&resumed.stderr))),
    }
}

/// Whether everything is as if nothing had disturbed it.
pub(crate) fn compare(workspace: &Workspace, wanted: &World) -> Result<(), String> {
    if let Some(difference) = World::of(workspace)?.difference(wanted) {
        return Err(difference);
    }
    if fs::read_dir(workspace.path()).expect("readable").any(|entry| is_draft(&entry.expect("an entry").file_name())) {
        return Err("a draft is left in the workspace".to_owned());
    }
    ends(workspace, &["plan", "--detailed-exitcode"], 0)?;
    ends(workspace, &["verify"], 0).map(drop)
}

fn is_draft(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().ends_with(".tmp")
}

/// What came of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) points: usize,
    pub(crate) struck: usize,
    failures: Vec<String>,
}

impl Tally {
    /// Prints the numbers, and fails where a point failed, or where not nearly all of them were struck: what runs at once is
    /// not recorded in the same groups every time, so that an apply may be over a little earlier.
    pub(crate) fn close(self, name: &str, struck: &str) {
        self.close_at(name, struck, 85);
    }

    /// The same where a point is struck by chance.
    pub(crate) fn close_loosely(self, name: &str, struck: &str) {
        self.close_at(name, struck, 50);
    }

    fn close_at(self, name: &str, struck: &str, least_percent: usize) {
        let Self { points, struck: count, failures } = self;
        println!("{name}: points {points}, {struck} {count}, failures {}", failures.len());
        assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n"));
        assert!(count * 100 >= points * least_percent && count > 0, "{name}: only {count} of {points} were {struck}");
    }
}

/// How many points behind the last one that was expected have to find nothing any more, before a sweep is at its end.
const NOTHING_MORE: usize = 3;

/// Does every point from 1 on, as many at once as there are processors; a point says whether it was struck. As many as are
/// `expected` are done, and then as many more as there turn out to be.
pub(crate) fn sweep(expected: usize, point: impl Fn(usize) -> Result<bool, String> + Sync) -> Tally {
    let (next, beyond, tally) = (AtomicUsize::new(1), AtomicUsize::new(0), Mutex::new(Tally::default()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > expected && beyond.load(Ordering::Relaxed) >= NOTHING_MORE {
                return;
            }
            let result = point(number);
            let missed = result == Ok(false) && number > expected;
            beyond.fetch_add(usize::from(missed), Ordering::Relaxed);
            let mut tally = tally.lock().expect("no panic");
            tally.points += usize::from(!missed);
            match result {
                Ok(struck) => tally.struck += usize::from(struck),
                Err(error) => tally.failures.push(format!("at {number}: {error}")),
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    tally.into_inner().expect("no panic")
}

/// Does as many seeds, as many at once as there are processors.
pub(crate) fn by_seed(seeds: usize, point: impl Fn(usize) -> Result<bool, String> + Sync) -> Tally {
    sweep(seeds, |seed| if seed > seeds { Ok(false) } else { point(seed) })
}
