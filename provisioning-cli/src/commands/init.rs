//! `init`: writes a small workspace that runs.

use std::fs::{OpenOptions, create_dir_all, remove_file};
use std::io::Write;
use std::path::{Path, PathBuf};

use provisioning_core::config::{MANIFEST, register};
use provisioning_core::error::{Error, ErrorKind, Result};
use provisioning_core::name::WorkspaceName;

use crate::console::{Console, of_io};
use crate::exit::{DONE, Problem};

const SETTINGS: &str = include_str!("init/provisioning.toml");
const MAIN: &str = include_str!("init/main.ncl");
/// What the settings say of where the example is.
const EXAMPLE_SAYS: &str = "The desired state is in main.ncl";
const IGNORED: &str = ".provisioning/\n";

pub(super) fn run(console: Console, workspaces: Option<&Path>, directory: &Path) -> Result<u8, Problem> {
    let folder = folder(directory)?;
    let name = name(&folder);
    let files = write(&folder, &name, Content::Example)?;
    let unregistered = unregistered(workspaces, &name, &folder);
    let document = serde_json::json!({ "workspace": folder, "files": files, "registered": unregistered.is_none() });
    console.show(&document, || {
        let note = unregistered.map(|why| format!("\nNot registered: {why}.")).unwrap_or_default();
        let next = "Next: `provisioning plan` there shows what an apply would do.";
        format!("Wrote {} in {}.{note}\n{next}", files.join(", "), folder.display())
    })?;
    Ok(DONE)
}

/// Registers what was made, and says why not where that is not possible: the workspace is there nevertheless.
fn unregistered(workspaces: Option<&Path>, name: &str, folder: &Path) -> Option<String> {
    let Some(file) = workspaces else { return Some("the user has no home".to_owned()) };
    WorkspaceName::parse(name).and_then(|name| register(file, &name, folder)).err().map(|error| error.to_string())
}

/// The folder, made if missing.
pub(super) fn folder(directory: &Path) -> Result<PathBuf> {
    create_dir_all(directory).map_err(|error| of_io("make", &directory.to_string_lossy(), error))?;
    directory.canonicalize().map_err(|error| of_io("open", &directory.to_string_lossy(), error))
}

/// What a new workspace says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A small example that runs.
    Example,
    /// How it is configured; what is wanted comes from a program.
    Settings,
}

/// Makes a workspace in a folder, which is made if missing, and gives the folder. No file is overwritten.
///
/// # Errors
/// `Conflict` when one of its files exists, and those of the file system; nothing is left half written.
pub fn make(directory: &Path, content: Content) -> Result<PathBuf> {
    let folder = folder(directory)?;
    write(&folder, &name(&folder), content)?;
    Ok(folder)
}

/// Writes the files of a small workspace, all or none, and gives their names.
pub(super) fn write(folder: &Path, name: &str, content: Content) -> Result<Vec<&'static str>> {
    let mut settings = SETTINGS.replace("NAME", name);
    if content == Content::Settings {
        settings = settings.replace(EXAMPLE_SAYS, "What is wanted comes from a program");
    }
    let mut files = vec![(MANIFEST, settings.as_str()), (".gitignore", IGNORED)];
    if content == Content::Example {
        files.insert(1, ("main.ncl", MAIN));
    }
    if let Some((file, _)) = files.iter().find(|(file, _)| folder.join(file).symlink_metadata().is_ok()) {
        let message = format!("`{}` exists already", folder.join(file).display());
        return Err(Error::new(ErrorKind::Conflict, message).with_hint("nothing was written: no file is overwritten"));
    }
    for (place, (file, content)) in files.iter().enumerate() {
        if let Err(error) = write_new(&folder.join(file), content) {
            files[..place].iter().for_each(|(file, _)| drop(remove_file(folder.join(file))));
            return Err(error);
        }
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

fn write_new(path: &Path, content: &str) -> Result<()> {
    let failed = |error| of_io("write", &path.to_string_lossy(), error);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(|error| {
        // Half a file would be in the way of the next attempt; the error that is told is the first one.
        drop(remove_file(path));
        failed(error)
    })
}

/// The folder's name, with what cannot stand in a workspace's name replaced.
fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' || letter == '_' { letter } else { '-' };
    let name: String = name.chars().map(allowed).collect();
    let name = name.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic());
    if name.is_empty() { "workspace".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Format;

    #[test]
    fn it_writes_a_workspace_and_overwrites_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = directory.path().join("2 my shop");
        let console = Console::new(Format::Human);
        assert_eq!(run(console, None, &folder).expect("written"), DONE);
        let settings = std::fs::read_to_string(folder.join(MANIFEST)).expect("settings");
        assert!(settings.contains("name = \"my-shop\""), "{settings}");
        std::fs::write(folder.join("main.ncl"), "mine").expect("edited");
        std::fs::remove_file(folder.join(MANIFEST)).expect("removed");
        let Err(Problem::Engine(error)) = run(console, None, &folder) else { panic!("it overwrote") };
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(std::fs::read_to_string(folder.join("main.ncl")).expect("kept"), "mine");
        assert!(!folder.join(MANIFEST).exists(), "a part was written");
    }
}
