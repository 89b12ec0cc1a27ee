//! The value is the order's, in major units, on the basis that the relay declares.

use rust_decimal::Decimal;

use crate::{
    checks::{About, Check, Seen},
    plan::Order,
    platforms::Severity,
    truth::{Expected, Fact},
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "value_right",
    says: "the value is what the order is worth, in major units, on the declared basis",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/custom-data",
    covers: &[
        "PAY-01", "PAY-02", "PAY-03", "PAY-04", "PAY-06", "PAY-07", "PAY-17", "WHK-09", "OPS-09",
    ],
};

/// The check.
pub(crate) struct ValueRight;

impl Check for ValueRight {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        seen.each_purchase(|expected, sighting, findings| {
            if !expected.knows(Fact::Value) {
                return;
            }
            let Some(value) = sighting.item.value else {
                findings.push(
                    ABOUT
                        .finding("the event has no value")
                        .of(&expected.order)
                        .sides(expected.value.normalize(), "(none)")
                        .seen(&sighting, ""),
                );
                return;
            };
            let currency = sighting.item.currency.as_deref();
            // A wrong currency alone is `currency_right`'s finding.
            let is_known_currency = currency.is_some_and(|c| {
                c.eq_ignore_ascii_case(&expected.currency)
                    || expected.other_values.iter().any(|a| a.currency.eq_ignore_ascii_case(c))
            });
            if expected.is_right_amount(value, currency.filter(|_| is_known_currency)) {
                return;
            }
            let why = seen
                .case
                .order(&expected.order.to_string())
                .and_then(|order| hint(expected, order, value))
                .unwrap_or_default();
            findings.push(
                ABOUT
                    .finding(format!("the value is wrong{why}"))
                    .of(&expected.order)
                    .sides(expected.value.normalize(), value.normalize())
                    .seen(&sighting, ""),
            );
        })
    }
}

/// What may have gone wrong, if the number tells.
fn hint(expected: &Expected, order: &Order, value: Decimal) -> Option<String> {
    let right = expected.value;
    if right.is_zero() {
        return None;
    }
    for factor in [10, 100, 1000] {
        let factor = Decimal::from(factor);
        if right.checked_mul(factor) == Some(value) {
            return Some(format!(": {factor} times too large (minor units taken for major ones)"));
        }
        if value.checked_mul(factor) == Some(right) {
            return Some(format!(": {factor} times too small (major units taken for minor ones)"));
        }
    }
    let parts = [
        ("the subtotal", order.subtotal),
        ("the total", order.total),
        ("the total without tax", order.total - order.tax),
        ("the total without shipping", order.total - order.shipping),
        ("the total without tax and shipping", order.total - order.tax - order.shipping),
        ("the total before discount", order.total + order.discount),
    ];
    if let Some((_, currency)) = order.presentment.as_ref().filter(|(v, _)| *v == value) {
        return Some(format!(": it is the amount in {currency}"));
    }
    if value < Decimal::ZERO {
        return Some(": it is negative".into());
    }
    parts
        .iter()
        .find(|(_, part)| *part == value)
        .map(|(name, _)| format!(": it is {name}, another basis than declared"))
        .or_else(|| (value == right.trunc()).then(|| ": the decimals are missing".into()))
}
