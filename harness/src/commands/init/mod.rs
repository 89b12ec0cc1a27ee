//! `harness init`: a commented profile for one's own relay and a CI workflow that runs the harness with it.
//!
//! What it cannot know it guesses, marks with `CHANGE:` in the files, and names at the end; `harness doctor` then says
//! which guesses hold.

mod ask;
mod choices;
mod profile;
mod workflow;

use std::{
    fs::OpenOptions,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

pub use choices::Choices;

use super::{Done, program, word};
use crate::{
    cli::InitArgs,
    run::RunError,
    sut,
    text::{PIPE_WIDTH, wrap},
};

/// File names below the folder.
const PROFILE: &str = "relay-profile.yaml";
const WORKFLOW: &str = ".github/workflows/relay.yml";
const SCHEMA: &str = "relay-profile.schema.json";

/// What stands before the words about a guess.
const MARK: &str = "CHANGE: ";

/// Asks (on a terminal), writes, and says what is left to do.
///
/// # Errors
///
/// If a file is there already, or the choices do not go together.
pub fn init(args: &InitArgs) -> Result<Done, RunError> {
    let files: [PathBuf; 3] = [PROFILE, WORKFLOW, SCHEMA].map(|name| match args.dir.to_str() {
        Some(".") => name.into(),
        _ => args.dir.join(name),
    });
    if !args.force
        && let Some(file) = files.iter().find(|file| file.exists())
    {
        return Err(there_already(file));
    }
    let given = Choices::given(args);
    let choices = if std::io::stdin().is_terminal() && !args.yes {
        ask::complete(given, &mut std::io::stdin().lock(), &mut std::io::stderr())?
    } else {
        given
    };
    let defaults = choices.defaults();
    let plan = choices.settled().map_err(RunError::Usage)?;
    let schema = serde_json::to_string_pretty(&sut::schema::profile())
        .map_err(|e| RunError::Harness(format!("the schema cannot be written: {e}")))?;
    let texts = [profile::text(&plan), workflow::text(&plan), schema + "\n"];
    for (file, text) in files.iter().zip(&texts) {
        write(file, text, args.force)?;
    }
    let mut out = String::new();
    for file in &files {
        line!(out, "wrote {}", file.display());
    }
    if !defaults.is_empty() {
        let taken = format!("{} (see {} init --help)", defaults.join(" "), program());
        line!(out, "{}", wrap(&taken, PIPE_WIDTH, "taken for want of a choice: "));
    }
    line!(out);
    line!(out, "What could only be guessed, marked with CHANGE in the files:");
    for (file, text) in files.iter().zip(&texts).take(2) {
        for (number, what) in marked(text) {
            let lead = format!("  {}:{number}  ", file.display());
            line!(out, "{}", wrap(what, PIPE_WIDTH, &lead));
        }
    }
    line!(out);
    let file = files.first().map(|file| file.display().to_string()).unwrap_or_default();
    let next = "then see whether it fits:";
    let (before, program) = (plan.before(), program());
    line!(out, "{next}\n  {before}{program} doctor --profile {}{}", word(&file), plan.options());
    Ok(Done::passed(out))
}

/// Line and words of each guess.
fn marked(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(i, line)| Some((i + 1, line.split_once(MARK)?.1.trim())))
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), RunError> {
    let failed =
        |e: std::io::Error| RunError::Usage(format!("{} cannot be written: {e}", file.display()));
    if let Some(folder) = file.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    // Somebody may have made it since it was looked for.
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut open = options.write(true).open(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => there_already(file),
        _ => failed(e),
    })?;
    open.write_all(text.as_bytes()).map_err(failed)
}

fn there_already(file: &Path) -> RunError {
    RunError::Usage(format!(
        "{} is there already\nhint: name another folder by --dir, or write it anew with --force",
        file.display()
    ))
}

#[cfg(test)]
mod tests;
