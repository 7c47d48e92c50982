//! `explain`: where a resource and its fields are written.

use crate::console::Console;
use crate::exit::{DONE, Problem};
use crate::render::config::resource;
use crate::workspace::{self, Start};

pub(super) fn run(console: Console, start: &Start, path: &str) -> Result<u8, Problem> {
    let (registry, workspace) = workspace::written(start)?;
    let explained = workspace.explain(path, &registry)?;
    console.show(&explained, || resource(&explained))?;
    Ok(DONE)
}
