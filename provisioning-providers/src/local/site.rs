//! Where the local provider keeps what it makes for one workspace: `.provisioning/local` in the workspace's directory, or
//! in a folder of the environment there.
//!
//! Only names and the lock are here; what stands in the folders is the kinds' affair.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use provisioning_core::error::{ErrorKind, Result};

use super::disk;
use super::error::at;
use super::machine;

/// How often a folder is made again that others may have tidied up: what still fails then is really in the way.
const TIDIED_MEANWHILE: usize = 1_000;

/// The directory of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site(PathBuf);

impl Site {
    /// That in a folder of the workspace.
    pub(crate) fn of(kept: &Path) -> Self {
        Self(kept.join("local"))
    }

    /// The same by its absolute path.
    pub(crate) fn absolute(&self) -> Result<Self> {
        std::path::absolute(&self.0).map(Self).map_err(at(&self.0))
    }

    pub(crate) fn servers(&self) -> PathBuf {
        self.0.join("servers")
    }

    pub(crate) fn processes(&self) -> PathBuf {
        self.0.join("processes")
    }

    pub(crate) fn networks(&self) -> PathBuf {
        self.0.join("networks")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.0.join("volumes")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// Where it is tried which levels are possible.
    pub(crate) fn trials(&self) -> PathBuf {
        self.0.join("trials")
    }

    /// Waits for the right to choose what must be chosen once, such as an address; it ends when the file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        loop {
            self.make(&self.0)?;
            match disk::hold(&self.0.join("lock")) {
                // Somebody has just tidied up.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                held => return held,
            }
        }
    }

    /// Makes a folder of the site, with those above it; nobody else may look into them.
    pub(crate) fn make(&self, folder: &Path) -> Result<()> {
        debug_assert!(folder.starts_with(&self.0), "a folder of the site");
        let mut made = Ok(());
        for _ in 0..TIDIED_MEANWHILE {
            made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            // Either is also said of a folder that was in the way, or there to make one in, until others tidied it up.
            let again = |error: &io::Error| matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound);
            if !made.as_ref().is_err_and(again) {
                break;
            }
        }
        made.map_err(at(folder))
    }

    /// What was found of things, once what is left of those that are gone is cleared away: a call that was cut off at the
    /// very end of removing one is not called again.
    pub(crate) fn tidied<T>(&self, found: Vec<Option<T>>) -> Vec<Option<T>> {
        if found.iter().any(Option::is_none) {
            // What cannot be cleared away stays, and is in nobody's way.
            let _ = self.tidy();
        }
        found
    }

    /// Clears away what calls left that were cut off, and the folders that are empty: nothing of an empty site stays.
    pub(crate) fn tidy(&self) -> Result<()> {
        if !self.0.exists() {
            return Ok(());
        }
        let _held = self.lock()?;
        machine::sweep(&self.servers())?;
        machine::sweep(&self.processes())?;
        // Whoever tries a level holds the lock: these are of one that was cut off.
        disk::remove_tree(&self.trials())?;
        let folders = [self.servers(), self.processes(), self.networks(), self.volumes(), self.images()];
        // One that is not empty, or not there, stays as it is.
        for folder in folders {
            let _ = fs::remove_dir(folder);
        }
        if fs::read_dir(&self.0).is_ok_and(|left| left.flatten().all(|entry| entry.file_name() == "lock")) {
            let _ = fs::remove_file(self.0.join("lock"));
            let _ = fs::remove_dir(&self.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_goes_with_the_last_of_what_is_in_it() {
        let workspace = tempfile::tempdir().expect("a folder");
        let site = Site::of(&workspace.path().join(".provisioning"));
        drop(site.lock().expect("locked"));
        site.make(&site.volumes().join("data")).expect("made");
        site.make(&site.servers().join(".web.tmp/control")).expect("a draft that a crash left");
        site.tidy().expect("tidied");
        assert!(site.volumes().join("data").exists() && !site.servers().exists());
        fs::remove_dir(site.volumes().join("data")).expect("removed");
        site.tidy().expect("tidied");
        assert!(!site.0.exists());
        site.tidy().expect("nothing to do");
    }

    #[test]
    fn a_site_that_leads_nowhere_is_told() {
        let workspace = tempfile::tempdir().expect("made");
        std::os::unix::fs::symlink(workspace.path().join("gone"), workspace.path().join("local")).expect("linked");
        let site = Site::of(workspace.path());
        assert_eq!(site.make(&site.servers()).unwrap_err().kind(), ErrorKind::Conflict);
    }

    #[test]
    fn a_folder_is_made_while_others_remove_it() {
        let workspace = tempfile::tempdir().expect("made");
        let site = Site::of(workspace.path());
        std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..2).map(|_| scope.spawn(|| (0..20_000).for_each(|_| site.make(&site.0).expect("made")))).collect();
            while makers.iter().any(|maker| !maker.is_finished()) {
                // It is gone, or in use: both are right.
                drop(fs::remove_dir(&site.0));
            }
        });
    }
}
