//! `graph`: what depends on what.

use crate::console::{Console, print};
use crate::exit::{DONE, Problem};
use crate::render::graph::Drawing;
use crate::workspace::{self, Start};

pub(super) fn run(console: Console, start: &Start, text: bool) -> Result<u8, Problem> {
    let (engine, workspace) = workspace::unstored(start)?;
    let desired = &workspace.desired;
    let graph = engine.validate(desired)?;
    let kinds = desired.resources.iter().map(|(name, declared)| (name, &declared.kind)).collect();
    let drawing = Drawing { graph: &graph, kinds };
    match (console.is_json(), text) {
        (true, _) => console.show(&drawing.document(), String::new)?,
        (false, true) => print(&drawing.tree())?,
        (false, false) => print(&drawing.dot())?,
    }
    Ok(DONE)
}
