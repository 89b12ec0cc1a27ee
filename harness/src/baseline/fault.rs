//! What exactly fails in a case: the unit that an entry of the baseline names.

use std::borrow::Cow;

use super::Entry;
use crate::{
    judge::explains,
    platforms::Severity,
    verdict::{CaseVerdict, Finding, Outcome, word},
};

/// Stands where no check says why an order's outcome is not right.
pub(super) const OUTCOME: &str = "outcome";

/// The check whose findings are told apart by what became of their order.
pub(super) const OF_OUTCOMES: &str = "exactly_once";
/// The check of what comes after a case's verdict.
pub(super) const LATE: &str = "late";

/// One break of weight.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    /// Check id, or [`OUTCOME`].
    pub(super) check: Cow<'static, str>,
    /// Rule id; for [`OUTCOME`] and [`OF_OUTCOMES`] the order's outcome.
    pub(super) rule: Cow<'static, str>,
}

impl Entry {
    /// Whether it names this break. Its day is another question.
    pub(super) fn names(&self, fault: &Fault) -> bool {
        self.check == fault.check && self.rule.as_ref().is_none_or(|rule| *rule == fault.rule)
    }
}

/// Everything that makes this case fail, each once.
pub(super) fn faults(case: &CaseVerdict) -> Vec<Fault> {
    let must: Vec<_> = case.findings.iter().filter(|f| f.severity == Severity::Must).collect();
    let wrong: Vec<_> =
        case.cells.iter().filter(|c| !c.right && c.outcome != Outcome::Unknown).collect();
    // One check says that an order is lost, doubled or unwanted: a known one of these is not the others.
    let rule = |f: &Finding| {
        let cell = wrong.iter().find(|cell| f.order.as_ref() == Some(&cell.order));
        match cell.filter(|_| f.check == OF_OUTCOMES) {
            Some(cell) => word(cell.outcome).into(),
            None => f.rule.clone(),
        }
    };
    let mut faults: Vec<Fault> =
        must.iter().map(|f| Fault { check: f.check.clone(), rule: rule(f) }).collect();
    let unexplained = wrong.iter().filter(|cell| {
        let of = |f: &&&Finding| f.order.as_ref() == Some(&cell.order);
        !must.iter().filter(of).any(|f| explains(&f.check, cell.outcome))
    });
    faults.extend(
        unexplained.map(|cell| Fault { check: OUTCOME.into(), rule: word(cell.outcome).into() }),
    );
    faults.sort();
    faults.dedup();
    faults
}
