//! What the judges say: per order and platform one outcome, per check its findings, per case a status.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    baseline::BaselineUse,
    plan::{Skipped, Suite},
    platforms::Severity,
    scenario::shard::Shard,
};

/// One case's result.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    pub passed: Vec<Cow<'static, str>>,
    /// Reasons for `Inconclusive` or `Skipped`, in words: what could not be observed.
    pub notes: Vec<String>,
    /// What else helps to understand the verdict, and changes nothing about it.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Milliseconds from first step to verdict.
    pub took_ms: u64,
    /// Milliseconds of it that the scenario or profile declares as waiting.
    pub declared_ms: u64,
    /// Exchanges cited by findings, redacted, for reports.
    pub evidence: Vec<Evidence>,
    /// Entries of the baseline that cover what fails here.
    #[serde(default)]
    pub known: Vec<Known>,
}

/// A failure that the baseline names, as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Line of the entry in the baseline file.
    pub line: usize,
    /// Check id.
    pub check: String,
    /// Rule id, if the entry is about one rule only.
    pub rule: Option<String>,
    /// Why it is known, in the owner's words.
    pub reason: String,
    /// Who sees to it.
    pub owner: String,
    /// Last day on which it counts as known, `2027-01-31`.
    pub expires: String,
    /// Past that day: it is no excuse any more.
    pub expired: bool,
}

/// Status of a case or check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Holds, and was observed to hold.
    Pass,
    /// Broken, and every break of weight is named in the baseline: no pass, and no surprise.
    KnownFailing,
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Requests of the relay that carried the sale to the platform, answered or not.
    #[serde(default)]
    pub attempts: u32,
    /// Milliseconds from the relay's first acknowledgement of the order to the request by which the platform took the sale.
    /// `None` where that is no measure of the relay: not taken, not paid when placed, a planned failure, a restart.
    #[serde(default)]
    pub taken_after_ms: Option<u64>,
}

/// The outcomes. They add up to orders × platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Check id.
    pub check: Cow<'static, str>,
    /// Rule id, where a platform's rule is broken; else the check's own.
    pub rule: Cow<'static, str>,
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
    pub source: Cow<'static, str>,
    /// Exchanges (by seq) that prove it.
    pub exchanges: Vec<u64>,
    /// Place in the first of them: JSON pointer into the body, `?name` for a query parameter, or `header:name`.
    pub at: Option<String>,
}

/// An exchange as reports show it: bounded, credentials redacted.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    #[serde(default)]
    pub request_bytes: usize,
    /// `request_body` is the beginning only.
    #[serde(default)]
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Relay as named by the profile.
    pub relay: String,
    /// Seed.
    pub seed: u64,
    /// What was selected, before it was cut into shards.
    #[serde(default)]
    pub suite: Suite,
    /// Which shard of it this is; `None`: all of it.
    #[serde(default)]
    pub shard: Option<Shard>,
    /// The shards that were merged into it; empty: it is one run.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Verdicts in order of case names.
    pub cases: Vec<CaseVerdict>,
    /// Cases that the relay's declarations rule out.
    pub skipped: Vec<Skipped>,
    /// Findings about the run as a whole (undeclared egress, orphans).
    pub run_findings: Vec<Finding>,
    /// Requests that could not be attributed to a case.
    pub orphans: u64,
    /// Snapshots that differ or are new, by path.
    pub snapshots_changed: Vec<String>,
    /// Those of them that are new: nothing had been accepted before.
    #[serde(default)]
    pub snapshots_new: Vec<String>,
    /// Wall milliseconds of the whole run (merged: of the longest shard), and of it the longest chain of declared waiting.
    pub took_ms: u64,
    /// See `took_ms`.
    pub declared_ms: u64,
    /// Why the run was cut short (relay gone); the cases not played are not in `cases`.
    pub aborted: Option<String>,
    /// Beginning of the command that plays this run again.
    pub reproduce: String,
    /// What became of the baseline; `None`: there is none.
    #[serde(default)]
    pub baseline: Option<BaselineUse>,
}

/// One shard of a merged run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which.
    pub shard: Shard,
    /// Cases that it decided.
    pub cases: usize,
    /// Its wall milliseconds.
    pub took_ms: u64,
}

/// The word that reports for programs use: `counted_once`, `known_failing`. Empty for what is more than a word.
pub fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
