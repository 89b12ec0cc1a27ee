//! One outcome per order.

use std::time::Duration;

use crate::{
    checks::{Seen, exactly_once, look::Sighting, retries::failure},
    exchange::OrderRef,
    history::{Did, LogEntry},
    platforms::Severity,
    scenario::{LogState, OrderState},
    truth::{Count, Expected, Reason},
    verdict::{Cell, Finding, Outcome},
};

/// Checks whose findings make a counted order `wrong`: value, time, currency and identity.
const ABOUT_CONTENT: [&str; 10] = [
    "event_id_shared",
    "value_right",
    "currency_right",
    "time_right",
    "click_id_carried",
    "browser_id_kept",
    "no_invented_ids",
    "shopper_device",
    "identifiers_right",
    "consent_flags_true",
];

/// Whether a finding of this check can be the reason for this outcome of its order.
pub(crate) fn explains(check: &str, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Leaked => matches!(check, "consent_respected" | EXACTLY_ONCE | LATE_EVENT),
        Outcome::CountedTwice => matches!(check, EXACTLY_ONCE | LATE_EVENT),
        Outcome::Lost => check == EXACTLY_ONCE,
        Outcome::Wrong => check == EXACTLY_ONCE || ABOUT_CONTENT.contains(&check),
        _ => false,
    }
}

const EXACTLY_ONCE: &str = "exactly_once";
const LATE_EVENT: &str = "late";

/// Longest time that an order may take beyond what the relay declares before it is late.
const LATE: Duration = Duration::from_secs(30);

/// One per order of the scenario.
pub(super) fn cells(seen: &Seen<'_>, findings: &[Finding]) -> Vec<Cell> {
    seen.truth
        .named()
        .map(|expected| {
            let name = expected.order.to_string();
            let own: Vec<&Finding> = findings
                .iter()
                .filter(|f| f.severity == Severity::Must && f.order.as_ref() == Some(&name))
                .collect();
            let (outcome, right, detail) = outcome(seen, expected, &own);
            let attempts = seen.purchases(&expected.order).len();
            Cell {
                order: name,
                platform: seen.platform.id().to_owned(),
                outcome,
                right,
                detail,
                attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                taken_after_ms: taken_after(seen, expected)
                    .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            }
        })
        .collect()
}

fn outcome(seen: &Seen<'_>, expected: &Expected, own: &[&Finding]) -> (Outcome, bool, String) {
    let of = |check: &str| own.iter().find(|f| f.check == check).map(|f| f.message.clone());
    if let Some(leak) = own.iter().find(|f| f.check == "consent_respected" && is_here(seen, f)) {
        return (Outcome::Leaked, false, leak.message.clone());
    }
    if let Some(doubled) = exactly_once::doubled(seen, expected) {
        return (Outcome::CountedTwice, false, doubled.message);
    }
    let counted = !seen.server_groups(&expected.order).is_empty();
    let because = expected.because.clone();
    match (expected.count, counted) {
        (Count::Once | Count::Either, true) => match worst(own) {
            Some(wrong) => (Outcome::Wrong, false, wrong),
            None => match late(seen, expected) {
                Some(late) => (Outcome::Late, false, late),
                None => (Outcome::CountedOnce, true, format!("counted once: {because}")),
            },
        },
        (Count::Once, false) => {
            let lost = of("exactly_once").unwrap_or_else(|| "lost".into());
            (Outcome::Lost, false, lost + &refused_webhook(seen, expected).unwrap_or_default())
        }
        // It was lawful while it was sent; what came after the withdrawal is found above.
        (Count::Never, true) if expected.must_stop.is_some() => {
            (Outcome::CountedOnce, true, format!("counted before the stop ({because})"))
        }
        (Count::Never, true) => (Outcome::Leaked, false, format!("counted, though {because}")),
        (Count::Reported, true) => {
            (Outcome::Wrong, false, "counted, against all expectation".into())
        }
        (Count::Reported, false) => reported(seen, expected),
        (Count::Either, false) if was_refused(seen, expected) => {
            (Outcome::Reported, true, format!("not delivered: {because}"))
        }
        (Count::Never | Count::Either, false) => withheld(seen, expected),
    }
}

/// Whether it was found at the case's own platform. What another one was sent fails the case as well, but is no outcome here.
fn is_here(seen: &Seen<'_>, finding: &Finding) -> bool {
    let of_platform = |seq: &u64| {
        let mut all = seen.history.exchanges.iter();
        all.any(|x| x.seq == *seq && x.platform == Some(seen.platform.id()))
    };
    finding.exchanges.iter().any(of_platform)
}

fn worst(own: &[&Finding]) -> Option<String> {
    own.iter().find(|f| ABOUT_CONTENT.contains(&&*f.check)).map(|f| f.message.clone())
}

fn withheld(seen: &Seen<'_>, expected: &Expected) -> (Outcome, bool, String) {
    if expected.reason == Reason::NotGenuine && seen.history.waited.sentinel {
        return (Outcome::Withheld, true, expected.because.clone());
    }
    if seen.silence_is_proven() {
        (Outcome::Withheld, true, format!("not sent: {}", expected.because))
    } else {
        let why =
            "nothing was seen, but silence proves nothing here: the control order did not arrive";
        (Outcome::Unknown, false, why.into())
    }
}

/// Not delivered, and the relay must have kept and reported it.
fn reported(seen: &Seen<'_>, expected: &Expected) -> (Outcome, bool, String) {
    let log = seen.history.readings.log.as_ref().map(|log| {
        log.iter()
            .filter(|e| e.order == expected.order && e.platform == seen.platform.id())
            .collect::<Vec<_>>()
    });
    match log {
        Some(entries) if entries.is_empty() => {
            (Outcome::Lost, false, "neither delivered nor in the delivery log".into())
        }
        Some(entries) => {
            let kept = [LogState::Dead, LogState::Parked, LogState::Withheld];
            let reported = |e: &&&LogEntry| {
                e.state.is_some_and(|s| kept.contains(&s))
                    && e.reason.as_ref().is_some_and(|r| !r.is_empty())
            };
            match entries.iter().find(reported) {
                Some(entry) => {
                    let reason = entry.reason.as_deref().unwrap_or_default();
                    (Outcome::Reported, true, format!("not delivered, and reported: {reason}"))
                }
                None => (
                    Outcome::Lost,
                    false,
                    "not delivered, and the delivery log gives neither an end nor a reason".into(),
                ),
            }
        }
        None => (
            Outcome::Unknown,
            false,
            "not delivered; whether it was reported cannot be seen without a delivery log".into(),
        ),
    }
}

/// The relay did what it could: the platform did not take it.
fn was_refused(seen: &Seen<'_>, expected: &Expected) -> bool {
    seen.purchases(&expected.order).iter().any(|a| failure(seen, a).is_some())
}

/// Why an order is lost that the relay never took: it refused every genuine webhook about it. To stand behind what was seen.
fn refused_webhook(seen: &Seen<'_>, expected: &Expected) -> Option<String> {
    let mut refusal = None;
    for action in &seen.history.actions {
        let Did::Webhook { order: Some(order), signature, call, .. } = &action.what else {
            continue;
        };
        if *order != expected.order || !signature.is_good() {
            continue;
        }
        match call.status {
            Some(200..300) => return None,
            Some(status) => refusal = refusal.or(Some(status)),
            None => {}
        }
    }
    let status = refusal?;
    let advice = match status {
        401 | 403 => ": does it have the shop's secret?",
        404 | 405 => ": is the profile's path for webhooks right?",
        _ => "",
    };
    Some(format!("; the relay refused its webhook with {status}{advice}"))
}

/// From the relay's first acknowledgement of the order to the request by which the platform took it, where that time is the
/// relay's alone: an order that was paid when it was placed, no planned failure, no restart.
fn taken_after(seen: &Seen<'_>, expected: &Expected) -> Option<Duration> {
    let OrderRef::Named(id) = &expected.order else { return None };
    let actions = &seen.history.actions;
    let restarted = actions.iter().any(|a| matches!(a.what, Did::Restarted { .. }));
    let paid = seen.case.order(id)?.state == OrderState::Paid;
    if restarted || !paid || !seen.case.scenario.given.is_empty() {
        return None;
    }
    let acknowledged = actions.iter().find(|a| match &a.what {
        Did::Webhook { order, call, .. } => {
            order.as_ref() == Some(&expected.order) && matches!(call.status, Some(200..300))
        }
        _ => false,
    })?;
    let taken = seen.purchases(&expected.order).into_iter().find(Sighting::taken)?;
    // A relay may well deliver before it acknowledges.
    Some(taken.exchange.at.saturating_sub(acknowledged.at))
}

/// Only where nothing stood in the way.
fn late(seen: &Seen<'_>, expected: &Expected) -> Option<String> {
    if !seen.case.scenario.given.is_empty() || seen.case.scenario.steps.len() > 3 {
        return None;
    }
    let sent = seen.history.actions.iter().rev().find(
        |a| matches!(&a.what, Did::Webhook { order: Some(order), .. } if *order == expected.order),
    )?;
    let taken = seen.purchases(&expected.order).into_iter().find(|s| s.taken())?;
    let policies = seen.policies;
    let allowed = policies.batch_delay.unsigned() + policies.stitch_grace.unsigned() + LATE;
    let took = taken.exchange.at.saturating_sub(sent.at);
    (took > allowed).then(|| format!("counted, but {} s after its webhook", took.as_secs()))
}
