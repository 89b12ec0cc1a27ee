//! Verdicts for tests of what is made of them.

use crate::{
    judge::explains,
    platforms::Severity,
    verdict::{CaseVerdict, Cell, Finding, Outcome, Status},
};

/// A case with one order that is as it should be.
pub(crate) fn case(name: &str, status: Status) -> CaseVerdict {
    CaseVerdict {
        case: name.to_owned(),
        title: "What holds".to_owned(),
        platform: "meta".to_owned(),
        covers: vec!["DED-01".to_owned()],
        status,
        cells: vec![cell("A", Outcome::CountedOnce, true)],
        findings: Vec::new(),
        passed: vec!["contract".into()],
        notes: Vec::new(),
        remarks: Vec::new(),
        took_ms: 500,
        declared_ms: 100,
        evidence: Vec::new(),
        known: Vec::new(),
    }
}

/// A case that fails by these checks, all about its one order, which became what they say: doubled, wrong, or right in spite
/// of them.
pub(crate) fn failing(name: &str, checks: &[&'static str]) -> CaseVerdict {
    let of = |outcome| checks.iter().any(|check| explains(check, outcome));
    let bad = [Outcome::CountedTwice, Outcome::Wrong].into_iter().find(|outcome| of(*outcome));
    CaseVerdict {
        cells: vec![cell("A", bad.unwrap_or(Outcome::CountedOnce), bad.is_none())],
        findings: checks.iter().map(|check| finding(check, Some("A"))).collect(),
        ..case(name, Status::Fail)
    }
}

/// What became of one order.
pub(crate) fn cell(order: &str, outcome: Outcome, right: bool) -> Cell {
    Cell {
        order: order.to_owned(),
        platform: "meta".to_owned(),
        outcome,
        right,
        detail: "as it was seen".to_owned(),
        attempts: 2,
        taken_after_ms: Some(40),
    }
}

/// A break of weight.
pub(crate) fn finding(check: &'static str, order: Option<&str>) -> Finding {
    Finding {
        check: check.into(),
        rule: check.into(),
        severity: Severity::Must,
        order: order.map(str::to_owned),
        message: format!("{check} does not hold"),
        expected: None,
        actual: None,
        source: "https://example.com/".into(),
        exchanges: Vec::new(),
        at: None,
    }
}
