//! A host that is no more than its name: the fakes tell with it where something was done.

use std::path::Path;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Command, Facts, Host, Output};

/// A host that can say its name and nothing else.
pub(super) struct NamedHost(pub(super) String);

fn unsupported<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "a fake host runs nothing"))
}

#[async_trait]
impl Host for NamedHost {
    async fn run(&self, _: &Command) -> Result<Output> {
        unsupported()
    }

    async fn put(&self, _: &Path, _: &[u8], _: u32) -> Result<()> {
        unsupported()
    }

    async fn get(&self, _: &Path) -> Result<Option<Vec<u8>>> {
        unsupported()
    }

    async fn facts(&self) -> Result<Facts> {
        Ok(Facts { host_name: self.0.clone(), ..Facts::default() })
    }
}
