//! The relay that most cases share: how it is reached or started, and whether it still lives.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{Options, Run, RunError};
use crate::{
    gateway::{Door, Gateway},
    history::{Action, Did},
    plan::{Plan, Shop},
    scenario::Given,
    sut::{
        process::{Relay, StartError},
        profile::{Profile, Shops},
    },
};

/// A relay that has taken orders and sent nothing to anybody for this long will not send anything.
const NOTHING_SENT: Duration = Duration::from_secs(4);

/// After this long without any sign of life from the relay it is called silent.
pub(super) const SILENCE: Duration = Duration::from_millis(2_500);

/// The relay of all cases that have none of their own; `None` if every case has one.
///
/// # Errors
///
/// If it cannot be started or reached, or the profile's templates for its start cannot be rendered.
pub(super) async fn shared_relay(
    options: &Options,
    plan: &Plan,
    shops: &[Shop],
    gateway: &Gateway,
) -> Result<Option<Relay>, RunError> {
    let keeping = |relay: Relay| relay.keeping_connections(&options.profile).map_err(unreachable);
    if let Some(url) = &options.relay {
        return keeping(reached(&options.profile, url).await?).map(Some);
    }
    if plan.cases.iter().all(|case| case.private_relay || options.has_spares_for(case)) {
        return Ok(None);
    }
    let relay = started(&options.profile, shops, gateway.door(), &options.settings, &[])
        .await
        .map_err(|error| match error {
            StartError::Template(_) => RunError::Usage(error.to_string()),
            error => unreachable(error),
        })?;
    keeping(relay).map(Some)
}

/// A relay that somebody else runs, if it speaks HTTP.
///
/// # Errors
///
/// If nobody answers at this address, or the profile does not list the relay's shops.
pub(crate) async fn reached(profile: &Profile, url: &str) -> Result<Relay, RunError> {
    let relay = Relay::at(profile, url, SILENCE).await.map_err(unreachable)?;
    // One that takes connections and never answers would cost every call its whole time.
    match tokio::time::timeout(SILENCE, relay.http().lower_case.get(url).send()).await {
        Ok(Ok(_)) if !matches!(profile.shops, Shops::Fixed(_)) => Err(RunError::Usage(
            "a relay given by URL has its shops already\nhint: list them in the profile under `shops: { fixed: [...] }`, as `harness init --url URL` writes it"
                .to_owned(),
        )),
        Ok(Ok(_)) => Ok(relay),
        Ok(Err(e)) => Err(unreachable(format!("the relay at {url} does not speak HTTP: {e}"))),
        Err(_) => Err(unreachable(format!(
            "the relay at {url} takes connections but has not answered within {:.1} s",
            SILENCE.as_secs_f64()
        ))),
    }
}

/// Starts a relay. Its port was free a moment before: if somebody took it since, another one is tried, once.
pub(crate) async fn started(
    profile: &Profile,
    shops: &[Shop],
    door: &Door,
    settings: &BTreeMap<String, serde_json::Value>,
    given: &[Given],
) -> Result<Relay, StartError> {
    let start = || Relay::start_given(profile, shops, door, settings, given);
    match start().await {
        Err(StartError::Left { .. }) => start().await,
        result => result,
    }
}

fn unreachable(error: impl std::fmt::Display) -> RunError {
    RunError::Unreachable(error.to_string())
}

/// Whether the relay lives: so that a dead one costs seconds, not the sum of all timeouts.
#[derive(Default)]
pub(super) struct Vitals {
    /// An order of some case was acknowledged.
    took_order: Notify,
    /// Cases in which no call to the relay was answered, in a row.
    unanswered: AtomicUsize,
    /// There were too many of them: it stays so, as cases that waited have been given up by then.
    gone: AtomicBool,
}

/// A relay that has answered nothing in so many cases in a row is gone.
const GONE: usize = 8;

impl Vitals {
    /// No answer to anything in many cases: it is gone.
    pub(super) fn gone(&self) -> Option<String> {
        self.gone.load(Ordering::Relaxed).then(|| {
            format!(
                "the relay has stopped answering: no call of {GONE} cases in a row was answered"
            )
        })
    }

    fn note(&self, answered: bool) {
        if answered {
            self.unanswered.store(0, Ordering::Relaxed);
        } else if self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= GONE {
            self.gone.store(true, Ordering::Relaxed);
        }
    }
}

impl Run {
    /// Whether any call to this relay was answered.
    pub(super) fn note_answers(&self, relay: &Relay, actions: &[Action]) -> bool {
        let mut calls = actions.iter().filter_map(|a| match &a.what {
            Did::Landing { call, .. } | Did::Webhook { call, .. } | Did::Ping { call, .. } => {
                Some(call)
            }
            _ => None,
        });
        let acknowledged = |a: &Action| matches!(&a.what, Did::Webhook { call, .. } if call.status.is_some_and(|s| (200..300).contains(&s)));
        if actions.iter().any(acknowledged) {
            self.vitals.took_order.notify_one();
        }
        let first = calls.next();
        let answered = first.into_iter().chain(calls).any(|call| call.status.is_some());
        // Other processes say nothing of the one that most cases share.
        if self.shared.as_ref().is_none_or(|shared| std::ptr::eq(shared, relay)) {
            self.vitals.note(answered);
        }
        answered
    }

    /// Ends when nothing more can come of the shared relay: it has left, or sends nothing.
    pub(super) async fn end_of_the_relay(&self) -> String {
        let Some(relay) = &self.shared else { return std::future::pending().await };
        tokio::select! {
            why = relay.gone() => why,
            why = self.silence() => why,
        }
    }

    /// Ends when the relay has had time to send something to anybody and has not: with the reason.
    pub(super) async fn silence(&self) -> String {
        let policies = &self.options.profile.policies;
        // What it may wait before it sends anything, by its own declaration.
        let declared = policies.batch_delay.unsigned() + policies.stitch_grace.unsigned();
        let patience = NOTHING_SENT + declared;
        if self.shared.is_some() {
            // Its time begins when it has taken an order: a slow acknowledgement is another fault.
            self.vitals.took_order.notified().await;
            let (began, mark) = (Instant::now(), self.strain.mark());
            while let Some(left) =
                self.strain.stretched(patience, &mark).checked_sub(began.elapsed())
                && !left.is_zero()
            {
                tokio::time::sleep(left).await;
            }
            if self.gateway.served() == 0 {
                if let Some(tunnel) = self.gateway.tunnels_unread().first() {
                    return format!(
                        "the relay takes orders, but nothing that it sends can be read: {tunnel}"
                    );
                }
                // One at a URL has other orders in each run, unless it is told a seed.
                let seed = match self.options.relay {
                    Some(_) => "then leave --seed away, if you gave one",
                    None => "then give another --seed",
                };
                return format!(
                    "the relay takes orders but has sent nothing to any platform within {:.1} s\n\
                     hint: do its platform URLs point at {}? Has it seen these orders before ({seed})?",
                    patience.as_secs_f64(),
                    self.gateway.door().base_url("meta")
                );
            }
        }
        std::future::pending().await
    }

    pub(super) fn relay_exit(&self) -> Option<String> {
        self.shared.as_ref().and_then(Relay::exited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_was_given_up_stays_given_up() {
        let vitals = Vitals::default();
        for _ in 1..GONE {
            vitals.note(false);
        }
        vitals.note(true);
        assert_eq!(vitals.gone(), None, "an answer in between");
        for _ in 0..GONE {
            vitals.note(false);
        }
        vitals.note(true);
        assert!(vitals.gone().is_some(), "cases were not played for want of it");
    }
}
