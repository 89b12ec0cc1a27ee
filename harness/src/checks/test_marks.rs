//! Test marks are on test orders only.

use crate::{
    checks::{About, Check, Seen, look::merged},
    platforms::Severity,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "test_marks",
    says: "no test mark in live traffic, and no test order sent as a live one",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api",
    covers: &["PAY-12", "PAY-13"],
};

/// The check.
pub(crate) struct TestMarks;

impl Check for TestMarks {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut any = false;
        let mut findings = Vec::new();
        for order in seen.case.all_orders() {
            let sightings = seen.sightings(&order.id);
            any |= order.test || !sightings.is_empty();
            for sighting in sightings {
                let message = match (order.test, sighting.item.test) {
                    (false, true) => "a live order is marked as a test",
                    (true, false) => "a test order was sent as a live one",
                    _ => continue,
                };
                findings.push(ABOUT.finding(message).of(&order.id).seen(&sighting, ""));
            }
        }
        seen.judged_if_any(any, merged(findings))
    }
}
