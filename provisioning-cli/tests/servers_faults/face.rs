//! `exec`, `shell` and `logs` on servers: streams, codes and signals, and a terminal with keys.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::machine::{Person, Workspace};
use super::{declared, destroy, said};

const SERVER: &str = "[resources.s]\nkind = \"server\"\n";

fn applied(person: Person) -> Workspace {
    let workspace = declared(person, SERVER);
    workspace.expect(&["apply", "--yes"], 0);
    workspace
}

#[test]
fn a_command_has_its_streams_its_code_and_a_limit_that_is_told() {
    for person in Person::ALL {
        let workspace = applied(person);
        assert_eq!(said(&workspace, &["exec", "s", "--", "sh", "-c", "echo out; echo err >&2; exit 7"], 7), "out\nerr\n");
        assert_eq!(said(&workspace, &["exec", "s", "--", "sh", "-c", "kill -9 $$"], 137), "");
        assert!(said(&workspace, &["exec", "s", "--", "nothing"], 66).starts_with("error: `nothing` could not be started in `"));
        assert!(said(&workspace, &["exec", "s", "--", "/etc/passwd"], 68).starts_with("error: `/etc/passwd` could not be"));
        let mut child = workspace.command(&["exec", "s", "--", "cat"]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(b"\x00\xffbytes").expect("written");
        assert_eq!(child.wait_with_output().expect("ends").stdout, b"\x00\xffbytes");
        let large = workspace.run(&["exec", "s", "--", "head", "-c", "3000000", "/dev/zero"]);
        let note =
            "note: it wrote more than is kept, and the rest is not shown; `provisioning shell` keeps nothing, and shows all\n";
        assert_eq!((large.stdout.len(), String::from_utf8_lossy(&large.stderr).as_ref()), (1 << 20, note));
        destroy(&workspace);
    }
}

/// A command in a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: BufReader<std::process::ChildStdout>,
}

impl Terminal {
    fn of(workspace: &Workspace, words: &[&str]) -> Self {
        let command = workspace.command(words);
        // No shell of `script` stays in between: the keys that interrupt would end it.
        let mut line = vec!["exec".to_owned(), command.get_program().to_string_lossy().into_owned()];
        line.extend(command.get_args().map(|word| format!("'{}'", word.to_string_lossy())));
        // What never ends fails the test, and does not hold it up.
        let mut script = Command::new("timeout");
        script.args(["--foreground", "60", "script", "-qefc", &line.join(" "), "/dev/null"]).current_dir(workspace.path());
        let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("`script` of util-linux is needed");
        let (keys, screen) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, keys, screen: BufReader::new(screen) }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// Reads up to a line with a word that was not typed like that.
    fn shows(&mut self, word: &str) {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.screen.read_line(&mut line).expect("readable") > 0, "the terminal never showed `{word}`");
        }
    }

    fn code(mut self) -> Option<i32> {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).expect("readable");
        drop(self.keys);
        self.child.wait().expect("ends").code()
    }
}

#[test]
fn a_shell_in_a_terminal_has_its_keys_and_gives_its_code() {
    for person in [Person::Own, Person::Forbidden] {
        let workspace = applied(person);
        let mut terminal = Terminal::of(&workspace, &["shell", "s"]);
        terminal.types("echo $((40+2)) lines\n");
        terminal.shows("42 lines");
        // Said by a process that is in the foreground: a key that comes before there is one is lost.
        terminal.types("sh -c 'echo $((1+1)) begins; exec sleep 1000'\n");
        terminal.shows("2 begins");
        terminal.types("\u{3}");
        terminal.types("echo $((2+1)) goes on\n");
        terminal.shows("3 goes on");
        terminal.types("exit 4\n");
        assert_eq!(terminal.code(), Some(4), "{person:?}");
        let mut terminal = Terminal::of(&workspace, &["shell", "s", "--", "sh", "-c", "echo $((1+1)) begins; cat; exit 5"]);
        terminal.shows("2 begins");
        // `cat` has begun once it repeats what the terminal has shown already.
        terminal.types("read\n");
        terminal.shows("read");
        terminal.shows("read");
        // The key that stops a program: nobody could make it go on, and so it goes on at once.
        terminal.types("\u{1a}still\n");
        terminal.shows("still");
        terminal.shows("still");
        terminal.types("\u{4}");
        assert_eq!(terminal.code(), Some(5), "{person:?}");
        destroy(&workspace);
    }
}

#[test]
fn logs_are_followed_while_they_grow() {
    let line = "read word < go; echo first $word; exec sleep 1000";
    let workspace = declared(
        Person::Own,
        &format!(
            "{SERVER}[services.p]\nservice = \"program\"\non = [\"s\"]\nconfig = {{ command = [\"sh\", \"-c\", \"test -p /tmp/go || mkfifo /tmp/go; cd /tmp; {line}\"] }}\n"
        ),
    );
    workspace.expect(&["apply", "--yes"], 0);
    let mut follow = workspace.command(&["logs", "s", "--follow"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().expect("starts");
    super::inside(&workspace, "s", "echo word > /tmp/go");
    let mut shown = BufReader::new(follow.stdout.take().expect("piped"));
    let mut text = String::new();
    while !text.contains("first word\n") {
        assert!(shown.read_line(&mut text).expect("readable") > 0, "it ended: {text}");
    }
    follow.kill().expect("killed");
    follow.wait().expect("ends");
    destroy(&workspace);
}
