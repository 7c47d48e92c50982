//! Secrets of a workspace, by the command: set, read, changed in an editor, and shared with a second person.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;
use workspace::Workspace;

struct Person<'a> {
    workspace: &'a Workspace,
    home: tempfile::TempDir,
}

impl<'a> Person<'a> {
    fn at(workspace: &'a Workspace) -> Self {
        Self { workspace, home: tempfile::tempdir().expect("a home") }
    }

    fn identity(&self) -> PathBuf {
        self.home.path().join(".config/provisioning/identity.txt")
    }

    /// The public key, as a program reads it that knows age alone.
    fn key(&self) -> String {
        self.age().to_public().to_string()
    }

    fn age(&self) -> age::x25519::Identity {
        let text = fs::read_to_string(self.identity()).expect("an identity");
        text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).expect("a key").parse().expect("parses")
    }

    fn command(&self, words: &str) -> Command {
        let words: Vec<_> = words.split(' ').collect();
        let mut command = self.workspace.command(&[&["secrets"], words.as_slice()].concat());
        command.env("HOME", self.home.path()).env("TMPDIR", self.home.path());
        command
    }

    /// Runs a command with something piped in.
    fn pipe(&self, words: &str, input: &[u8]) -> Output {
        let mut command = self.command(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
        // One that refuses the name does not read.
        drop(child.stdin.take().expect("piped").write_all(input));
        child.wait_with_output().expect("it ends")
    }

    /// Runs a command that succeeds; gives what it printed and what it said.
    fn does(&self, words: &str, input: &str) -> (String, String) {
        let output = self.pipe(words, input.as_bytes());
        let said = self.said(&output);
        assert_eq!(output.status.code(), Some(0), "`{words}` said: {said}");
        (String::from_utf8(output.stdout).expect("text"), said)
    }

    fn fails(&self, words: &str, input: &[u8], code: i32, says: &str) {
        let output = self.pipe(words, input);
        assert_eq!((self.said(&output).as_str(), output.status.code()), (says, Some(code)), "{words}");
        assert!(output.stdout.is_empty(), "{words} printed something");
    }

    /// What it said, with the folders and the person's own key taken out.
    fn said(&self, output: &Output) -> String {
        let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
        if self.identity().metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o777 == 0o600) {
            text = text.replace(&self.key(), "MINE");
        }
        let text = text.replace(&self.home.path().display().to_string(), "HOME");
        text.replace(&self.workspace.path().canonicalize().expect("a path").display().to_string(), "ROOT")
    }

    /// Runs `edit` with a script as the editor, which finds the draft in `$1`.
    fn edits(&self, name: &str, script: &str) -> Output {
        let editor = self.home.path().join("editor");
        fs::write(&editor, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).expect("executable");
        let output = self.command(&format!("edit {name}")).env("EDITOR", format!("{} --wait", editor.display())).output();
        let left: Vec<_> = fs::read_dir(self.home.path()).expect("listed").map(|entry| entry.expect("one").file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("provisioning-")), "a draft stayed: {left:?}");
        output.expect("the command runs")
    }
}

#[test]
fn a_first_secret_makes_what_it_needs_and_says_so() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    assert_eq!(ada.does("list", "").0, "No secrets: `provisioning secrets set NAME` sets one.\n");
    assert_eq!(ada.does("recipients", "").0, "Nobody: `provisioning secrets set NAME` sets a first secret.\n");
    fs::remove_file(ada.identity()).expect("made by `recipients`");
    assert!(!workspace.path().join("secrets").exists(), "looking made a folder");

    let (printed, said) = ada.does("set db", "hunter2\n");
    assert_eq!(printed, "Set `db`: `${secret.db}` stands for it.\n");
    let safe = "Keep a copy of it in a safe place: nothing else opens what is encrypted to you.";
    let files = "Made ROOT/secrets/recipients.txt.\nMade ROOT/secrets/data.key.age.\n";
    assert_eq!(said, format!("Made HOME/.config/provisioning/identity.txt.\n{safe}\n{files}"));
    assert_eq!(ada.does("set api", "two\nlines\n\n"), ("Set `api`: `${secret.api}` stands for it.\n".to_owned(), String::new()));
    workspace.write("pem", "exact\n");
    ada.does("set key --from pem", "");
    assert_eq!(["db", "api", "key"].map(|name| ada.does(&format!("get {name}"), "").0), ["hunter2", "two\nlines\n", "exact\n"]);
    let json: Json = serde_json::from_str(&ada.does("get db --json", "").0).expect("JSON");
    assert_eq!(json, serde_json::json!({ "name": "db", "value": "hunter2" }));

    let table = "NAME  FROM                      READABLE\napi   the file secrets/api.age  yes\n\
                 db    the file secrets/db.age   yes\nkey   the file secrets/key.age  yes\n";
    assert_eq!(ada.does("list", "").0, table);
    let json: Json = serde_json::from_str(&ada.does("list --json", "").0).expect("JSON");
    let first = serde_json::json!({ "name": "api", "source": "the file `secrets/api.age`", "readable": true, "problem": null });
    assert_eq!(json[0], first);
    let asks = "error: `secrets remove api` asks before it changes anything, and nobody is here to answer\n";
    ada.fails("remove api", b"y\n", 64, &format!("{asks}hint: `provisioning secrets remove api --yes` does not ask\n"));
    assert_eq!(ada.does("get api", "").0, "two\nlines\n");
    assert_eq!(ada.does("remove api --yes", ""), ("Removed `api`.\n".to_owned(), String::new()));
    ada.fails("get api", b"", 66, "error: there is no secret `api`\nhint: known here: `db`, `key`\n");
    ada.fails("remove dbb --yes", b"", 66, "error: there is no secret `dbb`\nhint: did you mean `db`?\n");
    let modes = ["", "db.age", "data.key.age", "recipients.txt"].map(|name| workspace.path().join("secrets").join(name));
    let modes = modes.map(|path| path.metadata().expect("is there").permissions().mode() & 0o777);
    assert_eq!(modes, [0o700, 0o600, 0o600, 0o600]);
}

#[test]
fn the_files_are_those_of_age() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    ada.does("set db", "hunter2");
    let sealed = fs::read(workspace.path().join("secrets/db.age")).expect("read");
    assert!(
        sealed.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n") && sealed.ends_with(b"-----END AGE ENCRYPTED FILE-----\n")
    );
    assert_eq!(age::decrypt(&ada.age(), &sealed).expect("age opens it"), b"hunter2");
    let other = age::encrypt(&ada.age().to_public(), b"from another tool").expect("encrypted");
    fs::write(workspace.path().join("secrets/other.age"), other).expect("written");
    assert_eq!(ada.does("get other", "").0, "from another tool");
    let list = fs::read_to_string(workspace.path().join("secrets/recipients.txt")).expect("read");
    let keys: Vec<_> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(keys, [ada.key()]);

    let elsewhere = ada.home.path().join("elsewhere.txt");
    fs::rename(ada.identity(), &elsewhere).expect("moved");
    let named = ada.command("get db").env("PROVISIONING_IDENTITY", &elsewhere).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&named.stdout), "hunter2");
}

#[test]
fn what_is_no_name_or_no_value_is_refused() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    let usage = |name: &str, why: &str| {
        let text = "error: invalid value 'NAME' for '<NAME>': `NAME` is not a secret's name: WHY\n\n\
                    For more information, try '--help'.\n";
        text.replace("NAME>", "<>").replace("NAME", name).replace("<<>", "<NAME>").replace("WHY", why)
    };
    ada.fails("set 1db", b"x", 64, &usage("1db", "it must begin with a letter"));
    ada.fails("set data.key", b"x", 64, &usage("data.key", "only letters, digits, `_` and `-` may stand in it"));
    ada.fails("get ../db", b"x", 64, &usage("../db", "it must begin with a letter"));
    let empty = "error: the value of `db` is empty\nhint: nothing was changed\n";
    ada.fails("set db", b"", 65, empty);
    ada.fails("set db", b"\n", 65, empty);
    let binary = "error: the value of `db` is not text in UTF-8\nhint: encode it, in Base64 for example\n";
    ada.fails("set db", &[0xff, 0xfe, 0], 65, binary);
    ada.fails("set db --from nope", b"", 66, "error: cannot read `nope`: No such file or directory (os error 2)\n");
    let large = "error: the value of `db` has 1048577 bytes, and 1048576 are the most\n\
                 hint: encrypt it by itself, and make its key the secret\n";
    ada.fails("set db", &vec![b'x'; (1 << 20) + 1], 72, large);
    assert!(!workspace.path().join("secrets").exists() && !ada.identity().exists(), "something was made");
    let first = "hint: `provisioning secrets set NAME` sets a first secret\n";
    ada.fails("rotate", b"", 66, &format!("error: there is no `secrets/recipients.txt`\n{first}"));

    ada.does("set db", "hunter2");
    let path = workspace.path().join("secrets/db.age");
    let whole = fs::read(&path).expect("read");
    fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
    let damaged = "error: `secrets/db.age` is damaged, or was not encrypted by age\n";
    let again = "hint: take it from a copy, or set it anew: `provisioning secrets set db`\n";
    ada.fails("get db", b"", 74, &format!("{damaged}{again}"));
    assert!(ada.does("list", "").0.ends_with("no: `secrets/db.age` is damaged, or was not encrypted by age\n"));
    fs::write(&path, whole).expect("whole again");
    fs::set_permissions(ada.identity(), fs::Permissions::from_mode(0o644)).expect("opened to others");
    let open =
        "error: others may read the identity `HOME/.config/provisioning/identity.txt`: its mode is 644, and expected was 600\n";
    let close = "hint: `chmod 600 HOME/.config/provisioning/identity.txt`, if nobody has copied it yet\n";
    ada.fails("get db", b"", 68, &format!("{open}{close}"));
}

#[test]
fn a_second_person_reads_from_when_they_are_added_until_they_are_removed() {
    let workspace = Workspace::of(&[]);
    let (ada, bob) = (Person::at(&workspace), Person::at(&workspace));
    ada.does("set db", "hunter2");
    ada.does("set api", "token");
    let none = "error: there is no identity to decrypt with: `HOME/.config/provisioning/identity.txt` does not exist\n\
                hint: `provisioning secrets recipients` makes one, and says who has to add it\n";
    bob.fails("get db", b"", 68, none);
    let (printed, said) = bob.does("recipients", "");
    assert_eq!(printed.replace(&ada.key(), "ADA"), "KEY  NAME\nADA\n".replace("KEY  ", &format!("KEY{}", " ".repeat(61))));
    assert!(said.ends_with("You are not among them: ask one for `provisioning secrets recipients add MINE`.\n"), "{said}");
    let denied = "error: `secrets/db.age` is not encrypted to an identity in `HOME/.config/provisioning/identity.txt`\n";
    bob.fails(
        "get db",
        b"",
        68,
        &format!("{denied}hint: ask somebody who can read it for `provisioning secrets recipients add MINE`\n"),
    );

    let key = bob.key();
    let added = ada.does(&format!("recipients add {key} --name Bob"), "").0;
    assert_eq!(added, format!("Everything is encrypted to {key} as well.\n"));
    assert_eq!((bob.does("get db", "").0.as_str(), bob.does("get api", "").0.as_str()), ("hunter2", "token"));
    assert_eq!(ada.does("get db", "").0, "hunter2");
    bob.does("set shared", "by bob");
    assert_eq!(ada.does("get shared", "").0, "by bob");
    let listed: Json = serde_json::from_str(&bob.does("recipients --json", "").0).expect("JSON");
    assert!(bob.does("recipients", "").0.ends_with("  Bob (you)\n") && ada.does("recipients", "").0.contains("  you\n"));
    let expect = serde_json::json!([
        { "key": ada.key(), "name": null, "you": false }, { "key": bob.key(), "name": "Bob", "you": true }
    ]);
    assert_eq!(listed, expect);
    let twice = format!("error: `{key}` is a recipient already\nhint: `provisioning secrets rotate` encrypts anew\n");
    ada.fails(&format!("recipients add {key}"), b"", 67, &twice);

    let (printed, said) = ada.does("recipients remove Bob", "");
    assert_eq!(printed, format!("Nothing is encrypted to {key} any more.\n"));
    assert_eq!(said, "What they could read until now they may have kept: change the secrets themselves as well.\n");
    assert_eq!(bob.pipe("get db", b"").status.code(), Some(68));
    let last = "error: you could not read the secrets any more: no key of yours would be a recipient\n\
                hint: add another key of yours first, or let another recipient do it; nothing was changed\n";
    ada.fails(&format!("recipients remove {}", ada.key()), b"", 65, last);
    let wrong = "error: `nobody` is not a public key of age: expected `age1` and 58 letters and digits\n";
    ada.fails("recipients add nobody", b"", 65, wrong);
    let secret = fs::read_to_string(ada.identity()).expect("read");
    let secret = secret.lines().last().expect("a key");
    let told = "error: this is a secret key, and not for others to see\n\
                hint: take the public key, `age1…`: the comment above the secret key in the identity file has it\n";
    ada.fails(&format!("recipients add {secret}"), b"", 65, told);
}

#[test]
fn a_rotation_encrypts_everything_anew_and_keeps_the_old_keys() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    ada.does("set db", "hunter2");
    let read = |name: &str| fs::read(workspace.path().join("secrets").join(name)).expect("read");
    let keys = || String::from_utf8(age::decrypt(&ada.age(), &read("data.key.age")).expect("age opens it")).expect("text");
    let (secret, old) = (read("db.age"), keys());
    let text = "There is a new data key, and everything is encrypted anew to 1 recipient.\n";
    assert_eq!(ada.does("rotate", "").0, text);
    assert!(keys().ends_with(&old) && keys().lines().count() == 2, "an old key is lost");
    assert_ne!(read("db.age"), secret);
    assert_eq!(ada.does("get db", "").0, "hunter2");
    std::os::unix::fs::symlink("/dev/null", workspace.path().join("secrets/odd.age")).expect("linked");
    let before = (read("db.age"), keys());
    ada.fails("rotate", b"", 65, "error: cannot read `ROOT/secrets/odd.age`: it is not a regular file\n");
    assert_eq!((read("db.age"), keys()), before, "a part was rotated");
}

#[test]
fn an_editor_changes_a_secret_and_leaves_nothing_behind() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    ada.does("set db", "hunter2");
    let sealed = || fs::read(workspace.path().join("secrets/db.age")).expect("read");
    let seen = "test \"$1\" = --wait || exit 9\nstat -c '%a' \"$2\" \"$(dirname \"$2\")\" > \"$HOME/modes\"; cat \"$2\" > \"$HOME/seen\"";
    let output = ada.edits("db", &format!("{seen}\ncp \"$2\" \"$2~\"; echo 'correct horse' > \"$2\""));
    assert_eq!((ada.said(&output).as_str(), output.status.code()), ("", Some(0)));
    let note = |name: &str| fs::read_to_string(ada.home.path().join(name)).expect("written by the editor");
    assert_eq!((note("modes").as_str(), note("seen").as_str()), ("600\n700\n", "hunter2"));
    assert_eq!(ada.does("get db", "").0, "correct horse");

    let before = sealed();
    let unchanged = ada.edits("db", "echo >> \"$2\"");
    assert_eq!(String::from_utf8_lossy(&unchanged.stdout), "`db` is as it was.\n");
    let stopping = "p=$PPID; until [ \"$(cat /proc/$p/comm)\" = provisioning ]; do p=$(cut -d' ' -f4 /proc/$p/stat); done\n\
                    kill -TERM $p; exec sleep 5";
    let editor = ada.home.path().join("editor").display().to_string().replace(&ada.home.path().display().to_string(), "HOME");
    let cases = [
        (
            "echo half > \"$2\"; exit 3",
            73,
            format!(
                "nothing was changed: the editor `{editor} --wait` ended with code 3\nhint: `VISUAL` or `EDITOR` names another one\n"
            ),
        ),
        (": > \"$2\"", 65, "the value of `db` is empty\nhint: nothing was changed\n".to_owned()),
        (
            "printf '\\377' > \"$2\"",
            65,
            "the value of `db` is not text in UTF-8\nhint: encode it, in Base64 for example\n".to_owned(),
        ),
        (stopping, 73, "nothing was changed: the command was stopped while the editor was open\n".to_owned()),
    ];
    for (script, code, says) in cases {
        let output = ada.edits("db", script);
        assert_eq!((ada.said(&output), output.status.code()), (format!("error: {says}"), Some(code)), "{script}");
        assert_eq!(sealed(), before, "{script}");
    }
    let missing = "error: there is no editor\nhint: name one in the variable `EDITOR`, such as `export EDITOR=nano`\n";
    ada.fails("edit db", b"", 65, missing);
    ada.fails("edit nope", b"", 66, "error: there is no secret `nope`\nhint: known here: `db`\n");
}

#[test]
fn an_editor_does_not_write_over_what_was_set_meanwhile() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    ada.does("set db", "hunter2");
    let program = env!("CARGO_BIN_EXE_provisioning");
    let output = ada.edits("db", &format!("printf theirs | {program} secrets set db >&2; echo mine > \"$2\""));
    let says = "It replaces what `db` was.\nSet `db`: `${secret.db}` stands for it.\nerror: `db` was changed meanwhile\n\
                hint: nothing was written; `provisioning secrets edit db` begins with what it is now\n";
    assert_eq!((ada.said(&output).as_str(), output.status.code()), (says, Some(67)));
    assert_eq!(ada.does("get db", "").0, "theirs");
}

#[test]
fn a_secret_from_elsewhere_is_refused_before_anybody_types_it() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    workspace.write("provisioning.toml", "name = \"test\"\n[secrets.far]\nenv = \"HOME\"\n");
    let says = "error: the secret `far` comes from the variable `HOME`\n\
                hint: change it there; or say nothing of it in `provisioning.toml`, and it lies in the workspace\n";
    let output = ada.edits("far", "echo opened > \"$HOME/opened\"");
    assert_eq!((ada.said(&output).as_str(), output.status.code()), (says, Some(67)));
    assert!(!ada.home.path().join("opened").exists(), "the editor was opened");
    ada.fails("set far --from nope", b"", 67, says);
    ada.fails("remove far --yes", b"", 67, says);
}

#[test]
fn what_only_another_environment_declares_is_encrypted_anew_as_well() {
    let workspace = Workspace::of(&[]);
    let (ada, bob) = (Person::at(&workspace), Person::at(&workspace));
    fs::create_dir(workspace.path().join("environments")).expect("made");
    workspace.write("environments/prod.toml", "[secrets.db]\nage = \"secrets/prod/db.age\"\n");
    ada.does("set db --env prod", "in prod");
    bob.does("recipients", "");
    ada.does(&format!("recipients add {} --name Bob", bob.key()), "");
    assert_eq!(bob.does("get db --env prod", "").0, "in prod");
    ada.does("recipients remove Bob", "");
    assert_eq!(
        (bob.pipe("get db --env prod", b"").status.code(), ada.does("get db --env prod", "").0.as_str()),
        (Some(68), "in prod")
    );
    assert!(age::decrypt(&bob.age(), &fs::read(workspace.path().join("secrets/prod/db.age")).expect("read")).is_err());

    workspace.write("environments/prod.toml", "[secrets.db]\nage = \"secrets/data.key.age\"\n");
    let output = ada.pipe("get db --env prod", b"");
    let says = "`secrets/data.key.age` is no place for an encrypted secret: the data keys of the workspace lie there\n";
    let said = ada.said(&output);
    assert!(said.contains(&format!("environments/prod.toml:2:7: secrets.db.age: {says}")), "{said}");
    assert_eq!((output.status.code(), output.stdout), (Some(65), Vec::new()));
}

#[test]
fn data_keys_that_are_lost_are_asked_for() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    ada.does("set db", "hunter2");
    let keys = workspace.path().join("secrets/data.key.age");
    fs::remove_file(&keys).expect("lost");
    let says = "error: there is no `secrets/data.key.age`, though the workspace had one\n\
                hint: take it from a copy, such as version control: without it, nobody reads what was sealed\n";
    ada.fails("set db", b"new", 74, says);
    ada.fails("rotate", b"", 74, says);
    assert!(!keys.exists(), "it was replaced");
    assert_eq!(ada.does("get db", "").0, "hunter2");
}

#[test]
fn a_plan_says_once_which_secret_is_missing_and_why() {
    let workspace = Workspace::of(&[]);
    let ada = Person::at(&workspace);
    workspace.write("main.toml", "[providers]\nlocal = { type = \"local\", root = \"${secret.db}\" }\n");
    workspace.write("provisioning.toml", "name = \"test\"\n[secrets.db]\nenv = \"NOT_SET\"\n");
    let plan = workspace.command(&["plan"]).env("HOME", ada.home.path()).output().expect("it runs");
    let place = "error: main.toml:2:34: `providers.local.root`";
    let hint = "hint: set `NOT_SET` where the command is started\n";
    assert_eq!(ada.said(&plan), format!("{place}: the secret `db` cannot be read: the variable `NOT_SET` is not set\n{hint}"));
    ada.fails("get db", b"", 66, &format!("error: the variable `NOT_SET` is not set\n  secret: db\n{hint}"));
}

#[test]
fn whoever_sets_a_secret_is_told_what_it_replaces() {
    let workspace = Workspace::of(&[]);
    let (ada, bob) = (Person::at(&workspace), Person::at(&workspace));
    ada.does("set db", "hunter2");
    bob.does("recipients", "");
    let unseen = "It replaces what `db` was, which you cannot read.\n";
    assert_eq!(bob.does("set db", "by bob").1, unseen);
    assert_eq!(ada.does("set db", "hunter2").1, "It replaces what `db` was.\n");
    assert_eq!(
        ada.does("set db --json", "hunter2"),
        ("{\n  \"replaced\": true,\n  \"set\": \"db\"\n}\n".to_owned(), String::new())
    );
}
