//! Refunds and cancellations end in the right value at platforms that take them, and nowhere in a new sale.

use rust_decimal::Decimal;

use crate::{
    checks::{About, Check, Seen},
    platforms::{Counted, ItemKind, Severity},
    scenario::Step,
    truth::{Count, Expected, Fact, is_same_amount},
    verdict::{CheckResult, Finding},
};

static ABOUT: About = About {
    id: "adjustments_right",
    says: "after refunds the platform counts what is left, and a full refund takes the sale back",
    severity: Severity::Must,
    source: "https://developers.google.com/google-ads/api/docs/conversions/upload-adjustments",
    covers: &["PAY-16", "PAY-17", "REL-19"],
};

/// The check.
pub(crate) struct AdjustmentsRight;

impl Check for AdjustmentsRight {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        if !seen.has_step(|s| matches!(s, Step::Refund(_) | Step::Cancel(_))) {
            return CheckResult::NotApplicable;
        }
        let mut findings = Vec::new();
        for expected in seen.truth.named() {
            findings.extend(negative(seen, expected));
            findings.extend(early(seen, expected));
            findings.extend(last_value(seen, expected));
            findings.extend(repeated(seen, expected));
        }
        CheckResult::Judged(findings)
    }
}

/// A purchase with a negative value is no refund on any of these platforms.
fn negative(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    let sightings = seen.purchases(&expected.order);
    let found = sightings.iter().find(|s| s.item.value.is_some_and(|v| v < Decimal::ZERO))?;
    Some(
        ABOUT
            .finding("a purchase with a negative value was sent")
            .of(&expected.order)
            .seen(found, ""),
    )
}

/// Adjusted before the sale was there: the platform cannot find what it is about.
fn early(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    let sightings = seen.sightings(&expected.order);
    let first = sightings.iter().find(|s| is_change(&s.item.kind))?;
    let sold = sightings
        .iter()
        .any(|s| s.is_purchase() && s.taken() && s.exchange.seq < first.exchange.seq);
    (!sold).then(|| {
        ABOUT
            .finding("an adjustment was sent before its purchase was taken")
            .of(&expected.order)
            .mild()
            .seen(first, "")
    })
}

/// Whether an event changes an earlier one.
pub(crate) fn is_change(kind: &ItemKind) -> bool {
    matches!(kind, ItemKind::Retraction { .. } | ItemKind::Restatement { .. })
}

fn last_value(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    let last = expected.adjustments.last()?;
    if !expected.knows(Fact::Adjustments) || !expected.knows(Fact::Value) {
        return None;
    }
    if !matches!(expected.count, Count::Once | Count::Either) || expected.must_stop.is_some() {
        return None;
    }
    let groups = seen.server_groups(&expected.order);
    let group = groups.first()?;
    let left = if group.retracted { Decimal::ZERO } else { group.value.unwrap_or_default() };
    let changes: Vec<u64> = seen
        .sightings(&expected.order)
        .iter()
        .filter(|s| is_change(&s.item.kind))
        .map(|s| s.exchange.seq)
        .collect();
    if is_same_amount(left, last.remaining) {
        return foreign(expected, group).map(|currency| {
            ABOUT
                .finding("after the refunds the platform counts another currency")
                .of(&expected.order)
                .sides(&expected.currency, currency)
                .by(changes)
        });
    }
    let message = if changes.is_empty() {
        "the refund never reached the platform"
    } else {
        "after the refunds the platform counts a wrong value"
    };
    let exchanges = if changes.is_empty() { seen.exchanges_of(group) } else { changes };
    Some(
        ABOUT
            .finding(message)
            .of(&expected.order)
            .sides(last.remaining.normalize(), left.normalize())
            .by(exchanges),
    )
}

/// The currency of what is left, if it is none of the order's.
fn foreign<'a>(expected: &Expected, group: &'a Counted) -> Option<&'a str> {
    let currency = group.currency.as_deref().filter(|_| !group.retracted)?;
    let others = expected.other_values.iter().map(|amount| amount.currency.as_str());
    let is_right = std::iter::once(expected.currency.as_str())
        .chain(others)
        .any(|right| right.eq_ignore_ascii_case(currency));
    (!is_right && expected.knows(Fact::Currency)).then_some(currency)
}

fn repeated(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    if seen.has_step(|s| matches!(s, Step::Restart(_) | Step::Replay(_))) {
        return None;
    }
    let taken: Vec<u64> = seen
        .sightings(&expected.order)
        .iter()
        .filter(|s| is_change(&s.item.kind) && s.taken() && s.exchange.fault.is_none())
        .map(|s| s.exchange.seq)
        .collect();
    (taken.len() > expected.adjustments.len() && !expected.adjustments.is_empty()).then(|| {
        ABOUT
            .finding("more adjustments were sent than there were refunds")
            .of(&expected.order)
            .mild()
            .sides(expected.adjustments.len(), taken.len())
            .by(taken)
    })
}
