//! What each command does: one file per command, or per close family. How an answer looks is in `render`.

mod exec;
mod graph;
mod history;
mod init;
mod logs;
mod plan;
mod run;
mod shell;
mod state;

use std::path::Path;

use clap::CommandFactory;
use provisioning_core::error::Error;
use provisioning_core::event::Observer;
use provisioning_core::name::StepId;
use provisioning_core::plan::Command;

use crate::args::{Arguments, Pace, Replace, Scope, Verb};
use crate::console::{Console, print};
use crate::exit::{DONE, Problem};
use crate::render::count;
use crate::workspace::{self, Session};

/// Does what the arguments say and gives the exit code.
pub(crate) async fn run(arguments: Arguments, console: Console) -> Result<u8, Problem> {
    let directory = arguments.global.directory.as_path();
    match arguments.verb {
        Verb::Init { folder } => init::run(console, &directory.join(folder)),
        Verb::Validate => validate(console, directory),
        Verb::Plan(arguments) => plan::run(console, directory, arguments).await,
        Verb::Apply(arguments) => run::apply(console, directory, arguments).await,
        Verb::Destroy(arguments) => run::destroy(console, directory, arguments).await,
        Verb::Refresh { pace, scope } => {
            let options = scope.options(Command::Refresh, Replace::default());
            run::without_asking(console, directory, &pace, options).await
        }
        Verb::Forget { names } => {
            let options = Scope::of(names).options(Command::Forget, Replace::default());
            run::without_asking(console, directory, &Pace::default(), options).await
        }
        Verb::Resume { run, pace } => run::resume(console, directory, run, pace).await,
        Verb::Abandon { step, reason } => abandon(console, directory, &step, &reason).await,
        Verb::Show { name } => state::show(console, directory, name.as_deref()).await,
        Verb::Output { name, reveal } => state::output(console, directory, name.as_deref(), reveal).await,
        Verb::Exec { name, command } => exec::run(console, directory, &name, command).await,
        Verb::Shell { name, command } => shell::run(directory, &name, command).await,
        Verb::Logs { name, unit, lines, follow } => {
            let wanted = logs::Wanted { name: &name, unit: unit.as_deref(), lines };
            logs::run(console, directory, wanted, follow).await
        }
        Verb::Status => history::status(console, directory).await,
        Verb::Runs { last } => history::runs(console, directory, last).await,
        Verb::Events { run, follow } => history::events(console, directory, run, follow).await,
        Verb::Verify => history::verify(console, directory).await,
        Verb::Graph { text } => graph::run(console, directory, text),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "provisioning", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(DONE)
        }
    }
}

fn validate(console: Console, directory: &Path) -> Result<u8, Problem> {
    let (engine, desired) = workspace::unstored(directory)?;
    engine.validate(&desired)?;
    let numbers = [desired.resources.len(), desired.providers.len(), desired.outputs.len()];
    let [resources, providers, outputs] = numbers;
    let document = serde_json::json!({ "valid": true, "resources": resources, "providers": providers, "outputs": outputs });
    console.show(&document, || {
        let nouns = ["resource", "provider", "output"];
        let parts: Vec<_> = numbers.iter().zip(nouns).map(|(number, noun)| count(*number, noun)).collect();
        format!("Valid: {}.", parts.join(", "))
    })?;
    Ok(DONE)
}

async fn abandon(console: Console, directory: &Path, step: &StepId, reason: &str) -> Result<u8, Problem> {
    look(directory)?.engine.abandon(step, reason).await?;
    let next = "It counts as failed now: `provisioning resume` tries it again, `provisioning plan` starts anew.";
    console.show(&serde_json::json!({ "abandoned": step }), || format!("Gave up on {step}. {next}"))?;
    Ok(DONE)
}

/// Opens a workspace to look at what is kept of it.
fn look(directory: &Path) -> Result<Session, Error> {
    workspace::stored(directory, &Pace::default(), Observer::default())
}
