//! Each order is counted as often as it should be: once, or not at all.

use crate::{
    checks::{About, Check, Seen},
    exchange::Ending,
    platforms::{Channel, Counted, ItemKind, Severity},
    scenario::Step,
    truth::{Count, Expected, Reason},
    verdict::{CheckResult, Finding},
};

static ABOUT: About = About {
    id: "exactly_once",
    says: "the platform counts every order exactly once, and none that must not count",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/deduplicate-pixel-and-server-events",
    covers: &[
        "DED-01", "DED-02", "DED-03", "DED-04", "DED-05", "DED-06", "DED-07", "DED-08", "DED-09",
        "DED-10", "DED-11", "DED-12", "DED-13", "DED-14", "PAY-06", "PAY-12", "PAY-14", "PAY-15",
        "PAY-18", "REL-01", "REL-03", "REL-05", "REL-07", "REL-09", "REL-10", "REL-12", "REL-13",
        "REL-14", "REL-16", "REL-18", "WHK-01", "WHK-02", "WHK-03", "WHK-05", "WHK-07", "WHK-09",
        "WHK-12", "WHK-13",
    ],
};

/// The check.
pub(crate) struct ExactlyOnce;

impl Check for ExactlyOnce {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        if seen.truth.named().next().is_none() {
            return CheckResult::NotApplicable;
        }
        let mut findings = Vec::new();
        for expected in seen.truth.named() {
            findings.extend(doubled(seen, expected));
            match expected.count {
                Count::Once => findings.extend(lost(seen, expected)),
                Count::Never | Count::Reported => findings.extend(unwanted(seen, expected)),
                Count::Either => {}
            }
            findings.extend(wasteful(seen, expected));
        }
        findings.extend(unattributed(seen));
        CheckResult::Judged(findings)
    }
}

/// Conversions beyond the first that the relay has caused.
pub(crate) fn doubled(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    let groups = seen.groups(&expected.order);
    let server = seen.server_groups(&expected.order);
    let first = server.first()?;
    let finding = |message: String, others: &[&Counted]| {
        ABOUT
            .finding(message)
            .of(&expected.order)
            .sides("counted once", format!("counted {} times", groups.len()))
            .by(others.iter().flat_map(|g| seen.exchanges_of(g)))
    };
    if server.len() > 1 {
        let mut keys: Vec<String> = server.iter().map(|g| key_of(seen, g)).collect();
        keys.sort();
        keys.dedup();
        let how = match keys.as_slice() {
            [one] => format!("twice under the same key {one}, which this platform does not join"),
            _ => format!("under {} different keys: {}", keys.len(), keys.join(", ")),
        };
        return Some(finding(format!("counted {} times: {how}", server.len()), &server));
    }
    // The browser's copy stands alone next to the relay's: the relay's fault only if they cannot be joined.
    let browser = groups.iter().find(|g| !server.iter().any(|s| std::ptr::eq(*s, **g)))?;
    let (ours, theirs) = (entry(seen, first)?, entry(seen, browser)?);
    let why = if ours.key != theirs.key {
        format!(
            "the browser's copy has the id {}, the relay's {}",
            shown(&theirs.key),
            shown(&ours.key)
        )
    } else if ours.event_name.is_some()
        && theirs.event_name.is_some()
        && ours.event_name != theirs.event_name
    {
        format!(
            "the browser's copy is named {}, the relay's {}",
            shown(&theirs.event_name),
            shown(&ours.event_name)
        )
    } else if ours.target.is_some() && theirs.target.is_some() && ours.target != theirs.target {
        "the browser's copy and the relay's go to different targets".to_owned()
    } else {
        return None;
    };
    Some(finding(format!("counted twice: {why}"), &groups))
}

fn key_of(seen: &Seen<'_>, group: &Counted) -> String {
    shown(&entry(seen, group).and_then(|item| item.key.clone()))
}

fn shown(text: &Option<String>) -> String {
    text.as_ref().map_or_else(|| "(none)".to_owned(), |t| format!("`{t}`"))
}

/// The relay's item in a group, else the first.
fn entry<'a>(seen: &Seen<'a>, group: &Counted) -> Option<&'a crate::platforms::Item> {
    let items = || group.entries.iter().filter_map(|i| seen.entries.get(*i));
    items().find(|e| e.channel == Channel::Server).or_else(|| items().next()).map(|e| &e.item)
}

fn lost(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    if !seen.server_groups(&expected.order).is_empty() {
        return None;
    }
    let attempts = seen.purchases(&expected.order);
    let test = seen.counted.iter().any(|c| {
        c.test
            && c.entries.iter().filter_map(|i| seen.entries.get(*i)).any(|e| {
                e.owner.as_ref().is_some_and(|o| o.order.as_ref() == Some(&expected.order))
            })
    });
    let how = match attempts.last() {
        _ if test => "sent as a test event only".to_owned(),
        None if seen.groups(&expected.order).is_empty() => "nothing was sent".to_owned(),
        None => "only the browser's copy is there".to_owned(),
        Some(last) => {
            let times = match attempts.len() {
                1 => "once".to_owned(),
                n => format!("{n} times"),
            };
            let answer = answer(last.exchange.reply.status, &last.exchange.ending);
            format!("sent {times}, never taken; the last answer was {answer}")
        }
    };
    Some(
        ABOUT
            .finding(format!("lost: {how} ({})", expected.because))
            .of(&expected.order)
            .sides("counted once", "not counted")
            .by(attempts.iter().map(|a| a.exchange.seq)),
    )
}

fn answer(status: u16, ending: &Ending) -> String {
    match ending {
        Ending::Answered => status.to_string(),
        Ending::Open | Ending::Unanswered => "none".into(),
        Ending::Reset => "a reset".into(),
        Ending::Cut => format!("{status}, cut"),
        Ending::ClientLeft => "not waited for".into(),
    }
}

fn unwanted(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    // What breaks the visitor's choice is `consent_respected`'s.
    if expected.count == Count::Never
        && (matches!(expected.reason, Reason::Consent | Reason::Erased)
            || expected.must_stop.is_some())
    {
        return None;
    }
    let groups = seen.server_groups(&expected.order);
    let first = groups.first()?;
    let message = match expected.count {
        Count::Reported => "counted, though it cannot have been delivered rightly".to_owned(),
        _ => format!("counted, though {}", expected.because),
    };
    Some(
        ABOUT
            .finding(message)
            .of(&expected.order)
            .sides("not counted", "counted")
            .by(seen.exchanges_of(first)),
    )
}

/// Taken with a clean answer, yet sent again: harmless where the platform joins copies, but waste.
fn wasteful(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    if seen.has_step(|s| matches!(s, Step::Restart(_) | Step::Replay(_))) {
        return None;
    }
    let sightings = seen.purchases(&expected.order);
    let settled = |s: &crate::checks::look::Sighting<'_>| {
        s.taken() && s.exchange.was_answered() && s.exchange.fault.is_none()
    };
    let first = sightings.iter().position(settled)?;
    let ended = sightings.get(first)?.exchange.ended_at?;
    let again: Vec<u64> = sightings
        .iter()
        .skip(first + 1)
        .filter(|s| s.exchange.at > ended && s.taken())
        .map(|s| s.exchange.seq)
        .collect();
    (!again.is_empty()).then(|| {
        ABOUT
            .finding("sent again though the platform had taken it")
            .of(&expected.order)
            .mild()
            .by(again)
    })
}

/// Purchases that belong to this case but to none of its orders.
fn unattributed(seen: &Seen<'_>) -> Option<Finding> {
    let mut exchanges = Vec::new();
    for group in seen.counted.iter().filter(|c| !c.test) {
        let entries = || group.entries.iter().filter_map(|i| seen.entries.get(*i));
        let owned = entries().any(|e| e.owner.as_ref().is_some_and(|o| o.order.is_some()));
        let ours =
            entries().find(|e| e.channel == Channel::Server && e.item.kind == ItemKind::Purchase);
        if let (false, Some(entry)) = (owned, ours) {
            exchanges.push(entry.exchange);
        }
    }
    (!exchanges.is_empty()).then(|| {
        ABOUT
            .finding("a purchase was counted that carries nothing of any order: no id, no amount")
            .by(exchanges)
    })
}
