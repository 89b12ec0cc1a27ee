//! What the payload says about consent is not more than what the visitor said.

use crate::{
    checks::{About, Check, Seen},
    platforms::Severity,
    sut::profile::UnknownConsent,
    truth::Fact,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "consent_flags_true",
    says: "consent and restriction flags in the payload equal the visitor's choice",
    severity: Severity::Must,
    source: "https://www.google.com/about/company/user-consent-policy/",
    covers: &["CON-03", "CON-06", "CON-11", "CON-12"],
};

/// Platforms with a flag for limited data use.
const LIMITED: [&str; 2] = ["meta", "tiktok"];

/// The check.
pub(crate) struct ConsentFlagsTrue;

impl Check for ConsentFlagsTrue {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let has_flags = seen.platform.has_consent_field() || LIMITED.contains(&seen.platform.id());
        if !has_flags {
            return CheckResult::NotApplicable;
        }
        let declared = seen.policies.unknown_consent != UnknownConsent::Withhold;
        seen.each_purchase(|expected, sighting, findings| {
            if !expected.knows(Fact::Consent) {
                return;
            }
            let flags = [
                ("ad_user_data", sighting.item.consent_user_data, expected.consent_user_data),
                ("ad_personalization", sighting.item.consent_personalise, expected.consent_personalise),
            ];
            for (name, claimed, truth) in flags {
                let finding = match (claimed, truth) {
                    (Some(true), Some(false)) => ABOUT
                        .finding(format!("{name} is claimed to be granted, but the visitor denied it")),
                    (Some(true), None) => {
                        let finding = ABOUT.finding(format!(
                            "{name} is claimed to be granted, but the visitor never answered"
                        ));
                        // A relay that declares to treat silence as consent says so; it stays untrue.
                        if declared { finding.mild() } else { finding }
                    }
                    (Some(false), Some(true)) => ABOUT
                        .finding(format!("{name} is claimed to be denied, but the visitor granted it"))
                        .mild(),
                    _ => continue,
                };
                let words = |b: Option<bool>| match b {
                    Some(true) => "granted",
                    Some(false) => "denied",
                    None => "unknown",
                };
                findings.push(
                    finding
                        .of(&expected.order)
                        .sides(words(truth), words(claimed))
                        .seen(&sighting, ""),
                );
            }
            if LIMITED.contains(&seen.platform.id()) {
                let marked = sighting.item.limited_data_use;
                if expected.limited_data_use && !marked {
                    let answered = expected.consent_user_data == Some(true);
                    let finding = ABOUT
                        .finding("the visitor opted out of sale and sharing (GPC), but limited data use is not marked")
                        .of(&expected.order)
                        .seen(&sighting, "");
                    // An explicit yes to the banner may be declared to go before the browser's signal.
                    findings.push(if answered { finding.mild() } else { finding });
                } else if marked && !expected.limited_data_use {
                    findings.push(
                        ABOUT
                            .finding("limited data use is marked for a visitor who did not opt out")
                            .of(&expected.order)
                            .mild()
                            .seen(&sighting, ""),
                    );
                }
            }
        })
    }
}
