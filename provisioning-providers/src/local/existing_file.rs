//! The lookup `file`: a text file that exists already.
//!
//! Unlike the kind of the same name it follows symbolic links and never writes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use async_trait::async_trait;
use provisioning_core::digest::Digest;
use provisioning_core::error::Result;
use provisioning_core::provider::Lookup;
use provisioning_core::schema::Schema;
use serde::{Deserialize, Serialize};

use super::config::{Mode, Root};
use super::disk::{self, blocking};
use super::error::at;

/// Existing files below a root.
#[derive(Debug)]
pub(super) struct ExistingFile {
    root: Root,
}

/// What is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Query {
    path: PathBuf,
}

/// What is there.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    id: String,
    content: String,
    sha256: String,
    size_bytes: u64,
    mode: Mode,
}

impl ExistingFile {
    pub(super) fn new(root: Root) -> Self {
        Self { root }
    }
}

#[async_trait]
impl Lookup for ExistingFile {
    type Query = Query;
    type Answer = Answer;

    fn schema(&self) -> Schema {
        Schema::parse(include_str!("existing_file.toml")).expect("the shipped schema parses")
    }

    async fn read(&self, query: Query) -> Result<Answer> {
        let path = self.root.resolve(&query.path)?;
        blocking(move || {
            let found = disk::read(&path)?;
            let (metadata, bytes) = found.ok_or_else(|| at(&path)(std::io::ErrorKind::NotFound.into()))?;
            Ok(Answer {
                id: path.display().to_string(),
                content: String::from_utf8_lossy(&bytes).into_owned(),
                sha256: Digest::of(&bytes).to_string(),
                size_bytes: bytes.len() as u64,
                mode: Mode(metadata.permissions().mode() & 0o7777),
            })
        })
        .await
    }
}
