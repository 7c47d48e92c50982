//! The workspaces of a user by their names, and the one that is in use where a command names none and lies in none.
//!
//! They stand in one TOML file, which the user may edit; where it lies is said by the caller. It is written whole or not
//! at all, and under a lock, so that two commands at once lose nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::configuration::MANIFEST;
use super::source::Source;
use super::toml;

use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::name::{WorkspaceName, suggestion};
use crate::value::{Node, NodeValue, Value};

/// The keys of the file.
const KEYS: [&str; 2] = ["current", "workspaces"];

/// What stands above them.
const HEAD: &str = "# The workspaces that `provisioning workspace` knows. It writes this file anew, without further comments.\n";

/// The workspaces that are registered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Registered {
    /// The one in use.
    pub current: Option<WorkspaceName>,
    /// The folder of each, absolute.
    pub workspaces: BTreeMap<WorkspaceName, PathBuf>,
}

impl Registered {
    /// Reads the file; where there is none, nothing is registered.
    ///
    /// # Errors
    /// `Invalid`, with a diagnostic for every problem; `Denied` or `Unavailable` where it cannot be read.
    pub fn read(file: &Path) -> Result<Self> {
        if file.to_str().is_none() {
            return Err(Error::invalid(format!("the path `{}` is not UTF-8 text", file.display())));
        }
        match Source::read_named(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            source => parse(&toml::parse(&source?)?),
        }
    }

    /// The folder of a workspace.
    ///
    /// # Errors
    /// `NotFound` when the name is not registered, and when the folder is no workspace any more.
    pub fn root(&self, name: &WorkspaceName) -> Result<&Path> {
        let Some(root) = self.workspaces.get(name) else {
            let error = Error::new(ErrorKind::NotFound, format!("there is no registered workspace `{name}`"));
            let hint = suggestion(name.as_str(), self.workspaces.keys().map(AsRef::as_ref));
            return Err(error.with_hint(hint.unwrap_or_else(|| "`provisioning workspace new NAME` registers one".to_owned())));
        };
        if is_workspace(root) {
            return Ok(root);
        }
        let message = format!("the workspace `{name}` is not in `{}` any more: there is no `{MANIFEST}`", root.display());
        let hint = format!("where it was moved, `provisioning workspace new {name} DIR` registers it there");
        Err(Error::new(ErrorKind::NotFound, message).with_hint(hint))
    }

    /// The name under which a folder is registered.
    pub fn name(&self, root: &Path) -> Option<&WorkspaceName> {
        self.workspaces.iter().find(|(_, folder)| *folder == root).map(|(name, _)| name)
    }

    /// The same with one more workspace; a name whose folder is no workspace any more may be given to another.
    ///
    /// # Errors
    /// `Conflict` when the name is another workspace's, or the folder has another name.
    pub fn with(mut self, name: &WorkspaceName, root: &Path) -> Result<Self> {
        let conflict = |message: String, hint: &str| Err(Error::new(ErrorKind::Conflict, message).with_hint(hint));
        if let Some(other) = self.workspaces.get(name).filter(|other| *other != root && is_workspace(other)) {
            return conflict(
                format!("the name `{name}` is that of the workspace in `{}`", other.display()),
                "choose another name",
            );
        }
        if let Some(other) = self.name(root).filter(|other| *other != name) {
            return conflict(format!("`{}` is registered as `{other}` already", root.display()), "use that name");
        }
        self.workspaces.insert(name.clone(), root.to_owned());
        Ok(self)
    }
}

/// Registers a workspace in the file.
///
/// # Errors
/// Those of [`Registered::read`] and [`Registered::with`]; `Invalid` for a path that is not UTF-8 text; those of writing.
pub fn register(file: &Path, name: &WorkspaceName, root: &Path) -> Result<()> {
    change(file, |registered| registered.with(name, root))
}

/// Makes a registered workspace the one in use.
///
/// # Errors
/// Those of [`Registered::read`] and [`Registered::root`], and those of writing.
pub fn choose(file: &Path, name: &WorkspaceName) -> Result<()> {
    change(file, |registered| {
        registered.root(name)?;
        Ok(Registered { current: Some(name.clone()), ..registered })
    })
}

/// Whether a folder is a workspace.
pub fn is_workspace(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

fn parse(document: &Node) -> Result<Registered> {
    let (mut registered, mut problems) = (Registered::default(), Vec::new());
    let NodeValue::Map(entries) = &document.value else { return Ok(registered) };
    for (key, node) in entries.iter().filter(|(key, _)| !KEYS.contains(&key.as_ref())) {
        let problem = Diagnostic::new(node.origin.clone(), key.as_ref(), "is not a key of the registered workspaces");
        problems.push(Diagnostic { hint: suggestion(key, KEYS), ..problem });
    }
    match document.field("workspaces") {
        None => {}
        Some(Node { value: NodeValue::Map(entries), .. }) => {
            for (name, node) in entries {
                let found = WorkspaceName::parse(name).and_then(|name| Ok((name, folder(node)?)));
                let place = format!("workspaces.{name}");
                match found {
                    Ok((name, folder)) => drop(registered.workspaces.insert(name, folder)),
                    Err(error) => problems.push(error.at(node.origin.clone(), place)),
                }
            }
        }
        Some(other) => problems.push(expected("a table of names and folders", other).at(other.origin.clone(), "workspaces")),
    }
    if let Some(node) = document.field("current") {
        let found = match &node.value {
            NodeValue::Leaf(Value::String(name)) => WorkspaceName::parse(name),
            _ => Err(expected("the name of a workspace", node)),
        };
        match found {
            Ok(name) if registered.workspaces.contains_key(&name) || !problems.is_empty() => registered.current = Some(name),
            Ok(name) => {
                let hint = suggestion(name.as_str(), registered.workspaces.keys().map(AsRef::as_ref));
                let problem = Diagnostic::new(node.origin.clone(), "current", format!("no workspace `{name}` is registered"));
                problems.push(Diagnostic { hint: hint.or_else(|| Some("remove the line".to_owned())), ..problem });
            }
            Err(error) => problems.push(error.at(node.origin.clone(), "current")),
        }
    }
    Error::from_diagnostics(problems).map_or(Ok(registered), Err)
}

fn folder(node: &Node) -> Result<PathBuf> {
    match &node.value {
        NodeValue::Leaf(Value::String(path)) if Path::new(path.as_ref()).is_absolute() => Ok(PathBuf::from(path.as_ref())),
        NodeValue::Leaf(Value::String(path)) => Err(Error::invalid(format!("`{path}` is not an absolute path"))),
        _ => Err(expected("the path of a folder", node)),
    }
}

fn expected(what: &str, node: &Node) -> Error {
    Error::invalid(format!("expected {what}, found {}", node.type_name()))
}

/// Reads, changes and writes the file while nobody else does.
fn change(file: &Path, change: impl FnOnce(Registered) -> Result<Registered>) -> Result<()> {
    let failed = |error| unwritable(file, error);
    // A link stays a link: what it leads to is written.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().ok_or_else(|| Error::invalid(format!("`{}` is no path of a file", file.display())))?;
    fs::create_dir_all(folder).map_err(failed)?;
    let lock = OpenOptions::new().create(true).append(true).open(file.with_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let before = Registered::read(&file)?;
    let after = change(before.clone())?;
    if after == before { Ok(()) } else { write(&file, folder, &text(&after)?).map_err(failed) }
}

fn text(registered: &Registered) -> Result<String> {
    let mut text = HEAD.to_owned();
    if let Some(current) = &registered.current {
        writeln!(text, "current = \"{current}\"").expect("writing to a string cannot fail");
    }
    text.push_str("\n[workspaces]\n");
    for (name, root) in &registered.workspaces {
        let path = root.to_str().ok_or_else(|| Error::invalid(format!("the path `{}` is not UTF-8 text", root.display())))?;
        // A string of JSON is one of TOML, which only wants one more character escaped.
        let quoted = serde_json::Value::from(path).to_string().replace('\u{7f}', "\\u007f");
        writeln!(text, "{name} = {quoted}").expect("writing to a string cannot fail");
    }
    Ok(text)
}

fn write(file: &Path, folder: &Path, text: &str) -> io::Result<()> {
    // Whoever writes holds the lock: an older draft is left over.
    let draft = file.with_extension("new");
    let mut new = File::create(&draft)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    fs::rename(&draft, file)?;
    File::open(folder)?.sync_all()
}

fn unwritable(file: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Limited,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("cannot write `{}`", file.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> WorkspaceName {
        WorkspaceName::parse(text).expect("a name")
    }

    fn workspace(folder: &Path, name: &str) -> PathBuf {
        let root = folder.join(name);
        fs::create_dir_all(&root).expect("made");
        fs::write(root.join(MANIFEST), "").expect("written");
        root
    }

    #[test]
    fn what_was_registered_is_read_back_whatever_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deep/workspaces.toml");
        assert_eq!(Registered::read(&file).expect("nothing"), Registered::default());
        let shop = workspace(folder.path(), "a \"shop\" \\ in '\u{7f}\n$é");
        register(&file, &name("shop"), &shop).expect("registered");
        choose(&file, &name("shop")).expect("chosen");
        let read = Registered::read(&file).expect("read");
        assert_eq!((read.current.clone(), read.root(&name("shop")).expect("there")), (Some(name("shop")), shop.as_path()));
        assert_eq!(read.name(&shop), Some(&name("shop")));
    }

    #[test]
    fn a_name_has_one_folder_and_a_folder_one_name_until_it_moves() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("workspaces.toml");
        let (old, new) = (workspace(folder.path(), "old"), workspace(folder.path(), "new"));
        register(&file, &name("shop"), &old).expect("registered");
        register(&file, &name("shop"), &old).expect("registered again");
        let error = register(&file, &name("shop"), &new).expect_err("taken");
        assert_eq!(error.to_string(), format!("the name `shop` is that of the workspace in `{}`", old.display()));
        let error = register(&file, &name("store"), &old).expect_err("named");
        assert_eq!(error.to_string(), format!("`{}` is registered as `shop` already", old.display()));
        fs::remove_dir_all(&old).expect("moved");
        let read = Registered::read(&file).expect("read");
        let error = read.root(&name("shop")).expect_err("moved").with_context("", "");
        assert_eq!(error.hint(), Some("where it was moved, `provisioning workspace new shop DIR` registers it there"));
        assert_eq!(choose(&file, &name("shop")).expect_err("moved").kind(), ErrorKind::NotFound);
        register(&file, &name("shop"), &new).expect("registered where it is now");
        let error = read.root(&name("shpo")).expect_err("unknown");
        assert_eq!((error.kind(), error.hint()), (ErrorKind::NotFound, Some("did you mean `shop`?")));
    }

    #[test]
    fn every_mistake_in_an_edited_file_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("workspaces.toml");
        fs::write(&file, "curent = \"a\"\n[workspaces]\n\"a b\" = \"/a\"\nshop = \"shop\"\nlab = 1\n").expect("written");
        let error = Registered::read(&file).expect_err("wrong");
        let told: Vec<_> =
            error.diagnostics().iter().map(|problem| problem.to_string().replace(file.to_str().expect("text"), "F")).collect();
        assert_eq!(
            told,
            [
                "F:1:10: `curent`: is not a key of the registered workspaces",
                "F:3:9: `workspaces.a b`: `a b` is not a workspace name: only letters, digits, `_` and `-` may stand in it",
                "F:4:8: `workspaces.shop`: `shop` is not an absolute path",
                "F:5:7: `workspaces.lab`: expected the path of a folder, found integer",
            ]
        );
        for (text, expect) in [("current = \"a\"", "F:1:11: `current`: no workspace `a` is registered"), ("x = [", "F:1:")] {
            fs::write(&file, text).expect("written");
            let error = Registered::read(&file).expect_err("wrong").to_string().replace(file.to_str().expect("text"), "F");
            assert!(error.starts_with(expect), "{error}");
            let shop = workspace(folder.path(), "shop");
            register(&file, &name("shop"), &shop).expect_err("a file that is not understood is not written over");
            assert_eq!(fs::read_to_string(&file).expect("read"), text);
        }
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("workspaces.toml");
        let names: Vec<_> = (0..16).map(|number| format!("w{number}")).collect();
        std::thread::scope(|scope| {
            for text in &names {
                let (file, root) = (&file, workspace(folder.path(), text));
                scope.spawn(move || register(file, &name(text), &root).expect("registered"));
            }
        });
        assert_eq!(Registered::read(&file).expect("read").workspaces.len(), names.len());
    }
}
