//! What configures a workspace from the command line, and the questions about its configuration.

use clap::{Args, Subcommand};
use provisioning_core::config::Flag;

/// What is given to the workspace.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "How the workspace is configured")]
pub(crate) struct Given {
    /// Work in the environment NAME: `environments/NAME.toml`
    #[arg(short = 'e', long = "env", value_name = "NAME", global = true)]
    environment: Option<String>,
    /// Give an input its value; may be given again
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = input, global = true)]
    inputs: Vec<Flag>,
}

impl Given {
    /// The keys that are set.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let environment = self.environment.iter();
        let environment = environment.map(|name| Flag { name: "--env".into(), key: "environment".into(), value: name.clone() });
        environment.chain(self.inputs.iter().cloned()).collect()
    }
}

fn input(text: &str) -> Result<Flag, &'static str> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("expected NAME=VALUE")?;
    if name.contains('.') {
        return Err("the name of an input has no dot");
    }
    Ok(Flag { name: format!("--input {name}"), key: format!("inputs.{name}"), value: value.to_owned() })
}

/// Questions about the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show every key with its value
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Show what each layer says of a key, the weakest first
    Explain {
        /// The key: `settings.limits.run`, or a section
        key: String,
    },
    /// Show the keys in which two environments differ
    Diff {
        /// The one; `-` for the one that is chosen
        one: String,
        /// The other
        other: String,
    },
}
