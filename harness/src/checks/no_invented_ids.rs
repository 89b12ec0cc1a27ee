//! No click or browser id is made up for people whose browser never had one.

use crate::{
    checks::{About, Check, Seen},
    platforms::Severity,
    truth::{Fact, Presence},
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
                // One of a landing that must not be used is no invention: `consent_respected` tells of it. Another one in
                // its place is.
                let explained = expected.ids.iter().filter(|id| id.field == *field).any(|id| {
                    id.presence != Presence::Forbidden || sent.contains(id.value.as_str())
                });
                if !explained {
                    findings.push(
                        ABOUT
                            .finding(format!(
                                "{field} was sent, but no landing of the shopper that may be used had one"
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
