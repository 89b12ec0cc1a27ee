//! The currency is the order's own, never a default.

use crate::{
    checks::{About, Check, Seen},
    platforms::Severity,
    truth::Fact,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "currency_right",
    says: "the currency is that of the amount, as ISO 4217 code",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/custom-data",
    covers: &["PAY-04", "PAY-05"],
};

/// The check.
pub(crate) struct CurrencyRight;

impl Check for CurrencyRight {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        seen.each_purchase(|expected, sighting, findings| {
            if !expected.knows(Fact::Currency) {
                return;
            }
            let sent = sighting.item.currency.as_deref();
            let fits = |c: &str| {
                c.eq_ignore_ascii_case(&expected.currency)
                    || expected.other_values.iter().any(|a| a.currency.eq_ignore_ascii_case(c))
            };
            let message = match sent {
                Some(currency) if fits(currency) => return,
                None => "the event has no currency",
                Some("USD") => "the currency is USD, which the order never was in: a default",
                Some(_) => "the currency is not the order's",
            };
            findings.push(
                ABOUT
                    .finding(message)
                    .of(&expected.order)
                    .sides(&expected.currency, sent.unwrap_or("(none)"))
                    .seen(&sighting, ""),
            );
        })
    }
}
