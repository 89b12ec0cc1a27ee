//! One case: a turn, a relay and shops for it, its steps, the wait, the verdict.

use std::{sync::Arc, time::Instant};

use tokio::sync::SemaphorePermit;

use super::{
    Options, Run,
    busy::Playing,
    millis,
    relay::started,
    spares::{self, Spare},
    turns::Line,
    wait::{Terms, read_back, until_decided},
};
use crate::{
    driver::Driver,
    gateway::CaseHandle,
    history::{Action, Did, History, Waited},
    judge,
    plan::{Case, Shop, cases},
    platforms,
    snapshot::{self, Compared},
    sut::{
        process::{Relay, StartError},
        profile::{Policies, Shops},
    },
    truth,
    verdict::{CaseVerdict, Status},
};

/// What came of a case.
pub(super) struct Played {
    pub(super) verdict: CaseVerdict,
    /// The snapshot that changed, if one did.
    pub(super) changed: Option<String>,
    /// All orders were decided and the control order was taken.
    settled: bool,
}

impl Run {
    /// The case that is next in this line. `None`: it cannot be played any more.
    pub(super) async fn next_case(&self, line: Line) -> Option<Played> {
        let _turn = self.turns.turn(line).await?;
        self.in_turn(self.turns.next(line)?).await
    }

    /// A case that was not planned at first. `None`: as above.
    pub(super) async fn case(&self, case: Case) -> Option<Played> {
        let _turn = self.turns.turn(self.options.line_of(&case)).await?;
        self.in_turn(case).await
    }

    async fn in_turn(&self, case: Case) -> Option<Played> {
        let case = Arc::new(case);
        if self.vitals.gone().is_some() {
            return None;
        }
        if case.private_relay {
            let _room = self.room().await;
            return Some(self.with_private_relay(case).await);
        }
        if self.options.has_spares_for(&case) {
            return Some(self.with_spare_relay(case).await);
        }
        let relay = self.shared.as_ref()?;
        let lease = self.pool.take(case.shops_needed(), case.alone).await?;
        let shops: Vec<Shop> =
            lease.shops().iter().filter_map(|i| self.shops.get(*i)).cloned().collect();
        let handle = match self.gateway.open(Arc::clone(&case), &shops, None) {
            Ok(handle) => handle,
            Err(why) => return Some(fault(&case, why)),
        };
        Some(self.play(&case, &shops, relay, handle).await)
    }

    /// Where nearly every case needs a process, dozens of them would leave each other, and us, no time to answer in time.
    async fn room(&self) -> Option<SemaphorePermit<'_>> {
        if !self.pool.is_short() {
            return None;
        }
        tokio::select! {
            biased;
            one_of_few = self.private_at_least.acquire() => one_of_few.ok(),
            () = self.strain.room() => None,
        }
    }

    /// In a process that no other case uses, by a door of its own.
    async fn with_private_relay(&self, case: Arc<Case>) -> Played {
        let shops = self.shops_of_its_own(&case);
        let door = match self.gateway.open_door().await {
            Ok(door) => door,
            Err(e) => return fault(&case, e.to_string()),
        };
        let mut settings = self.options.settings.clone();
        settings.extend(case.scenario.settings.clone());
        let given = &case.scenario.given;
        let relay = match started(&self.options.profile, &shops, &door, &settings, given).await {
            Ok(relay) => relay,
            Err(e) => return not_started(&case, &e),
        };
        let handle = match self.gateway.open(Arc::clone(&case), &shops, Some(&door)) {
            Ok(handle) => handle,
            Err(why) => return fault(&case, why),
        };
        let played = self.play(&case, &shops, &relay, handle).await;
        relay.shut_down().await;
        played
    }

    /// In a process that other cases may have used before, one after the other.
    async fn with_spare_relay(&self, case: Arc<Case>) -> Played {
        let used = async {
            if self.new_processes.contains(&case.id)
                || case.id >= self.planned
                || !spares::may_follow(&case.scenario)
            {
                std::future::pending::<()>().await;
            }
            self.spares.take().await
        };
        // Held until the case is over.
        let (used, _room) = tokio::select! {
            biased;
            spare = used => (Some(spare), None),
            room = self.room() => (None, room),
        };
        let spare = match used {
            Some(spare) => spare,
            None => {
                let shops = self.shops_of_its_own(&case);
                let Options { profile, settings, .. } = &self.options;
                match started(profile, &shops, self.gateway.door(), settings, &[]).await {
                    Ok(relay) => Spare { relay, shops, after: String::new(), cases: 0 },
                    Err(e) => return not_started(&case, &e),
                }
            }
        };
        let handle = match self.gateway.open(Arc::clone(&case), &spare.shops, None) {
            Ok(handle) => handle,
            Err(why) => return fault(&case, why),
        };
        let mut played = self.play(&case, &spare.shops, &spare.relay, handle).await;
        if played.verdict.status != Status::Pass {
            played.verdict.remarks.extend(spare.history());
        }
        if spares::leaves_nothing(&case.scenario, &played.verdict, played.settled) {
            let cases = spare.cases + 1;
            self.spares.put(Spare { after: case.name.clone(), cases, ..spare });
        } else {
            self.unanswered.note(&spare.relay.services().calls());
            spare.relay.shut_down().await;
        }
        played
    }

    /// Shops that no other case of the run has.
    fn shops_of_its_own(&self, case: &Case) -> Vec<Shop> {
        let first = match self.options.profile.shops {
            Shops::AsNeeded | Shops::Single => self.shops.len() + case.id * 2,
            Shops::Fixed(_) => 0,
        };
        let shops =
            cases::shops(self.options.seed, first, case.shops_needed(), &self.options.profile);
        self.gateway.add_shops(&shops);
        shops
    }

    pub(super) async fn play(
        &self,
        case: &Arc<Case>,
        shops: &[Shop],
        relay: &Relay,
        handle: CaseHandle,
    ) -> Played {
        let Some(platform) = platforms::by_id(case.platform) else {
            return fault(case, format!("no platform {}", case.platform));
        };
        let (began, playing) = (Instant::now(), Playing::begins(&self.strain, relay));
        let mut driver =
            Driver::new(relay, &self.options.profile, case, shops, &handle, self.started)
                .waiting_at_most(self.options.timeout);
        let mut actions = driver.play().await;
        actions.extend(driver.control_order().await);
        let answered = self.note_answers(relay, &actions);
        let controls = driver.controls();
        let profile = &self.options.profile;
        let truth = truth::truth(case, platform, profile, &actions);
        let busy = playing.too_busy(&actions, profile.policies.slow_answer());
        let busy = busy.filter(|_| relay.exited().is_none());
        let terms = Terms { profile, timeout: self.options.timeout, strain: &self.strain };
        let waited = if answered {
            until_decided(terms, case, platform, &handle, &actions, &truth, controls).await
        } else {
            // Nothing can come of calls of which none was answered.
            let missing = vec!["an answer of the relay to any call".to_owned()];
            Waited { missing, ..Waited::default() }
        };
        // Who has left needs no time.
        let left = relay.exited();
        let unproven = waited.unproven.or_else(|| away_too_long(&actions, &profile.policies));
        let unproven = unproven.filter(|_| left.is_none());
        let waited = Waited { busy, unproven, ..waited };
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
        self.afterwards.judged(case, &truth, &history.exchanges);
        if let Some(how) = left {
            left_by_itself(case, how, &mut verdict);
        }
        verdict.took_ms = millis(began.elapsed());
        verdict.declared_ms = millis(history.waited.declared.max(policies.quiet.unsigned()));
        // Played again it has other values than those that snapshots were made with.
        let changed = (case.id < self.planned)
            .then(|| self.snapshot(case, shops, &history, &truth, &mut verdict))
            .flatten();
        let settled = history.waited.decided && history.waited.sentinel;
        Played { verdict, changed, settled }
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

/// A relay that was away for most of the time for which it tries again may have given up before it could.
fn away_too_long(actions: &[Action], policies: &Policies) -> Option<String> {
    let told = actions.iter().find_map(|action| match &action.what {
        Did::Webhook { call, .. } => Some(action.at.saturating_sub(call.took)),
        _ => None,
    })?;
    let horizon = policies.retry_horizon.unsigned();
    actions.iter().find_map(|action| match &action.what {
        Did::StillAway { why } => Some(why.clone()),
        Did::Restarted { .. } if action.at.saturating_sub(told) > horizon / 2 => Some(format!(
            "the relay was back {:.1} s after its first order, and tries again for {:.1} s",
            action.at.saturating_sub(told).as_secs_f64(),
            horizon.as_secs_f64()
        )),
        _ => None,
    })
}

/// Nobody asked it to leave. A process that only this case has is nobody else's finding.
fn left_by_itself(case: &Case, how: String, verdict: &mut CaseVerdict) {
    if case.private_relay && verdict.status != Status::HarnessFault {
        verdict.findings.insert(0, spares::left(format!("while {} was played", case.name), how));
        verdict.status = Status::Fail;
    } else if verdict.status != Status::Pass {
        verdict.remarks.insert(0, format!("the relay's process left by itself: {how}"));
    }
}

/// Nothing is known of a relay that does not run.
fn not_started(case: &Case, error: &StartError) -> Played {
    let slow = matches!(error, StartError::NotReady { .. });
    let hint = if slow {
        "\nhint: give it more time (`start.within`) or fewer cases at once (--jobs)"
    } else {
        ""
    };
    let mut played = fault(case, format!("its own relay did not start: {error}{hint}"));
    played.verdict.status = Status::Inconclusive;
    played
}

fn fault(case: &Case, why: String) -> Played {
    let verdict = CaseVerdict {
        case: case.name.clone(),
        title: case.scenario.title.clone(),
        platform: case.platform.to_owned(),
        covers: case.scenario.covers.clone(),
        status: Status::HarnessFault,
        cells: Vec::new(),
        findings: Vec::new(),
        passed: Vec::new(),
        notes: vec![why],
        remarks: Vec::new(),
        took_ms: 0,
        declared_ms: 0,
        evidence: Vec::new(),
        known: Vec::new(),
    };
    Played { verdict, changed: None, settled: false }
}
