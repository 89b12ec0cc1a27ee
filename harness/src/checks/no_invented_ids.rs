//! No click or browser id is made up for people whose browser never had one.

use crate::{
    checks::{About, Check, Seen},
    platforms::Severity,
    truth::Fact,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "no_invented_ids",
    says: "no click id or browser id is sent that no landing had",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc",
    covers: &["STI-04", "STI-06", "STI-12"],
};

/// Landing parameters and cookies that platforms have fields for.
const NAMES: [&str; 8] = ["gclid", "gbraid", "wbraid", "fbclid", "ttclid", "_fbp", "_fbc", "_ttp"];

/// The check.
pub(crate) struct NoInventedIds;

impl Check for NoInventedIds {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut fields: Vec<&str> =
            NAMES.iter().filter_map(|n| Some(seen.platform.click_field(n)?.field)).collect();
        fields.sort_unstable();
        fields.dedup();
        seen.each_purchase(|expected, sighting, findings| {
            if !expected.knows(Fact::Join) {
                return;
            }
            for field in &fields {
                let Some(sent) = sighting.item.ids.get(*field) else { continue };
                if !expected.ids.iter().any(|id| id.field == *field) {
                    findings.push(
                        ABOUT
                            .finding(format!(
                                "{field} was sent, but no landing of the shopper had one"
                            ))
                            .of(&expected.order)
                            .sides("(none)", sent)
                            .seen(&sighting, ""),
                    );
                }
            }
        })
    }
}
