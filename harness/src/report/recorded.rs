//! A JSON report read back, for what needs several runs. The file may come from anywhere: its size is bounded, it is taken
//! for a report only if it says so, and nothing in it can reach a terminal as a control code.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::json::SCHEMA;
use crate::{
    bounded::{self, ReadError},
    verdict::Summary,
};

/// Longest report, in bytes.
pub const MAX_FILE: u64 = 256 * 1024 * 1024;

/// One run as its JSON report tells it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// Version of the report's form.
    pub schema: u32,
    /// Version of the harness that wrote it.
    pub version: String,
    /// The run.
    pub summary: Summary,
}

/// A file that cannot be used as a report.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct RecordedError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub kind: RecordedErrorKind,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum RecordedErrorKind {
    /// The file cannot be read, or is no text of a report's length.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// No JSON, or cut off.
    #[error("is no JSON: {0}")]
    Json(serde_json::Error),
    /// JSON of something else.
    #[error("is no report of a run\nhint: `harness run --report json=FILE` writes one")]
    Foreign,
    /// A later harness wrote it.
    #[error(
        "has form {0} of the JSON report; this harness reads up to {SCHEMA}\nhint: use the harness that wrote it, or a newer one"
    )]
    Newer(u64),
    /// It says that it is a report, and a field is not as it should be.
    #[error("is damaged: {0}")]
    Damaged(serde_json::Error),
    /// A case that is there more than once, played or skipped: which of its verdicts would count?
    #[error("is damaged: `{0}` is there twice")]
    Twice(String),
}

/// What every version of the form has.
#[derive(Deserialize)]
struct Head {
    schema: u64,
    tool: Tool,
    #[serde(rename = "run")]
    _run: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Document {
    run: Summary,
}

/// Reads a report.
///
/// # Errors
/// See [`RecordedErrorKind`].
pub fn read(path: &Path) -> Result<Recorded, RecordedError> {
    let fail = |kind| RecordedError { path: path.to_owned(), kind };
    let text = bounded::read(path, MAX_FILE).map_err(|error| fail(error.into()))?;
    parse(&text)
        .map(|(schema, version, summary)| Recorded {
            path: path.to_owned(),
            schema,
            version,
            summary,
        })
        .map_err(fail)
}

fn parse(text: &str) -> Result<(u32, String, Summary), RecordedErrorKind> {
    use RecordedErrorKind::{Damaged, Foreign, Json, Newer, Twice};
    let head: Head = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Foreign,
        _ => Json(error),
    })?;
    let Head { schema, tool, .. } = head;
    if tool.name != "harness" || schema == 0 {
        return Err(Foreign);
    }
    let known = u32::try_from(schema).ok().filter(|schema| *schema <= SCHEMA);
    let schema = known.ok_or(Newer(schema))?;
    let Document { run } = serde_json::from_str(&harmless(text)).map_err(Damaged)?;
    let played = run.cases.iter().map(|case| &case.case);
    let mut seen = HashSet::new();
    let mut names = played.chain(run.skipped.iter().map(|skipped| &skipped.name));
    if let Some(name) = names.find(|name| !seen.insert(*name)) {
        return Err(Twice(name.clone()));
    }
    Ok((schema, harmless(&tool.version), run))
}

/// The same document with every control character but line breaks and tabs replaced, written out or escaped. What is
/// replaced keeps its length in characters, so that lines and columns in errors stay true.
fn harmless(text: &str) -> String {
    const MARK: char = '\u{fffd}';
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            let fine = !c.is_control() || matches!(c, '\n' | '\r' | '\t');
            out.push(if fine { c } else { MARK });
            continue;
        }
        match rest.next() {
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                let control = code.is_some_and(|c| c.is_control() && !matches!(c, '\n' | '\t'));
                out.push_str("\\u");
                out.push_str(if control { "fffd" } else { &digits });
            }
            Some('b' | 'f') => out.push_str("\\t"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::report::{Report as _, json::Json};

    fn document() -> String {
        let summary = Summary { relay: "a relay".into(), seed: 7, ..Summary::default() };
        Json.render(&summary).unwrap()
    }

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let (schema, _, summary) = parse(&document()).unwrap();
        assert_eq!((schema, summary.relay.as_str(), summary.seed), (SCHEMA, "a relay", 7));
    }

    #[test]
    fn the_first_form_is_still_read() {
        let old = include_str!("testdata/schema_1.json");
        let (schema, _, summary) = parse(old).unwrap();
        assert_eq!((schema, summary.cases.len(), summary.skipped.len()), (1, 1, 1));
        assert!(summary.suite.fingerprint.is_empty() && summary.shard.is_none());
    }

    #[test]
    fn what_is_no_report_is_told_apart() {
        for foreign in
            ["{}", "[1]", "null", r#"{"schema":1,"tool":{"name":"x","version":"1"},"run":1}"#]
        {
            assert!(refused(foreign).starts_with("is no report"), "{foreign}");
        }
        assert!(refused("{\"schema\":").starts_with("is no JSON: EOF"), "cut off");
        let deep = format!("{{\"run\": {}", "[".repeat(100_000));
        assert!(refused(&deep).starts_with("is no JSON"), "neither a crash nor a report");
        let newer =
            document().replacen(&format!("\"schema\": {SCHEMA}"), "\"schema\": 4000000000000", 1);
        assert!(refused(&newer).starts_with("has form 4000000000000"), "{}", refused(&newer));
        let damaged = document().replacen("\"seed\": 7", "\"seed\": -7", 1);
        let error = refused(&damaged);
        assert!(error.starts_with("is damaged: ") && error.contains("line "), "{error}");
    }

    #[test]
    fn a_case_that_is_there_twice_is_refused() {
        use crate::{plan::Skipped, report::sample::case, verdict::Status};
        let (once, skipped) = (case("a/b/meta", Status::Pass), "a/c/meta");
        let skipped =
            Skipped { name: skipped.into(), reason: "no clock".into(), covers: Vec::new() };
        let good =
            Summary { cases: vec![once.clone()], skipped: vec![skipped], ..Summary::default() };
        parse(&Json.render(&good).unwrap()).unwrap();
        let failed = case("a/b/meta", Status::Fail);
        let twice = Summary { cases: vec![once, failed], ..good.clone() };
        let both = Summary { cases: vec![case("a/c/meta", Status::Pass)], ..good };
        for (run, name) in [(twice, "a/b/meta"), (both, "a/c/meta")] {
            let error = refused(&Json.render(&run).unwrap());
            assert_eq!(error, format!("is damaged: `{name}` is there twice"));
        }
    }

    #[test]
    fn control_codes_are_taken_out_and_escapes_stay_escapes() {
        assert_eq!(
            harmless(r#""\u001b[31m\\u001b\n\u0009\b""#),
            r#""\ufffd[31m\\u001b\n\u0009\t""#
        );
        assert_eq!(harmless("\u{9b}31m \u{7f}"), "\u{fffd}31m \u{fffd}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\x00-\\x7f]{0,40}", at in 0_usize..400) {
            drop(parse(&text));
            let mut damaged = document();
            let at = (0..=at.min(damaged.len())).rev().find(|i| damaged.is_char_boundary(*i)).unwrap();
            damaged.insert_str(at, &text);
            drop(parse(&damaged));
        }

        #[test]
        fn harmless_json_stays_json(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let back: String = serde_json::from_str(&harmless(&json)).unwrap();
            prop_assert!(!back.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')));
        }
    }
}
