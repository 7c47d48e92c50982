//! Getting the text of a secret from a person or a program: piped in, typed without an echo, or changed in an editor.
//!
//! What is edited lies in a folder for its owner alone while the editor runs, in memory where the system has a place for that.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use provisioning_core::clock::{Ids as _, System};
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::name::SecretName;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::console::of_io;

/// More than any secret has, in bytes; how large one may be is said where it is kept.
const LIMIT: u64 = 16 << 20;

/// What a secret is to be, from a file, what is piped in, or the terminal.
pub(super) fn given(name: &SecretName, from: Option<&Path>) -> Result<String> {
    let bytes = match from {
        Some(path) => read(fs::File::open(path), &path.to_string_lossy())?,
        None if io::stdin().is_terminal() => typed(name)?,
        None => without_newline(read(Ok(io::stdin()), "standard input")?),
    };
    text(name, bytes)
}

/// What a person made of a secret in an editor; a newline that the editor put at its end is taken off.
pub(super) async fn edited(name: &SecretName, old: &str) -> Result<String> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(env::var_os).find(|editor| !editor.is_empty());
    let editor = named.ok_or_else(|| {
        Error::invalid("there is no editor").with_hint("name one in the variable `EDITOR`, such as `export EDITOR=nano`")
    })?;
    let draft = Draft::new(name, old)?;
    run(&editor, &draft.file).await?;
    let bytes = read(fs::File::open(&draft.file), &draft.file.to_string_lossy())?;
    text(name, if old.ends_with('\n') { bytes } else { without_newline(bytes) })
}

fn text(name: &SecretName, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| {
        Error::invalid(format!("the value of `{name}` is not text in UTF-8")).with_hint("encode it, in Base64 for example")
    })
}

fn read(source: io::Result<impl io::Read>, shown: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = source.and_then(|source| source.take(LIMIT).read_to_end(&mut bytes));
    read.map_err(|error| of_io("read", shown, error))?;
    Ok(bytes)
}

fn without_newline(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}

/// A line from the terminal, which does not show it.
fn typed(name: &SecretName) -> Result<Vec<u8>> {
    let failed = |error| of_io("ask on", "the terminal", error);
    let hidden = Hidden::new().map_err(failed)?;
    let mut line = Vec::new();
    let asked = write!(io::stderr(), "Value of `{name}`, which is not shown: ")
        .and_then(|()| io::stderr().flush())
        .and_then(|()| io::stdin().lock().read_until(b'\n', &mut line));
    drop(hidden);
    // The person's own newline was not shown either; when the terminal is gone there is nobody to tell.
    drop(writeln!(io::stderr()));
    asked.map_err(failed)?;
    Ok(without_newline(line))
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no mending.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// A secret in a folder of its own while it is edited; both are removed, with whatever the editor left beside it.
struct Draft {
    folder: PathBuf,
    file: PathBuf,
}

impl Draft {
    fn new(name: &SecretName, content: &str) -> Result<Self> {
        let in_memory =
            env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir());
        let folder = in_memory.unwrap_or_else(env::temp_dir).join(format!("provisioning-{:032x}", System.random()));
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| of_io("make", &folder.to_string_lossy(), error))?;
        let draft = Self { file: folder.join(name.as_str()), folder };
        let mut options = OpenOptions::new();
        let written = options.write(true).create_new(true).mode(0o600).open(&draft.file);
        let written = written.and_then(|mut file| file.write_all(content.as_bytes()));
        written.map_err(|error| of_io("write", &draft.file.to_string_lossy(), error))?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            let left = of_io("remove", &self.folder.to_string_lossy(), error);
            // When standard error is gone there is nobody left to tell.
            drop(writeln!(io::stderr(), "warning: {left}, where the secret stands in the clear"));
        }
    }
}

/// Runs an editor as a shell does, so that it may have arguments. A signal that asks to end ends it as well.
async fn run(editor: &OsString, file: &Path) -> Result<()> {
    let listen = |kind| signal(kind).map_err(|error| of_io("listen to", "signals", error));
    // What is typed at the terminal is the editor's alone.
    let _deaf = (listen(SignalKind::interrupt())?, listen(SignalKind::quit())?);
    let (mut terminate, mut hang_up) = (listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    let mut line = editor.clone();
    line.push(" \"$@\"");
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line).arg("editor").arg(file).kill_on_drop(true);
    let shown = editor.to_string_lossy();
    let ended = tokio::select! {
        ended = command.status() => ended.map_err(|error| of_io("start", &shown, error))?,
        _ = terminate.recv() => return Err(stopped()),
        _ = hang_up.recv() => return Err(stopped()),
    };
    if ended.success() {
        return Ok(());
    }
    let code = ended.code().map_or("a signal".to_owned(), |code| format!("code {code}"));
    let message = format!("nothing was changed: the editor `{shown}` ended with {code}");
    Err(Error::new(ErrorKind::Cancelled, message).with_hint("`VISUAL` or `EDITOR` names another one"))
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "nothing was changed: the command was stopped while the editor was open")
}
