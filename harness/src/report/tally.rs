//! Counting: the table of orders × platforms, and the status of the run as a whole.

use std::collections::BTreeMap;

use crate::{
    baseline::State,
    exit_code,
    text::plural,
    verdict::{CaseVerdict, Cell, Known, Outcome, Status, Summary},
};

/// Outcomes in the order in which reports show them: good ones first.
pub const OUTCOMES: &[(Outcome, &str)] = &[
    (Outcome::CountedOnce, "counted once"),
    (Outcome::Withheld, "withheld"),
    (Outcome::Reported, "reported"),
    (Outcome::CountedTwice, "counted twice+"),
    (Outcome::Lost, "lost"),
    (Outcome::Leaked, "leaked"),
    (Outcome::Late, "late"),
    (Outcome::Wrong, "wrong"),
    (Outcome::Unknown, "unknown"),
];

/// The name that people read.
pub fn outcome_name(outcome: Outcome) -> &'static str {
    OUTCOMES.iter().find(|(o, _)| *o == outcome).map_or("unknown", |(_, name)| name)
}

/// What became of an order, without the outcome's name, which some details begin with and reports put in front.
pub fn detail(cell: &Cell) -> &str {
    let rest = cell.detail.strip_prefix(outcome_name(cell.outcome));
    rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&cell.detail)
}

/// Numbers of one platform's row, in the order of [`OUTCOMES`]; they add up to its orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Orders judged.
    pub orders: usize,
    /// Per outcome.
    pub outcomes: [usize; OUTCOMES.len()],
    /// Of each outcome, those that are not what the steps imply.
    pub wrong: [usize; OUTCOMES.len()],
}

impl Default for Row {
    fn default() -> Self {
        Self { orders: 0, outcomes: [0; OUTCOMES.len()], wrong: [0; OUTCOMES.len()] }
    }
}

impl Row {
    fn add(&mut self, outcome: Outcome, right: bool) {
        self.orders += 1;
        if let Some(i) = OUTCOMES.iter().position(|(o, _)| *o == outcome) {
            self.outcomes[i] += 1;
            self.wrong[i] += usize::from(!right);
        }
    }
}

/// Orders × platforms: a row per platform in order of their names, and the sum.
pub fn table(cases: &[CaseVerdict]) -> (Vec<(String, Row)>, Row) {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut sum = Row::default();
    for cell in cases.iter().flat_map(|case| &case.cells) {
        rows.entry(cell.platform.clone()).or_default().add(cell.outcome, cell.right);
        sum.add(cell.outcome, cell.right);
    }
    (rows.into_iter().collect(), sum)
}

/// Number of cases per status.
pub fn statuses(cases: &[CaseVerdict]) -> BTreeMap<Status, usize> {
    let mut counts = BTreeMap::new();
    for case in cases {
        *counts.entry(case.status).or_default() += 1;
    }
    counts
}

/// The exit code that a run ends with.
pub fn exit_code(summary: &Summary) -> u8 {
    let has = |status| summary.cases.iter().any(|case| case.status == status);
    let must = |f: &crate::verdict::Finding| f.severity == crate::platforms::Severity::Must;
    if summary.aborted.is_some() {
        exit_code::RELAY_UNREACHABLE
    } else if has(Status::Fail) || summary.run_findings.iter().any(must) {
        exit_code::FAILED
    } else if has(Status::HarnessFault) {
        exit_code::HARNESS_FAULT
    } else if has(Status::Inconclusive)
        || !summary.snapshots_changed.is_empty()
        || stale(summary).next().is_some()
    {
        exit_code::FAILED
    } else if summary.cases.is_empty() && empty_shard(summary).is_none() {
        exit_code::NOTHING_SELECTED
    } else {
        exit_code::PASSED
    }
}

/// Which part of a selection this is, or which parts were merged into it; `None`: one whole run.
pub fn part(summary: &Summary) -> Option<String> {
    if let Some(words) = empty_shard(summary) {
        return Some(words);
    }
    if let Some(shard) = summary.shard {
        let (here, all) = (summary.cases.len(), summary.suite.cases);
        return Some(format!("shard {shard}: {here} of the {all} cases that are selected"));
    }
    let all: u64 = summary.parts.iter().map(|part| part.took_ms).fold(0, u64::saturating_add);
    let n = summary.parts.len();
    (n > 0).then(|| {
        format!("merged from {n} shard{} that took {:.1} s in all", plural(n), all as f64 / 1000.0)
    })
}

/// Said of a shard that has nothing to play though the selection has: no fault of anybody's.
pub fn empty_shard(summary: &Summary) -> Option<String> {
    let shard = summary.shard.filter(|_| summary.cases.is_empty() && summary.suite.cases > 0)?;
    let n = summary.suite.cases;
    Some(if n == 1 {
        format!("the 1 case that is selected falls into another shard than {shard}")
    } else {
        format!("the {n} cases that are selected fall into other shards than {shard}")
    })
}

/// Snapshots that are not as accepted: `new` or `changed`, and the path.
pub fn snapshots(summary: &Summary) -> impl Iterator<Item = (&'static str, &String)> {
    summary.snapshots_changed.iter().map(|path| match summary.snapshots_new.contains(path) {
        true => ("new", path),
        false => ("changed", path),
    })
}

/// Entries of the baseline that have to go: place, and what to do.
pub fn stale(summary: &Summary) -> impl Iterator<Item = (String, String)> {
    summary.baseline.iter().flat_map(|baseline| {
        baseline.in_state(State::Stale).map(|entry| {
            let (case, what, lines) = (&entry.case, entry.what(), entry.lines());
            let message = format!("{case} {what}: no longer occurs; take {lines} out");
            (entry.place(&baseline.file), message)
        })
    })
}

/// What the baseline says of a case, in words; entries with the same words are one.
pub fn known(case: &CaseVerdict) -> Vec<String> {
    let mut groups: Vec<(&Known, Vec<String>, Vec<String>)> = Vec::new();
    for known in &case.known {
        let words = |k: &Known| (k.reason.clone(), k.owner.clone(), k.expires.clone(), k.expired);
        let rule = known.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
        let (what, line) = (format!("{}{rule}", known.check), known.line.to_string());
        match groups.iter_mut().find(|(first, ..)| words(first) == words(known)) {
            Some((_, checks, lines)) => {
                checks.push(what);
                lines.push(line);
            }
            None => groups.push((known, vec![what], vec![line])),
        }
    }
    let text = |(known, checks, lines): (&Known, Vec<String>, Vec<String>)| {
        let Known { reason, owner, expires, .. } = known;
        let until = if known.expired { "expired, was known until" } else { "until" };
        let (checks, lines) = (checks.join(", "), lines.join(", "));
        format!("{checks}: {reason} ({owner}, {until} {expires}; baseline: {lines})")
    };
    groups.into_iter().map(text).collect()
}

/// The command that runs one case again.
pub fn reproduce(summary: &Summary, case: &str) -> String {
    format!("{} --case '{case}'", summary.reproduce)
}
