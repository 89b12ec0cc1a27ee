//! Reads a baseline. Everything that is wrong with it is told at once, each with file, line, column and a hint.

use std::path::Path;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Baseline, Entry,
    fault::{LATE, OF_OUTCOMES, OUTCOME},
    parse_date,
};
use crate::{
    bounded,
    checks::CHECKS,
    platforms::PLATFORMS,
    report::tally::OUTCOMES,
    scenario::select::{matches, select},
    verdict::word,
    yaml::{LoadError, LoadErrors, Place, Reporter, known, options},
};

/// Checks whose findings name a platform's own rule.
const OF_PLATFORMS: [&str; 4] =
    ["contract", "click_id_carried", "browser_id_kept", "identifiers_right"];

/// Longest file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// Most entries.
const MAX_ENTRIES: usize = 3_000;
/// Mistakes that are told at once: looking for what may have been meant takes its time.
const MAX_ERRORS: usize = 30;
/// Longest text of a field, in characters.
const MAX_TEXT: usize = 1_000;

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    relay: Spanned<String>,
    known: Vec<Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    case: Spanned<String>,
    check: Spanned<String>,
    #[serde(default)]
    rule: Option<Spanned<String>>,
    reason: Spanned<String>,
    owner: Spanned<String>,
    expires: Spanned<String>,
}

/// Reads and checks: for this relay, and against the names of all cases of its suite.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, relay: &str, suite: &[(String, bool)]) -> Result<Baseline, LoadErrors> {
    let file = path.display().to_string();
    let whole = |message: String| {
        let error = Reporter::new(&file, "").error(None, message, None);
        LoadErrors { errors: vec![error] }
    };
    let text = bounded::read(path, MAX_FILE).map_err(|error| whole(error.to_string()))?;
    parse(&file, &text, relay, suite)
}

/// The same from text; `file` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn parse(
    file: &str,
    text: &str,
    relay: &str,
    suite: &[(String, bool)],
) -> Result<Baseline, LoadErrors> {
    let reporter = Reporter::new(file, text);
    let read: File = serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| LoadErrors { errors: vec![reporter.yaml(&error)] })?;
    let mut reading = Reading { reporter, errors: Vec::new() };
    if read.relay.value != relay {
        let message = format!("is about the relay `{}`, not `{relay}`", shown(&read.relay.value));
        reading.refuse(&read.relay, message, Some("each relay has a baseline of its own".into()));
    }
    if read.known.len() > MAX_ENTRIES {
        let message = format!("{} entries; at most {MAX_ENTRIES} are allowed", read.known.len());
        reading.errors.push(reading.reporter.error(None, message, None));
    }
    let names: Vec<&str> = suite.iter().map(|(name, _)| name.as_str()).collect();
    let mut entries: Vec<Entry> = Vec::new();
    for written in read.known.iter().take(MAX_ENTRIES) {
        if reading.errors.len() >= MAX_ERRORS {
            break;
        }
        if let Some(entry) = reading.entry(written, &names, &entries) {
            entries.push(entry);
        }
    }
    if reading.errors.is_empty() {
        Ok(Baseline { file: file.to_owned(), relay: read.relay.value, entries })
    } else {
        reading.errors.sort_by_key(|error| error.place);
        Err(LoadErrors { errors: reading.errors })
    }
}

struct Reading<'a> {
    reporter: Reporter<'a>,
    errors: Vec<LoadError>,
}

impl Reading<'_> {
    fn refuse<T>(&mut self, at: &Spanned<T>, message: String, hint: Option<String>) {
        self.errors.push(self.reporter.error(Place::of(at.referenced), message, hint));
    }

    fn entry(
        &mut self,
        written: &Spanned<Written>,
        names: &[&str],
        before: &[Entry],
    ) -> Option<Entry> {
        let Written { case, check, rule, reason, owner, expires } = &written.value;
        let so_far = self.errors.len();
        for (name, text) in [("case", case), ("reason", reason), ("owner", owner)] {
            if text.value.trim().is_empty() {
                self.refuse(text, format!("`{name}` is empty"), None);
            } else if text.value.chars().nth(MAX_TEXT).is_some() {
                self.refuse(text, format!("`{name}` is longer than {MAX_TEXT} characters"), None);
            }
        }
        self.names(check, rule.as_ref());
        if !names.iter().any(|name| matches(&case.value, name)) {
            let near = select(names, std::slice::from_ref(&case.value)).err();
            let near = near.map(|error| format!("nearest names: {}", error.nearest.join(", ")));
            let message = format!("`{}` means no case of the suite", shown(&case.value));
            self.refuse(case, message, near);
        }
        let day = parse_date(&expires.value);
        if let Err(message) = &day {
            self.refuse(expires, message.clone(), None);
        }
        let fields = [case, check, reason, owner, expires].into_iter().chain(rule);
        let lines: Vec<usize> =
            fields.filter_map(|field| Place::of(field.referenced)).map(|at| at.line).collect();
        let entry = Entry {
            line: lines.iter().min().copied().unwrap_or(0),
            last_line: lines.iter().max().copied().unwrap_or(0),
            case: case.value.clone(),
            exact: names.contains(&case.value.as_str()),
            check: check.value.clone(),
            rule: rule.as_ref().map(|rule| rule.value.clone()),
            reason: reason.value.trim().to_owned(),
            owner: owner.value.trim().to_owned(),
            expires: day.unwrap_or(time::Date::MIN),
        };
        let same =
            |e: &&Entry| (&e.case, &e.check, &e.rule) == (&entry.case, &entry.check, &entry.rule);
        if let Some(first) = before.iter().find(same) {
            let message = format!("the same entry stands in line {} already", first.line);
            self.refuse(case, message, Some("take one of the two out".into()));
        }
        (self.errors.len() == so_far).then_some(entry)
    }

    /// Check and rule must be known: a typo would cover nothing, and look as if it did.
    fn names(&mut self, check: &Spanned<String>, rule: Option<&Spanned<String>>) {
        let checks: Vec<&str> =
            CHECKS.iter().map(|check| check.about().id).chain([LATE, OUTCOME]).collect();
        if !checks.contains(&check.value.as_str()) {
            let message = format!("there is no check `{}`", shown(&check.value));
            self.refuse(check, message, Some(known("checks", &check.value, &checks)));
            return;
        }
        let Some(rule) = rule else { return };
        let outcomes: Vec<String> = OUTCOMES.iter().map(|(outcome, _)| word(outcome)).collect();
        let outcomes = outcomes.iter().map(String::as_str);
        let rules: Vec<&str> = match check.value.as_str() {
            OUTCOME | OF_OUTCOMES => outcomes.collect(),
            own if OF_PLATFORMS.contains(&own) => {
                let rules = PLATFORMS.iter().flat_map(|p| p.rules()).map(|rule| rule.id);
                rules.chain([own]).collect()
            }
            own => vec![own],
        };
        if !rules.contains(&rule.value.as_str()) {
            let message = format!("there is no rule `{}`", shown(&rule.value));
            let near = crate::scenario::select::closest(&rule.value, rules.iter().copied());
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "leave it out to mean whatever the check finds".into(),
            };
            self.refuse(rule, message, Some(hint));
        }
    }
}

/// A value as a message may repeat it.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
