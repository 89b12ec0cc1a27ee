//! Every request keeps to the platform's published contract.

use crate::{
    checks::{About, Check, Seen, look::merged},
    platforms::{self, Severity},
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "contract",
    says: "every request keeps to the platform's published contract",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api",
    covers: &["PAY-09", "PAY-10", "PAY-11", "PRV-08", "STI-04", "STI-09", "REL-19", "DED-02"],
};

/// The check.
pub(crate) struct Contract;

impl Check for Contract {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut any = false;
        let mut findings = Vec::new();
        for exchange in seen.sent() {
            let (Some(id), Some(reading)) = (exchange.platform, &exchange.reading) else {
                continue;
            };
            let Some(platform) = platforms::by_id(id) else { continue };
            // Other ad platforms have cases of their own; token services belong to this one's traffic.
            if id != seen.platform.id() && platform.counts_orders() {
                continue;
            }
            // What the relay broke off itself was never sent as a whole.
            if exchange.request.incomplete {
                continue;
            }
            any = true;
            let rules =
                if id == seen.platform.id() { seen.platform.rules() } else { platform.rules() };
            for broken in &reading.broken {
                let rule = rules.iter().find(|rule| rule.id == broken.rule);
                let mut finding = ABOUT
                    .finding(format!("{}: {}", broken.rule, broken.message))
                    .rule(broken.rule)
                    .by([exchange.seq]);
                if let Some(rule) = rule {
                    finding.severity = rule.severity;
                    finding.source = rule.source.into();
                    finding.expected = Some(rule.says.to_owned());
                }
                let owner = broken
                    .item
                    .and_then(|i| exchange.owners.get(i))
                    .and_then(Option::as_ref)
                    .and_then(|o| o.order.as_ref());
                finding.order = owner.map(ToString::to_string);
                finding.at = Some(broken.at.clone());
                findings.push(finding);
            }
        }
        let mut findings = merged(findings);
        findings.sort_by_key(|f| f.severity != Severity::Must);
        seen.judged_if_any(any, findings)
    }
}
