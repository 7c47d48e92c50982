//! What an evaluation gave, kept on disk: it is read again as long as nothing changed that it depends on.
//!
//! An entry is found by the hash of the program and of everything that is handed to it, and holds the hashes of the files that were
//! read, and the paths at which a file would have been read before one of them. An entry that is damaged, of another version
//! or out of date is as good as none. The whole folder can be deleted at any time.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::stored::Stored;
use crate::digest::Digest;
use crate::value::Node;

/// How many entries are kept: a few environments and inputs.
const ENTRIES: usize = 16;

/// How the names of entries end; the number is the version of their form.
const ENDING: &str = ".evaluated-1";

/// The files that an evaluation depends on: the digest of each one's content, `None` for one that must not be there.
pub(super) type Files = BTreeMap<PathBuf, Option<Digest>>;

/// A folder of entries.
#[derive(Debug, Clone)]
pub(super) struct Cache(PathBuf);

/// An entry that can be kept.
#[derive(Debug)]
pub(super) struct Entry {
    key: Digest,
    bytes: Vec<u8>,
}

impl Entry {
    /// An entry of nodes under a key; `None` for what no document holds.
    pub(super) fn new(key: Digest, files: &Files, nodes: &[Node]) -> Option<Self> {
        let files = files.iter().map(|(path, digest)| (path.clone(), digest.as_ref().map(|digest| digest.as_str().to_owned())));
        let values = Stored::bytes_of(nodes)?;
        let head = Head { files: files.collect(), values: Digest::of(&values).as_str().to_owned() };
        let mut bytes = postcard::to_allocvec(&head).ok()?;
        bytes.extend_from_slice(&values);
        Some(Self { key, bytes })
    }
}

/// What stands before the values of an entry.
#[derive(Serialize, Deserialize)]
struct Head {
    files: Vec<(PathBuf, Option<String>)>,
    /// The digest of the values.
    values: String,
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// What is kept under a key, where it is still true.
    pub(super) fn read(&self, key: &Digest) -> Option<Vec<Node>> {
        let bytes = fs::read(self.path(key)).ok()?;
        let (head, values) = postcard::take_from_bytes::<Head>(&bytes).ok()?;
        let fresh =
            |(path, digest): &(PathBuf, Option<String>)| digest_of(path).as_ref().map(Digest::as_str) == digest.as_deref();
        if Digest::of(values).as_str() != head.values || !head.files.iter().all(fresh) {
            return None;
        }
        Stored::parse(values)
    }

    /// Keeps an entry, where the workspace keeps anything at all: before its first apply, who only looks writes nothing. What
    /// goes wrong is no concern of the user's: the next evaluation is not spared, that is all.
    pub(super) fn write(&self, entry: &Entry) {
        if !self.0.parent().is_some_and(Path::is_dir) {
            return;
        }
        if self.put(&entry.key, &entry.bytes).is_err() {
            tracing::debug!(folder = %self.0.display(), "the evaluation could not be kept");
        }
        self.tidy();
    }

    fn put(&self, key: &Digest, bytes: &[u8]) -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.path(key);
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let written = file.write_all(bytes).and_then(|()| fs::rename(&draft, &path));
        written.inspect_err(|_| drop(fs::remove_file(&draft)))
    }

    /// Drops the oldest entries.
    fn tidy(&self) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut entries: Vec<_> =
            entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
        entries.sort();
        entries.iter().rev().skip(ENTRIES).for_each(|(_, path)| drop(fs::remove_file(path)));
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.0.join(format!("{}{ENDING}", key.as_str()))
    }
}

/// The digest of a file as it is now; `None` where there is none.
fn digest_of(path: &Path) -> Option<Digest> {
    fs::File::open(path).ok().and_then(|file| Digest::of_stream(file).ok())
}
