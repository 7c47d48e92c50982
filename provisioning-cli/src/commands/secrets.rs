//! `secrets`: what is kept in the workspace's own files, and who reads it. A value goes to standard output alone, and only for
//! `get`. How a text is typed or edited without anybody seeing it is in `secret_text`.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use provisioning_core::clock::System;
use provisioning_core::error::{Error, Failure, Result};
use provisioning_core::name::SecretName;
use provisioning_core::secrets::{self, Before, Recipient, Secrets as _, Source, Vault, WorkspaceSecrets};
use serde_json::json;

use super::secret_text;
use crate::args::{RecipientsVerb, SecretsVerb};
use crate::console::{Console, confirm, pass};
use crate::exit::{DONE, Problem};
use crate::render::table;
use crate::workspace::{self, Start};

pub(super) async fn run(console: Console, start: &Start, verb: SecretsVerb) -> Result<u8, Problem> {
    let (vault, secrets) = workspace::secrets(start)?;
    match verb {
        SecretsVerb::List => list(console, &vault, &secrets)?,
        SecretsVerb::Set { name, from } => {
            secrets::place(&vault, &name)?;
            let value = secret_text::given(&name, from.as_deref())?;
            set(console, &vault, &name, &value)?;
        }
        SecretsVerb::Get { name } => get(console, &name, &value(&secrets, &name)?)?,
        SecretsVerb::Edit { name } => {
            secrets::existing(&vault, &name)?;
            let old = value(&secrets, &name)?;
            let new = secret_text::edited(&name, &old).await?;
            if new == old {
                console.show(&json!({ "unchanged": name }), || format!("`{name}` is as it was."))?;
            } else {
                secrets::change(&vault, &name, &old, &new)?;
                console.show(&json!({ "set": name }), || stands(&name))?;
            }
        }
        SecretsVerb::Remove { name, yes } => remove(console, &vault, &name, yes)?,
        SecretsVerb::Recipients { verb: None } => recipients(console, &vault)?,
        SecretsVerb::Recipients { verb: Some(RecipientsVerb::Add { key, name }) } => {
            let recipient = Recipient::parse(&key, name.as_deref())?;
            made(console, &vault, &secrets::add_recipient(&vault, &recipient, &System)?);
            console.show(&json!({ "added": key }), || format!("Everything is encrypted to {key} as well."))?;
        }
        SecretsVerb::Recipients { verb: Some(RecipientsVerb::Remove { key }) } => {
            let key = secrets::recipient_called(&vault, &key)?;
            secrets::remove_recipient(&vault, &key, &System)?;
            console.say("What they could read until now they may have kept: change the secrets themselves as well.");
            console.show(&json!({ "removed": key.to_string() }), || format!("Nothing is encrypted to {key} any more."))?;
        }
        SecretsVerb::Rotate => {
            secrets::rotate(&vault, &System)?;
            let count = vault.recipients()?.len();
            let text = || format!("There is a new data key, and everything is encrypted anew to {}.", people(count));
            console.show(&json!({ "rotated": true, "recipients": count }), text)?;
        }
    }
    Ok(DONE)
}

fn value(secrets: &WorkspaceSecrets, name: &SecretName) -> Result<String> {
    let secret = secrets.read(name.as_str())?;
    secret.expose().as_str().map(str::to_owned).ok_or_else(|| Error::bug(format!("the secret `{name}` is not a text")))
}

fn get(console: Console, name: &SecretName, value: &str) -> Result<()> {
    if console.is_json() {
        return console.show(&json!({ "name": name, "value": value }), String::new);
    }
    pass(io::stdout(), value.as_bytes())?;
    // A person's next prompt begins on a line of its own; a program gets nothing but the value.
    if io::stdout().is_terminal() && !value.ends_with('\n') { pass(io::stdout(), b"\n") } else { Ok(()) }
}

fn set(console: Console, vault: &Vault, name: &SecretName, value: &str) -> Result<()> {
    let done = secrets::set(vault, name, value, &System)?;
    made(console, vault, &done.made);
    match done.before {
        Before::Nothing => {}
        Before::Readable => console.say(&format!("It replaces what `{name}` was.")),
        Before::Unreadable => console.say(&format!("It replaces what `{name}` was, which you cannot read.")),
    }
    console.show(&json!({ "set": name, "replaced": done.before != Before::Nothing }), || stands(name))
}

fn remove(console: Console, vault: &Vault, name: &SecretName, yes: bool) -> Result<(), Problem> {
    if !yes {
        console.can_ask(&format!("secrets remove {name}"))?;
    }
    secrets::existing(vault, name)?;
    if !yes {
        confirm(&format!("Remove `{name}` for good?"))?;
    }
    secrets::remove(vault, name)?;
    console.show(&json!({ "removed": name }), || format!("Removed `{name}`."))?;
    Ok(())
}

fn stands(name: &SecretName) -> String {
    format!("Set `{name}`: `${{secret.{name}}}` stands for it.")
}

fn made(console: Console, vault: &Vault, files: &[PathBuf]) {
    for file in files {
        console.say(&format!("Made {}.", file.display()));
        if vault.identity.as_ref() == Some(file) {
            console.say("Keep a copy of it in a safe place: nothing else opens what is encrypted to you.");
        }
    }
}

fn list(console: Console, vault: &Vault, secrets: &WorkspaceSecrets) -> Result<()> {
    let rows: Vec<_> = vault
        .names()?
        .into_iter()
        .map(|name| {
            let source = vault.source(&name);
            let problem = match source {
                Source::Command { .. } => None,
                _ => Some(secrets.read(name.as_str()).err()),
            };
            (name, source, problem)
        })
        .collect();
    let document: Vec<_> = rows.iter().map(|(name, source, problem)| {
        let failure = problem.as_ref().and_then(Option::as_ref).map(Failure::from);
        json!({ "name": name, "source": source.to_string(), "readable": problem.as_ref().map(Option::is_none), "problem": failure })
    }).collect();
    console.show(&document, || {
        if rows.is_empty() {
            return "No secrets: `provisioning secrets set NAME` sets one.".to_owned();
        }
        let cells = rows.iter().map(|(name, source, problem)| {
            let readable = match problem {
                None => "when it is run".to_owned(),
                Some(None) => "yes".to_owned(),
                Some(Some(error)) => format!("no: {error}"),
            };
            [name.to_string(), source.to_string().replace('`', ""), readable]
        });
        table(["NAME", "FROM", "READABLE"], cells)
    })
}

fn recipients(console: Console, vault: &Vault) -> Result<()> {
    let (own, identity) = secrets::introduce(vault)?;
    made(console, vault, &identity.into_iter().collect::<Vec<_>>());
    let listed = vault.recipients()?;
    let is_mine = |recipient: &Recipient| own.contains(&recipient.key);
    let document: Vec<_> = listed
        .iter()
        .map(|recipient| json!({ "key": recipient.key.to_string(), "name": recipient.name, "you": is_mine(recipient) }))
        .collect();
    if !listed.iter().any(is_mine) && !listed.is_empty() {
        let key = own.first().map(ToString::to_string).unwrap_or_default();
        console.say(&format!("You are not among them: ask one for `provisioning secrets recipients add {key}`."));
    }
    console.show(&document, || {
        let cells = listed.iter().map(|recipient| {
            let name = recipient.name.clone();
            let name = if is_mine(recipient) {
                name.map_or("you".to_owned(), |name| format!("{name} (you)"))
            } else {
                name.unwrap_or_default()
            };
            [recipient.key.to_string(), name]
        });
        if listed.is_empty() {
            "Nobody: `provisioning secrets set NAME` sets a first secret.".to_owned()
        } else {
            table(["KEY", "NAME"], cells)
        }
    })
}

fn people(count: usize) -> String {
    crate::render::count(count, "recipient")
}
