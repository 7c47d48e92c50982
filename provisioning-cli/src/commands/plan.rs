//! `plan`: shows what an apply would do, and keeps it where asked.

use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use provisioning_core::error::{Error, Result};
use provisioning_core::plan::{Command, Plan};

use crate::args::{Pace, PlanArguments};
use crate::console::{Console, of_io};
use crate::exit::{CHANGES, DONE, Problem};
use crate::render;
use crate::render::diff::{Texts, WithTexts};
use crate::render::plan::View;
use crate::render::progress::Progress;
use crate::workspace::{self, Missing, Start};

pub(super) async fn run(console: Console, start: &Start, arguments: PlanArguments) -> Result<u8, Problem> {
    let progress = Progress::new(console);
    // A plan that is kept belongs to a store.
    let missing = if arguments.out.is_some() { Missing::Made } else { Missing::Empty };
    let (session, workspace) = workspace::declared(start, &Pace::default(), progress.observer(), missing)?;
    let command = if arguments.destroy { Command::Destroy } else { Command::Apply };
    let plan = session.engine.plan(&workspace.desired, &arguments.scope.options(command, arguments.replace)).await;
    progress.clear();
    let plan = plan?;
    let given = session.engine.outputs().await?;
    let back = if arguments.rollback { render::back::way_back(&plan) } else { String::new() };
    let texts = if arguments.diff { Texts::All } else { Texts::Short };
    let view = View { texts, origins: arguments.origin.then_some(&*workspace) };
    console.show(&WithTexts(&plan), || render::plan::plan(&plan, &given, view) + &back)?;
    if let Some(file) = &arguments.out {
        write(file, &plan)?;
        console.say(&format!("\nKept in {0}. Next: `provisioning apply {0}` does exactly this.", file.display()));
    }
    Ok(if arguments.detailed_exitcode && !plan.is_empty() { CHANGES } else { DONE })
}

/// Writes a plan whole or not at all, for its owner alone.
fn write(path: &Path, plan: &Plan) -> Result<()> {
    let json = serde_json::to_vec(plan).map_err(|error| Error::bug(format!("the plan cannot be written as JSON: {error}")))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(name);
    let written = write_durably(&draft, &json).and_then(|()| rename(&draft, path));
    written.map_err(|error| {
        // The draft may not exist; the error that is told is the first one.
        drop(remove_file(&draft));
        of_io("write", &path.to_string_lossy(), error)
    })
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::plan::sample;

    #[test]
    fn a_kept_plan_reads_back_and_replaces_an_older_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("saved.plan");
        std::fs::write(&file, "older").expect("written");
        let plan = sample(Vec::new());
        write(&file, &plan).expect("kept");
        assert_eq!(Plan::parse(&std::fs::read(&file).expect("read")).expect("a plan"), plan);
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 1, "a draft was left");
    }

    #[test]
    fn a_plan_that_cannot_be_written_names_the_file() {
        let error = write(Path::new("/nowhere/saved.plan"), &sample(Vec::new())).expect_err("no such folder");
        assert_eq!(error.to_string(), "cannot write `/nowhere/saved.plan`");
    }
}
