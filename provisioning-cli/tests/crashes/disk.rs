//! A disk with faults: the command with `disk.c` in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::workspace::Workspace;

/// Every call that is numbered.
pub(crate) const EVERY: &str =
    " fsync fdatasync pwrite64 write open64 rename unlink unlinkat rmdir linkat mkdir chmod fchmod fchown ftruncate64 ";
/// Those that write content.
pub(crate) const WRITING: &str = " pwrite64 write ";
/// Those that need room.
pub(crate) const GROWING: &str = " pwrite64 write open64 linkat mkdir ";

/// Errors by their numbers in errno(3).
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

/// What happens at one of the numbered calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) calls: &'static str,
    /// Counted from 1; 0 is none of them.
    pub(crate) at: usize,
    pub(crate) deed: Deed,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// The process is gone before the call.
    Kill,
    /// The process is gone after half of a write.
    Tear,
    /// The process is stopped before the call.
    Stop,
    /// The call fails.
    Fail(i32),
    /// The call fails, and every later one.
    FailFromHere(i32),
}

/// One numbered call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// What came of a command on such a disk.
#[derive(Debug)]
pub(crate) struct Disturbed {
    pub(crate) output: Output,
    pub(crate) calls: Vec<Call>,
}

impl Disturbed {
    pub(crate) fn was_killed(&self) -> bool {
        self.output.status.code().is_none()
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// A command on such a disk, ready to be run.
pub(crate) fn command(workspace: &Workspace, words: &[&str], fault: Fault) -> Command {
    let (deed, on) = match fault.deed {
        Deed::Kill => ("kill".to_owned(), ""),
        Deed::Tear => ("tear".to_owned(), ""),
        Deed::Stop => ("stop".to_owned(), ""),
        Deed::Fail(error) => (error.to_string(), ""),
        Deed::FailFromHere(error) => (error.to_string(), "1"),
    };
    let mut command = workspace.command(words);
    command.env("LD_PRELOAD", library()).env("DISK_CALLS", fault.calls).env("DISK_AT", fault.at.to_string());
    command.env("DISK_LOG", "/dev/null").env("DISK_DEED", deed).env("DISK_ON", on);
    command
}

/// Runs a command on such a disk to its end.
pub(crate) fn run(workspace: &Workspace, words: &[&str], fault: Fault) -> Disturbed {
    // Beside the workspace: nothing in it is to be different.
    let log = workspace.path().with_extension("calls");
    let output = command(workspace, words, fault).env("DISK_LOG", &log).output().expect("the command runs");
    let text = fs::read_to_string(&log).expect("the calls were written down");
    fs::remove_file(&log).expect("removed");
    let calls = text.lines().map(|line| {
        let mut words = line.splitn(3, ' ').skip(1).map(str::to_owned);
        Call { name: words.next().expect("a name"), path: words.next().expect("a path") }
    });
    Disturbed { output, calls: calls.collect() }
}

/// The library out of `disk.c`, made once by the compiler that made `SQLite`.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (draft, made) = (folder.join(format!("disk-{}.so", std::process::id())), folder.join("disk.so"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crashes/disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&draft).arg(source).arg("-ldl");
        let done = compiler.status().expect("missing: a C compiler (`cc`), such as the package gcc");
        assert!(done.success(), "`disk.c` does not compile");
        fs::rename(draft, &made).expect("renamed");
        made
    })
}
