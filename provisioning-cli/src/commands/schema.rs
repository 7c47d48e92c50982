//! `schema`: what can be declared, as files and as text. It needs no workspace.

use provisioning_core::config::library;
use provisioning_providers::registry_with_keeper;

use crate::args::SchemaVerb;
use crate::console::Console;
use crate::exit::{DONE, Problem};
use crate::render;
use crate::workspace::Start;

pub(super) fn run(console: Console, start: &Start, verb: &SchemaVerb) -> Result<u8, Problem> {
    // Only the schemas are asked for: nothing is read or kept in a folder.
    let registry = registry_with_keeper(start.folder(), start.folder(), &start.keeper);
    match verb {
        SchemaVerb::Export { folder } => {
            let folder = start.folder().join(folder);
            let files = library::export(&registry, &folder)?;
            let document = serde_json::json!({ "folder": folder, "files": files });
            console.show(&document, || render::schema::exported(&folder, &files))?;
        }
        SchemaVerb::Show { name: None } => {
            let entries = library::entries(&registry);
            console.show(&entries, || render::schema::list(&entries))?;
        }
        SchemaVerb::Show { name: Some(name) } => {
            let entries = library::entries_named(&registry, name)?;
            console.show(&entries, || render::schema::entries(&entries))?;
        }
    }
    Ok(DONE)
}
