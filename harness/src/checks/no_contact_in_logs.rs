//! Logs, listings and error texts hold no contact data and no secrets.

use crate::{
    checks::{About, Check, Seen, look::merged, needles::Haystack},
    platforms::Severity,
    sut::capture::KEPT,
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
        let unsearched = &seen.history.readings.unsearched;
        if texts.iter().all(|(_, text)| text.is_empty()) && unsearched.is_empty() {
            return seen.judged_if_any(!texts.is_empty(), Vec::new());
        }
        let mut findings = Vec::new();
        for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            for needle in seen.private().found(&Haystack::of_text(text.clone())) {
                findings.push(ABOUT.finding(format!("{} stands in {name}", needle.name)));
            }
        }
        if findings.is_empty() && !unsearched.is_empty() {
            let streams = unsearched.join(" and ");
            let most = KEPT / 1024 / 1024;
            return CheckResult::Inconclusive(format!(
                "the relay printed more than {most} MB to {streams} during the case: only the end of it was searched"
            ));
        }
        seen.judged_if_any(!texts.is_empty(), merged(findings))
    }
}
