//! What a keeper keeps, on disk: one folder with the record of what the machine is, written whole before anything of it
//! is made.
//!
//! The folder is the external object: its name is the identity, and the token in the record says which call made it.
//! Whether it runs is told by a lock that its keeper holds for life. How it is made to run is in `keeper`.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::disk::{self, Existing, Wanted};
use super::error::at;
use super::range::Ipv4Range;

/// How many digits of the token stand in an identity.
const TOKEN_DIGITS: usize = 8;
/// How much of the resource's name stands in an identity, in bytes.
const MAX_NAME: usize = 40;
/// The version of the files that are written here, and the newest that is read.
const FORMAT: u32 = 1;
/// The record's file.
const RECORD: &str = "machine.json";
/// The lock's file.
const LOCK: &str = "lock";

/// A file of ours, with the version of what is in it.
#[derive(Debug, Serialize, Deserialize)]
struct Versioned<T> {
    format: u32,
    content: T,
}

/// What is read of it before anything else.
#[derive(Debug, Deserialize)]
struct Header {
    format: u32,
}

/// How far a machine is separated from the one it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Its own files, processes, users, names and network: namespaces, made by root.
    Namespaces,
    /// Its own files, processes and names, in a namespace of a plain user.
    UserNamespaces,
    /// A process tree that cannot touch files outside of its own folder.
    Confined,
    /// Not at all: a program on this machine.
    Bare,
}

impl Level {
    /// As the user writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::UserNamespaces => "user_namespaces",
            Self::Confined => "confined",
            Self::Bare => "bare",
        }
    }

    /// Whether it has namespaces of its own, and with them a process number 1.
    pub(crate) fn has_namespaces(self) -> bool {
        matches!(self, Self::Namespaces | Self::UserNamespaces)
    }
}

/// A network interface of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The network's bridge.
    pub(crate) bridge: String,
    /// The end of the machine's cable that is plugged into the bridge.
    pub(crate) port: String,
    /// The network's range.
    pub(crate) range: Ipv4Range,
}

/// The most that a machine may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quota {
    pub(crate) memory_mb: Option<u64>,
    pub(crate) cpus: Option<f64>,
    pub(crate) processes: Option<u64>,
}

/// What a machine is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The token of the call that made it.
    pub(crate) token: String,
    pub(crate) level: Level,
    pub(crate) host_name: String,
    /// The directory its files lie over; the system of this machine when there is none.
    pub(crate) image: Option<PathBuf>,
    pub(crate) address: Option<Ipv4Addr>,
    /// How it is on a network of its own; it shares this machine's network when there is none.
    pub(crate) attachment: Option<Attachment>,
    /// Directories of this machine, by the place where they are mounted.
    pub(crate) volumes: BTreeMap<String, PathBuf>,
    pub(crate) quota: Quota,
}

impl Machine {
    /// A machine of a level with nothing of its own.
    pub(crate) fn plain(token: String, level: Level) -> Self {
        Self {
            token,
            level,
            host_name: "localhost".to_owned(),
            image: None,
            address: None,
            attachment: None,
            volumes: BTreeMap::new(),
            quota: Quota::default(),
        }
    }
}

/// What its keeper found when it last started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// What the machine should have and has not, one sentence each.
    pub(crate) limits: Vec<String>,
}

/// The folder of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// The folder of the machine with an identity.
    pub(crate) fn new(folder: &Path, id: &str) -> Self {
        Self(folder.join(id))
    }

    /// A folder that is known by its path.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }

    /// The identity.
    pub(crate) fn id(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What the keeper and those who talk to it share.
    pub(crate) fn control(&self) -> PathBuf {
        self.0.join("control")
    }

    /// What the keeper has to say to people; the machine cannot reach it.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("keeper.log")
    }

    /// What whoever asks the keeper for something has to know; it is out of reach of what runs in the machine.
    pub(crate) fn key(&self) -> Result<String> {
        Ok(read(&self.0.join("key"))?.unwrap_or_default())
    }

    /// What the machine is; `None` when it is gone.
    pub(crate) fn machine(&self) -> Result<Option<Machine>> {
        read(&self.0.join(RECORD))
    }

    /// What the machine is, when it has to be there.
    pub(crate) fn expect(&self) -> Result<Machine> {
        let gone = || {
            Error::new(ErrorKind::NotFound, format!("there is no machine in `{}`", self.0.display()))
                .with_hint("apply again: it is made anew")
        };
        self.machine()?.ok_or_else(gone)
    }

    /// Writes the record of a new machine, with its folder: whole or not at all.
    pub(crate) fn make(&self, machine: &Machine) -> Result<()> {
        let draft = self.0.with_file_name(format!(".{}.tmp", self.id()));
        disk::remove_tree(&draft)?;
        for folder in [&draft, &draft.join("control"), &draft.join("root")] {
            DirBuilder::new().mode(0o700).create(folder).map_err(at(folder))?;
        }
        Self::at(&draft).put(machine)?;
        write(&draft.join("key"), &format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1)))?;
        fs::rename(&draft, &self.0).map_err(at(&self.0))?;
        disk::sync_parent(&self.0)
    }

    /// Writes the record anew.
    pub(crate) fn put(&self, machine: &Machine) -> Result<()> {
        write(&self.0.join(RECORD), machine)
    }

    /// What the keeper found when it last started.
    pub(crate) fn standing(&self) -> Result<Standing> {
        match disk::open_inside(&self.control(), Path::new("standing.json"))? {
            Some(file) => parse(&self.control().join("standing.json"), &disk::read_opened(file)?).map(Some),
            None => Ok(None),
        }
        .map(Option::unwrap_or_default)
    }

    /// Takes the lock that a keeper holds for life; `None` while one has it.
    pub(crate) fn lock(&self) -> Result<Option<File>> {
        let path = self.0.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(at(&path)(error.into())),
        }
    }

    /// Whether a keeper lives, or is about to.
    pub(crate) fn is_kept(&self) -> Result<bool> {
        let path = self.0.join(LOCK);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(at(&path))?,
        };
        // Shared, so that two who ask at once do not take each other for a keeper.
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(at(&path)(error.into())),
        }
    }

    /// Removes the folder with all that is in it; one that is gone is a success.
    ///
    /// The record goes last: as long as it is there, whoever was cut off in the middle is called again. With it goes the
    /// lock, which the caller holds: until then nobody makes it anew to start a keeper from the record.
    pub(crate) fn remove(&self) -> Result<()> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(at(&self.0))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(&self.0)(error)),
        };
        let rest = entries.iter().filter(|entry| entry.file_name() != RECORD && entry.file_name() != LOCK);
        for entry in rest {
            let (path, kind) = (entry.path(), entry.file_type().map_err(at(&entry.path()))?);
            if kind.is_dir() { disk::remove_tree(&path)? } else { fs::remove_file(&path).map_err(at(&path))? }
        }
        disk::remove_tree(&self.0)
    }
}

/// The identity of what a call makes: readable, and another one for every attempt.
pub(crate) fn identity(name: &str, token: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    let name: String = name.chars().map(plain).take(MAX_NAME).collect();
    format!("{name}-{}", &token[..TOKEN_DIGITS])
}

/// Every machine of a folder.
pub(crate) fn all(folder: &Path) -> Result<Vec<(Place, Machine)>> {
    let mut found = Vec::new();
    for name in names(folder)? {
        let place = Place::new(folder, &name);
        found.extend(place.machine()?.map(|machine| (place, machine)));
    }
    Ok(found)
}

/// The names of what stands in a folder, in order; drafts and what is being removed are not among it.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(at(folder))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(at(folder)(error)),
    };
    let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

/// Removes what calls left in a folder that were cut off: drafts, and machines without a record. Nobody may be about to
/// make one.
pub(crate) fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_draft = entry.file_name().to_string_lossy().starts_with('.');
        if path.is_dir() && (is_draft || !path.join(RECORD).exists()) {
            disk::remove_tree(&path)?;
        }
    }
    Ok(())
}

/// The machine that the call with a token made.
pub(crate) fn find(folder: &Path, token: &str) -> Result<Option<(Place, Machine)>> {
    Ok(all(folder)?.into_iter().find(|(_, machine)| machine.token == token))
}

/// Reads a file of ours; `None` when it is not there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some((_, bytes)) = disk::read(path)? else { return Ok(None) };
    parse(path, &bytes).map(Some)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    let damaged = |error: serde_json::Error| {
        Error::new(ErrorKind::Corrupt, format!("`{}` is not what was written there", path.display())).with_source(error)
    };
    let Header { format } = serde_json::from_slice(bytes).map_err(damaged)?;
    if format > FORMAT {
        let message = format!("`{}` has format {format}, this version reads up to {FORMAT}", path.display());
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("use the version that made it"));
    }
    let Versioned { content, .. } = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(content)
}

/// Writes a file of ours, whole or not at all.
pub(crate) fn write<T: Serialize>(path: &Path, content: &T) -> Result<()> {
    let content = Versioned { format: FORMAT, content };
    let content = serde_json::to_vec(&content).map_err(|error| Error::bug(format!("a record does not serialise: {error}")))?;
    let wanted = Wanted { content: &content, mode: 0o600, user: None, group: None };
    disk::put_file(path, "record", wanted, Existing::Replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_readable_and_short() {
        assert_eq!(identity("web_1", "0123456789abcdef"), "web_1-01234567");
        assert_eq!(identity("a.b@c", "0123456789abcdef"), "a-b-c-01234567");
        assert_eq!(identity(&"x".repeat(99), "0123456789abcdef").len(), MAX_NAME + 1 + TOKEN_DIGITS);
    }

    #[test]
    fn a_machine_is_there_whole_or_not_at_all_and_found_by_its_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new(folder.path(), "web-01234567");
        let machine = Machine::plain("0123".into(), Level::Confined);
        fs::create_dir_all(folder.path().join(".web-01234567.tmp/control")).expect("a draft that a crash left");
        assert_eq!(find(folder.path(), "0123").expect("looks"), None);
        place.make(&machine).expect("made");
        assert_eq!(find(folder.path(), "0123").expect("looks"), Some((place.clone(), machine)));
        let held = place.lock().expect("a lock");
        assert!(held.is_some() && place.is_kept().expect("asks"));
        drop(held);
        assert!(!place.is_kept().expect("asks"));
        fs::create_dir(folder.path().join("db-89abcdef")).expect("a folder whose record went with a crash");
        fs::create_dir(folder.path().join(".db-89abcdef.tmp")).expect("a draft that a crash left");
        sweep(folder.path()).expect("swept");
        assert_eq!(names(folder.path()).expect("listed"), ["web-01234567"]);
        place.remove().expect("removed");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0);
    }
}
