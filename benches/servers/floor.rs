//! What namespaces cost at least: `unshare` of util-linux, which makes some, starts a program in them and waits for its end.

use std::fmt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Result, median, shown};

/// How often each is done.
const TIMES: usize = 50;
/// How often many are started at once.
const MANY_TIMES: usize = 5;

/// The least that anybody pays.
pub(crate) struct Floor {
    /// For one process in namespaces of its own.
    pub(crate) one: Duration,
    /// For so many of them at once.
    pub(crate) many: Duration,
    /// For a process without any.
    plain: Duration,
    count: usize,
    words: Vec<&'static str>,
}

impl Floor {
    pub(crate) fn measure(count: usize) -> Result<Self> {
        let mut words = vec!["unshare", "--fork", "--pid", "--mount", "--net", "true"];
        if start(&words).and_then(end).is_err() {
            words.splice(1..1, ["--user", "--map-root-user"]);
        }
        let one = median(times(TIMES, || start(&words).and_then(end))?);
        let plain = median(times(TIMES, || start(&["true"]).and_then(end))?);
        let many = times(MANY_TIMES, || {
            let started: Vec<_> = (0..count).map(|_| start(&words)).collect::<Result<_>>()?;
            started.into_iter().try_for_each(end)
        })?;
        Ok(Self { one, many: median(many), plain, count, words })
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { one, many, plain, count, words } = self;
        let (one, many, plain) = (shown(*one), shown(*many), shown(*plain));
        write!(f, "`{}`: {one}, {count} at once {many}; `true` alone: {plain}", words.join(" "))
    }
}

fn times(count: usize, mut what: impl FnMut() -> Result<()>) -> Result<Vec<Duration>> {
    let timed = |()| {
        let begun = Instant::now();
        what().map(|()| begun.elapsed())
    };
    std::iter::repeat_n((), count).map(timed).collect()
}

fn start(words: &[&str]) -> Result<Child> {
    let started = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    started.map_err(|error| format!("`{}` of util-linux is needed: {error}", words[0]).into())
}

fn end(mut child: Child) -> Result<()> {
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("the floor cannot be measured: {status}").into()) }
}
