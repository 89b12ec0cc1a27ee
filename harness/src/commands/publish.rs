//! Reports into files and onto standard output, for every command that ends in a summary.

use std::{
    fs::{self, OpenOptions},
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use super::Done;
use crate::{
    cli::{Colour, Show},
    report::{REPORTS, Report as _, tally, terminal::Terminal},
    run::RunError,
    verdict::Summary,
};

/// Opens the files, and makes those that are not there: a report that cannot be written is better known before the run than
/// after it. What is in one already stays until there is something to write. `taken`: files that the command reads, or writes
/// itself.
///
/// # Errors
///
/// If one cannot be made, or would take the place of another or of a file that is needed.
pub(super) fn check_writable(
    reports: &[(String, PathBuf)],
    taken: &[&Path],
) -> Result<(), RunError> {
    let (on_output, files): (Vec<_>, Vec<_>) =
        reports.iter().map(|(_, path)| path).partition(|path| *path == Path::new("-"));
    if on_output.len() > 1 {
        return Err(RunError::Usage("two reports go to standard output".to_owned()));
    }
    for path in &files {
        let failed = unwritable(path);
        make_folder(path).map_err(&failed)?;
        OpenOptions::new().append(true).create(true).open(path).map_err(&failed)?;
    }
    // Only now each has a place of its own, by whatever name it is called.
    for (i, path) in files.iter().enumerate() {
        let is_same = |other: &Path| is_same_file(path, other);
        if files.iter().take(i).any(|earlier| is_same(earlier)) {
            return Err(RunError::Usage(format!("two reports go to {}", path.display())));
        }
        if taken.iter().any(|other| is_same(other)) {
            return Err(RunError::Usage(format!(
                "a report would overwrite {}, which this command needs",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Whether both names lead to one regular file: devices and pipes may be written to twice.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(path).ok().filter(|place| place.is_file());
    place(one).is_some_and(|one| place(other) == Some(one))
}

fn unwritable(path: &Path) -> impl Fn(std::io::Error) -> RunError {
    move |e| RunError::Usage(format!("{} cannot be written: {e}", path.display()))
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => fs::create_dir_all(parent),
        None => Ok(()),
    }
}

/// Writes all reports. Standard output gets the report that is asked for there, else the terminal's; a report that cannot be
/// written keeps it from nobody.
///
/// # Errors
///
/// If one cannot be made.
pub(super) fn publish(
    reports: &[(String, PathBuf)],
    summary: &Summary,
    terminal: Terminal,
) -> Result<Done, RunError> {
    let (mut output, mut unwritten) = (None, None);
    for (kind, path) in reports {
        let Some(report) = REPORTS.iter().find(|r| r.id() == kind) else { continue };
        let text = report.render(summary).map_err(RunError::Harness)?;
        if path == Path::new("-") {
            output = output.or(Some(text));
        } else {
            unwritten = unwritten.or(write(path, &text).err());
        }
    }
    let output = output.map_or_else(|| terminal.render(summary).map_err(RunError::Harness), Ok)?;
    Ok(Done { output, code: tally::exit_code(summary), unwritten })
}

/// Writes a file with the folders around it; `-` is standard output and not written here.
///
/// # Errors
///
/// If it cannot be written.
pub(super) fn write(path: &Path, text: &str) -> Result<(), RunError> {
    if path == Path::new("-") {
        return Ok(());
    }
    make_folder(path).and_then(|()| fs::write(path, text)).map_err(unwritable(path))
}

/// The terminal report, as wide and colourful as standard output takes it.
pub(super) fn terminal(show: &Show) -> Terminal {
    let out = std::io::stdout();
    let colour = match show.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    };
    let width = if out.is_terminal() {
        terminal_size::terminal_size().map_or(80, |(w, _)| usize::from(w.0)).clamp(60, 120)
    } else {
        80
    };
    Terminal { colour, width, verbose: show.verbose }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn json(path: PathBuf) -> (String, PathBuf) {
        ("json".to_owned(), path)
    }

    #[test]
    fn a_report_takes_no_other_file_s_place_and_keeps_what_is_there_until_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let (old, profile) = (dir.path().join("old.json"), dir.path().join("profile.yaml"));
        fs::write(&old, "old").unwrap();
        fs::write(&profile, "name: mine").unwrap();
        let checked = |reports: &[PathBuf]| {
            let reports: Vec<_> = reports.iter().cloned().map(json).collect();
            check_writable(&reports, &[&profile]).map_err(|error| error.to_string())
        };
        let by_another_name = |file: &str| dir.path().join(".").join(file);
        checked(&[old.clone(), dir.path().join("new/run.json")]).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");

        let error = checked(&[old.clone(), by_another_name("old.json")]).unwrap_err();
        assert!(error.contains("two reports go to"), "{error}");
        let error = checked(&[by_another_name("profile.yaml")]).unwrap_err();
        assert!(error.contains("would overwrite"), "{error}");
        assert_eq!(fs::read_to_string(&profile).unwrap(), "name: mine");
        checked(&["-".into(), "-".into()]).unwrap_err();
        checked(&["/dev/null".into(), "/dev/null".into()]).unwrap();
    }
}
