//! What each command does: one file per command, or per close family. How an answer looks is in `render`.

mod config;
mod exec;
mod explain;
mod graph;
mod history;
mod init;
mod logs;
mod plan;
mod rollback;
mod run;
mod schema;
mod secret_text;
mod secrets;
mod settle;
mod shell;
mod state;
mod test;
mod workspaces;

use clap::CommandFactory;
use clap_complete::Shell;
use provisioning_core::config::Shown;
use provisioning_core::error::Error;
use provisioning_core::event::Observer;
use provisioning_core::plan::Command;
use provisioning_providers::local::Keeper;

use crate::args::{Arguments, Global, Pace, Replace, Scope, Verb};
use crate::console::{Console, print};
use crate::exit::{DONE, Problem};
use crate::opening;
use crate::render::count;
use crate::user;
use crate::workspace::{self, Place, Session, Start, Why};
pub use init::{Content, make};

/// Does what the arguments say and gives the exit code.
pub(crate) async fn run(verb: Verb, console: Console, start: &Start) -> Result<u8, Problem> {
    match verb {
        Verb::Init { folder } => init::run(console, start.registered.as_deref(), &start.folder().join(folder)),
        Verb::Workspace(verb) => workspaces::run(console, start, verb).await,
        Verb::Validate => validate(console, start),
        Verb::Test { chaos: _ } => test::chaos(console, start),
        Verb::Config(verb) => config::run(console, start, &verb),
        Verb::Explain { path } => explain::run(console, start, &path),
        Verb::Plan(arguments) => plan::run(console, start, arguments).await,
        Verb::Apply(arguments) => run::apply(console, start, arguments).await,
        Verb::Destroy(arguments) => run::destroy(console, start, arguments).await,
        Verb::Refresh { pace, scope } => {
            let options = scope.options(Command::Refresh, Replace::default());
            run::without_asking(console, start, &pace, options).await
        }
        Verb::Forget { names } => {
            let options = Scope::of(names).options(Command::Forget, Replace::default());
            run::without_asking(console, start, &Pace::default(), options).await
        }
        Verb::Resume { run, pace } => run::resume(console, start, run, pace).await,
        Verb::Rollback(arguments) => rollback::run(console, start, arguments).await,
        Verb::Adopt { step, object } => settle::adopt(console, start, &step, &object).await,
        Verb::Retry { step } => settle::retry(console, start, &step).await,
        Verb::Abandon { step, reason } => settle::abandon(console, start, &step, &reason).await,
        Verb::Unlock { yes } => settle::unlock(console, start, yes).await,
        Verb::Show { name } => state::show(console, start, name.as_deref()).await,
        Verb::Output { name, reveal } => state::output(console, start, name.as_deref(), reveal).await,
        Verb::Exec { name, command } => exec::run(console, start, &name, command).await,
        Verb::Shell { name, command } => shell::run(start, &name, command).await,
        Verb::Logs { name, unit, lines, follow } => {
            let lines = lines.map_or_else(|| shown(start).map(|shown| shown.log_lines), Ok)?;
            let wanted = logs::Wanted { name: &name, unit: unit.as_deref(), lines };
            logs::run(console, start, wanted, follow).await
        }
        Verb::Status => history::status(console, start).await,
        Verb::Runs { last } => {
            let last = last.map_or_else(|| shown(start).map(|shown| shown.runs), Ok)?;
            history::runs(console, start, last).await
        }
        Verb::Events { run, follow } => history::events(console, start, run, follow).await,
        Verb::Secrets(verb) => secrets::run(console, start, verb).await,
        Verb::Verify => history::verify(console, start).await,
        Verb::Schema(verb) => schema::run(console, start, &verb),
        Verb::Graph { text } => graph::run(console, start, text),
        Verb::Completions { shell } => completions(shell),
    }
}

/// Says where a command works that lies in no workspace: it is not to be seen otherwise.
pub(crate) fn say_where(console: Console, start: &Start, verb: &Verb) {
    let works = !matches!(verb, Verb::Init { .. } | Verb::Workspace(_) | Verb::Completions { .. });
    if let (true, Ok(Place { root, why: Why::InUse })) = (works, workspace::place(start)) {
        console.say(&format!("In the workspace that is in use: {}.", root.display()));
    }
}

/// Where a command begins, with what the process has: its variables, and the user's files.
pub(crate) fn start(global: &Global, keeper: &Keeper) -> Start {
    Start {
        directory: global.directory.clone(),
        workspace: global.workspace.clone(),
        registered: user::folder().map(|folder| folder.join("workspaces.toml")),
        keeper: keeper.clone(),
        overrides: opening::overrides(global.given.flags()),
    }
}

fn shown(start: &Start) -> Result<Shown, Error> {
    Ok(start.location(&Pace::default())?.settings.shown)
}

fn completions(shell: Shell) -> Result<u8, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "provisioning", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}

fn validate(console: Console, start: &Start) -> Result<u8, Problem> {
    let (engine, workspace) = workspace::unstored(start)?;
    let desired = &workspace.desired;
    engine.validate(desired)?;
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

/// Opens a workspace to look at what is kept of it.
fn look(start: &Start) -> Result<Session, Error> {
    workspace::stored(start, &Pace::default(), Observer::default())
}
