//! YAML files that people write (scenarios, profiles): read within bounds, and every mistake answered with its place, the line
//! itself and a hint.

mod error;
mod node;
mod report;

use std::{fs::File, io::Read as _, path::Path};

pub use error::{Excerpt, LoadError, LoadErrors};
pub(crate) use node::{Node, Place};
pub(crate) use report::{Fields, Reporter, known, whole};

/// Longest file, in bytes.
pub const MAX_FILE: u64 = 256 * 1024;

/// The text of a file. `is`: what it should be, for hints: `a scenario`.
///
/// # Errors
/// If it is no file, too long, unreadable or no UTF-8.
pub(crate) fn read(file: &Path, is: &str) -> Result<String, LoadErrors> {
    let unreadable = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; it is relative to the current folder",
            _ => "check who may read it",
        };
        LoadErrors::from(whole(file, format!("cannot be read: {error}"), hint))
    };
    let meta = std::fs::metadata(file).map_err(unreadable)?;
    if !meta.is_file() {
        let kind = if meta.is_dir() { "a folder" } else { "no ordinary file" };
        return Err(whole(file, format!("is {kind}"), format!("{is} is one file of text")).into());
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let length = meta.len().max(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    if length > MAX_FILE {
        let hint = format!("{is} takes a few kilobytes: split it");
        return Err(whole(file, too_long(length), hint).into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let before = text.get(..good).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let name = file.display().to_string();
        let hint = "save the file as UTF-8".to_owned();
        let message = "the text is not UTF-8 from here on".to_owned();
        let place = Some(Place { line, column });
        Reporter::new(&name, &text).error(place, message, Some(hint)).into()
    })
}

/// How a text that is too long is refused.
pub(crate) fn too_long(length: u64) -> String {
    format!("{length} bytes long; at most {MAX_FILE} are allowed")
}

/// True if there is nothing in it but blanks and comments.
pub(crate) fn is_blank(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// Parser options: within bounds, so that no file can exhaust memory or stack.
pub(crate) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        // `no` is a word here, not a truth value.
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_documents: 2,
            max_depth: 64,
            max_nodes: 50_000,
            max_aliases: 200,
            max_anchors: 50,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 100,
        },
    }
}
