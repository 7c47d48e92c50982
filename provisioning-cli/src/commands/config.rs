//! `config`: how the workspace is configured.

use provisioning_core::config::Setting;
use provisioning_core::error::Result;

use crate::args::{ConfigVerb, Pace};
use crate::console::Console;
use crate::exit::{DONE, Problem};
use crate::render::config::{difference, explained, settings};
use crate::workspace::{self, Start};

pub(super) fn run(console: Console, start: &Start, verb: &ConfigVerb) -> Result<u8, Problem> {
    match verb {
        ConfigVerb::Show { origin } => {
            let found = configured(start)?;
            console.show(&found, || settings(&found, *origin))?;
        }
        ConfigVerb::Explain { key } => {
            let said = said(start, key)?;
            console.show(&said, || explained(key, &said))?;
        }
        ConfigVerb::Diff { one, other } => {
            let [ours, theirs] = [one, other].map(|name| match name.as_str() {
                "-" => configured(start),
                name => configured(&start.in_environment(name)),
            });
            let (ours, theirs) = (ours?, theirs?);
            let pairs = pairs(&ours, &theirs);
            console.show(&pairs, || difference([one, other], &pairs))?;
        }
    }
    Ok(DONE)
}

/// Every setting. Declarations that are wrong do not keep anybody from looking: then the defaults of inputs are left out.
fn configured(start: &Start) -> Result<Vec<Setting>> {
    match workspace::written(start) {
        Ok((_, workspace)) => Ok(workspace.settings()),
        Err(_) => Ok(start.location(&Pace::default())?.configuration.settings()),
    }
}

fn said(start: &Start, key: &str) -> Result<Vec<Setting>> {
    match workspace::written(start) {
        Ok((_, workspace)) => workspace.explain_key(key),
        Err(_) => start.location(&Pace::default())?.configuration.explain(key),
    }
}

/// The settings that are not the same in both, side by side.
fn pairs<'a>(ours: &'a [Setting], theirs: &'a [Setting]) -> Vec<[Option<&'a Setting>; 2]> {
    let mut keys: Vec<_> = ours.iter().chain(theirs).map(|setting| &setting.key).filter(|key| *key != "environment").collect();
    keys.sort();
    keys.dedup();
    let find = |settings: &'a [Setting], key: &str| settings.iter().find(|setting| setting.key == key);
    let pairs = keys.into_iter().map(|key| [find(ours, key), find(theirs, key)]);
    pairs.filter(|pair| pair[0].map(|setting| &setting.value) != pair[1].map(|setting| &setting.value)).collect()
}
