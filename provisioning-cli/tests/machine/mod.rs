//! This machine as servers leave it, and the people who make them: whoever runs the tests, a plain user, and somebody who
//! may make no namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// A user whom no machine has.
const NOBODY_IN_PARTICULAR: u32 = 60_123;
/// Holds a user namespace in which no further namespace can be made, until nobody writes to it any more.
const FORBIDDEN: &str = "for limit in /proc/sys/user/max_*_namespaces; do echo 0 > $limit || exit 99; done; echo; exec cat";
/// How long something may take that is not waited for otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who runs the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    /// Whoever runs the tests: root as a rule.
    Own,
    /// Somebody without rights.
    Plain,
    /// Root of a container that permits no namespaces.
    Forbidden,
}

impl Person {
    pub(crate) const ALL: [Self; 3] = [Self::Own, Self::Plain, Self::Forbidden];

    /// The level that a server has for this person.
    pub(crate) fn level(self) -> &'static str {
        match self {
            Self::Own if is_root() => "namespaces",
            Self::Own | Self::Plain => "user_namespaces",
            Self::Forbidden => "confined",
        }
    }
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A workspace that belongs to a person; whatever a failed test left of it is destroyed.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
    person: Person,
    /// What holds the user namespace of a person who has one.
    prison: Option<Child>,
}

impl Workspace {
    /// A workspace of these files.
    pub(crate) fn of(person: Person, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("provisioning-").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
        let prison = (person == Person::Forbidden).then(prison);
        let workspace = Self { folder, person, prison };
        fs::create_dir(workspace.path()).expect("made");
        // By another process: what this one writes, a child that another test has just forked holds open, and then it cannot run.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_provisioning")).arg(workspace.program()).status();
        assert!(copied.expect("`cp` is needed").success());
        workspace.write("provisioning.toml", "name = \"test\"\n");
        for (name, text) in files {
            workspace.write(name, text);
        }
        workspace
    }

    /// A copy of an example.
    pub(crate) fn example(person: Person, name: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let workspace = Self::of(person, &[]);
        for file in ["provisioning.toml", "main.ncl", "templates/index.html.j2"] {
            workspace.write(file, &fs::read_to_string(source.join(file)).expect("the example has it"));
        }
        workspace
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("provisioning")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, text).expect("written");
        if self.person == Person::Plain && is_root() {
            for path in path.ancestors().take_while(|path| *path != self.folder.path()) {
                chown(path, Some(NOBODY_IN_PARTICULAR), Some(NOBODY_IN_PARTICULAR)).expect("given away");
            }
        }
    }

    /// The command, ready to be run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = match &self.prison {
            None => Command::new(self.program()),
            Some(prison) => {
                let mut command = Command::new("nsenter");
                command.args([
                    "--user",
                    "--target",
                    &prison.id().to_string(),
                    "setpriv",
                    "--bounding-set=-all",
                    "--inh-caps=-all",
                ]);
                command.arg(self.program());
                command
            }
        };
        if self.person == Person::Plain && is_root() {
            command.uid(NOBODY_IN_PARTICULAR).gid(NOBODY_IN_PARTICULAR);
        }
        command.args(words).current_dir(self.path()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the command runs: `unshare`, `nsenter` and `setpriv` of util-linux are needed too")
    }

    /// Runs the command, compares its exit code, and gives what it wrote to standard output.
    pub(crate) fn expect(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{:?} `{}` said: {said}\n{errors}", self.person, words.join(" "));
        said.into_owned()
    }

    pub(crate) fn json(&self, words: &[&str]) -> Json {
        serde_json::from_str(&self.expect(&[words, &["--json"]].concat(), 0)).expect("JSON")
    }

    /// The text outputs, by name.
    pub(crate) fn outputs(&self) -> BTreeMap<String, String> {
        let Json::Object(outputs) = self.json(&["output"]) else { panic!("outputs are a map") };
        let text = |value: &Json| value.get("value").unwrap_or(value).as_str().expect("a text").to_owned();
        outputs.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if self.path().join(".provisioning/local").exists() {
            // The test has failed, and says so itself; a run that it killed has to be settled first.
            let _ = self.command(&["resume"]).output();
            let _ = self.command(&["destroy", "--yes"]).output();
        }
        if let Some(mut prison) = self.prison.take() {
            drop(prison.stdin.take());
            let _ = prison.wait();
        }
    }
}

fn prison() -> Child {
    let mut held = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", FORBIDDEN])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`unshare` of util-linux is needed");
    let mut ready = [0];
    let stands = held.stdout.as_mut().expect("a pipe").read_exact(&mut ready);
    stands.expect("a user namespace is needed, in which namespaces are then forbidden");
    held
}

/// What the servers of a workspace are made of on this machine, while they are there.
#[derive(Debug)]
pub(crate) struct Traces {
    workspace: PathBuf,
    keepers: BTreeSet<u32>,
    namespaces: BTreeSet<PathBuf>,
    interfaces: BTreeSet<String>,
    groups: BTreeSet<PathBuf>,
}

impl Traces {
    /// Those of a workspace; other workspaces on this machine are none of its business.
    pub(crate) fn of(workspace: &Workspace) -> Self {
        let folder = workspace.path().canonicalize().expect("exists");
        let keepers = keepers_of(&folder);
        let given = [std::process::id()].into_iter().chain(workspace.prison.as_ref().map(Child::id));
        let host: BTreeSet<_> = given.flat_map(namespaces).collect();
        let local = folder.join(".provisioning/local");
        let read = |path: PathBuf| -> Json { serde_json::from_slice(&fs::read(path).expect("readable")).expect("JSON") };
        let ports = listed(&local.join("servers"))
            .into_iter()
            .filter_map(|server| Some(read(server.join("machine.json"))["content"]["attachment"]["port"].as_str()?.to_owned()));
        let bridges = listed(&local.join("networks"))
            .into_iter()
            .filter_map(|file| file.file_stem()?.to_str().filter(|id| id.starts_with("pv")).map(str::to_owned));
        let ids: Vec<_> =
            listed(&local.join("servers")).iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect();
        let of_them = |group: &PathBuf| ids.iter().any(|id| group.ends_with(format!("provisioning-{id}")));
        Self {
            namespaces: keepers.iter().flat_map(|process| namespaces(*process)).filter(|one| !host.contains(one)).collect(),
            interfaces: ports.chain(bridges).collect(),
            groups: groups(Path::new("/sys/fs/cgroup")).into_iter().filter(of_them).collect(),
            keepers,
            workspace: folder,
        }
    }

    pub(crate) fn keepers(&self) -> &BTreeSet<u32> {
        &self.keepers
    }

    /// Waits until nothing of it is there: the kernel takes a moment to forget an interface.
    pub(crate) fn expect_gone(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.left().is_empty() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(self.left(), Vec::<String>::new(), "something is left");
    }

    fn left(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("readable");
        let folder = self.workspace.display().to_string();
        let mounts = mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned);
        let keepers = keepers_of(&self.workspace).into_iter().map(|process| format!("process {process}"));
        let interfaces = self.interfaces.iter().filter(|name| Path::new("/sys/class/net").join(name).exists()).cloned();
        let present: BTreeSet<_> = listed(Path::new("/proc"))
            .iter()
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .flat_map(|process: u32| namespaces(process))
            .collect();
        let namespaces = self.namespaces.intersection(&present).map(|one| one.display().to_string());
        let groups = self.groups.iter().filter(|group| group.exists()).map(|group| group.display().to_string());
        mounts.chain(keepers).chain(interfaces).chain(namespaces).chain(groups).collect()
    }
}

/// What stands in a folder, in order.
pub(crate) fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// The keepers of a workspace: they hold a lock in its folder.
pub(crate) fn keepers_of(workspace: &Path) -> BTreeSet<u32> {
    let holds = |process: &u32| fs::read_link(format!("/proc/{process}/fd/0")).is_ok_and(|lock| lock.starts_with(workspace));
    keepers().into_keys().filter(holds).collect()
}

/// The keepers of this machine with their command lines, by the number of their process.
pub(crate) fn keepers() -> BTreeMap<u32, String> {
    let processes = fs::read_dir("/proc").expect("readable").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let with_lines = numbers.filter_map(|number: u32| {
        let line = fs::read(format!("/proc/{number}/cmdline")).ok()?;
        Some((number, String::from_utf8_lossy(&line).replace('\0', " ")))
    });
    with_lines.filter(|(_, line)| line.contains("provisioning-keeper")).collect()
}

fn namespaces(process: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{process}/ns")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

fn groups(mount: &Path) -> BTreeSet<PathBuf> {
    let (mut found, mut open) = (BTreeSet::new(), vec![mount.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
                if entry.file_name().to_string_lossy().starts_with("provisioning-") {
                    found.insert(entry.path());
                }
            }
        }
    }
    found
}

/// What a URL `http://ADDRESS:PORT/PATH` answers, head and body.
pub(crate) fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").expect("an HTTP address");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("{url}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{url}: {error}"));
    answer
}
