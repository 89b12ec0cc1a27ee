//! Makes errors that point into one file: the parser's own in our words, and those that rules find later.

use std::path::Path;

use serde_saphyr::Error;

use super::{Excerpt, LoadError, Place};
use crate::scenario::select::closest;

/// Longest message, in characters: a value that it repeats may be as long as the file.
const LONGEST: usize = 600;

/// Makes errors that point into one file.
#[derive(Clone, Copy)]
pub(crate) struct Reporter<'a> {
    file: &'a str,
    text: &'a str,
    fields: Option<&'a Fields>,
}

/// The fields of a file, by what may be shown of them.
pub(crate) struct Fields {
    /// Their lines may be shown.
    pub(crate) shown: &'static [&'static str],
    /// Secrets stand below it: neither a line nor a value of it is shown.
    pub(crate) secret: &'static str,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, fields: None }
    }

    /// Shows nothing of what stands below the secret one of these fields, nor where that cannot be told.
    pub(crate) fn keeping_secret(self, fields: &'a Fields) -> Self {
        Self { fields: Some(fields), ..self }
    }

    pub(crate) fn error(
        &self,
        place: Option<Place>,
        message: String,
        hint: Option<String>,
    ) -> LoadError {
        let shown = place.filter(|at| !self.keeps_secret(*at));
        let line = shown.and_then(|at| Some((self.text.lines().nth(at.line - 1)?, at.column)));
        let (message, hint) = split_hint(message, hint);
        LoadError {
            file: self.file.to_owned(),
            place: place.map(|at| (at.line, at.column)),
            message: shorten(&message),
            excerpt: line.map(|(line, column)| Excerpt::of(line, column)),
            hint: hint.map(|hint| shorten(&hint)),
        }
    }

    /// A parser's error in our words.
    pub(crate) fn yaml(&self, error: &Error) -> LoadError {
        let error = innermost(error);
        let place = error.location().and_then(Place::of);
        let is_secret = match place {
            Some(at) => self.keeps_secret(at),
            None => self.fields.is_some(),
        };
        let (message, hint) = if is_secret { without_values(error) } else { explained(error) };
        self.error(place, message, Some(hint))
    }

    /// True if a secret may stand there. Whoever mistypes the name of a field has its value in the same place, and a file that
    /// cannot be read has no fields but those that its lines begin with.
    fn keeps_secret(&self, at: Place) -> bool {
        let Some(fields) = self.fields else { return false };
        let up_to_it = self.text.lines().take(at.line);
        if up_to_it.clone().all(super::is_blank) {
            return false;
        }
        let known = || fields.shown.iter().copied().chain([fields.secret]);
        let field = up_to_it.filter_map(field_at_the_margin).last();
        let meant = field.and_then(|field| closest(field, known()));
        meant.is_none_or(|meant| meant == fields.secret)
    }
}

/// The name of the field that a line gives to the file itself.
fn field_at_the_margin(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let name = name.trim_end().trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// An error about a file as a whole.
pub(crate) fn whole(file: &Path, message: impl Into<String>, hint: impl Into<String>) -> LoadError {
    LoadError {
        file: file.display().to_string(),
        place: None,
        message: message.into(),
        excerpt: None,
        hint: Some(hint.into()),
    }
}

/// `did you mean ...? known fields: ...`
pub(crate) fn known(what: &str, written: &str, expected: &[&str]) -> String {
    if expected.is_empty() {
        return format!("no {what} are known here");
    }
    let list = format!("known {what}: {}", expected.join(", "));
    match closest(written, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {list}"),
        None => list,
    }
}

/// Without the parser's own drawing of the place.
fn innermost(error: &Error) -> &Error {
    error.without_snippet()
}

/// What is wrong, and what to write instead.
fn explained(error: &Error) -> (String, String) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown field `{field}`"), known("fields", field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("`{variant}` is not known here"), known("words", variant, expected))
        }
        Error::SerdeMissingField { field, .. } => {
            (format!("field `{field}` is missing"), format!("add it: `{field}: ...`"))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("found {unexpected} where {expected} is expected"), example(expected))
        }
        Error::Unexpected { expected, .. } => (
            format!("found something else where a {} is expected", kind(expected)),
            example(expected),
        ),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("`{key}` is given twice"), "keep one of them".into())
        }
        Error::MultipleDocuments { .. } => {
            ("a second document begins here".into(), "write one per file, without `---`".into())
        }
        Error::QuotingRequired { value, .. } => {
            (format!("`{value}` is no text"), format!("put it in quotes: \"{value}\""))
        }
        Error::Message { msg, .. } => (msg.clone(), LOOK.into()),
        Error::Budget { .. } => (
            strip_place(&error.to_string()),
            "no such file is this deep or large: write it out plainly".into(),
        ),
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            strip_place(&error.to_string()),
            "use fewer aliases (`*name`), or write the values out".into(),
        ),
        other => (strip_place(&other.to_string()), LOOK.into()),
    }
}

/// The same where values are secret: what is written there is not repeated, but for a name that resembles a known one.
fn without_values(error: &Error) -> (String, String) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => match closest_of(field, expected) {
            Some(_) => explained(error),
            None => ("a field is not known here".into(), known("fields", "", expected)),
        },
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            match closest_of(variant, expected) {
                Some(_) => explained(error),
                None => ("a word is not known here".into(), known("words", "", expected)),
            }
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            (format!("found something else where {expected} is expected"), example(expected))
        }
        Error::SerdeMissingField { .. }
        | Error::Unexpected { .. }
        | Error::MultipleDocuments { .. } => explained(error),
        Error::DuplicateMappingKey { .. } => {
            ("a field is given twice".into(), "keep one of them".into())
        }
        Error::QuotingRequired { .. } => ("this is no text".into(), "put it in quotes".into()),
        _ => ("this cannot be read (it may be a secret and is not shown)".into(), LOOK.into()),
    }
}

fn closest_of<'a>(written: &str, expected: &[&'a str]) -> Option<&'a str> {
    closest(written, expected.iter().copied())
}

/// The hint where nothing better is known.
const LOOK: &str = "look at quotes, colons, brackets and indentation here and in the line above";

/// The parser's names of kinds, as people call them.
fn kind(expected: &str) -> &str {
    match expected {
        e if e.contains("sequence") => "list",
        e if e.contains("mapping") => "mapping",
        e if e.contains("scalar") => "single value",
        other => other,
    }
}

/// How what is expected is written.
fn example(expected: &str) -> String {
    match kind(expected) {
        "list" => "write a list: [one, two]".into(),
        "mapping" => "write a mapping: { name: value }".into(),
        "single value" => "write one value, without brackets or braces".into(),
        "a string" => "write text, in quotes if it looks like a number".into(),
        e if e.contains("struct") => "write a mapping: { name: value }".into(),
        e if e.starts_with('u') || e.starts_with('i') => "write a whole number".into(),
        _ => LOOK.into(),
    }
}

/// What a message says about the right form is the hint.
fn split_hint(message: String, hint: Option<String>) -> (String, Option<String>) {
    let split =
        [(": ", "write it like "), ("; ", "known here: ")].iter().find_map(|(mark, lead)| {
            let (what, rest) = message.split_once(&format!("{mark}{lead}"))?;
            Some((what.to_owned(), Some(format!("{lead}{rest}"))))
        });
    split.unwrap_or((message, hint))
}

/// The parser repeats the place in its text; it stands in front of ours already.
fn strip_place(text: &str) -> String {
    text.split_once(" at line ")
        .map_or(text, |(message, _)| message)
        .lines()
        .next()
        .unwrap_or(text)
        .to_owned()
}

fn shorten(message: &str) -> String {
    let printable = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = printable.take(LONGEST).collect();
    if message.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
