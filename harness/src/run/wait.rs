//! Waiting: on the journal, with a deadline; and what a case may wait for by its own declarations.

use std::time::{Duration, Instant};

use super::{busy::harness_too_busy, relay::SILENCE, strain::Strain};
use crate::{
    driver::Driver,
    exchange::{Ending, Exchange, OrderRef},
    gateway::{CaseHandle, Log},
    history::{Action, Did, Readings, Waited},
    judge,
    plan::Case,
    platforms::{Channel, FailureClass, Platform},
    scenario::{Answers, Expect, ExpectedOutcome, Fault, LogState, Step},
    sut::profile::Profile,
    truth::{Count, Truth},
};

/// What a case may take to settle after its control order was taken, on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

/// What a platform asks for that says in its own words when to come back.
const IN_OWN_WORDS: Duration = Duration::from_secs(1);

/// What a wait goes by.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) profile: &'a Profile,
    /// Longest wait beyond what the case declares itself.
    pub(crate) timeout: Duration,
    pub(crate) strain: &'a Strain,
}

/// Waits until the case is decided: all that the steps imply has happened, the control order was taken, and it has
/// been quiet for the declared time since.
pub(crate) async fn until_decided(
    terms: Terms<'_>,
    case: &Case,
    platform: &'static dyn Platform,
    handle: &CaseHandle,
    actions: &[Action],
    expected: &Truth,
    controls: u32,
) -> Waited {
    let Terms { profile, timeout, strain } = terms;
    let quiet = quiet_window(case, profile, expected);
    let held_back = held_back(case, profile, actions, expected);
    let declared = declared_waiting(case, profile);
    let began = Instant::now();
    let mark = strain.mark();
    let first = SILENCE.max(quiet + held_back) + declared;
    let mut deadline = began + first;
    let mut missing = Vec::new();
    let sentinel_taken = |log: &Log| {
        log.entries
            .iter()
            .any(|e| e.owner.as_ref().and_then(|o| o.order.as_ref()) == Some(&OrderRef::Sentinel))
    };
    let settled = loop {
        let settled = handle
            .wait_until(deadline.into(), |log| {
                // What hangs at another platform decides nothing here.
                let open =
                    |e: &&Exchange| e.platform == Some(case.platform) && e.ending == Ending::Open;
                let open = log.exchanges.iter().filter(open).count();
                let state = judge::settled(
                    case,
                    platform,
                    expected,
                    &log.entries,
                    &log.exchanges,
                    open,
                    controls,
                );
                missing = state.missing;
                missing.is_empty()
            })
            .await;
        if settled {
            // Quiet: no platform takes anything more for the declared time. Attempts that fail go on for as long as
            // the failure does; they are in the journal and keep nobody waiting.
            let taken = handle.look(|log| log.entries.len());
            // An order that is kept back for its landing goes out when the declared time since its webhook is over.
            let until = (Instant::now() + quiet).max(began + held_back + quiet);
            if !handle.wait_until(until.into(), |log| log.entries.len() > taken).await {
                break true;
            }
            // It goes on and on: a window that was cut short would prove nothing.
            if Instant::now() >= began + strain.stretched(timeout + declared, &mark) {
                break false;
            }
            continue;
        }
        let (taken, any, changed) =
            handle.look(|log| (sentinel_taken(log), !log.exchanges.is_empty(), log.last_change));
        // While the relay is still at it, it gets the whole time; one that is silent does not. On a machine that has no time
        // for either of us it gets more.
        let stretched = |wait| strain.stretched(wait, &mark);
        let patience = if taken || any {
            changed + stretched(SLACK + declared)
        } else {
            began + stretched(first)
        };
        let patience = patience.min(began + stretched(timeout + declared));
        if patience <= Instant::now() {
            break false;
        }
        deadline = patience;
    };
    let sentinel = handle.look(sentinel_taken);
    // Where its requests can be read, one that cannot is no excuse.
    let is_read = handle.look(|log| {
        log.exchanges.iter().any(|e| e.platform == Some(case.platform) && e.reading.is_some())
    });
    // The control order came last and went the same way: where it was taken, the relay had the time to send what came before
    // it, unless that had failed and was to be tried again.
    let passed = sentinel && case.scenario.faults().next().is_none();
    let too_busy = strain.too_much(&mark).filter(|_| !passed).map(harness_too_busy);
    let unproven = too_busy.or_else(|| handle.unread().filter(|_| !is_read));
    Waited {
        decided: settled,
        sentinel,
        quiet: quiet + held_back,
        missing,
        declared,
        unproven,
        busy: None,
    }
}

/// How often a log that lags behind is read again, and after which wait: a log gives no other sign.
const LOG_LOOKS: u32 = 20;
/// See [`LOG_LOOKS`].
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// What the relay says about itself. A relay writes an answer down after it has read it; until then its log is not wrong yet.
pub(crate) async fn read_back(
    driver: &mut Driver<'_>,
    case: &Case,
    handle: &CaseHandle,
) -> Readings {
    let mut readings = driver.read_back().await;
    for _ in 0..LOG_LOOKS {
        if !lags(&readings, case, handle) {
            break;
        }
        tokio::time::sleep(LOG_PAUSE).await;
        readings = driver.read_back().await;
    }
    readings
}

/// Whether the log still calls pending what the platform has taken, or what the scenario says must have ended.
fn lags(readings: &Readings, case: &Case, handle: &CaseHandle) -> bool {
    let is = |named: &str, order: &OrderRef| *order == OrderRef::Named(named.to_owned());
    let ended = |order: &OrderRef| {
        case.scenario.expect.iter().any(|expect| match expect {
            Expect::Log(log) => log.state != LogState::Pending && is(&log.order, order),
            // Where a lane is parked, whatever gets through opens it for the moment that the next refusal takes.
            Expect::Outcome(outcome) => {
                outcome.is == ExpectedOutcome::Reported && is(&outcome.order, order)
            }
            _ => false,
        })
    };
    let taken = |order: &OrderRef| {
        handle.look(|log| {
            log.entries.iter().any(|e| {
                e.channel == Channel::Server
                    && e.owner.as_ref().and_then(|o| o.order.as_ref()) == Some(order)
            })
        })
    };
    readings.log.iter().flatten().any(|entry| {
        entry.platform == case.platform
            && entry.state == Some(LogState::Pending)
            && (ended(&entry.order) || taken(&entry.order))
    })
}

/// How long it must be quiet before silence means something: the declared time, and on top of it a retry that a failure
/// has put off.
fn quiet_window(case: &Case, profile: &Profile, truth: &Truth) -> Duration {
    let policies = &profile.policies;
    let mut quiet = policies.quiet.unsigned() + policies.batch_delay.unsigned();
    // An order that was counted once its wait or its retries were over has none left.
    let withheld = truth.named().any(|expected| expected.count != Count::Once);
    let floors = case.scenario.faults().map(|fault| {
        fault.retry_after.or(fault.retry_after_date).map_or(Duration::ZERO, |span| span.unsigned())
    });
    if let Some(floor) = floors.max().filter(|_| withheld) {
        quiet += floor + policies.retry_within();
    }
    quiet
}

/// How long the relay may keep an order back for a landing that it has not been told of.
fn held_back(case: &Case, profile: &Profile, actions: &[Action], truth: &Truth) -> Duration {
    let withheld = truth.named().any(|expected| expected.count != Count::Once);
    match withheld && waits_for_landing(case, actions) {
        true => profile.policies.stitch_grace.unsigned(),
        false => Duration::ZERO,
    }
}

/// Whether some order's webhook went out before any landing of its shopper had been told.
fn waits_for_landing(case: &Case, actions: &[Action]) -> bool {
    let landed = |by: &str, before: usize| {
        let told = |a: &Action| matches!(&a.what, Did::Landing { by: who, .. } if who == by);
        actions.iter().take(before).any(told)
    };
    actions.iter().enumerate().any(|(i, action)| match &action.what {
        Did::Webhook { order: Some(OrderRef::Named(id)), .. } => {
            case.order(id).is_some_and(|order| !landed(&order.by, i))
        }
        _ => false,
    })
}

/// Waiting that the scenario's faults and the profile's retry policy make unavoidable.
fn declared_waiting(case: &Case, profile: &Profile) -> Duration {
    let policies = &profile.policies;
    let mut sum = policies.stitch_grace.unsigned() + policies.batch_delay.unsigned();
    for fault in case.scenario.faults() {
        let times = fault.times.unwrap_or(1).min(20);
        let floor = fault
            .retry_after
            .or(fault.retry_after_date)
            .map_or(Duration::ZERO, |span| span.unsigned());
        let silence = match &fault.answers {
            Answers::Never | Answers::CommitThenSilence => policies.delivery_timeout.unsigned(),
            Answers::Delay(span) | Answers::SlowBody(span) => span.unsigned(),
            _ => Duration::ZERO,
        };
        sum += (floor + silence + policies.retry_within()) * times;
    }
    sum
}

/// What a case will probably take, to start the longest first: its declared waits, those that a platform names in its own
/// words, and the wait for a landing that is not told before its order, or long before it.
pub(super) fn likely_time(case: &Case, profile: &Profile) -> Duration {
    let mut known = Vec::new();
    let own_words = |fault: &&Fault| {
        matches!(fault.answers, Answers::Failure(FailureClass::RateLimited))
            && fault.retry_after.or(fault.retry_after_date).is_none()
    };
    let waits = u32::try_from(case.scenario.faults().filter(own_words).count()).unwrap_or(u32::MAX);
    let mut time = declared_waiting(case, profile) + waits * IN_OWN_WORDS;
    for step in &case.scenario.steps {
        match step {
            Step::Visit(visit) if visit.late.is_none() => known.push(visit.by.as_deref()),
            Step::Clock(_) => known.clear(),
            Step::Order(order) if !known.contains(&order.by.as_deref()) => {
                time += profile.policies.stitch_grace.unsigned();
            }
            _ => {}
        }
    }
    time
}
