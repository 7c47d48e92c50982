//! The provider's settings, and the paths and permission bits that its kinds take.
//!
//! What the settings are is said in `local.toml`.

use std::path::{Component, Path, PathBuf};

use provisioning_core::error::{Error, Result};
use provisioning_core::schema::Schema;
use provisioning_core::value::Value;
use serde::{Deserialize, Serialize};

use super::range::Ipv4Range;

/// The settings.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Settings {
    /// The directory at which relative paths start.
    #[serde(default)]
    pub(super) root: PathBuf,
    /// Where the ranges of bridges are taken from.
    pub(super) bridge_networks: Ipv4Range,
    /// Where the ranges of loopback networks are taken from.
    pub(super) loopback_networks: Ipv4Range,
}

impl Settings {
    /// Reads checked settings.
    pub(super) fn parse(settings: &Value) -> Result<Self> {
        serde_json::from_value(settings.expose()?)
            .map_err(|error| Error::invalid(format!("the settings of a `local` provider do not fit: {error}")))
    }

    /// The settings of a provider that is given none.
    pub(super) fn shipped(schema: &Schema) -> Self {
        let defaults = schema.fields.iter().filter_map(|(name, field)| Some((name.as_str(), field.default.clone()?)));
        Self::parse(&Value::map(defaults)).expect("the shipped defaults fit")
    }
}

/// The directory at which relative paths start.
#[derive(Debug, Clone)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }

    /// The absolute path of what a user wrote, which is what identifies the object.
    ///
    /// `..` is refused: what it means depends on symbolic links, and two spellings of one path would pass for two objects.
    pub(super) fn resolve(&self, written: &Path) -> Result<PathBuf> {
        let named = written.file_name().is_some();
        if !named || written.components().any(|part| part == Component::ParentDir) {
            return Err(Error::invalid(format!("`{}` does not name a file or directory", written.display()))
                .with_hint("write an absolute path, or one below the provider's `root`, without `..`"));
        }
        Ok(self.0.join(written).components().collect())
    }
}

/// Permission bits, written as four octal digits so that there is one spelling to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Mode(pub(super) u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let octal = text.len() == 4 && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if octal => Ok(Self(bits)),
            _ => Err(format!("`{text}` is not a mode: expected four octal digits such as `0644`")),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_absolute_form() {
        let root = Root::new("/srv/shop".into());
        let resolved = |text: &str| root.resolve(Path::new(text)).map_err(|error| error.to_string());
        assert_eq!(resolved("./www//index.html"), Ok("/srv/shop/www/index.html".into()));
        assert_eq!(resolved("/etc/motd/"), Ok("/etc/motd".into()));
        assert_eq!(resolved("../x"), Err("`../x` does not name a file or directory".into()));
        assert_eq!(resolved("/"), Err("`/` does not name a file or directory".into()));
    }

    #[test]
    fn a_mode_has_one_spelling() {
        assert_eq!(Mode::try_from("0640".to_owned()), Ok(Mode(0o640)));
        assert_eq!(String::from(Mode(0o640)), "0640");
        for wrong in ["640", "0o640", "0888", "+644", ""] {
            assert!(Mode::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
