//! Nothing is sent about people who did not allow it, from the moment on that they do not.

use std::time::Duration;

use crate::{
    checks::{
        About, Check, Seen,
        look::{is_browser, merged},
        needles::Needle,
    },
    exchange::{Exchange, OrderRef},
    history::Did,
    plan::Person,
    platforms::{Channel, Severity, normalise},
    scenario::{Decision, Step},
    truth::{Count, Expected, Fact, Presence, Reason},
    verdict::{CheckResult, Finding},
};

static ABOUT: About = About {
    id: "consent_respected",
    says: "nothing about a person reaches an ad platform that their choice rules out",
    severity: Severity::Must,
    source: "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
    covers: &[
        "CON-01", "CON-02", "CON-04", "CON-05", "CON-06", "CON-07", "CON-08", "CON-09", "CON-10",
        "CON-11", "CON-13", "CON-14", "CON-15", "RES-06", "RES-07", "RES-09", "STI-10", "RES-04",
    ],
};

/// A request that was under way when the answer changed may still arrive this much later; it proves nothing. At least, and at
/// most: a retry that was due comes later than that.
const UNDER_WAY: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(600));

/// How long a request may have been under way in this case: on a machine on which a call and its answer take so long, one
/// way takes no longer than twice that.
fn under_way(seen: &Seen<'_>) -> Duration {
    let calls = seen.history.actions.iter().filter_map(|action| action.what.call());
    let longest = calls.map(|call| call.took).max().unwrap_or_default();
    longest.saturating_mul(2).clamp(UNDER_WAY.0, UNDER_WAY.1)
}

/// The check.
pub(crate) struct ConsentRespected;

impl Check for ConsentRespected {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut findings = Vec::new();
        let mut doubtful = None;
        let mut subject = false;
        for expected in seen.truth.named() {
            let limits = forbids(expected)
                || expected.must_stop.is_some()
                || !expected.contact_allowed
                || expected.contact_stop.is_some()
                || expected.ids.iter().any(|id| id.presence == Presence::Forbidden);
            subject |= limits;
            if limits {
                for exchange in seen.sent() {
                    judge(seen, expected, exchange, &mut findings, &mut doubtful);
                }
            }
        }
        for person in silent_people(seen) {
            subject = true;
            findings.extend(traces(seen, person));
        }
        let findings = merged(findings);
        match doubtful {
            Some(why) if findings.is_empty() => CheckResult::Inconclusive(why),
            _ if !subject => CheckResult::NotApplicable,
            _ => CheckResult::Judged(findings),
        }
    }
}

/// Not even an attempt may be made.
fn forbids(expected: &Expected) -> bool {
    expected.count == Count::Never
        && matches!(expected.reason, Reason::Consent | Reason::Erased)
        && expected.must_stop.is_none()
}

/// The operator sent this very order again between the two moments: a dead letter was not under way at the first.
fn is_replayed(seen: &Seen<'_>, order: &OrderRef, after: Duration, until: Duration) -> bool {
    let names_it = |step: usize| match seen.case.scenario.steps.get(step) {
        Some(Step::Replay(replay)) => {
            replay.order.as_ref().is_some_and(|id| *order == OrderRef::Named(id.clone()))
        }
        _ => false,
    };
    seen.history.actions.iter().any(|action| match &action.what {
        Did::Operator { name: "replay", call } => {
            let called = action.at.saturating_sub(call.took);
            after <= called && called <= until && action.step.is_some_and(names_it)
        }
        _ => false,
    })
}

fn judge(
    seen: &Seen<'_>,
    expected: &Expected,
    exchange: &Exchange,
    findings: &mut Vec<Finding>,
    doubtful: &mut Option<String>,
) {
    let own_platform = exchange.platform == Some(seen.case.platform);
    let under_way = under_way(seen);
    for (index, item) in exchange.items_of(&expected.order) {
        let finding = |message: String, at: &str| {
            // Whoever reads it in the case of one platform looks for it there.
            let message = match exchange.platform.filter(|_| !own_platform) {
                Some(other) => format!("at {other}: {message}"),
                None => message,
            };
            let mut finding = ABOUT.finding(message).of(&expected.order).by([exchange.seq]);
            finding.at = Some(format!("{}{at}", item.pointer));
            finding
        };
        if forbids(expected) {
            findings.push(finding(format!("sent, though {}", expected.because), ""));
            continue;
        }
        // Where the moment decides, only the case's own platform was waited for: another's request may have been under way
        // for any time. It has a case of its own.
        if let Some(stop) = &expected.must_stop
            && own_platform
            && exchange.at > stop.after
        {
            if exchange.at > stop.after + under_way
                || is_replayed(seen, &expected.order, stop.after, exchange.at)
            {
                findings.push(finding(format!("sent after {}", stop.because), ""));
                continue;
            } else if exchange.accepted.contains(&index) {
                *doubtful = Some(format!(
                    "order {}: request #{} came within {} ms of the moment when {}: it may have been under way",
                    expected.order,
                    exchange.seq,
                    under_way.as_millis(),
                    stop.because
                ));
            }
        }
        let contact = item.identifiers.iter().any(|(_, value)| !value.is_empty());
        let stopped = own_platform
            && expected.contact_stop.is_some_and(|stop| exchange.at > stop + under_way);
        if contact && (stopped || (!expected.contact_allowed && expected.knows(Fact::Consent))) {
            findings.push(finding(
                "carries hashed contact data, which the visitor did not allow to be sent".into(),
                "",
            ));
        }
        for id in expected.ids.iter().filter(|id| id.presence == Presence::Forbidden) {
            let allowed = |other: &crate::truth::ExpectedId| {
                other.presence != Presence::Forbidden && other.value == id.value
            };
            let found = item.ids.get(id.field).is_some_and(|sent| sent.contains(&id.value));
            if found && !expected.ids.iter().any(allowed) && expected.knows(Fact::Join) {
                findings.push(finding(
                    format!(
                        "carries {} of a landing that must not be used (no consent to keep it, erased, or too old)",
                        id.field
                    ),
                    "",
                ));
            }
        }
    }
}

/// People none of whose orders may be sent and who never allowed anything.
fn silent_people<'a>(seen: &Seen<'a>) -> Vec<&'a Person> {
    use crate::history::Did;
    seen.case
        .people
        .values()
        .filter(|person| {
            let own = || seen.case.orders.iter().filter(|o| o.by == person.name);
            let forbidden = own()
                .all(|o| seen.truth.of(&o.id).is_some_and(forbids));
            let refused = seen.history.actions.iter().any(|a| {
                matches!(&a.what, Did::Consent { by, decisions, .. }
                    if *by == person.name && decisions.ads == Decision::Denied)
            });
            let allowed = seen.history.actions.iter().any(|a| {
                matches!(&a.what, Did::Consent { by, decisions, .. }
                    if *by == person.name && decisions.ads == Decision::Granted)
            });
            let denied_at_landing = seen.case.scenario.steps.iter().any(|step| {
                matches!(step, crate::scenario::Step::Visit(v)
                    if v.by.as_deref().unwrap_or("shopper") == person.name
                        && v.consent == Some(crate::scenario::ConsentAnswer::Denied))
            });
            let granted_at_landing = seen.case.scenario.steps.iter().any(|step| {
                matches!(step, crate::scenario::Step::Visit(v)
                    if v.by.as_deref().unwrap_or("shopper") == person.name
                        && v.consent.as_ref().is_some_and(|c| *c != crate::scenario::ConsentAnswer::Denied
                            && *c != crate::scenario::ConsentAnswer::Unknown))
            });
            forbidden && (refused || denied_at_landing) && !allowed && !granted_at_landing
        })
        .collect()
}

/// Their ids and contact data in any request, also in such that belong to nobody else's order.
fn traces(seen: &Seen<'_>, person: &Person) -> Option<Finding> {
    let others = || {
        seen.case
            .people
            .values()
            .filter(|p| p.name != person.name)
            .chain(std::iter::once(&seen.case.sentinel_person))
    };
    let mut needles: Vec<Needle> = Vec::new();
    let shared =
        |text: &str| others().any(|p| p.visitor_id == text || p.ids.values().any(|id| id == text));
    for (name, value) in person.ids.iter().map(|(n, v)| (n.as_str(), v.as_str())) {
        if value.len() >= 12 && !shared(value) {
            needles.extend(Needle::new(name, value));
        }
    }
    if person.visitor_id.len() >= 12 && !shared(&person.visitor_id) {
        needles.extend(Needle::new("visitor id", &person.visitor_id));
    }
    let email = person.contact.email.as_deref().map(|e| e.trim().to_lowercase());
    let known = |email: &String| {
        others()
            .any(|p| p.contact.email.as_ref().is_some_and(|e| e.trim().to_lowercase() == *email))
    };
    if let Some(email) = email.filter(|e| !known(e)) {
        needles.extend(Needle::new("hashed e-mail", &normalise::sha256_hex(&email)));
    }
    for exchange in seen.sent().filter(|e| !is_browser(e)) {
        let judged = exchange.reading.as_ref().is_some_and(|r| r.channel == Channel::Other);
        if judged {
            continue;
        }
        let hay = seen.haystack(exchange);
        if let Some(needle) = needles.iter().find(|needle| needle.find(&hay).is_some()) {
            return Some(
                ABOUT
                    .finding(format!(
                        "{} of {}, who refused, was sent to {}",
                        needle.name, person.name, exchange.request.host
                    ))
                    .by([exchange.seq]),
            );
        }
    }
    None
}
