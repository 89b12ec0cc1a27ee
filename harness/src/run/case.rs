//! One case: a turn, a relay and shops for it, its steps, the wait, the verdict.

use std::{sync::Arc, time::Instant};

use tokio::sync::SemaphorePermit;

use super::{
    Run,
    busy::Playing,
    millis,
    relay::started,
    wait::{Terms, read_back, until_decided},
};
use crate::{
    driver::Driver,
    gateway::CaseHandle,
    history::{History, Waited},
    judge,
    plan::{Case, Shop, cases},
    platforms,
    snapshot::{self, Compared},
    sut::{process::Relay, profile::Shops},
    truth,
    verdict::{CaseVerdict, Status},
};

impl Run {
    pub(super) async fn case(&self, case: Arc<Case>) -> Option<(CaseVerdict, Option<String>)> {
        // A relay of its own costs a process; it takes nobody's place at the shared one.
        let turns = if case.private_relay { &self.private } else { &self.jobs };
        let _turn = turns.acquire().await.ok()?;
        let _room = self.room_for(&case).await;
        if self.vitals.gone().is_some() {
            return None;
        }
        if case.private_relay {
            return Some(self.with_private_relay(case).await);
        }
        let relay = self.shared.as_ref()?;
        let lease = self.pool.take(case.shops_needed(), case.alone).await?;
        let shops: Vec<Shop> =
            lease.shops().iter().filter_map(|i| self.shops.get(*i)).cloned().collect();
        let handle = match self.gateway.open(Arc::clone(&case), &shops, None) {
            Ok(handle) => handle,
            Err(why) => return Some((fault(&case, why), None)),
        };
        let (verdict, changed) = self.play(&case, &shops, relay, handle).await;
        Some((verdict, changed))
    }

    /// Where nearly every case needs a process, dozens of them would leave each other, and us, no time to answer in time.
    async fn room_for(&self, case: &Case) -> Option<SemaphorePermit<'_>> {
        if !case.private_relay || !self.pool.is_short() {
            return None;
        }
        tokio::select! {
            biased;
            one_of_few = self.private_at_least.acquire() => one_of_few.ok(),
            () = self.strain.room() => None,
        }
    }

    pub(super) async fn with_private_relay(
        &self,
        case: Arc<Case>,
    ) -> (CaseVerdict, Option<String>) {
        let first = match self.options.profile.shops {
            Shops::AsNeeded | Shops::Single => self.shops.len() + case.id * 2,
            Shops::Fixed(_) => 0,
        };
        let shops =
            cases::shops(self.options.seed, first, case.shops_needed(), &self.options.profile);
        self.gateway.add_shops(&shops);
        let door = match self.gateway.open_door().await {
            Ok(door) => door,
            Err(e) => return (fault(&case, e.to_string()), None),
        };
        let mut settings = self.options.settings.clone();
        settings.extend(case.scenario.settings.clone());
        let given = &case.scenario.given;
        let relay = match started(&self.options.profile, &shops, &door, &settings, given).await {
            Ok(relay) => relay,
            Err(e) => {
                let mut verdict = fault(&case, format!("its own relay did not start: {e}"));
                verdict.status = Status::Inconclusive;
                return (verdict, None);
            }
        };
        let handle = match self.gateway.open(Arc::clone(&case), &shops, Some(&door)) {
            Ok(handle) => handle,
            Err(why) => return (fault(&case, why), None),
        };
        let played = self.play(&case, &shops, &relay, handle).await;
        relay.shut_down().await;
        played
    }

    pub(super) async fn play(
        &self,
        case: &Arc<Case>,
        shops: &[Shop],
        relay: &Relay,
        handle: CaseHandle,
    ) -> (CaseVerdict, Option<String>) {
        let Some(platform) = platforms::by_id(case.platform) else {
            return (fault(case, format!("no platform {}", case.platform)), None);
        };
        let (began, playing) = (Instant::now(), Playing::begins(&self.strain, relay));
        let mut driver =
            Driver::new(relay, &self.options.profile, case, shops, &handle, self.started)
                .waiting_at_most(self.options.timeout);
        let mut actions = driver.play().await;
        actions.extend(driver.control_order().await);
        let answered = self.note_answers(&actions);
        let controls = driver.controls();
        let profile = &self.options.profile;
        let truth = truth::truth(case, platform, profile, &actions);
        let busy = playing.too_busy(&actions, profile.policies.slow_answer());
        let terms = Terms { profile, timeout: self.options.timeout, strain: &self.strain };
        let waited = if answered {
            until_decided(terms, case, platform, &handle, &actions, &truth, controls).await
        } else {
            // Nothing can come of calls of which none was answered.
            let missing = vec!["an answer of the relay to any call".to_owned()];
            Waited { missing, ..Waited::default() }
        };
        let waited = Waited { busy, ..waited };
        let mut readings = read_back(&mut driver, case, &handle).await;
        if case.private_relay {
            readings.services = relay.services().calls();
            self.unanswered.note(&readings.services);
        }
        drop(driver);
        let captured = handle.close();
        let history = History {
            actions,
            exchanges: captured.exchanges,
            not_kept: captured.not_kept,
            readings,
            waited,
        };
        if history.waited.busy.is_some() || playing.was_starved() {
            self.starved.note(&case.name);
        }
        let policies = &self.options.profile.policies;
        let entries = &captured.entries;
        let mut verdict = judge::judge(case, platform, shops, &history, entries, profile, &truth);
        self.afterwards.judged(case, &truth);
        verdict.took_ms = millis(began.elapsed());
        verdict.declared_ms = millis(history.waited.declared.max(policies.quiet.unsigned()));
        // Played again it has other values than those that snapshots were made with.
        let changed = (case.id < self.planned)
            .then(|| self.snapshot(case, shops, &history, &truth, &mut verdict))
            .flatten();
        (verdict, changed)
    }

    pub(super) fn snapshot(
        &self,
        case: &Case,
        shops: &[Shop],
        history: &History,
        truth: &crate::truth::Truth,
        verdict: &mut CaseVerdict,
    ) -> Option<String> {
        let dir = self.options.snapshots.as_ref()?;
        // A failing case says already what is wrong with its payload.
        if verdict.status != Status::Pass {
            return None;
        }
        let text = snapshot::render(case, shops, history, truth)?;
        match snapshot::compare(dir, case, &text, self.options.accept) {
            Ok(Compared::Changed(path)) => Some(path.display().to_string()),
            Ok(_) => None,
            Err(e) => {
                verdict.status = Status::HarnessFault;
                verdict.notes.push(format!("snapshot cannot be compared: {e}"));
                None
            }
        }
    }
}

fn fault(case: &Case, why: String) -> CaseVerdict {
    CaseVerdict {
        case: case.name.clone(),
        title: case.scenario.title.clone(),
        platform: case.platform.to_owned(),
        covers: case.scenario.covers.clone(),
        status: Status::HarnessFault,
        cells: Vec::new(),
        findings: Vec::new(),
        passed: Vec::new(),
        notes: vec![why],
        took_ms: 0,
        declared_ms: 0,
        evidence: Vec::new(),
        known: Vec::new(),
    }
}
