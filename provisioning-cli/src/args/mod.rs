//! The grammar of the command line. What the commands do is in `commands`.

mod config;
mod schema;
mod scope;
mod secrets;
mod workspace;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use provisioning_core::name::{RunId, StepId, WorkspaceName};
use provisioning_core::schema::UndoClass;

pub(crate) use config::{ConfigVerb, Given};
pub(crate) use schema::SchemaVerb;
pub(crate) use scope::{Pace, Replace, Scope};
pub(crate) use secrets::{RecipientsVerb, SecretsVerb};
pub(crate) use workspace::WorkspaceVerb;

use crate::console::Format;

/// Declare infrastructure, see what would change, make it so; resume where it stopped.
#[derive(Debug, Parser)]
#[command(name = "provisioning", version, max_term_width = 110, after_long_help = crate::exit::help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Work in the workspace that DIR lies in
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,
    /// Work in a workspace that `workspace list` knows
    #[arg(short, long, value_name = "NAME", value_parser = WorkspaceName::parse, global = true, conflicts_with = "directory")]
    pub(crate) workspace: Option<WorkspaceName>,
    #[command(flatten)]
    pub(crate) given: Given,
    /// Answer with JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say what happens inside, on standard error; twice for everything
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
}

impl Global {
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Human }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a small workspace that runs
    Init {
        /// Where; made if missing
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
    /// Know several workspaces by their names
    #[command(subcommand)]
    Workspace(WorkspaceVerb),
    /// Check the declarations; no state is read and no provider is called
    Validate,
    /// Show how the workspace is configured, and which layer says so
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Say where a resource, or a field of one, is written, and what it is
    Explain {
        /// The resource, or its field: `web.size_gb`
        #[arg(value_name = "RESOURCE[.FIELD]")]
        path: String,
    },
    /// Show what an apply would do
    Plan(PlanArguments),
    /// Try out what is declared on fakes of its providers; nothing real is called and nothing is kept
    Test {
        /// Let every step fail, hang, lose its reply and crash, and go on as you would
        #[arg(long, required = true)]
        chaos: bool,
    },
    /// Make the world as declared
    Apply(ApplyArguments),
    /// Remove everything that the workspace made
    Destroy(DestroyArguments),
    /// Take into the state what changed outside
    Refresh {
        #[command(flatten)]
        pace: Pace,
        #[command(flatten)]
        scope: Scope,
    },
    /// Show the state, or one resource in detail
    Show {
        /// The resource
        name: Option<String>,
    },
    /// Show the outputs, or print the value of one
    Output {
        /// The output
        name: Option<String>,
        /// Show sensitive values too
        #[arg(long)]
        reveal: bool,
    },
    /// Run a command on a host, such as a server, and exit with its code
    Exec {
        /// The resource that is the host
        name: String,
        /// The program and its arguments; what is piped in is its input
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Open a shell on a host, or run another command there with this terminal
    Shell {
        /// The resource that is the host
        name: String,
        /// The program and its arguments; those of `settings.shell` when left out
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Show what the programs wrote that a host keeps running, or that a service or a process is
    Logs {
        /// The host, service or process
        name: String,
        /// Only this one of the host's programs
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
        /// The last N lines of each; as many as `settings.shown.log_lines` says when left out
        #[arg(long, value_name = "N")]
        lines: Option<usize>,
        /// Wait for more until interrupted
        #[arg(long, short)]
        follow: bool,
    },
    /// Say who works on the workspace, how the last run ended and what it left to do
    Status,
    /// List the runs
    Runs {
        /// At most N, the last ones, 0 for all; as many as `settings.shown.runs` says when left out
        #[arg(long, value_name = "N")]
        last: Option<usize>,
    },
    /// Show the journal of a run
    Events {
        /// The run; the last one when left out
        #[arg(value_parser = RunId::parse)]
        run: Option<RunId>,
        /// Wait for more until the run ends
        #[arg(long, short)]
        follow: bool,
    },
    /// Go on with a run that failed, was stopped or died
    Resume {
        /// The run; the last one when left out
        #[arg(value_parser = RunId::parse)]
        run: Option<RunId>,
        #[command(flatten)]
        pace: Pace,
    },
    /// Take back what a run did: the world and the state become what they were before it
    Rollback(RollbackArguments),
    /// Say which object a step in doubt has made; `resume` goes on with it
    Adopt {
        /// The step, as `status` names it
        #[arg(value_parser = StepId::parse)]
        step: StepId,
        /// The identity of the object, as its provider shows it
        #[arg(value_name = "ID")]
        object: String,
    },
    /// Say that a step in doubt had no effect; `resume` begins it anew
    Retry {
        /// The step, as `status` names it
        #[arg(value_parser = StepId::parse)]
        step: StepId,
    },
    /// Take the workspace from whoever holds it: that process can record nothing from then on
    Unlock {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Give up on a step of which nobody can tell whether it had its effect
    Abandon {
        /// The step, as `status` names it
        #[arg(value_parser = StepId::parse)]
        step: StepId,
        /// Why, for the journal: say what was found
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Print the graph of the declarations in the DOT language
    Graph {
        /// Draw it in the terminal instead
        #[arg(long)]
        text: bool,
    },
    /// Drop resources from the state and leave the objects alone
    Forget {
        /// The resources
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Keep what nobody else may read: passwords, tokens, keys
    #[command(subcommand)]
    Secrets(SecretsVerb),
    /// Tell what can be declared: every kind with its fields
    #[command(subcommand)]
    Schema(SchemaVerb),
    /// Check that the journal is whole and gives the state
    Verify,
    /// Print a completion script
    Completions {
        /// For which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct PlanArguments {
    /// Keep the plan in FILE, for `apply FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Say of every value where it was written, and what it overrides
    #[arg(long)]
    pub(crate) origin: bool,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Show as well how a rollback would take it back
    #[arg(long)]
    pub(crate) rollback: bool,
    /// Show every line of the texts that change, and those of new ones
    #[arg(long)]
    pub(crate) diff: bool,
    /// Plan what `destroy` would do
    #[arg(long, conflicts_with = "replace")]
    pub(crate) destroy: bool,
    #[command(flatten)]
    pub(crate) replace: Replace,
    #[command(flatten)]
    pub(crate) scope: Scope,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// A plan from `plan --out`, carried out as it is and without asking
    #[arg(conflicts_with_all = ["target", "exclude", "replace", "no_refresh"])]
    pub(crate) plan: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Refuse a plan with steps whose undo costs more than this
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(["reversible", "lossy"]).map(undo_class))]
    pub(crate) require: Option<UndoClass>,
    #[command(flatten)]
    pub(crate) replace: Replace,
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The run; the last one that changed anything when left out
    #[arg(value_parser = RunId::parse)]
    pub(crate) run: Option<RunId>,
    /// Show what it would do, and do nothing
    #[arg(long)]
    pub(crate) preview: bool,
    /// Take back only what came after CHECKPOINT, one that the run reached
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) to: Option<String>,
    /// Go on with the rollback that stopped halfway
    #[arg(long = "continue", conflicts_with_all = ["run", "preview", "to"])]
    pub(crate) goes_on: bool,
    /// Go on with it, and leave out STEP, which failed; its resource stays marked until it is repaired
    #[arg(long, value_name = "STEP", value_parser = StepId::parse, requires = "reason", conflicts_with_all = ["run", "preview", "to"])]
    pub(crate) skip: Option<StepId>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", requires = "skip")]
    pub(crate) reason: Option<String>,
    /// Do not ask
    #[arg(long, short, conflicts_with = "preview")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct DestroyArguments {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) scope: Scope,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[expect(clippy::needless_pass_by_value, reason = "the parser hands its value over")]
fn undo_class(word: String) -> UndoClass {
    if word == "lossy" { UndoClass::Lossy } else { UndoClass::Reversible }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use provisioning_core::engine::Refresh;
    use provisioning_core::plan::Command;

    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_new_workspace_lies_below_the_directory_of_the_command() {
        let arguments = Arguments::try_parse_from(["provisioning", "init", "shop", "-C", "/srv"]).expect("parses");
        assert_eq!(arguments.global.directory, Some(PathBuf::from("/srv")));
        assert!(matches!(arguments.verb, Verb::Init { folder } if folder.as_os_str() == "shop"));
    }

    #[test]
    fn a_plan_file_takes_no_scope() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["provisioning", "apply"], words].concat());
        assert!(parse(&["saved.plan", "--yes"]).is_ok());
        assert!(parse(&["saved.plan", "--target", "web"]).is_err());
    }

    #[test]
    fn scope_and_pace_reach_the_engine() {
        let words =
            "provisioning apply --target a --target b --exclude c --replace d --no-refresh --parallelism 3 --on-failure continue";
        let Verb::Apply(arguments) = Arguments::try_parse_from(words.split(' ')).expect("parses").verb else {
            panic!("not apply")
        };
        let flags: Vec<_> = arguments.pace.flags().into_iter().map(|flag| format!("{} = {}", flag.key, flag.value)).collect();
        assert_eq!(flags, ["settings.limits.run = 3", "settings.on_failure = continue"]);
        let options = arguments.scope.options(Command::Apply, arguments.replace);
        assert_eq!(options.targets, ["a", "b"]);
        assert_eq!((options.excludes, options.replace), (vec!["c".to_owned()], vec!["d".to_owned()]));
        assert_eq!(options.refresh, Refresh::Skip);
    }
}
