//! Canaries: secrets planted wherever a workspace can have one, and looked for in whatever the command writes and says.
//!
//! What the engine itself gives out is searched in `tests/engine/canaries.rs`; here it is the command's files, its two streams,
//! its JSON and its log.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use provisioning_core::digest::Digest;
use workspace::Workspace;

/// Where each canary sits, and the canary.
const PLANTED: [(&str, &str); 12] = [
    ("secret of its own file, in a content", "canary-content-71d3"),
    ("amid a text", "canary-amid-90be"),
    ("named by a template", "canary-template-22fa"),
    ("a variable of a template", "canary-variable-4c1e"),
    ("from a variable of the process", "canary-env-b7a0"),
    ("from a file", "canary-file-5e66"),
    ("from a command", "canary-command-d018"),
    ("in the environment of a service", "canary-service-e3c9"),
    ("in the line of a service that fails", "canary-failing-1a2b"),
    ("given back as an output", "canary-output-88d4"),
    ("where a number is expected", "canary-number-f00d"),
    ("a literal in an input of a value", "canary-new-37aa"),
];

const MANIFEST: &str = r#"name = "test"
[secrets]
env = { env = "CANARY" }
file = { file = "OUTSIDE/file.txt" }
command = { command = ["cat", "OUTSIDE/command.txt"] }
"#;

const MAIN: &str = r#"
[providers.lab]
type = "local"
[resources.content]
kind = "file"
path = "made/content"
content = "${secret.content}"
[resources.amid]
kind = "file"
path = "made/amid"
content = "before ${secret.amid} after"
[resources.template]
kind = "file"
path = "made/template"
content.template = "page.j2"
[resources.variable]
kind = "file"
path = "made/variable"
content = { template = "given.j2", vars = { word = "${secret.variable}" } }
[resources.others]
kind = "value"
input = { env = "${secret.env}", list = ["${secret.file}", "x ${secret.command}"] }
[resources.given]
kind = "value"
input = "${secret.output}"
[resources.machine]
kind = "host"
[services.job]
service = "command"
on = ["machine"]
config = { check = "test -e made/job", apply = "touch made/job; echo $WORD; echo $WORD >&2", remove = "rm -f made/job", environment = { WORD = "${secret.service}" } }
[outputs]
given = "${given.output}"
plain = "${secret.output}"
"#;

/// What fails, and tells what it was given.
const FAILING: &str = r#"
[services.failing]
service = "command"
on = ["machine"]
config = { check = "false", apply = "echo told $WORD; echo told $WORD >&2; exit 3", environment = { WORD = "${secret.failing}" } }
"#;

/// What cannot be planned.
const NUMBER: &str = "[resources.number]\nkind = \"process\"\ncommand = [\"true\"]\nlog_max_bytes = \"${secret.number}\"\n";

struct House {
    workspace: Workspace,
    outside: tempfile::TempDir,
    heard: Vec<(String, Vec<u8>)>,
}

impl House {
    fn new() -> Self {
        let outside = tempfile::tempdir().expect("made");
        let manifest = MANIFEST.replace("OUTSIDE", &outside.path().to_string_lossy());
        let templates = [("page.j2", "<p>{{ secret.template }}</p>\n"), ("given.j2", "{{ word }}\n")];
        let files = [&[("provisioning.toml", manifest.as_str()), ("main.toml", MAIN)], &templates[..]].concat();
        let house = Self { workspace: Workspace::of(&files), outside, heard: Vec::new() };
        fs::create_dir(house.workspace.path().join("made")).expect("made");
        house
    }

    fn canary(place: &str) -> &'static str {
        PLANTED.iter().find(|(known, _)| known.contains(place)).map(|(_, canary)| *canary).expect("it is planted")
    }

    /// Runs a command and keeps what it says.
    fn run(&mut self, words: &str, input: &str) -> Output {
        let mut command = self.workspace.command(&words.split(' ').collect::<Vec<_>>());
        command.env("HOME", self.outside.path()).env("CANARY", Self::canary("process"));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
        drop(child.stdin.take().expect("piped").write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        self.heard.push((format!("stdout of `{words}`"), output.stdout.clone()));
        self.heard.push((format!("stderr of `{words}`"), output.stderr.clone()));
        output
    }

    fn does(&mut self, words: &str, input: &str) {
        let output = self.run(words, input);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Everything that was heard, and every file of the workspace but those that were to be made of secrets.
    fn search(&mut self) {
        let root = self.workspace.path().to_owned();
        for path in files(&root).into_iter().filter(|path| !path.starts_with(root.join("made"))) {
            let bytes = fs::read(&path).expect("read");
            self.heard.push((path.display().to_string(), bytes));
        }
        let digests = PLANTED.map(|(place, canary)| (place, Digest::of(canary.as_bytes()).to_string()));
        let planted = PLANTED.map(|(place, canary)| (place, canary.to_owned()));
        for (place, canary) in planted.into_iter().chain(digests) {
            for (name, bytes) in &self.heard {
                let found = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
                assert!(!found, "{place}: `{canary}` is in {name}");
            }
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

const LOOKS: [&str; 16] = [
    "show",
    "show --json",
    "show given --json",
    "output",
    "output --json",
    "events --json",
    "events",
    "status --json",
    "runs --json",
    "graph --json",
    "verify --json",
    "config show --origin",
    "config show --json",
    "explain content.content",
    "explain others --json",
    "secrets list --json",
];

#[test]
fn no_secret_is_in_anything_that_the_command_writes_or_says() {
    let mut house = House::new();
    for (name, place) in [
        ("content", "its own file"),
        ("amid", "amid"),
        ("template", "named by"),
        ("variable", "a variable of a"),
        ("service", "environment of"),
        ("failing", "fails"),
        ("output", "given back"),
        ("number", "number"),
    ] {
        house.does(&format!("secrets set {name}"), House::canary(place));
    }
    let sources = [("file.txt", "from a file"), ("command.txt", "from a command")];
    for (file, place) in sources {
        fs::write(house.outside.path().join(file), format!("{}\n", House::canary(place))).expect("written");
    }

    for words in ["validate", "plan", "plan --json", "plan --diff --origin", "-vv plan --out saved.plan", "-vv apply saved.plan"]
    {
        house.does(words, "");
    }
    let made = fs::read_to_string(house.workspace.path().join("made/template")).expect("made");
    assert_eq!(made, format!("<p>{}</p>\n", House::canary("named by")), "the secret did not arrive");
    LOOKS.iter().for_each(|words| house.does(words, ""));

    house.does("secrets set content", House::canary("a literal"));
    house.does("plan", "");
    house.does("-vv apply --yes --json", "");
    house.does("rollback --preview", "");
    house.does("-vv rollback --yes", "");
    assert_eq!(fs::read_to_string(house.workspace.path().join("made/content")).expect("made"), House::canary("its own file"));
    house.does("secrets rotate", "");

    let main = house.workspace.path().join("main.toml");
    fs::write(&main, format!("{MAIN}{FAILING}")).expect("written");
    assert!(!house.run("-vv apply --yes", "").status.success());
    assert!(!house.run("resume --json", "").status.success());
    ["status", "events --json"].iter().for_each(|words| house.does(words, ""));
    fs::write(&main, format!("{MAIN}{NUMBER}")).expect("written");
    assert!(!house.run("plan", "").status.success(), "a word was taken for a number");
    fs::write(&main, MAIN).expect("written");
    house.does("-vv destroy --yes", "");
    house.search();
}
