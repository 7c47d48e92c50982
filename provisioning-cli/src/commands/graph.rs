//! `graph`: what depends on what.

use std::path::Path;

use provisioning_core::event::Observer;

use crate::args::Pace;
use crate::console::{Console, print};
use crate::exit::{DONE, Problem};
use crate::render::graph::Drawing;
use crate::workspace;

pub(super) fn run(console: Console, directory: &Path, text: bool) -> Result<u8, Problem> {
    let (session, desired) = workspace::declared(directory, &Pace::default(), Observer::default())?;
    let graph = session.engine.validate(&desired)?;
    let kinds = desired.resources.iter().map(|(name, declared)| (name, &declared.kind)).collect();
    let drawing = Drawing { graph: &graph, kinds };
    match (console.is_json(), text) {
        (true, _) => console.show(&drawing.document(), String::new)?,
        (false, true) => print(&drawing.tree())?,
        (false, false) => print(&drawing.dot())?,
    }
    Ok(DONE)
}
