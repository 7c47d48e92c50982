//! The units' files in the control directory: what is kept running is what is written there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use provisioning_core::digest::Digest;
use provisioning_core::error::{Error, Result};
use provisioning_core::host::Unit;

use super::check::check;
use crate::local::disk::{self, Existing, Wanted};
use crate::local::error::at;
use crate::local::keeper::protocol;

/// Makes the directories of the units and their logs.
pub(super) fn prepare(control: &Path) -> Result<()> {
    for directory in [protocol::units(control), protocol::logs(control)] {
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(&directory)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Every unit by its name; those that cannot be kept with the reason.
pub(super) fn load(control: &Path) -> Result<Vec<(String, Result<Unit, String>)>> {
    let directory = protocol::units(control);
    let entries = fs::read_dir(&directory).map_err(at(&directory))?;
    let names = entries.flatten().filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
    let mut names: Vec<_> = names.filter(|name| protocol::check_name(name).is_ok()).collect();
    names.sort();
    Ok(names.into_iter().map(|name| (name.clone(), load_one(control, &name))).collect())
}

/// Writes a unit, durably.
pub(super) fn write(control: &Path, name: &str, unit: &Unit) -> Result<()> {
    let content = serde_json::to_vec(unit).map_err(|error| Error::bug("a unit cannot be written").with_source(error))?;
    let wanted = Wanted { content: &content, mode: 0o600, user: None, group: None };
    disk::put_file(&file(control, name), Digest::of(&content).short(), wanted, Existing::Replaced)
}

/// Removes a unit, durably.
pub(super) fn remove(control: &Path, name: &str) -> Result<()> {
    let path = file(control, name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(&path)(error)),
        Ok(()) => disk::sync_parent(&path),
    }
}

fn load_one(control: &Path, name: &str) -> Result<Unit, String> {
    let path = file(control, name);
    let wrong = |reason: String| format!("its file `{}` cannot be used: {reason}", path.display());
    let read = disk::read(&path).map_err(|error| wrong(error.to_string()))?;
    let (_, content) = read.ok_or_else(|| wrong("it went away".to_owned()))?;
    let unit = serde_json::from_slice(&content).map_err(|error| wrong(error.to_string()))?;
    check(&unit).map_err(|error| wrong(error.to_string()))?;
    Ok(unit)
}

fn file(control: &Path, name: &str) -> PathBuf {
    protocol::units(control).join(format!("{name}.json"))
}
