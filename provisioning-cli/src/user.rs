//! Where the files of the user lie that belong to no workspace: configuration, identity, registered workspaces.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The user's folder for this program, by the XDG base directories; `None` where the user has no home.
pub(crate) fn folder() -> Option<PathBuf> {
    below(env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME"))
}

/// The file of the user's secret keys; `PROVISIONING_IDENTITY` names another one.
pub(crate) fn identity() -> Option<PathBuf> {
    let named = env::var_os("PROVISIONING_IDENTITY").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(folder()?.join("identity.txt")))
}

fn below(config: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let config = config.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".config")))?;
    Some(config.join("provisioning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_where_the_base_directories_say() {
        let folder = |config: &str, home: &str| below(Some(config.into()), Some(home.into()));
        assert_eq!(folder("/etc/mine", "/home/ada"), Some("/etc/mine/provisioning".into()));
        assert_eq!(folder("", "/home/ada"), Some("/home/ada/.config/provisioning".into()));
        assert_eq!(folder("relative", "/home/ada"), Some("/home/ada/.config/provisioning".into()));
        assert_eq!(below(None, None), None);
    }
}
