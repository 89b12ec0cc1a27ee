//! While the relay is in: plays all cases at the same time, waits until they are decided, reads what the relay says of
//! itself, restarts it if it declares that, and judges what was seen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use super::{
    course::{Course, Planned},
    declares,
};
use crate::{
    driver::Driver,
    gateway::{CaseHandle, Gateway},
    history::{Action, Call, Did, History, Readings, Waited},
    judge,
    plan::{Case, Shop},
    platforms::Platform,
    run::{
        RunError,
        busy::Playing,
        strain::Strain,
        wait::{Terms, read_back, until_decided},
    },
    scenario::{Capability, Stop},
    sut::{process::Relay, profile::Profile},
    truth::{self, Truth},
    verdict::CaseVerdict,
};

/// Longest wait for the canaries beyond what the profile declares.
const TIMEOUT: Duration = Duration::from_secs(6);

/// What was seen.
pub(super) struct Seen {
    /// In the order of the course.
    pub(super) visits: Vec<Visit>,
    /// How it came back; `None`: not tried.
    pub(super) restart: Option<Restart>,
}

/// What was seen of one case.
pub(super) struct Visit {
    pub(super) case: Arc<Case>,
    pub(super) format: String,
    pub(super) platform: &'static dyn Platform,
    pub(super) shop: Shop,
    pub(super) history: History,
    pub(super) truth: Truth,
    pub(super) verdict: CaseVerdict,
}

impl Visit {
    /// Calls to the relay that an action consists of, with what each was for.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&Did, &Call)> {
        self.history
            .actions
            .iter()
            .filter_map(|action| action.what.call().map(|call| (&action.what, call)))
    }

    /// The relay answered at least one call.
    pub(super) fn was_heard(&self) -> bool {
        self.calls().any(|(_, call)| call.status.is_some())
    }
}

/// A restart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Restart {
    /// It was away for this long, and an order that was placed afterwards arrived.
    Works(Duration),
    /// It was away for this long, and no order arrived afterwards.
    NothingAfter(Duration),
    /// No order was seen afterwards, and that proves nothing: why.
    Unproven(String),
    /// It did not come back.
    Failed(String),
    /// It was not stopped: no order had arrived before.
    NotTried,
}

/// A case that is being played.
struct Open<'a> {
    planned: &'a Planned,
    shops: Vec<Shop>,
    handle: CaseHandle,
}

/// The driver of a case with what came of it so far.
struct Played<'a> {
    driver: Driver<'a>,
    actions: Vec<Action>,
    truth: Truth,
    waited: Waited,
}

/// Plays and waits.
///
/// # Errors
/// The harness itself is at fault.
pub(super) async fn stay(
    profile: &Profile,
    course: &Course,
    relay: &Relay,
    gateway: &Gateway,
) -> Result<Seen, RunError> {
    let (started, strain) = (Instant::now(), Strain::measure());
    let terms = Terms { profile, timeout: TIMEOUT, strain: &strain };
    let mut open = Vec::new();
    for planned in &course.cases {
        let shops: Vec<Shop> = course.shops.get(planned.shop).cloned().into_iter().collect();
        let handle =
            gateway.open(Arc::clone(&planned.case), &shops, None).map_err(RunError::Harness)?;
        open.push(Open { planned, shops, handle });
    }
    let plays = open.iter().map(|open| play(open, profile, relay, terms, started));
    let mut played = join_all(plays).await;
    let mut readings = Vec::new();
    for (open, played) in open.iter().zip(&mut played) {
        readings.push(match was_heard(&played.actions) {
            true => read_back(&mut played.driver, &open.planned.case, &open.handle).await,
            // A relay that does not answer is not asked again.
            false => Readings::default(),
        });
    }
    let mut restart = None;
    if let (true, Some(open), Some(played)) =
        (declares(profile, Capability::Restart), open.first(), played.first_mut())
    {
        restart = Some(restarted(open, played, relay, terms).await);
    }
    let rest: Vec<_> = played.into_iter().map(|p| (p.actions, p.truth, p.waited)).collect();
    let visits = open.into_iter().zip(rest).zip(readings);
    let visits = visits
        .filter_map(|((open, played), readings)| judged(open, played, readings, profile))
        .collect();
    Ok(Seen { visits, restart })
}

async fn play<'a>(
    open: &'a Open<'_>,
    profile: &'a Profile,
    relay: &'a Relay,
    terms: Terms<'_>,
    started: Instant,
) -> Played<'a> {
    let Open { planned, shops, handle } = open;
    let (case, platform) = (&*planned.case, planned.platform);
    let playing = Playing::begins(terms.strain, relay);
    let mut driver = Driver::new(relay, profile, case, shops, handle, started)
        .waiting_at_most(TIMEOUT)
        .giving_up_at_once()
        .asking_for_health();
    let mut actions = driver.play().await;
    actions.extend(driver.control_order().await);
    let busy = playing.too_busy(&actions, profile.policies.slow_answer());
    let truth = truth::truth(case, platform, profile, &actions);
    let mut waited = Waited::default();
    if was_heard(&actions) {
        let controls = driver.controls();
        waited = until_decided(terms, case, platform, handle, &actions, &truth, controls).await;
    }
    waited.busy = busy;
    Played { driver, actions, truth, waited }
}

async fn restarted(
    open: &Open<'_>,
    played: &mut Played<'_>,
    relay: &Relay,
    terms: Terms<'_>,
) -> Restart {
    if !played.waited.sentinel {
        return Restart::NotTried;
    }
    let away = match relay.restart(Stop::Terminate).await {
        Ok(away) => away,
        Err(error) => return Restart::Failed(error.to_string()),
    };
    let (case, platform) = (&*open.planned.case, open.planned.platform);
    played.actions.extend(played.driver.control_order().await);
    let (actions, controls) = (&played.actions, played.driver.controls());
    let truth = truth::truth(case, platform, terms.profile, actions);
    let waited = until_decided(terms, case, platform, &open.handle, actions, &truth, controls);
    came_back(away, waited.await)
}

/// What the wait for an order after a restart comes to.
fn came_back(away: Duration, waited: Waited) -> Restart {
    match waited {
        Waited { decided: true, .. } => Restart::Works(away),
        Waited { unproven: Some(why), .. } => Restart::Unproven(why),
        _ => Restart::NothingAfter(away),
    }
}

fn was_heard(actions: &[Action]) -> bool {
    actions.iter().any(|action| match &action.what {
        Did::Landing { call, .. } | Did::Webhook { call, .. } => call.status.is_some(),
        _ => false,
    })
}

fn judged(
    open: Open<'_>,
    (actions, truth, waited): (Vec<Action>, Truth, Waited),
    readings: Readings,
    profile: &Profile,
) -> Option<Visit> {
    let Open { planned, shops, handle } = open;
    let captured = handle.close();
    let (exchanges, not_kept) = (captured.exchanges, captured.not_kept);
    let history = History { actions, exchanges, not_kept, readings, waited };
    let (case, platform) = (&planned.case, planned.platform);
    let entries = &captured.entries;
    let verdict = judge::judge(case, platform, &shops, &history, entries, profile, &truth);
    Some(Visit {
        case: Arc::clone(case),
        format: planned.format.clone(),
        platform,
        shop: shops.into_iter().next()?,
        history,
        truth,
        verdict,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_after_a_restart_is_held_against_a_relay_only_if_it_proves_something() {
        let away = Duration::from_secs(1);
        let silent = Waited::default();
        let busy = Waited { unproven: Some("busy".into()), ..Waited::default() };
        let decided = Waited { decided: true, ..busy.clone() };
        assert_eq!(came_back(away, silent), Restart::NothingAfter(away));
        assert_eq!(came_back(away, busy), Restart::Unproven("busy".into()));
        assert_eq!(came_back(away, decided), Restart::Works(away));
    }
}
