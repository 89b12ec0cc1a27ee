//! What exactly fails in a case: the unit that an entry of the baseline names.

use std::borrow::Cow;

use super::Entry;
use crate::{
    platforms::Severity,
    verdict::{CaseVerdict, Outcome, word},
};

/// Stands where no check says why an order's outcome is not right.
pub(super) const OUTCOME: &str = "outcome";

/// One break of weight.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    /// Check id, or [`OUTCOME`].
    pub(super) check: Cow<'static, str>,
    /// Rule id, or the outcome.
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
    let mut faults: Vec<Fault> =
        must.iter().map(|f| Fault { check: f.check.clone(), rule: f.rule.clone() }).collect();
    let unexplained = case.cells.iter().filter(|cell| {
        let explained = must.iter().any(|f| f.order.as_ref() == Some(&cell.order));
        !cell.right && cell.outcome != Outcome::Unknown && !explained
    });
    faults.extend(
        unexplained.map(|cell| Fault { check: OUTCOME.into(), rule: word(cell.outcome).into() }),
    );
    faults.sort();
    faults.dedup();
    faults
}
