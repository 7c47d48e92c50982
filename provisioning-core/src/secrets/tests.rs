//! Secrets on a real file system, with real files of age: what is kept, who reads it, and what a change that is cut off leaves.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::changes::{next_ring, renewed};
use super::drafts::Draft;
use super::*;
use crate::error::Failure;
use crate::name::SecretName;
use crate::testing::SeededIds;
use crate::value::Value;

struct Fixture {
    folder: tempfile::TempDir,
    ids: SeededIds,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), ids: SeededIds::new(1) }
    }

    /// The vault as one person sees it.
    fn vault(&self, person: &str) -> Vault {
        let identity = Some(self.folder.path().join(person).join("identity.txt"));
        Vault { root: self.folder.path().join("shop"), sources: BTreeMap::new(), identity }
    }

    /// Ada's vault with two secrets.
    fn begun(&self) -> Vault {
        let ada = self.vault("ada");
        set(&ada, &name("db"), "hunter2", &self.ids).expect("set");
        set(&ada, &name("api"), "s3cret\n", &self.ids).expect("set");
        ada
    }

    fn key(&self, person: &str) -> PublicKey {
        introduce(&self.vault(person)).expect("introduced").0.remove(0)
    }

    fn add(&self, by: &Vault, person: &str) {
        let recipient = Recipient { key: self.key(person), name: Some(person.to_owned()) };
        add_recipient(by, &recipient, &self.ids).expect("added");
    }

    /// A message and its hint, with the folder and the keys taken out.
    fn told(&self, error: &Error) -> String {
        let failure = Failure::from(error);
        let mut text = format!("{}: {}; hint: {}", failure.kind.as_str(), failure.message, failure.hint.unwrap_or_default());
        for person in ["ada", "bob"] {
            let path = self.vault(person).identity.expect("a path");
            if path.exists() && mode(&path) == 0o600 {
                text = text.replace(&self.key(person).to_string(), &format!("KEY-{person}"));
            }
        }
        text.replace(&self.folder.path().display().to_string(), "ROOT")
    }
}

fn name(text: &str) -> SecretName {
    SecretName::parse(text).expect("a name")
}

fn aged(path: &str) -> Source {
    Source::Age { path: StoredPath::parse(path).expect("a place") }
}

fn shell(line: &str) -> Source {
    Source::Command { argv: ["sh", "-c", line].map(str::to_owned).to_vec() }
}

fn asked(vault: &Vault) -> WorkspaceSecrets {
    let variables = std::env::vars_os().filter(|(variable, _)| variable == "PATH");
    WorkspaceSecrets::new(vault.clone(), variables.collect(), Duration::from_secs(20))
}

fn read(vault: &Vault, secret: &str) -> Result<String> {
    asked(vault).read(secret).map(|secret| secret.expose().as_str().expect("text").to_owned())
}

fn files(vault: &Vault) -> BTreeMap<PathBuf, Vec<u8>> {
    let found = drafts::files(&vault.folder(), source::DEPTH).expect("listed");
    found.into_iter().map(|path| (path.clone(), fs::read(path).expect("read"))).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

#[test]
fn a_first_secret_makes_what_is_missing_for_its_owner_alone() {
    let fixture = Fixture::new();
    let ada = fixture.vault("ada");
    let (identity, folder) = (ada.identity.clone().expect("a path"), ada.folder());
    let made = set(&ada, &name("db"), "hunter2", &fixture.ids).expect("set");
    let files_made = vec![identity.clone(), folder.join("recipients.txt"), folder.join("data.key.age")];
    assert_eq!(made, Done { made: files_made, before: Before::Nothing });
    let nothing = Done { made: Vec::new(), before: Before::Nothing };
    assert_eq!(set(&ada, &name("api"), "other", &fixture.ids).expect("set"), nothing);
    assert_eq!(read(&ada, "db").expect("read"), "hunter2");
    assert_eq!(asked(&ada).names(), ["api", "db"]);
    let listed: Vec<_> = files(&ada).into_keys().collect();
    assert_eq!(listed, ["api.age", "data.key.age", "db.age", "recipients.txt"].map(|name| folder.join(name)));
    assert!(listed.iter().chain([&identity]).all(|path| mode(path) == 0o600) && mode(&folder) == 0o700);
    assert_eq!(asked(&ada).keyring().expect("opens").map(|ring| ring.len()), Some(1));
    assert!(asked(&fixture.vault("ada")).keyring().is_ok() && NoSecrets.keyring().expect("none").is_none());
}

#[test]
fn whoever_is_no_recipient_reads_nothing_until_added_and_is_told_by_whom() {
    let fixture = Fixture::new();
    let (ada, bob) = (fixture.begun(), fixture.vault("bob"));
    let error = read(&bob, "db").expect_err("bob has no identity");
    let hint = "`provisioning secrets recipients` makes one, and says who has to add it";
    let says = format!("denied: there is no identity to decrypt with: `ROOT/bob/identity.txt` does not exist; hint: {hint}");
    assert_eq!(fixture.told(&error), says);

    fixture.key("bob");
    let not_his = "denied: `secrets/db.age` is not encrypted to an identity in `ROOT/bob/identity.txt`; hint: ";
    let ask = "ask somebody who can read it for `provisioning secrets recipients add KEY-bob`";
    assert_eq!(fixture.told(&read(&bob, "db").expect_err("not his")), format!("{not_his}{ask}"));
    assert_eq!(asked(&bob).keyring().expect_err("not his").kind(), ErrorKind::Denied);
    let himself = Recipient { key: fixture.key("bob"), name: None };
    assert_eq!(add_recipient(&bob, &himself, &fixture.ids).expect_err("not by himself").kind(), ErrorKind::Denied);

    fs::write(ada.list_path(), recipients::with(&ada.list().expect("read").expect("there"), &himself)).expect("by hand");
    let rotate_it =
        "`KEY-bob` stands in `secrets/recipients.txt`: somebody who can read it has to run `provisioning secrets rotate`";
    assert_eq!(fixture.told(&read(&bob, "db").expect_err("not yet")), format!("{not_his}{rotate_it}"));
    rotate(&ada, &fixture.ids).expect("rotated");
    assert_eq!(
        (read(&bob, "db").expect("read"), read(&bob, "api").expect("read")),
        ("hunter2".to_owned(), "s3cret\n".to_owned())
    );
    assert_eq!(asked(&bob).keyring().expect("opens"), asked(&ada).keyring().expect("opens"));
}

#[test]
fn a_removed_recipient_reads_nothing_that_is_written_from_then_on() {
    let fixture = Fixture::new();
    let (ada, bob) = (fixture.begun(), fixture.vault("bob"));
    fixture.add(&ada, "bob");
    let before = asked(&bob).keyring().expect("opens").expect("keys");
    let again = Recipient { key: fixture.key("bob"), name: None };
    let error = add_recipient(&ada, &again, &fixture.ids).expect_err("twice");
    let says = "conflict: `KEY-bob` is a recipient already; hint: `provisioning secrets rotate` encrypts anew";
    assert_eq!(fixture.told(&error), says);

    remove_recipient(&ada, &fixture.key("bob"), &fixture.ids).expect("removed");
    assert_eq!(read(&bob, "db").expect_err("not his any more").kind(), ErrorKind::Denied);
    let after = asked(&ada).keyring().expect("opens").expect("keys");
    let (old, new) = (before.seal("p", b"x"), after.seal("p", b"x"));
    assert_eq!(after.open("p", &old).expect("an old record opens"), b"x");
    assert_eq!(before.open("p", &new).expect_err("a new key").kind(), ErrorKind::Denied);

    let error = remove_recipient(&ada, &fixture.key("bob"), &fixture.ids).expect_err("gone");
    assert_eq!(fixture.told(&error), "not_found: `KEY-bob` is no recipient; hint: `provisioning secrets recipients` lists them");
    let all = files(&ada);
    let error = remove_recipient(&ada, &fixture.key("ada"), &fixture.ids).expect_err("the last");
    let hint = "add another key of yours first, or let another recipient do it; nothing was changed";
    let says = format!("invalid: you could not read the secrets any more: no key of yours would be a recipient; hint: {hint}");
    assert_eq!(fixture.told(&error), says);
    assert_eq!(files(&ada), all, "something was changed");
}

fn begun_rotation(vault: &Vault, ids: &SeededIds) -> Vec<Draft> {
    let list = vault.list().expect("read").expect("there");
    renewed(vault, &list, &next_ring(vault, ids).expect("a ring")).expect("written")
}

/// Puts the first of them, and leaves the others as a kill does.
fn put(drafts: Vec<Draft>, count: usize) {
    drafts.iter().take(count).for_each(|draft| draft.put().expect("put"));
    drafts.into_iter().for_each(std::mem::forget);
}

#[test]
fn a_rotation_cut_off_anywhere_leaves_everything_to_whoever_made_it() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    fixture.add(&ada, "bob");
    let all = files(&ada).len();
    for cut in 0..=all {
        let before = files(&ada);
        let ring = asked(&ada).keyring().expect("opens").expect("keys");
        let drafts = begun_rotation(&ada, &fixture.ids);
        assert_eq!(drafts.len(), all);
        put(drafts, cut);
        assert_eq!(
            files(&ada).iter().filter(|(path, content)| before.get(*path).is_some_and(|old| old != *content)).count(),
            cut.min(all - 1)
        );
        for person in ["ada", "bob"] {
            let vault = fixture.vault(person);
            assert_eq!(
                (read(&vault, "db").expect("read").as_str(), read(&vault, "api").expect("read").as_str()),
                ("hunter2", "s3cret\n")
            );
            let now = asked(&vault).keyring().expect("opens").expect("keys");
            assert_eq!(now.open("p", &ring.seal("p", b"x")).expect("an old record opens"), b"x");
        }
        assert_eq!(asked(&ada).names(), ["api", "db"]);
    }
    rotate(&ada, &fixture.ids).expect("rotated");
    assert_eq!(files(&ada).len(), all, "drafts were left");

    let (drafts, db) = (begun_rotation(&ada, &fixture.ids), ada.folder().join("db.age"));
    let before = fs::read(&db).and_then(|content| fs::remove_file(&db).map(|()| content)).expect("taken away");
    fs::create_dir(&db).expect("something in the way");
    assert_eq!(drafts::put_all(&drafts).expect_err("in the way").to_string(), format!("cannot write `{}`", db.display()));
    drop(drafts);
    fs::remove_dir(&db).and_then(|()| fs::write(&db, before)).expect("put back");
    assert_eq!((read(&ada, "db").expect("read").as_str(), read(&ada, "api").expect("read").as_str()), ("hunter2", "s3cret\n"));
    assert_eq!(files(&ada).len(), all, "drafts were left");
}

#[test]
fn a_change_that_cannot_be_finished_changes_nothing() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    let damaged = ada.folder().join("db.age");
    let whole = fs::read(&damaged).expect("read");
    for cut in [0, 10, whole.len() / 2, whole.len() - 40] {
        fs::write(&damaged, &whole[..cut]).expect("cut");
        let before = files(&ada);
        let again = "take it from a copy, or set it anew: `provisioning secrets set db`";
        let says = "corrupt: `secrets/db.age` is damaged, or was not encrypted by age; hint: ";
        assert_eq!(fixture.told(&read(&ada, "db").expect_err("damaged")), format!("{says}{again}"), "{cut}");
        let error = rotate(&ada, &fixture.ids).expect_err("cannot be read");
        assert_eq!(fixture.told(&error), format!("{says}take it from a copy, or remove it; nothing was changed"));
        assert_eq!(files(&ada), before);
    }
    set(&ada, &name("db"), "new", &fixture.ids).expect("set over it");
    fs::remove_file(ada.list_path()).expect("removed");
    let error = set(&ada, &name("more"), "x", &fixture.ids).expect_err("for whom?");
    let hint = "take it from a copy, or write into it who can read them: public keys of age, one a line";
    assert_eq!(
        fixture.told(&error),
        format!("corrupt: there is no `secrets/recipients.txt`, though there are secrets; hint: {hint}")
    );
}

#[test]
fn an_identity_that_is_unfit_is_told() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    let path = ada.identity.clone().expect("a path");
    let write = |text: &str, mode: u32| {
        fs::write(&path, text).and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode))).expect("written");
    };
    let own = fs::read_to_string(&path).expect("read");
    write(&own, 0o640);
    let hint = "`chmod 600 ROOT/ada/identity.txt`, if nobody has copied it yet";
    let says = "denied: others may read the identity `ROOT/ada/identity.txt`: its mode is 640, and expected was 600";
    assert_eq!(fixture.told(&read(&ada, "db").expect_err("open")), format!("{says}; hint: {hint}"));
    let writes = "; hint: expected lines that `age-keygen` writes: AGE-SECRET-KEY-1…";
    let raw = |error: Error| {
        let failure = Failure::from(&error);
        format!("{}; hint: {}", failure.message, failure.hint.unwrap_or_default())
            .replace(&fixture.folder.path().display().to_string(), "ROOT")
    };
    write("# nothing\n", 0o600);
    assert_eq!(raw(read(&ada, "db").expect_err("empty")), format!("there is no identity in `ROOT/ada/identity.txt`{writes}"));
    write("# a\nhunter2\n", 0o600);
    assert_eq!(
        raw(read(&ada, "db").expect_err("wrong")),
        format!("line 2 of `ROOT/ada/identity.txt` is not an identity of age{writes}")
    );
    let other = envelope::Identities::fresh().to_text();
    write(&format!("# several\n{other}\n  {own}"), 0o600);
    assert_eq!(read(&ada, "db").expect("one of them opens it"), "hunter2");
    let homeless = Vault { identity: None, ..ada };
    assert_eq!(read(&homeless, "db").expect_err("nowhere").hint(), Some("name its file in the variable `PROVISIONING_IDENTITY`"));
}

#[test]
fn a_secret_comes_from_where_the_workspace_says() {
    let fixture = Fixture::new();
    let mut ada = fixture.begun();
    let script = "printf 'x' >> runs; printf 'printed\\n\\n'";
    ada.sources = BTreeMap::from([
        (name("by_age"), aged("secrets/prod/x.age")),
        (name("by_command"), shell(script)),
        (name("by_file"), Source::File { path: "plain.txt".into() }),
        (name("by_variable"), Source::Env { variable: "DB".to_owned() }),
    ]);
    fs::write(ada.root.join("plain.txt"), "plain\n").expect("written");
    let unset = read(&ada, "by_age").expect_err("not set");
    let says = "not_found: the secret `by_age` was not set yet: there is no `secrets/prod/x.age`; \
                hint: `provisioning secrets set by_age` makes it";
    assert_eq!(fixture.told(&unset), says);
    set(&ada, &name("by_age"), "aged", &fixture.ids).expect("set");
    rotate(&ada, &fixture.ids).expect("rotated");
    let variables =
        BTreeMap::from([("DB", "var"), ("PATH", "/usr/bin:/bin")].map(|(key, value)| (OsString::from(key), value.into())));
    let secrets = WorkspaceSecrets::new(ada.clone(), variables, Duration::from_secs(20));
    let value = |secret: &str| secrets.read(secret).expect("read").expose().clone();
    for _ in 0..2 {
        let values = ["by_age", "by_command", "by_file", "by_variable", "db"].map(value);
        assert_eq!(values, ["aged", "printed\n", "plain", "var", "hunter2"].map(Value::from));
    }
    assert_eq!(fs::read_to_string(ada.root.join("runs")).expect("it ran in the workspace"), "x", "it ran more than once");
    assert_eq!(secrets.names(), ["api", "by_age", "by_command", "by_file", "by_variable", "db"]);
    assert!(!format!("{secrets:?}").contains("hunter2") && !format!("{secrets:?}").contains("/usr/bin"));
    let error = set(&ada, &name("by_file"), "x", &fixture.ids).expect_err("elsewhere");
    let hint = "change it there; or say nothing of it in `provisioning.toml`, and it lies in the workspace";
    assert_eq!(fixture.told(&error), format!("conflict: the secret `by_file` comes from the file `plain.txt`; hint: {hint}"));
}

/// What is told of a source that gives nothing, when a secret is read from it.
fn told_of(fixture: &Fixture, ada: &Vault, source: Source) -> String {
    let vault = Vault { sources: BTreeMap::from([(name("s"), source)]), ..ada.clone() };
    let variables = BTreeMap::from([("PATH", "/usr/bin:/bin"), ("EMPTY", "")].map(|(key, value)| (key.into(), value.into())));
    let secrets = WorkspaceSecrets::new(vault, variables, Duration::from_secs(20));
    let error = secrets.read("s").expect_err("nothing");
    assert_eq!(error.context(), [("secret", "s".to_owned())]);
    fixture.told(&error)
}

#[test]
fn a_source_that_gives_nothing_says_which_and_why() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    fs::write(ada.root.join("binary"), [0xff, 0xfe]).expect("written");
    fs::write(ada.root.join("empty"), "\n").expect("written");
    let cases = [
        (
            Source::Env { variable: "NOPE".into() },
            "not_found: the variable `NOPE` is not set; hint: set `NOPE` where the command is started".to_owned(),
        ),
        (
            Source::Env { variable: "EMPTY".into() },
            "invalid: the variable `EMPTY` is empty; hint: set it to the secret where the command is started".to_owned(),
        ),
        (
            Source::File { path: "nope".into() },
            "not_found: cannot open the file `nope`: No such file or directory (os error 2); \
             hint: make it, or name another: a relative path begins at the workspace"
                .to_owned(),
        ),
        (
            Source::File { path: "/dev/zero".into() },
            "invalid: cannot open the file `/dev/zero`: it is not a regular file; hint: name a regular file".to_owned(),
        ),
        (Source::File { path: "empty".into() }, "invalid: the file `empty` is empty; hint: write the secret into it".to_owned()),
        (
            Source::File { path: "binary".into() },
            "invalid: the file `binary` gives something else than text in UTF-8; hint: encode it, in Base64 for example"
                .to_owned(),
        ),
    ];
    for (source, says) in cases {
        assert_eq!(told_of(&fixture, &ada, source), says);
    }
    assert_eq!(
        fixture.told(&read(&ada, "dbb").expect_err("misspelt")),
        "not_found: there is no secret `dbb`; hint: did you mean `db`?"
    );
    assert_eq!(read(&ada, "../db").expect_err("no name").kind(), ErrorKind::NotFound);
}

#[test]
fn a_command_that_gives_nothing_says_which_and_why() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    fs::write(ada.root.join("binary"), [0xff, 0xfe]).expect("written");
    let big = format!("head -c {} /dev/zero | tr '\\0' a", vault::LIMIT + 1);
    let by_itself = "run it by itself in the folder of the workspace, to see what is wrong";
    let large = "which is more than a secret takes; hint: what is not secret goes into a file of its own";
    let cases = [
        (shell("echo hunter3; exit 3"), format!("unavailable: the command `sh` exited with code 3; hint: {by_itself}")),
        (shell("kill -9 $$"), format!("unavailable: the command `sh` was ended by signal 9; hint: {by_itself}")),
        (
            shell("cat"),
            "invalid: the command `sh` printed nothing; hint: it has to print the secret to its standard output".to_owned(),
        ),
        (shell(&big), format!("limited: the command `sh` gives more than 1 MiB, {large}")),
        (shell("yes hunter3"), format!("limited: the command `sh` gives more than 1 MiB, {large}")),
        (
            Source::Command { argv: vec!["/no/such".into(), "hunter3".into()] },
            "not_found: the command `/no/such` does not start: No such file or directory (os error 2); \
             hint: install it, or name it by its whole path: `PATH` says where it is looked for"
                .to_owned(),
        ),
        (
            Source::Command { argv: vec!["./binary".into()] },
            "denied: the command `./binary` does not start: Permission denied (os error 13); \
             hint: whoever starts it has to be allowed to execute it"
                .to_owned(),
        ),
    ];
    for (source, says) in cases {
        assert_eq!(told_of(&fixture, &ada, source), says);
    }
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let fixture = Fixture::new();
    let mut ada = fixture.begun();
    let hint = "nobody answers what it asks on standard input: look whether it waits for that";
    for waits in ["exec sleep 5", "exec >&-; exec sleep 5"] {
        ada.sources = BTreeMap::from([(name("s"), shell(waits))]);
        let variables = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
        let impatient = WorkspaceSecrets::new(ada.clone(), variables, Duration::from_millis(50));
        let says = format!("unavailable: the command `sh` did not end within 0.05 s; hint: {hint}");
        assert_eq!(fixture.told(&impatient.read("s").expect_err("it waits")), says);
    }
}

#[test]
fn what_is_no_secret_is_refused_before_anything_is_made() {
    let fixture = Fixture::new();
    let ada = fixture.vault("ada");
    let error = set(&ada, &name("db"), "", &fixture.ids).expect_err("empty");
    assert_eq!(fixture.told(&error), "invalid: the value of `db` is empty; hint: nothing was changed");
    let error = set(&ada, &name("db"), &"x".repeat(vault::LIMIT + 1), &fixture.ids).expect_err("large");
    assert_eq!(error.to_string(), "the value of `db` has 1048577 bytes, and 1048576 are the most");
    let error = rotate(&ada, &fixture.ids).expect_err("nothing there");
    let says = "not_found: there is no `secrets/recipients.txt`; hint: `provisioning secrets set NAME` sets a first secret";
    assert_eq!(fixture.told(&error), says);
    assert_eq!(remove(&ada, &name("db")).expect_err("none").kind(), ErrorKind::NotFound);
    assert!(!ada.root.exists(), "something was made");
    set(&ada, &name("db"), &"x".repeat(vault::LIMIT), &fixture.ids).expect("as large as can be");
    assert_eq!(read(&ada, "db").expect("read").len(), vault::LIMIT);
    remove(&ada, &name("db")).expect("removed");
    assert_eq!(asked(&ada).names(), Vec::<String>::new());
}

#[test]
fn a_removed_recipient_reads_nothing_that_only_another_environment_declares() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    let in_prod = |person: &str| Vault {
        sources: BTreeMap::from([(name("db"), aged("secrets/prod/db.age")), (name("deep"), aged("secrets/a/b/c/deep.age"))]),
        ..fixture.vault(person)
    };
    for secret in ["db", "deep"] {
        set(&in_prod("ada"), &name(secret), "in prod", &fixture.ids).expect("set");
    }
    fixture.add(&ada, "bob");
    assert_eq!(["db", "deep"].map(|secret| read(&in_prod("bob"), secret).expect("his as well")), ["in prod", "in prod"]);
    assert_eq!(asked(&ada).names(), ["api", "db"], "what another environment declares is no secret here");

    let left = ada.folder().join("prod/.db.age.0123.draft");
    fs::write(&left, "half").expect("written");
    remove_recipient(&ada, &fixture.key("bob"), &fixture.ids).expect("removed");
    for secret in ["db", "deep"] {
        assert_eq!(read(&in_prod("bob"), secret).expect_err("not his any more").kind(), ErrorKind::Denied);
        assert_eq!(read(&in_prod("ada"), secret).expect("hers"), "in prod");
    }
    assert!(!left.exists(), "what was left half-done stays");
    assert_eq!(
        (read(&ada, "db").expect("read"), read(&in_prod("ada"), "api").expect("read")),
        ("hunter2".into(), "s3cret\n".into())
    );
}

#[test]
fn a_folder_that_cannot_be_looked_through_is_told_and_not_passed_over() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    let before = files(&ada);
    let back = ada.folder().join("back");
    std::os::unix::fs::symlink(".", &back).expect("linked");
    let error = rotate(&ada, &fixture.ids).expect_err("a link that leads back");
    let says = "too many folders lie in one another; hint: move what is in them up, or remove a link that leads back";
    let place = format!("limited: in `ROOT/shop/secrets{}` ", "/back".repeat(source::DEPTH));
    assert_eq!(fixture.told(&error), format!("{place}{says}"));
    assert_eq!(asked(&ada).names(), ["api", "db"]);
    fs::remove_file(&back).expect("removed");
    assert_eq!(files(&ada), before);
}

#[test]
fn data_keys_that_are_lost_are_not_replaced() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    let (path, list) = (ada.data_path(), ada.list().expect("read").expect("there"));
    let keys = fs::read(&path).expect("read");
    fs::remove_file(&path).expect("lost");
    let before = files(&ada);
    let newcomer = Recipient { key: fixture.key("bob"), name: None };
    let eve = fixture.vault("eve");
    for error in [
        set(&ada, &name("db"), "new", &fixture.ids).expect_err("set"),
        set(&eve, &name("db"), "new", &fixture.ids).expect_err("set"),
        change(&ada, &name("db"), "hunter2", "new").expect_err("changed"),
        add_recipient(&ada, &newcomer, &fixture.ids).expect_err("added"),
        remove_recipient(&ada, &first_of(&list), &fixture.ids).expect_err("removed"),
        rotate(&ada, &fixture.ids).expect_err("rotated"),
        init(&ada, &fixture.ids).expect_err("begun"),
    ] {
        let says = "corrupt: there is no `secrets/data.key.age`, though the workspace had one; \
                    hint: take it from a copy, such as version control: without it, nobody reads what was sealed";
        assert_eq!(fixture.told(&error), says);
    }
    assert_eq!(files(&ada), before, "something was changed");
    assert!(!eve.identity.expect("a path").exists(), "an identity was made for nothing");
    for secret in ["db", "api"] {
        remove(&ada, &name(secret)).expect("removed");
    }
    assert_eq!(init(&ada, &fixture.ids).expect_err("a list is there").kind(), ErrorKind::Corrupt);
    fs::write(&path, keys).expect("back");
    rotate(&ada, &fixture.ids).expect("rotated");
    assert_eq!(asked(&ada).keyring().expect("opens").map(|ring| ring.len()), Some(2));
}

/// The key of whoever stands first in a list.
fn first_of(list: &str) -> PublicKey {
    recipients::parse(list, "list").expect("parses").remove(0).key
}

#[test]
fn what_was_changed_or_removed_meanwhile_is_not_written_over() {
    let fixture = Fixture::new();
    let mut ada = fixture.begun();
    change(&ada, &name("db"), "hunter2", "hunter3").expect("changed");
    assert_eq!(read(&ada, "db").expect("read"), "hunter3");
    let before = files(&ada);
    let hint = "nothing was written; `provisioning secrets edit db` begins with what it is now";
    let says = format!("conflict: `db` was changed meanwhile; hint: {hint}");
    let error = change(&ada, &name("db"), "hunter2", "mine").expect_err("another was first");
    assert_eq!((fixture.told(&error), files(&ada)), (says.clone(), before));
    remove(&ada, &name("db")).expect("removed");
    assert_eq!(fixture.told(&change(&ada, &name("db"), "hunter3", "mine").expect_err("gone")), says);
    assert!(!ada.folder().join("db.age").exists(), "it came back");
    ada.sources = BTreeMap::from([(name("far"), Source::Env { variable: "FAR".into() })]);
    for error in [
        place(&ada, &name("far")).expect_err("elsewhere"),
        existing(&ada, &name("far")).expect_err("elsewhere"),
        change(&ada, &name("far"), "x", "y").expect_err("elsewhere"),
    ] {
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Conflict, "the secret `far` comes from the variable `FAR`")
        );
    }
    assert_eq!(existing(&ada, &name("db")).expect_err("gone").kind(), ErrorKind::NotFound);
}

#[test]
fn whoever_sets_a_secret_learns_what_was_there() {
    let fixture = Fixture::new();
    let (ada, bob) = (fixture.begun(), fixture.vault("bob"));
    let before = |vault: &Vault, secret: &str| set(vault, &name(secret), "new", &fixture.ids).expect("set").before;
    assert_eq!((before(&ada, "db"), before(&ada, "more")), (Before::Readable, Before::Nothing));
    assert_eq!((before(&bob, "db"), before(&bob, "his")), (Before::Unreadable, Before::Nothing));
    fs::write(ada.folder().join("api.age"), "damaged").expect("written");
    assert_eq!(before(&ada, "api"), Before::Unreadable);
    assert_eq!(["db", "api", "his"].map(|secret| read(&ada, secret).expect("read")), ["new", "new", "new"]);
}

#[test]
fn a_recipient_is_meant_by_a_name_that_nobody_else_has() {
    let fixture = Fixture::new();
    let ada = fixture.begun();
    fixture.add(&ada, "bob");
    let [own, bob] = ["ada", "bob"].map(|person| fixture.key(person));
    assert_eq!(recipient_called(&ada, "bob").expect("unique"), bob);
    assert_eq!(recipient_called(&ada, &format!(" {bob} ")).expect("a key"), bob);
    let error = recipient_called(&ada, "Bob").expect_err("nobody");
    let says = "invalid: `Bob` is not a public key of age: expected `age1` and 58 letters and digits; \
                hint: nor is it a recipient's name: `provisioning secrets recipients` lists them";
    assert_eq!(fixture.told(&error), says);
    // Somebody who is called by another's key does not leave in their place.
    for called in [own.to_string(), "bob".to_owned()] {
        let key = envelope::Identities::fresh().public().remove(0);
        add_recipient(&ada, &Recipient { key, name: Some(called) }, &fixture.ids).expect("added");
    }
    assert_eq!(recipient_called(&ada, &own.to_string()).expect("a key"), own);
    let error = recipient_called(&ada, "bob").expect_err("two");
    let says = "invalid: `bob` is the name of 2 recipients; \
                hint: name the one by its key: `provisioning secrets recipients` lists them";
    assert_eq!(fixture.told(&error), says);
}
