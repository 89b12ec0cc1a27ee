//! The relay talks to declared hosts only.

use crate::{
    checks::{About, Check, Seen, look::merged},
    platforms::Severity,
    scenario::Answers,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "egress",
    says: "no request goes to a host that the relay does not declare, nor along a redirect",
    severity: Severity::Must,
    source: "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
    covers: &["RES-01", "RES-02", "RES-03", "RES-10", "REL-15", "OPS-01"],
};

/// The check.
pub(crate) struct Egress;

impl Check for Egress {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let redirects = seen
            .history
            .exchanges
            .iter()
            .filter_map(|e| seen.fault_of(e))
            .any(|f| matches!(f.answers, Answers::Redirect));
        let findings = seen
            .history
            .exchanges
            .iter()
            .filter(|e| e.platform.is_none())
            .filter(|e| !seen.policies.declares(&e.request.host))
            .map(|e| {
                let why = if redirects && e.request.path.contains("canary") {
                    "a redirect was followed with the payload"
                } else {
                    "a host was called that the relay does not declare"
                };
                ABOUT.finding(format!("{why}: {}", e.request.host)).by([e.seq])
            })
            .collect();
        seen.judged_if_any(seen.sent().next().is_some(), merged(findings))
    }
}
