//! Logs, listings and error texts hold no contact data and no secrets.

use crate::{
    checks::{
        About, Check, Seen,
        look::merged,
        minimal::canary_needles,
        needles::{Haystack, Needle, Needles},
        no_plain_contact::contact_needles,
    },
    plan::Shop,
    platforms::Severity,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "no_contact_in_logs",
    says: "the relay's logs and listings hold no contact data, no notes and no secrets",
    severity: Severity::Must,
    source: "https://owasp.org/www-community/vulnerabilities/Insertion_of_sensitive_information_into_log_file",
    covers: &["PRV-12", "OPS-07"],
};

/// The check.
pub(crate) struct NoContactInLogs;

impl Check for NoContactInLogs {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let texts = &seen.history.readings.texts;
        if texts.iter().all(|(_, text)| text.is_empty()) {
            return seen.judged_if_any(!texts.is_empty(), Vec::new());
        }
        let mut needles = contact_needles(seen.case);
        needles.extend(canary_needles(seen.case));
        let secrets = seen.shops.iter().flat_map(Shop::secrets);
        needles.extend(secrets.filter_map(|(name, secret)| Needle::new(name, secret)));
        let mut findings = Vec::new();
        let search = Needles::new(&needles);
        for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            for (index, _) in search.found(&Haystack::of_text(text.clone())) {
                let what = needles.get(index).map_or("", |needle| needle.name.as_str());
                findings.push(ABOUT.finding(format!("{what} stands in {name}")));
            }
        }
        seen.judged_if_any(!texts.is_empty(), merged(findings))
    }
}
