//! A workspace in a folder that vanishes, driven by the real command with an empty environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    /// A workspace of these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let workspace = Self { folder: tempfile::tempdir().expect("a folder") };
        workspace.write("provisioning.toml", "name = \"test\"\n");
        for (name, text) in files {
            workspace.write(name, text);
        }
        workspace
    }

    /// A copy of an example, without what an earlier run left in it.
    pub(crate) fn example(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = root().join("examples").join(name);
        for (path, content) in tree(&source) {
            let left_over = path.starts_with("site") || path.starts_with(".provisioning");
            if let (false, Some(content)) = (left_over, content) {
                let target = folder.path().join(path);
                fs::create_dir_all(target.parent().expect("a parent")).expect("made");
                fs::write(target, content).expect("written");
            }
        }
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("written");
    }

    /// The command, ready to be run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning"));
        command.args(words).current_dir(self.path()).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the command runs")
    }

    /// Runs the command, compares its exit code, and gives what it wrote to standard output.
    pub(crate) fn expect(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "`{}` said: {errors}", words.join(" "));
        String::from_utf8(output.stdout).expect("the output is text")
    }
}

/// Everything below a folder: paths, and the contents of files.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        let inside = path.strip_prefix(folder).expect("it is below").to_path_buf();
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("readable").map(|entry| entry.expect("an entry").path()));
            found.insert(inside, None);
        } else {
            // A socket has no content.
            found.insert(inside, path.is_file().then(|| fs::read(&path).expect("readable")));
        }
    }
    found
}

/// Compares a text with a golden file; `PROVISIONING_WRITE_GOLDEN=1` writes it instead.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("PROVISIONING_WRITE_GOLDEN").is_some() {
        fs::write(&path, text).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|_| panic!("there is no golden file {}", path.display()));
    assert_eq!(text, kept, "{name} is not what it was");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
