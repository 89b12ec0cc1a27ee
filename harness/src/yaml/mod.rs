//! YAML files that people write (scenarios, profiles, baselines): parsed within bounds, and every mistake answered with its
//! place, the line itself and a hint.

mod error;
mod node;
mod report;
mod strict;

use std::path::Path;

pub use error::{Excerpt, LoadError, LoadErrors};
pub(crate) use node::{Node, Place, Plain};
pub(crate) use report::{Fields, Reporter, known, whole};
pub(crate) use strict::from_json;

use crate::bounded::{self, ReadError};

/// Longest file, in bytes.
pub const MAX_FILE: u64 = 256 * 1024;

/// The text of a file. `is`: what it should be, for hints: `a scenario`.
///
/// # Errors
/// If it is no file, too long, unreadable or no UTF-8.
pub(crate) fn read(file: &Path, is: &str) -> Result<String, LoadErrors> {
    bounded::read(file, MAX_FILE).map_err(|error| {
        let hint = match &error {
            ReadError::Unreadable(why) if why.kind() == std::io::ErrorKind::NotFound => {
                "check the path; it is relative to the current folder".to_owned()
            }
            ReadError::Unreadable(_) => "check who may read it".to_owned(),
            ReadError::NoFile(_) => format!("{is} is one file of text"),
            ReadError::TooLong { .. } => format!("{is} takes a few kilobytes: split it"),
            ReadError::NoText { bytes, valid } => return no_text(file, bytes, *valid),
        };
        whole(file, error.to_string(), hint).into()
    })
}

/// Points at the first character that is none.
fn no_text(file: &Path, bytes: &[u8], valid: usize) -> LoadErrors {
    let text = String::from_utf8_lossy(bytes);
    let before = text.get(..valid).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let name = file.display().to_string();
    let hint = "save the file as UTF-8".to_owned();
    let message = "the text is not UTF-8 from here on".to_owned();
    let place = Some(Place { line, column });
    Reporter::new(&name, &text).error(place, message, Some(hint)).into()
}

/// How a text that is too long is refused.
pub(crate) fn too_long(length: u64) -> String {
    ReadError::TooLong { length, limit: MAX_FILE }.to_string()
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
