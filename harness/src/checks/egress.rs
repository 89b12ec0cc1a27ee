//! The relay talks to declared hosts only.

use crate::{
    checks::{About, Check, Seen, look::merged},
    credentials::carries_credential,
    exchange::{CANARY_HOST, Request},
    platforms::Severity,
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
        let findings = seen
            .history
            .exchanges
            .iter()
            .filter(|e| e.platform.is_none())
            .filter(|e| !seen.policies.declares(&e.request.host))
            .map(|e| {
                let why = match e.request.host == CANARY_HOST {
                    true => followed(seen, &e.request),
                    false => "a host was called that the relay does not declare",
                };
                ABOUT.finding(format!("{why}: {}", e.request.host)).by([e.seq])
            })
            .collect();
        seen.judged_if_any(seen.sent().next().is_some(), merged(findings))
    }
}

/// What went along a redirect.
fn followed(seen: &Seen<'_>, request: &Request) -> &'static str {
    if request.body_bytes > 0 {
        "a redirect was followed with the payload"
    } else if carries_credential(request, seen.shops) {
        "a redirect was followed with a credential"
    } else {
        "a redirect was followed to another host"
    }
}
