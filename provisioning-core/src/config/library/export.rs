//! The library, the JSON Schema and the reference as files in a folder, for editors, `nickel` and people.
//!
//! A file that somebody else wrote is never overwritten: those of ours bear a mark.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MARKER;
use super::json_schema::{json_schema, object_schema};
use super::nickel::{Weight, library};
use super::pages::pages;
use crate::config::layers;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::Registry;

/// Where the mark is looked for: at the beginning, so that a file that only tells of it is not taken for one of ours.
const BEGINNING: usize = 160;

/// The files, each with its path below the folder.
pub fn files(registry: &Registry) -> Vec<(PathBuf, String)> {
    let document = format!("{:#}\n", json_schema(registry));
    let configuration = format!("{:#}\n", object_schema(&layers::schema()));
    let library = format!("# {MARKER}\n{}", library(registry, Weight::Contracts));
    let mut files = vec![("provisioning.ncl".into(), library), ("document.schema.json".into(), document)];
    files.push(("provisioning.schema.json".into(), configuration));
    files.extend(pages(registry).into_iter().map(|(name, page)| (Path::new("reference").join(name), page)));
    files
}

/// Writes the files into a folder, which is made where it is missing; gives their paths below it.
///
/// # Errors
/// `Conflict` when one of them is there already and was not written here, before anything is written; `Denied` or
/// `Unavailable` when they cannot be written.
pub fn export(registry: &Registry, folder: &Path) -> Result<Vec<PathBuf>> {
    let files = files(registry);
    for (name, _) in &files {
        check_free(&folder.join(name))?;
    }
    for (name, text) in &files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| failed("make", parent, error))?;
        fs::write(&path, text).map_err(|error| failed("write", &path, error))?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

fn check_free(path: &Path) -> Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| failed("look at", path, error))?,
    };
    let ours = there.is_file() && {
        let content = fs::read(path).map_err(|error| failed("read", path, error))?;
        String::from_utf8_lossy(&content[..content.len().min(BEGINNING)]).contains(MARKER)
    };
    if ours {
        return Ok(());
    }
    let message = format!("`{}` exists already, and was not written by this command", path.display());
    Err(Error::new(ErrorKind::Conflict, message).with_hint("nothing was written; name another folder, or move the file away"))
}

fn failed(verb: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::NotADirectory => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("cannot {verb} `{}`", path.display())).with_source(error)
}
