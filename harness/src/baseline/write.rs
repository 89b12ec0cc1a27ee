//! Writing a baseline from a run: everything that failed gets an entry. Entries that are there already keep their words;
//! what is left out, and what cannot be named in a baseline, is told.

use serde::Serialize;
use time::Date;

use super::{Baseline, Entry, State, date_text, fault::faults};
use crate::{
    platforms::Severity,
    verdict::{Status, Summary},
};

/// What new entries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Why the failures are known.
    pub reason: String,
    /// Who sees to them.
    pub owner: String,
    /// Last day on which they count.
    pub expires: Date,
}

/// A baseline that is ready to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file's text.
    pub text: String,
    /// What the reader of the run should know: entries taken out or prolonged, failures that no entry can name.
    pub notes: Vec<String>,
}

/// The file as it is written.
#[derive(Serialize)]
struct File<'a> {
    relay: &'a str,
    known: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    case: &'a str,
    check: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    reason: &'a str,
    owner: &'a str,
    expires: String,
}

const HEAD: &str = "# Failures that are known: `harness run --baseline FILE`. An entry that no longer occurs fails the run.\n";

/// A baseline of everything that failed in this run, on top of the entries that were there `before`.
///
/// # Errors
/// In words: if it cannot be put as YAML.
pub fn write(
    summary: &Summary,
    before: &Baseline,
    suite: &[(String, bool)],
    terms: &Terms,
    today: Date,
) -> Result<Written, String> {
    let mut notes = Vec::new();
    let mut entries = Vec::new();
    for (entry, used) in before.entries.iter().zip(before.uses(&summary.cases, suite, today)) {
        match used.state() {
            State::Stale => notes.push(format!(
                "taken out, for it no longer occurs: {} {} ({})",
                used.case,
                used.what(),
                used.reason
            )),
            State::Expired => {
                notes.push(format!(
                    "prolonged to {}, for it still occurs: {} {} ({})",
                    date_text(terms.expires),
                    used.case,
                    used.what(),
                    used.reason
                ));
                entries.push(Entry { expires: terms.expires, ..entry.clone() });
            }
            State::Covers | State::Open => entries.push(entry.clone()),
        }
    }
    let mut added = 0;
    for case in summary.cases.iter().filter(|case| case.status != Status::HarnessFault) {
        for fault in faults(case) {
            if entries.iter().any(|e| e.means(&case.case) && e.names(&fault)) {
                continue;
            }
            added += 1;
            entries.push(Entry {
                line: 0,
                last_line: 0,
                case: case.case.clone(),
                exact: true,
                check: fault.check.to_string(),
                rule: (fault.rule != fault.check).then(|| fault.rule.to_string()),
                reason: terms.reason.clone(),
                owner: terms.owner.clone(),
                expires: terms.expires,
            });
        }
    }
    let kept = entries.len() - added;
    notes.insert(0, format!("{added} new, {kept} kept"));
    notes.extend(beyond(summary));
    let file = File { relay: &summary.relay, known: entries.iter().map(Line::of).collect() };
    let yaml = serde_saphyr::to_string(&file).map_err(|error| error.to_string())?;
    Ok(Written { text: format!("{HEAD}{yaml}"), notes })
}

/// What is not right in this run and can be in no baseline.
fn beyond(summary: &Summary) -> Vec<String> {
    let unclear = summary.cases.iter().filter_map(|case| match case.status {
        Status::Inconclusive => Some(format!("inconclusive, so not written: {}", case.case)),
        Status::HarnessFault => Some(format!("a harness fault, so not written: {}", case.case)),
        Status::Fail if !case.notes.is_empty() => {
            Some(format!("evidence is missing too, so it will be inconclusive: {}", case.case))
        }
        _ => None,
    });
    let of_run = summary
        .run_findings
        .iter()
        .filter(|finding| finding.severity == Severity::Must)
        .map(|finding| format!("of no case, so not written: {}", finding.message));
    unclear.chain(of_run).collect()
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            case: &entry.case,
            check: &entry.check,
            rule: entry.rule.as_deref(),
            reason: &entry.reason,
            owner: &entry.owner,
            expires: date_text(entry.expires),
        }
    }
}
