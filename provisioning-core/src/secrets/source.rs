//! Where one secret comes from, as data. How each of them is read is in `outside` and `vault`.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::name::SecretName;

/// The folder of a workspace in which its secrets lie.
pub(super) const FOLDER: &str = "secrets";
/// The file of the data keys in it; a secret's name has no dot, so that none is in its way.
pub(super) const DATA_KEYS: &str = "data.key.age";
/// What the name of an encrypted file ends with.
pub(super) const ENDING: &str = ".age";
/// How many folders may lie in one another below the folder of secrets.
pub(super) const DEPTH: usize = 8;

/// Where a secret comes from; relative paths begin at the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that age encrypted.
    Age {
        /// The file.
        path: StoredPath,
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
        Self::Age { path: StoredPath(Path::new(FOLDER).join(format!("{name}{ENDING}"))) }
    }
}

/// Where an encrypted file may lie: in `secrets/` or a folder below it, where all of them are found when it changes who
/// reads them, whichever environment declares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPath(PathBuf);

impl StoredPath {
    /// Parses one, from the folder of the workspace.
    ///
    /// # Errors
    /// `Invalid` for a path that leads elsewhere, and for that of the data keys.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<_> = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
        let path: PathBuf = parts.iter().collect();
        let names: Option<Vec<_>> =
            parts.iter().map(|part| if let Component::Normal(name) = part { name.to_str() } else { None }).collect();
        let why = match names.as_deref() {
            Some([FOLDER, below @ .., file]) => match below.len() {
                _ if !file.ends_with(ENDING) => "its name does not end with `.age`",
                _ if below.iter().chain([file]).any(|name| name.starts_with('.')) => "a name in it begins with a dot",
                // Some systems take both cases for the same file.
                0 if file.eq_ignore_ascii_case(DATA_KEYS) => "the data keys of the workspace lie there",
                0..=DEPTH => return Ok(Self(path)),
                _ => "too many folders lie in one another",
            },
            _ => "it does not lie in the workspace's folder `secrets`",
        };
        let hint = "expected a file in that folder or below it, such as `secrets/prod/db.age`: \
                    what lies elsewhere would be missed when somebody may no longer read it";
        Err(Error::invalid(format!("`{text}` is no place for an encrypted secret: {why}")).with_hint(hint))
    }
}

impl AsRef<Path> for StoredPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// What it is called in messages; of a command that is its program alone, since an argument may be a secret itself.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { path: StoredPath(path) } | Self::File { path } => write!(f, "the file `{}`", path.display()),
            Self::Env { variable } => write!(f, "the variable `{variable}`"),
            Self::Command { argv } => write!(f, "the command `{}`", argv.first().map_or("", String::as_str)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_file_lies_in_the_folder_of_secrets_and_is_not_what_guards_them() {
        for (text, kept) in [
            ("secrets/db.age", "secrets/db.age"),
            ("./secrets/prod/./db.age", "secrets/prod/db.age"),
            ("secrets/1/2/3/4/5/6/7/8/db.age", "secrets/1/2/3/4/5/6/7/8/db.age"),
            ("secrets/prod/data.key.age", "secrets/prod/data.key.age"),
        ] {
            assert_eq!(StoredPath::parse(text).expect(text).as_ref(), Path::new(kept));
        }
        let elsewhere = "it does not lie in the workspace's folder `secrets`";
        for (text, why) in [
            ("db.age", elsewhere),
            ("secrets", elsewhere),
            ("elsewhere/db.age", elsewhere),
            ("/shop/secrets/db.age", elsewhere),
            ("secrets/../db.age", elsewhere),
            ("secrets/prod/../../../db.age", elsewhere),
            ("../shop/secrets/db.age", elsewhere),
            ("secrets/db.txt", "its name does not end with `.age`"),
            ("secrets/recipients.txt", "its name does not end with `.age`"),
            ("secrets/.db.age", "a name in it begins with a dot"),
            ("secrets/.git/db.age", "a name in it begins with a dot"),
            ("secrets/data.key.age", "the data keys of the workspace lie there"),
            ("./secrets/./Data.Key.age", "the data keys of the workspace lie there"),
            ("secrets/1/2/3/4/5/6/7/8/9/db.age", "too many folders lie in one another"),
        ] {
            let error = StoredPath::parse(text).expect_err(text);
            assert_eq!(error.to_string(), format!("`{text}` is no place for an encrypted secret: {why}"));
        }
    }
}
