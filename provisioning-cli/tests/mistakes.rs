//! Wrong inputs, one for each rule, and what a person is told: the files of `tests/mistakes`.
//!
//! A file says the rule, the command, the files of a workspace, and what the command then says with its exit code. With
//! `PROVISIONING_WRITE_GOLDEN=1` the last part is written anew: read what changed before it is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands before the part that the command says.
const EXPECTED: &str = "-- exit code ";

/// A wrong input.
struct Case {
    path: PathBuf,
    /// Everything that was written by hand.
    given: String,
    expected: String,
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a case is text");
        let end = text.find(EXPECTED).unwrap_or(text.len());
        Self { given: text[..end].to_owned(), expected: text[end..].to_owned(), path }
    }

    fn words(&self) -> Vec<&str> {
        let line = self.given.lines().find_map(|line| line.strip_prefix("$ provisioning "));
        line.expect("a case has a command").split(' ').collect()
    }

    /// The files of the workspace; one that has none of its own gets a `provisioning.toml`.
    fn files(&self) -> Vec<(&str, &str)> {
        let parts = self.given.split("\n-- ").skip(1);
        let parts = parts.map(|part| part.split_once(" --\n").expect("a file has a name and a text"));
        let mut files: Vec<_> = parts.collect();
        if files.iter().all(|(name, _)| *name != "provisioning.toml") {
            files.push(("provisioning.toml", ""));
        }
        files
    }

    /// What the command says, and its exit code.
    fn run(&self) -> String {
        let folder = tempfile::tempdir().expect("made");
        let root = folder.path().join("shop");
        for (name, text) in self.files() {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning"));
        command.args(self.words()).current_dir(&root).env_clear().env("HOME", folder.path());
        let output = command.output().expect("it runs");
        let said = String::from_utf8(output.stdout).expect("text") + &String::from_utf8(output.stderr).expect("text");
        let said = said.replace(&*root.canonicalize().expect("there").to_string_lossy(), "/shop");
        format!("{EXPECTED}{} --\n{}\n", output.status.code().expect("it ends by itself"), said.trim_end())
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/mistakes");
    let entries = fs::read_dir(folder).expect("there is a corpus").map(|entry| entry.expect("an entry").path());
    let mut cases: Vec<_> = entries.map(Case::read).collect();
    cases.sort_by(|a, b| a.path.cmp(&b.path));
    cases
}

/// A mistake in a file is an error that names the file and the line; nothing panics.
fn check(case: &Case, said: &str) {
    let name = case.path.display();
    assert!(!said.starts_with(&format!("{EXPECTED}0 ")), "{name} is no mistake");
    assert!(!said.contains("panicked"), "{name}\n{said}");
    let extensions = [".toml:", ".json:", ".ncl:", ".j2:"];
    let placed = extensions.into_iter().any(|extension| said.contains(extension));
    // What is wrong as a whole has no line, and what was said on the command line no file.
    let whole = ["document-", "documents-", "nickel-endless"]
        .into_iter()
        .any(|prefix| case.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)));
    assert!(placed || whole || case.words() != ["validate"], "{name} names no place\n{said}");
}

#[test]
fn every_mistake_is_told_in_exactly_these_words() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let said = case.run();
        check(case, &said);
        if std::env::var_os("PROVISIONING_WRITE_GOLDEN").is_some() {
            fs::write(&case.path, format!("{}{said}", case.given)).expect("written");
        } else if said != case.expected {
            wrong.push(format!("{}\nexpected\n{}said\n{said}", case.path.display(), case.expected));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
