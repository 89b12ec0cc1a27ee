//! What the judges say: per order and platform one outcome, per check its findings, per case a status.

use serde::Serialize;

use crate::platforms::Severity;

/// One case's result.
#[derive(Debug, Clone, Serialize)]
pub struct CaseVerdict {
    /// Case name.
    pub case: String,
    /// The scenario's title.
    pub title: String,
    /// Platform id.
    pub platform: String,
    /// Catalogue entries covered.
    pub covers: Vec<String>,
    /// The worst of all.
    pub status: Status,
    /// One per order (control order excluded).
    pub cells: Vec<Cell>,
    /// What the checks found, worst first.
    pub findings: Vec<Finding>,
    /// Checks that ran and found nothing, by id.
    pub passed: Vec<&'static str>,
    /// Reasons for `Inconclusive` or `Skipped`, in words.
    pub notes: Vec<String>,
    /// Milliseconds from first step to verdict.
    pub took_ms: u64,
    /// Milliseconds of it that the scenario or profile declares as waiting.
    pub declared_ms: u64,
    /// Exchanges cited by findings, redacted, for reports.
    pub evidence: Vec<Evidence>,
}

/// Status of a case or check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Holds, and was observed to hold.
    Pass,
    /// Not offered by the relay.
    Skipped,
    /// The evidence is missing.
    Inconclusive,
    /// Broken.
    Fail,
    /// The harness itself failed; says nothing about the relay.
    HarnessFault,
}

/// What became of one order at one platform.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// Order id in the scenario.
    pub order: String,
    /// Platform id.
    pub platform: String,
    /// Outcome.
    pub outcome: Outcome,
    /// True if that is what the steps imply.
    pub right: bool,
    /// In words, with numbers: `counted twice: event ids order_1 and order_2`.
    pub detail: String,
}

/// The outcomes. They add up to orders × platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Counted once, with the right value, time and identity.
    CountedOnce,
    /// Rightly not sent.
    Withheld,
    /// Not delivered, but kept and reported with a reason (dead letter or parked), as the scenario demands.
    Reported,
    /// Counted more than once.
    CountedTwice,
    /// Should be counted, is not.
    Lost,
    /// Sent though it must not be.
    Leaked,
    /// Counted, but later than declared.
    Late,
    /// Counted once, but with a wrong value, time, currency or identity.
    Wrong,
    /// Not observed.
    Unknown,
}

/// One broken expectation with its proof.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Check id.
    pub check: &'static str,
    /// Rule id, where a platform's rule is broken; else the check's own.
    pub rule: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Order concerned.
    pub order: Option<String>,
    /// One sentence: what was expected and what was seen.
    pub message: String,
    /// Expected and actual, where they can be put side by side.
    pub expected: Option<String>,
    /// What was seen.
    pub actual: Option<String>,
    /// Public page of the rule.
    pub source: &'static str,
    /// Exchanges (by seq) that prove it.
    pub exchanges: Vec<u64>,
    /// Place in the first of them: JSON pointer into the body, `?name` for a query parameter, or `header:name`.
    pub at: Option<String>,
}

/// An exchange as reports show it: bounded, credentials redacted.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// Its number.
    pub seq: u64,
    /// Milliseconds since the case's first step.
    pub at_ms: u64,
    /// `POST graph.facebook.com/v26.0/123/events`.
    pub request_line: String,
    /// Request body, pretty where JSON.
    pub request_body: String,
    /// Bytes of the body as the relay sent it.
    pub request_bytes: usize,
    /// `request_body` is the beginning only.
    pub is_cut: bool,
    /// `200`, `reset`, ...
    pub answer_line: String,
    /// Answer body.
    pub answer_body: String,
}

/// What one check says about one case.
#[derive(Debug, Clone)]
pub enum CheckResult {
    /// Its subject does not occur in this case.
    NotApplicable,
    /// Its evidence is missing.
    Inconclusive(String),
    /// Judged; empty means it holds.
    Judged(Vec<Finding>),
}

/// One run's result.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Relay as named by the profile.
    pub relay: String,
    /// Seed.
    pub seed: u64,
    /// Verdicts in order of case names.
    pub cases: Vec<CaseVerdict>,
    /// Cases that the relay's declarations rule out.
    pub skipped: Vec<crate::plan::Skipped>,
    /// Findings about the run as a whole (undeclared egress, orphans).
    pub run_findings: Vec<Finding>,
    /// Requests that could not be attributed to a case.
    pub orphans: u64,
    /// Snapshots that differ or are new, by path.
    pub snapshots_changed: Vec<String>,
    /// Wall milliseconds of the whole run, and of it the longest chain of declared waiting.
    pub took_ms: u64,
    /// See `took_ms`.
    pub declared_ms: u64,
    /// Why the run was cut short (relay gone); the cases not played are not in `cases`.
    pub aborted: Option<String>,
    /// Beginning of the command that plays this run again.
    pub reproduce: String,
}
