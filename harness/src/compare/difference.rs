//! What changed from one run to another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    platforms::Severity,
    verdict::{CaseVerdict, Cell, Finding, Outcome, Status, Summary},
};

/// From a run before to a run after.
#[derive(Debug, Clone, Serialize)]
pub struct Differences {
    /// False: the two runs selected other cases, or the relay declares something else.
    pub same_suite: bool,
    /// False: they had other people, orders and click ids.
    pub same_seed: bool,
    /// False: at least one is a shard and the other is not that shard. Cases outside of either are left out.
    pub same_part: bool,
    /// Cases that were compared: those of either run that both would have.
    pub compared: usize,
    /// Cases that changed, the worst kind first, in order of names.
    pub changes: Vec<Change>,
    /// What is new about the run as a whole: calls to undeclared hosts, cut short.
    pub run: Vec<String>,
}

/// One case that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The case.
    pub case: String,
    /// In which way.
    pub kind: Kind,
    /// Something that was right or judged before is no longer.
    pub regression: bool,
    /// Status before; `None`: not in that run.
    pub before: Option<Status>,
    /// Status after; `None`: not in that run.
    pub after: Option<Status>,
    /// Checks that found a break of weight after, and not before.
    pub newly_broken: Vec<String>,
    /// Checks that found one before, and not after.
    pub no_longer_broken: Vec<String>,
    /// Orders with another outcome.
    pub orders: Vec<OrderChange>,
}

/// Ways in which a case changes, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It fails and did not.
    NewlyFailing,
    /// It failed before, and more of it is broken now.
    FailsMore,
    /// Its evidence is missing, or the harness failed, and that was not so.
    NewlyInconclusive,
    /// It was judged and is no longer: skipped, or gone.
    Vanished,
    /// It passes and did not.
    NewlyPassing,
    /// It fails still, and less of it is broken, or an order is right that was not.
    FailsLess,
    /// As much of it is broken, but an order has another outcome: lost instead of counted twice.
    OtherOutcome,
    /// It was not there before.
    New,
}

/// One order with another outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderChange {
    /// Order id.
    pub order: String,
    /// Platform id.
    pub platform: String,
    /// Before; `None`: not judged.
    pub before: Option<Outcome>,
    /// After; `None`: not judged.
    pub after: Option<Outcome>,
    /// It was right and is not.
    pub worse: bool,
    /// It was judged, was not right, and is.
    pub better: bool,
}

impl Differences {
    /// Whether something that was right or judged before is no longer.
    pub fn is_regression(&self) -> bool {
        !self.run.is_empty() || self.changes.iter().any(|change| change.regression)
    }
}

/// One case in one run.
#[derive(Clone, Copy)]
struct Played<'a> {
    status: Status,
    /// `None`: skipped.
    verdict: Option<&'a CaseVerdict>,
}

/// What changed between two runs.
pub fn differences(before: &Summary, after: &Summary) -> Differences {
    let (old, new) = (cases(before), cases(after));
    // A case of another shard is neither gone nor new: nobody asked that run for it.
    let asked = |summary: &Summary, name: &str| summary.shard.is_none_or(|s| s.contains(name));
    let mut names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    names.retain(|name| asked(before, name) && asked(after, name));
    let compared = names.len();
    let mut changes: Vec<Change> = names
        .into_iter()
        .filter_map(|name| change(name, old.get(name).copied(), new.get(name).copied()))
        .collect();
    changes.sort_by_key(|change| change.kind);
    let known = |finding: &Finding| {
        before
            .run_findings
            .iter()
            .any(|f| (&f.check, &f.message) == (&finding.check, &finding.message))
    };
    let found = after
        .run_findings
        .iter()
        .filter(|finding| finding.severity == Severity::Must && !known(finding))
        .map(|finding| format!("{}: {}", finding.check, finding.message));
    let cut = after.aborted.iter().filter(|_| before.aborted.is_none());
    Differences {
        same_suite: before.suite == after.suite,
        same_seed: before.seed == after.seed,
        same_part: before.shard == after.shard,
        compared,
        changes,
        run: found.chain(cut.map(|why| format!("cut short: {why}"))).collect(),
    }
}

fn cases(summary: &Summary) -> BTreeMap<&str, Played<'_>> {
    let skipped = summary
        .skipped
        .iter()
        .map(|s| (s.name.as_str(), Played { status: Status::Skipped, verdict: None }));
    let played = summary
        .cases
        .iter()
        .map(|case| (case.case.as_str(), Played { status: case.status, verdict: Some(case) }));
    skipped.chain(played).collect()
}

/// Breaks of weight, each with the order that it is about.
type Broken<'a> = BTreeSet<(&'a str, &'a str, Option<&'a str>)>;

fn broken<'a>(played: Option<Played<'a>>) -> Broken<'a> {
    let findings = played.and_then(|p| p.verdict).into_iter().flat_map(|case| &case.findings);
    findings
        .filter(|f| f.severity == Severity::Must)
        .map(|f| (&*f.check, &*f.rule, f.order.as_deref()))
        .collect()
}

fn checks(broken: &Broken<'_>, but: &Broken<'_>) -> Vec<String> {
    let checks: BTreeSet<&str> = broken.difference(but).map(|(check, ..)| *check).collect();
    checks.into_iter().map(str::to_owned).collect()
}

fn change(name: &str, old: Option<Played<'_>>, new: Option<Played<'_>>) -> Option<Change> {
    let (broken_before, broken_after) = (broken(old), broken(new));
    let orders = orders(old, new);
    let worse = orders.iter().any(|order| order.worse);
    let more = worse || !broken_after.is_subset(&broken_before);
    let less = !broken_before.is_subset(&broken_after);
    let (before, after) = (old.map(|p| p.status), new.map(|p| p.status));
    let less = less || orders.iter().any(|order| order.better);
    let kind = kind(before, after, more, less, !orders.is_empty())?;
    let judged = |status: Option<Status>| {
        matches!(status, Some(Status::Pass | Status::KnownFailing | Status::Fail))
    };
    let regression = match kind {
        Kind::FailsMore => true,
        // What was not offered before, or not there, has not become worse.
        Kind::NewlyFailing => !matches!(before, None | Some(Status::Skipped)),
        Kind::NewlyInconclusive | Kind::Vanished => judged(before),
        Kind::OtherOutcome => worse,
        Kind::NewlyPassing | Kind::FailsLess | Kind::New => false,
    };
    Some(Change {
        case: name.to_owned(),
        kind,
        regression,
        before,
        after,
        newly_broken: checks(&broken_after, &broken_before),
        no_longer_broken: checks(&broken_before, &broken_after),
        orders,
    })
}

/// The kind of change: `more` or `less` is broken, or `other` outcomes are there.
fn kind(
    before: Option<Status>,
    after: Option<Status>,
    more: bool,
    less: bool,
    other: bool,
) -> Option<Kind> {
    use Status::{Fail, HarnessFault, Inconclusive, KnownFailing, Pass, Skipped};
    let failed = matches!(before, Some(Fail | KnownFailing));
    let unclear = matches!(before, Some(Inconclusive | HarnessFault));
    Some(match (before, after) {
        (None, None) | (Some(Skipped), Some(Skipped) | None) => return None,
        (None, Some(_)) => Kind::New,
        (Some(_), None | Some(Skipped)) => Kind::Vanished,
        (Some(_), Some(Fail | KnownFailing)) if !failed => Kind::NewlyFailing,
        (Some(_), Some(Fail | KnownFailing)) if more => Kind::FailsMore,
        (Some(_), Some(Inconclusive | HarnessFault)) if !unclear => Kind::NewlyInconclusive,
        (Some(before), Some(Pass)) if before != Pass => Kind::NewlyPassing,
        (Some(_), Some(Fail | KnownFailing)) if less => Kind::FailsLess,
        _ if less || other => Kind::OtherOutcome,
        _ => return None,
    })
}

fn orders(old: Option<Played<'_>>, new: Option<Played<'_>>) -> Vec<OrderChange> {
    let (Some(old), Some(new)) = (old.and_then(|p| p.verdict), new.and_then(|p| p.verdict)) else {
        return Vec::new();
    };
    fn cells(case: &CaseVerdict) -> BTreeMap<(&str, &str), &Cell> {
        case.cells.iter().map(|c| ((c.order.as_str(), c.platform.as_str()), c)).collect()
    }
    let (old, new) = (cells(old), cells(new));
    let keys: BTreeSet<(&str, &str)> = old.keys().chain(new.keys()).copied().collect();
    let changed = keys.into_iter().filter_map(|key| {
        let (before, after) = (old.get(&key), new.get(&key));
        let outcome = |cell: Option<&&Cell>| cell.map(|cell| cell.outcome);
        let right = |cell: Option<&&Cell>| cell.is_some_and(|cell| cell.right);
        (outcome(before) != outcome(after)).then(|| OrderChange {
            order: key.0.to_owned(),
            platform: key.1.to_owned(),
            before: outcome(before),
            after: outcome(after),
            worse: right(before) && !right(after),
            better: before.is_some() && !right(before) && right(after),
        })
    });
    changed.collect()
}
