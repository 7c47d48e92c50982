//! Where the local provider keeps what it makes for one workspace: `.provisioning/local` in the workspace's directory.
//!
//! Only names and the lock are here; what stands in the folders is the kinds' affair.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use provisioning_core::error::Result;
use rustix::fs::FlockOperation;

use super::error::at;
use super::machine;

/// The directory of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site(PathBuf);

impl Site {
    /// That of the workspace in a directory.
    pub(crate) fn of(workspace: &Path) -> Self {
        Self(workspace.join(".provisioning/local"))
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
        let path = self.0.join("lock");
        loop {
            self.make(&self.0)?;
            let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|error| at(&path)(error.into()))?;
            // Whoever tidied up meanwhile took the file away: holding it would keep nobody out.
            let held = file.metadata().map_err(at(&path))?.ino();
            if fs::metadata(&path).is_ok_and(|there| there.ino() == held) {
                return Ok(file);
            }
        }
    }

    /// Makes a folder of the site, with those above it; nobody else may look into them.
    pub(crate) fn make(&self, folder: &Path) -> Result<()> {
        debug_assert!(folder.starts_with(&self.0), "a folder of the site");
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))
    }

    /// Clears away what calls left that were cut off, and the folders that are empty: nothing of an empty site stays.
    pub(crate) fn tidy(&self) -> Result<()> {
        if !self.0.exists() {
            return Ok(());
        }
        let _held = self.lock()?;
        machine::sweep(&self.servers())?;
        machine::sweep(&self.processes())?;
        let folders = [self.servers(), self.processes(), self.networks(), self.volumes(), self.images(), self.trials()];
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
        let site = Site::of(workspace.path());
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
}
