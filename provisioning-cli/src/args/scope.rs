//! What many commands take: which resources are meant, and how a run proceeds.

use std::num::NonZeroUsize;

use clap::Args;
use clap::builder::PossibleValuesParser;
use provisioning_core::config::Flag;
use provisioning_core::engine::{PlanOptions, Refresh};
use provisioning_core::plan::Command;

#[derive(Debug, Default, Args)]
pub(crate) struct Replace {
    /// Replace NAME, changed or not; may be given again
    #[arg(long, value_name = "NAME")]
    replace: Vec<String>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which resources")]
pub(crate) struct Scope {
    /// Only NAME and what it needs (for a destroy: what needs it); may be given again
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Neither NAME nor what needs it; may be given again
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// Believe the state instead of reading what exists
    #[arg(long)]
    no_refresh: bool,
}

impl Scope {
    /// These resources alone.
    pub(crate) fn of(target: Vec<String>) -> Self {
        Self { target, ..Self::default() }
    }

    /// What a plan is asked for.
    pub(crate) fn options(self, command: Command, replace: Replace) -> PlanOptions {
        let refresh = if self.no_refresh { Refresh::Skip } else { Refresh::Read };
        PlanOptions { command, targets: self.target, excludes: self.exclude, replace: replace.replace, refresh }
    }
}

/// How a run proceeds; what is left out stays as it is configured.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "How it runs")]
pub(crate) struct Pace {
    /// At most N calls at once
    #[arg(long, value_name = "N", value_parser = from_one)]
    parallelism: Option<NonZeroUsize>,
    /// After a failure, finish what runs and stop, go on with what does not need it, or take back what was done
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new(["stop", "continue", "rollback"]))]
    on_failure: Option<String>,
}

impl Pace {
    /// The settings that were given.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let flag = |name: &str, key: &str, value: Option<String>| {
            value.map(|value| Flag { name: name.to_owned(), key: key.to_owned(), value })
        };
        let parallelism = self.parallelism.map(|number| number.to_string());
        let flags = [
            flag("--parallelism", "settings.limits.run", parallelism),
            flag("--on-failure", "settings.on_failure", self.on_failure.clone()),
        ];
        flags.into_iter().flatten().collect()
    }
}

fn from_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "expected a whole number from 1")
}
