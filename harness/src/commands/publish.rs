//! Reports into files and onto standard output, for every command that ends in a summary.

use std::{
    fs,
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

/// Makes the files, empty: a report that cannot be written is better known before the run than after it.
///
/// # Errors
///
/// If one cannot be made, or two would go to one place, where the last alone would be left.
pub(super) fn check_writable(reports: &[(String, PathBuf)]) -> Result<(), RunError> {
    for (i, (_, path)) in reports.iter().enumerate() {
        if reports.iter().take(i).any(|(_, earlier)| earlier == path) {
            return Err(RunError::Usage(format!("two reports go to {}", path.display())));
        }
    }
    reports.iter().try_for_each(|(_, path)| write(path, ""))
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
    let failed =
        |e: std::io::Error| RunError::Usage(format!("{} cannot be written: {e}", path.display()));
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
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
