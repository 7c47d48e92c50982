//! The section `secrets` of the configuration: where each secret comes from. What is in them is never read here.

use std::collections::BTreeMap;

use super::configuration::Configuration;
use crate::error::{Diagnostic, Error};
use crate::name::SecretName;
use crate::secrets::{Source, StoredPath};
use crate::value::{Node, NodeValue, Value};

/// The sources that a configuration names; a report for each secret of which it does not name one.
pub(super) fn sources(configuration: &Configuration, problems: &mut Vec<Diagnostic>) -> BTreeMap<SecretName, Source> {
    let mut found = BTreeMap::new();
    let Some(NodeValue::Map(entries)) = configuration.get("secrets").map(|node| &node.value) else { return found };
    for (name, node) in entries {
        let path = format!("secrets.{name}");
        let told = |at: &Node, path: String, error: &Error| {
            let hint = error.hint().map(str::to_owned);
            Diagnostic { hint, ..Diagnostic::new(at.origin.clone(), path, error.to_string()) }
        };
        match (SecretName::parse(name), source(node)) {
            (Ok(name), Ok(source)) => drop(found.insert(name, source)),
            (Err(error), _) => problems.push(told(node, path, &error)),
            (_, Err(Wrong::Nothing)) => {
                let message = "expected one of `age`, `env`, `file` and `command`, with something in it";
                problems.push(Diagnostic::new(node.origin.clone(), path, message));
            }
            (_, Err(Wrong::Place(at, error))) => problems.push(told(at, format!("{path}.age"), &error)),
        }
    }
    found
}

/// Why a secret has no source.
enum Wrong<'a> {
    /// Not one is named, or nothing stands in it.
    Nothing,
    /// No encrypted file may lie there.
    Place(&'a Node, Error),
}

/// The one source that is named.
fn source(node: &Node) -> Result<Source, Wrong<'_>> {
    let NodeValue::Map(entries) = &node.value else { return Err(Wrong::Nothing) };
    let [(key, at)] = entries.as_slice() else { return Err(Wrong::Nothing) };
    let value = at.to_value();
    let text = || value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or(Wrong::Nothing);
    match key.as_ref() {
        "age" => Ok(Source::Age { path: StoredPath::parse(&text()?).map_err(|error| Wrong::Place(at, error))? }),
        "env" => Ok(Source::Env { variable: text()? }),
        "file" => Ok(Source::File { path: text()?.into() }),
        _ => {
            let Value::List(words) = &value else { return Err(Wrong::Nothing) };
            let argv: Vec<_> = words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
            if argv.is_empty() { Err(Wrong::Nothing) } else { Ok(Source::Command { argv }) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Location, MANIFEST, Overrides};
    use crate::error::{Error, Failure};

    fn opened(manifest: &str) -> Result<Location, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(MANIFEST), manifest).expect("written");
        Location::open(folder.path(), &Overrides::default())
    }

    #[test]
    fn an_encrypted_file_outside_of_the_folder_of_secrets_is_refused_at_its_place() {
        for (path, why) in [
            ("elsewhere/db.age", "it does not lie in the workspace's folder `secrets`"),
            ("secrets/../../db.age", "it does not lie in the workspace's folder `secrets`"),
            ("/srv/secrets/db.age", "it does not lie in the workspace's folder `secrets`"),
            ("secrets/data.key.age", "the data keys of the workspace lie there"),
            ("secrets/recipients.txt", "its name does not end with `.age`"),
        ] {
            let error = opened(&format!("[secrets.db]\nage = '{path}'\n")).expect_err(path);
            let place = "provisioning.toml:2:7: `secrets.db.age`";
            let message = format!("{place}: `{path}` is no place for an encrypted secret: {why}");
            assert_eq!(Failure::from(&error).message, message);
            let hint = error.diagnostics().first().and_then(|diagnostic| diagnostic.hint.clone()).unwrap_or_default();
            assert!(hint.contains("such as `secrets/prod/db.age`"), "{hint}");
        }
        let location = opened("[secrets.db]\nage = './secrets/prod/db.age'\n").expect("below it");
        let sources: Vec<_> = location.secrets.values().map(ToString::to_string).collect();
        assert_eq!(sources, ["the file `secrets/prod/db.age`"]);
    }
}
