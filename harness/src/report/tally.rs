//! Counting: the table of orders × platforms, and the status of the run as a whole.

use std::collections::BTreeMap;

use crate::{
    exit_code,
    verdict::{CaseVerdict, Outcome, Status, Summary},
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
    } else if has(Status::Inconclusive) || !summary.snapshots_changed.is_empty() {
        exit_code::FAILED
    } else if summary.cases.is_empty() {
        exit_code::NOTHING_SELECTED
    } else {
        exit_code::PASSED
    }
}

/// The command that runs one case again.
pub fn reproduce(summary: &Summary, case: &str) -> String {
    format!("{} --case '{case}' --seed {}", summary.reproduce, summary.seed)
}
