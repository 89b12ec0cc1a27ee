//! Relay processes with a single shop each, for cases that want their shop alone: handed from one case to the next.
//!
//! A process costs a start, in some languages most of what a case costs. One in which a case has left nothing behind is as
//! good as a new one: all orders of the case were decided, nothing that was planned to fail can still fail, and the control
//! order, which came last, was taken. Every other process ends with its case.
//!
//! A relay may be wrong only as long as it is new. So each scenario of this kind is played in a new process at least once, and
//! always if consent changes or somebody is erased in it.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::Run;
use crate::{
    exchange::CaseId,
    plan::{Case, Shop},
    platforms::{Severity, by_id},
    scenario::{Expect, Fault, Scenario, Step},
    sut::process::Relay,
    verdict::{CaseVerdict, Finding, Status},
};

const ABOUT_EXIT: &str = "https://12factor.net/disposability";

/// One of them.
pub(super) struct Spare {
    pub(super) relay: Relay,
    pub(super) shops: Vec<Shop>,
    /// The case that used it last; empty if it is new.
    pub(super) after: String,
    /// How many have used it.
    pub(super) cases: usize,
}

impl Spare {
    /// For whoever has to understand what came of a case: alone it would have been played in a new process.
    pub(super) fn history(&self) -> Option<String> {
        let Self { after, cases, .. } = self;
        let others = if *cases == 1 { "another case" } else { &format!("{cases} other cases") };
        (*cases > 0).then(|| {
            format!(
                "its relay process had played {others} before, {after} last; alone it starts in a new one"
            )
        })
    }
}

/// Those that nobody uses.
pub(super) struct Spares {
    idle: Mutex<Vec<Spare>>,
    count: Semaphore,
    findings: Mutex<Vec<Finding>>,
}

impl Default for Spares {
    fn default() -> Self {
        let (idle, findings) = (Mutex::default(), Mutex::default());
        Self { idle, count: Semaphore::new(0), findings }
    }
}

impl Spares {
    /// Waits for one that lives.
    pub(super) async fn take(&self) -> Spare {
        loop {
            match self.count.acquire().await {
                Ok(one) => one.forget(),
                // It is never closed.
                Err(_) => std::future::pending().await,
            }
            let spare = locked(&self.idle).pop();
            if let Some(spare) = spare.filter(|spare| self.lives(spare)) {
                return spare;
            }
        }
    }

    pub(super) fn put(&self, spare: Spare) {
        locked(&self.idle).push(spare);
        self.count.add_permits(1);
    }

    /// All of them, to end them, and what was found about those that had ended by themselves.
    pub(super) fn end(&self) -> (Vec<Spare>, Vec<Finding>) {
        let mut idle = std::mem::take(&mut *locked(&self.idle));
        idle.retain(|spare| self.lives(spare));
        (idle, std::mem::take(&mut *locked(&self.findings)))
    }

    /// Nobody has asked it to leave.
    fn lives(&self, spare: &Spare) -> bool {
        let Some(how) = spare.relay.exited() else { return true };
        locked(&self.findings).push(left(format!("after {}", spare.after), how));
        false
    }
}

/// A process has ended without being asked to.
pub(super) fn left(when: String, how: String) -> Finding {
    Finding {
        check: "process".into(),
        rule: "process".into(),
        severity: Severity::Must,
        order: None,
        message: format!("the relay's process left by itself {when}"),
        expected: None,
        actual: Some(how),
        source: ABOUT_EXIT.into(),
        exchanges: Vec::new(),
        at: None,
    }
}

impl Run {
    /// Ends all spare processes; what was found about those that had ended by themselves.
    pub(super) async fn end_spares(&self) -> Vec<Finding> {
        let (spares, findings) = self.spares.end();
        let mut leaving = JoinSet::new();
        for Spare { relay, .. } in spares {
            self.unanswered.note(&relay.services().calls());
            leaving.spawn(relay.shut_down());
        }
        leaving.join_all().await;
        findings
    }
}

/// Whether a case can be played where another one was: it is not about what a relay remembers, be it failures, credentials or
/// a token that it does not ask for again; and a leak would be too bad to be missed for want of a new process.
pub(super) fn may_follow(scenario: &Scenario) -> bool {
    let takes_orders = |id: &String| by_id(id).is_some_and(|platform| platform.counts_orders());
    let is_aside = |fault: &Fault| fault.name.as_ref().is_some_and(|id| !takes_orders(id));
    let remembers = |step: &Step| {
        matches!(step, Step::Credentials(_) | Step::Replay(_) | Step::Consent(_) | Step::Erase(_))
    };
    let is_health = |expect: &Expect| matches!(expect, Expect::Health(_));
    !scenario.steps.iter().any(remembers)
        && !scenario.expect.iter().any(is_health)
        && !scenario.faults().any(is_aside)
}

/// Of these cases, those that are the first of their scenario: they start in a new process.
pub(super) fn first_of_scenarios<'c>(cases: impl Iterator<Item = &'c Case>) -> HashSet<CaseId> {
    let mut seen = HashSet::new();
    cases.filter(|case| seen.insert(&case.scenario.name)).map(|case| case.id).collect()
}

/// Whether the next case can be played where this one was. `settled`: all was decided and the control order was taken.
pub(super) fn leaves_nothing(scenario: &Scenario, verdict: &CaseVerdict, settled: bool) -> bool {
    let lifted = scenario
        .steps
        .iter()
        .any(|step| matches!(step, Step::Recovers(recovers) if recovers.platform.is_none()));
    let ends = scenario.faults().all(|fault| lifted || fault.times.is_some());
    let changes = |step: &Step| matches!(step, Step::Credentials(_) | Step::Replay(_));
    let changed = scenario.steps.iter().any(changes);
    settled && verdict.status == Status::Pass && ends && !changed
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        collections::BTreeMap,
        time::{Duration, Instant},
    };

    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::{
        gateway::{Gateway, GatewayOptions},
        inputs::samples,
        plan::tests::scenario,
        platforms::PLATFORMS,
        report::sample,
        sut::profile,
    };

    #[test]
    fn a_process_is_handed_on_only_if_nothing_is_left_in_it() {
        let leaves = |rest: &str, status, settled| {
            let scenario = scenario("a/b", &format!("platforms: [meta]\n{rest}"));
            leaves_nothing(&scenario, &sample::case("a/b/meta", status), settled)
        };
        let once = "given: [{ platform: { answers: server_error, times: 1 } }]\nsteps: [{ order: { id: A } }]\n";
        assert!(leaves(once, Status::Pass, true));
        assert!(!leaves(once, Status::Fail, true), "who knows what else it does");
        assert!(!leaves(once, Status::Inconclusive, true));
        assert!(!leaves(once, Status::Pass, false), "it may not have got over it");
        let forever =
            "given: [{ platform: { answers: server_error } }]\nsteps: [{ order: { id: A } }";
        assert!(!leaves(&format!("{forever}]\n"), Status::Pass, true), "it may still try");
        assert!(leaves(&format!("{forever}, {{ recovers: {{}} }}]\n"), Status::Pass, true));
        assert!(!leaves(
            &format!("{forever}, {{ recovers: {{ platform: tiktok }} }}]\n"),
            Status::Pass,
            true
        ));
        assert!(!leaves(
            "steps: [{ order: { id: A } }, { credentials: {} }]\n",
            Status::Pass,
            true
        ));
    }

    #[test]
    fn what_a_relay_remembers_is_asked_of_a_new_one() {
        let follows = |rest: &str| {
            may_follow(&scenario(
                "a/b",
                &format!("platforms: [meta]\nsteps: [{{ order: {{ id: A }} }}]\n{rest}"),
            ))
        };
        assert!(follows(""));
        assert!(!follows("expect: [{ health: unhealthy }]\n"));
        let withdrawn = "steps: [{ order: { id: A } }, { consent: denied }]\n";
        assert!(!may_follow(&scenario("a/b", &format!("platforms: [meta]\n{withdrawn}"))));
        let given = |name: &str| {
            format!("given: [{{ platform: {{ name: {name}, answers: unavailable, times: 1 }} }}]\n")
        };
        assert!(follows(&given("tiktok")));
        assert!(!follows(&given("google_oauth")), "it may have a token already");
    }

    /// A relay that leaves as soon as there is a file of this name.
    const SHELL: &str = "
name: shell
shops: single
platforms: [meta]
start:
  command: [sh, -c, 'echo listening on http://{{ listen }}; until [ -e {{ settings.leave }} ]; do sleep 0.01; done; echo tired >&2']
  ready: { line: 'listening on (http://[^ ]+)' }
send:
  formats: [shopify]
  webhooks: { shopify: { path: /hooks } }
  joins: [cart]
";

    #[tokio::test]
    async fn one_that_left_by_itself_is_not_handed_out_and_said() {
        let options = GatewayOptions {
            started: Instant::now(),
            platforms: PLATFORMS,
            listen: ([127, 0, 0, 1], 0).into(),
        };
        let gateway = Gateway::start(options).await.unwrap();
        let profile = profile::parse(SHELL).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let spares = Spares::default();
        for after in ["first/meta", "second/meta"] {
            let shops = vec![samples::shop(0, "one")];
            let leave = folder.path().join(after.replace('/', "_"));
            let settings = BTreeMap::from([("leave".to_owned(), json!(leave))]);
            let relay = Relay::start(&profile, &shops, gateway.door(), &settings).await.unwrap();
            spares.put(Spare { relay, shops, after: after.to_owned(), cases: 1 });
        }
        let second = spares.take().await;
        let history = second.history().unwrap_or_default();
        assert!(history.contains("another case before, second/meta last"), "{history}");
        std::fs::write(folder.path().join("second_meta"), "").unwrap();
        tokio::time::timeout(Duration::from_secs(5), second.relay.gone()).await.unwrap();
        spares.put(second);
        let first = spares.take().await;
        assert_eq!(first.after, "first/meta", "the other one lives");
        assert!(spares.take().now_or_never().is_none(), "nobody else is there");
        let (idle, found) = spares.end();
        assert!(idle.is_empty());
        assert_eq!(found[0].message, "the relay's process left by itself after second/meta");
        assert!(found[0].actual.as_deref().unwrap().contains("tired"), "{found:?}");
    }
}
