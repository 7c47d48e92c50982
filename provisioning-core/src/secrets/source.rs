//! Where one secret comes from, as data. How each of them is read is in `outside` and `vault`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::name::SecretName;

/// The folder of a workspace in which its secrets lie.
pub(super) const FOLDER: &str = "secrets";

/// Where a secret comes from; relative paths begin at the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that age encrypted.
    Age {
        /// The file.
        path: PathBuf,
    },
    /// A variable of the environment.
    Env {
        /// Its name.
        variable: String,
    },
    /// A file that is not encrypted; the newline at its end is no part of the secret.
    File {
        /// The file.
        path: PathBuf,
    },
    /// What a program writes to its standard output; the newline at its end is no part of the secret.
    Command {
        /// The program and its arguments; no shell reads them.
        argv: Vec<String>,
    },
}

impl Source {
    /// Where a secret lies of which nothing else is said: `secrets/NAME.age`.
    pub fn stored(name: &SecretName) -> Self {
        Self::Age { path: Path::new(FOLDER).join(format!("{name}.age")) }
    }
}

/// What it is called in messages; of a command that is its program alone, since an argument may be a secret itself.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { path } | Self::File { path } => write!(f, "the file `{}`", path.display()),
            Self::Env { variable } => write!(f, "the variable `{variable}`"),
            Self::Command { argv } => write!(f, "the command `{}`", argv.first().map_or("", String::as_str)),
        }
    }
}
