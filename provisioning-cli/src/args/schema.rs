//! What `schema` takes.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaVerb {
    /// Write the Nickel library with a contract for every field, a JSON Schema and a reference, for editors and people
    Export {
        /// Where; made if missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print what a provider type, a kind, a lookup or a task service is made of
    Show {
        /// Its name; a list of all where it is left out
        #[arg(value_name = "KIND")]
        name: Option<String>,
    },
}
