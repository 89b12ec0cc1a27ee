//! What the case is about really happened: planned failures hit, waits came true, late landings were in time.

use crate::{
    checks::{About, Check, Seen},
    exchange::OrderRef,
    history::{Action, Did},
    platforms::Severity,
    scenario::{Answers, Given, LogState, ReplayStep, Step},
    sut::services::AnsweredBy,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "occurred",
    says: "the situation that the scenario describes did occur",
    severity: Severity::Must,
    source: "https://github.com/jepsen-io/jepsen",
    covers: &["REL-05"],
};

/// The check.
pub(crate) struct Occurred;

impl Check for Occurred {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut missing = Vec::new();
        missing.extend(unasked(seen));
        for (index, fault) in seen.case.scenario.faults().enumerate() {
            // A refused connection leaves no request behind.
            if matches!(fault.answers, Answers::Refuse) || seen.history.not_kept > 0 {
                continue;
            }
            let hits = seen
                .history
                .exchanges
                .iter()
                .filter_map(|e| e.fault)
                .filter(|(i, _)| *i == index)
                .map(|(_, nth)| nth)
                .max()
                .unwrap_or(0);
            let wanted = fault.times.unwrap_or(1);
            if hits < wanted {
                missing.push(format!("planned failure {} hit {hits} of {wanted} times", index + 1));
            }
        }
        let mut waits = false;
        for action in &seen.history.actions {
            match &action.what {
                Did::Waited { until, happened } => {
                    waits = true;
                    if !happened {
                        missing.push(format!("waited in vain until {until}"));
                    }
                }
                Did::Failed { harness: false, .. } if is_refused_in_time(seen, action) => {}
                Did::Failed { why, harness: false } | Did::StillAway { why } => {
                    missing.push(why.clone());
                }
                _ => {}
            }
        }
        missing.extend(late_landings(seen));
        if !missing.is_empty() {
            CheckResult::Inconclusive(missing.join("; "))
        } else if waits || !seen.case.scenario.given.is_empty() {
            CheckResult::Judged(Vec::new())
        } else {
            CheckResult::NotApplicable
        }
    }
}

/// A dead letter that must not go out any more was not to be had by a replay: the call was refused, or the log says that it
/// is withheld. That is what such a case asks for.
fn is_refused_in_time(seen: &Seen<'_>, action: &Action) -> bool {
    let step = action.step.and_then(|step| seen.case.scenario.steps.get(step));
    let Some(Step::Replay(ReplayStep { order: Some(id), .. })) = step else { return false };
    let order = OrderRef::Named(id.clone());
    let stop = seen.truth.of(&order).and_then(|expected| expected.must_stop.as_ref());
    if stop.is_none_or(|stop| stop.after > action.at) {
        return false;
    }
    let refused = seen.history.actions.iter().any(|other| {
        matches!(&other.what, Did::Operator { name: "replay", call }
            if other.step == action.step && call.status.is_some_and(is_refusal))
    });
    let withheld = seen.history.readings.log.iter().flatten().any(|entry| {
        entry.order == order
            && entry.platform == seen.platform.id()
            && entry.state == Some(LogState::Withheld)
    });
    refused || withheld
}

/// The relay has understood the call and does not do it. An answer that knows no such call or caller says nothing.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 401 | 404 | 405)
}

/// Planned answers of other services that nobody asked for.
fn unasked(seen: &Seen<'_>) -> Vec<String> {
    let given = seen.case.scenario.given.iter().enumerate();
    given
        .filter_map(|(index, given)| {
            let Given::Service(service) = given else { return None };
            let by = AnsweredBy::Scenario(index);
            let calls = seen.history.readings.services.iter().filter(|c| c.answered_by == by);
            let (hits, wanted) = (calls.map(|c| c.count).sum::<u32>(), service.times.unwrap_or(1));
            (hits < wanted).then(|| {
                format!("the planned answer of {} was given {hits} of {wanted} times", service.name)
            })
        })
        .collect()
}

/// A landing that was to come within the relay's grace but came too late on this machine.
fn late_landings(seen: &Seen<'_>) -> Vec<String> {
    let grace = seen.policies.stitch_grace.unsigned();
    let actions = &seen.history.actions;
    actions
        .iter()
        .enumerate()
        .filter_map(|(index, action)| {
            let Did::Landing { .. } = &action.what else { return None };
            let Some(Step::Visit(visit)) = seen.case.scenario.steps.get(action.step?) else {
                return None;
            };
            let planned = visit.late?.unsigned();
            let webhook = actions.iter().take(index).find(|a| {
                matches!(&a.what, Did::Webhook { order: Some(OrderRef::Named(_)), .. })
            })?;
            let Did::Webhook { call: told, .. } = &webhook.what else { return None };
            let came = action.at.saturating_sub(webhook.at.saturating_sub(told.took));
            (planned <= grace && came > grace).then(|| {
                format!(
                    "the late landing came {} ms after the order, beyond the grace of {} ms",
                    came.as_millis(),
                    grace.as_millis()
                )
            })
        })
        .collect()
}
