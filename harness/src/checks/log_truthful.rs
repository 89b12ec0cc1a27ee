//! The relay's delivery log says what really happened.

use std::time::Duration;

use crate::{
    checks::{About, Check, Seen},
    exchange::Exchange,
    history::{Did, LogEntry},
    platforms::{Channel, Severity},
    scenario::{LogState, Step, Stop},
    truth::{Count, Expected, Reason},
    verdict::{CheckResult, Finding},
};

static ABOUT: About = About {
    id: "log_truthful",
    says: "the delivery log agrees with what the platform took, lists the attempts and gives reasons",
    severity: Severity::Must,
    source: "https://segment.com/docs/connections/event-delivery/",
    covers: &["OPS-10", "REL-01", "REL-02", "REL-11", "REL-15", "REL-18"],
};

/// The check.
pub(crate) struct LogTruthful;

impl Check for LogTruthful {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let readings = &seen.history.readings;
        let Some(log) = &readings.log else {
            return match readings.unreadable.iter().find(|why| why.contains("log")) {
                Some(why) => CheckResult::Inconclusive(why.clone()),
                None => CheckResult::NotApplicable,
            };
        };
        let lists_attempts = log.iter().any(|entry| !entry.attempts.is_empty());
        let mut findings = Vec::new();
        for expected in seen.truth.named() {
            let entries: Vec<&LogEntry> = log
                .iter()
                .filter(|e| e.order == expected.order && e.platform == seen.platform.id())
                .collect();
            findings.extend(judge(seen, expected, &entries, lists_attempts));
            findings.extend(too_soon(seen, expected));
        }
        CheckResult::Judged(findings)
    }
}

/// The log said delivered while the platform had taken nothing yet.
fn too_soon(seen: &Seen<'_>, expected: &Expected) -> Option<Finding> {
    if seen.history.not_kept > 0 {
        // Who took what and when is not known whole.
        return None;
    }
    let sightings = seen.sightings(&expected.order);
    let had_taken = |by| sightings.iter().any(|s| s.taken() && s.exchange.at <= by);
    let (by, _) = seen.history.readings.early_log.iter().find(|(by, entry)| {
        entry.order == expected.order
            && entry.platform == seen.platform.id()
            && entry.state == Some(LogState::Delivered)
            && !had_taken(*by)
    })?;
    let before = sightings.iter().filter(|s| s.exchange.at <= *by).map(|s| s.exchange.seq);
    let message = "the log said delivered before the platform had taken anything";
    Some(ABOUT.finding(message).of(&expected.order).by(before))
}

/// The relay was killed so soon after this answer that it may not have noted it down.
fn is_cut_short(seen: &Seen<'_>, exchange: &Exchange) -> bool {
    let Some(answered) = exchange.ended_at else { return false };
    seen.history.actions.iter().any(|action| {
        let step = action.step.and_then(|step| seen.case.scenario.steps.get(step));
        match (&action.what, step) {
            (Did::Restarted { away }, Some(Step::Restart(restart))) => {
                let stopped = action.at.saturating_sub(*away);
                restart.how == Stop::Kill && stopped.saturating_sub(answered) < NOTED_WITHIN
            }
            _ => false,
        }
    })
}

/// So long after an answer a relay that lives has noted it down.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

fn judge(
    seen: &Seen<'_>,
    expected: &Expected,
    entries: &[&LogEntry],
    lists_attempts: bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |message: String, mild: bool, exchanges: &[u64]| {
        let finding = ABOUT.finding(message).of(&expected.order).by(exchanges.iter().copied());
        findings.push(if mild { finding.mild() } else { finding });
    };
    let sightings = seen.sightings(&expected.order);
    let seqs: Vec<u64> = sightings.iter().map(|s| s.exchange.seq).collect();
    let taken = seen.entries.iter().any(|e| {
        e.channel == Channel::Server
            && e.owner.as_ref().is_some_and(|o| o.order.as_ref() == Some(&expected.order))
    });
    let has = |state| entries.iter().any(|e| e.state == Some(state));
    if entries.is_empty() {
        // What is kept of an erased person's orders may be gone, too.
        if expected.forgotten {
            return findings;
        }
        if !sightings.is_empty() {
            say("the order was sent, but the log has no entry".into(), false, &seqs);
        } else if matches!(expected.count, Count::Once | Count::Reported) {
            say("the log has no entry for it".into(), false, &[]);
        } else if expected.count == Count::Never && expected.reason == Reason::Consent {
            say("the log does not say that and why it was withheld".into(), true, &[]);
        }
        return findings;
    }
    if has(LogState::Delivered) && !taken {
        say("the log says delivered, but the platform took nothing".into(), false, &seqs);
    }
    if taken && !has(LogState::Delivered) {
        // The relay cannot know what a lost answer meant.
        let clean = sightings
            .iter()
            .any(|s| s.taken() && s.exchange.was_answered() && s.exchange.fault.is_none())
            && !sightings.iter().any(|s| s.taken() && is_cut_short(seen, s.exchange));
        say("the platform took it, but the log does not say delivered".into(), !clean, &seqs);
    }
    for entry in entries {
        let ended =
            matches!(entry.state, Some(LogState::Dead | LogState::Withheld | LogState::Parked));
        if ended && entry.reason.as_deref().is_none_or(|r| r.trim().is_empty()) {
            let state = entry.state.map(|s| format!("{s:?}").to_lowercase()).unwrap_or_default();
            say(format!("the log says {state} without a reason"), false, &[]);
        }
        if entry.state.is_none() {
            say("the log has a state that the profile does not map".into(), true, &[]);
        }
        if entry.attempts.iter().any(|a| a.status.is_none() && a.outcome.is_none()) {
            say("an attempt in the log has neither status nor outcome".into(), true, &[]);
        }
    }
    let logged: usize = entries.iter().map(|e| e.attempts.len()).sum();
    if logged == 0 && !sightings.is_empty() {
        say("the log lists no attempts".into(), !lists_attempts, &seqs);
    }
    findings
}
